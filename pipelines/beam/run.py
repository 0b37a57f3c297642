"""Running a pipeline, and reporting its failures."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from sysnoise.pipelines.beam.local_run import MayGoOn, local_run
from sysnoise.pipelines.beam.options import Engine
from sysnoise.pipelines.beam.progress import Work
from sysnoise.pipelines.errors import ShardError, lines_of
from sysnoise.pipelines.workers.job import Failure, FailureKind

INTERRUPT_SECONDS = 0.2
"""The longest time, in seconds, until the command notices that it is interrupted."""

Build = Callable[[beam.Pipeline], object]
"""Adds the steps of a pipeline."""


def run_pipeline(
    engine: Engine,
    build: Build,
    elements: int,
    resume_hint: str,
    may_go_on: MayGoOn = lambda shard: True,
) -> list[Failure]:
    """Run a pipeline, wait for its end, and return the failures of the local runner.

    Args:
        engine: what runs it.
        build: adds its steps.
        elements: number of elements that it starts from.
        resume_hint: what a user can do after a failure.
        may_go_on: whether the local runner goes on after a shard.

    Raises:
        ShardError: a runner that the user chose failed.
    """
    if engine.local_runner is None:
        _run_elsewhere(build, engine.options, resume_hint)
        return []
    options = copy.deepcopy(engine.options)  # Further runs need the options as they are.
    direct = options.view_as(DirectOptions)  # A worker without an element would start and stop.
    direct.direct_num_workers = min(direct.direct_num_workers, elements)
    # Beam works in a thread: an interrupt would leave its own threads in an inconsistent state.
    with local_run(may_go_on) as run, concurrent.futures.ThreadPoolExecutor(1) as beam_thread:
        done = beam_thread.submit(_run, build, engine.local_runner, options)
        while not concurrent.futures.wait([done], INTERRUPT_SECONDS).done:
            pass
    done.result()
    return run.failures


def _run_elsewhere(build: Build, options: PipelineOptions, resume_hint: str) -> None:
    """Run a pipeline on the runner that the options name."""
    try:
        _run(build, None, options)
    except Exception as error:  # Every runner has errors of its own.
        first_line = str(error).strip().partition("\n")[0]
        raise ShardError(
            f"--runner={options.view_as(StandardOptions).runner} failed: {type(error).__name__}: "
            f"{first_line}; {resume_hint}"
        ) from error


def _run(build: Build, runner: FnApiRunner | None, options: PipelineOptions) -> None:
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        build(pipeline)


def refuse_unfinished(failures: Sequence[Failure], work: Work, resume_hint: str) -> None:
    """Refuse to continue if a run has not done everything; what failed but is there is done.

    Args:
        failures: the failures that are known.
        work: the files of the run.
        resume_hint: what a user can do if the runner reported no error.

    Raises:
        ShardError: something is not done.
    """
    done, total = len(work.done()), len(work.images)
    if done == total:
        return
    if not failures:
        raise ShardError(
            f"the runner ended with {done} of {total} {work.noun}s done, but reported no error; "
            f"{resume_hint}"
        )
    messages = list(
        dict.fromkeys(_message_with_advice(failure, resume_hint) for failure in failures)
    )
    was_stopped = any(failure.kind.stops_run for failure in failures)
    if was_stopped and done + len(failures) < total:
        text = f"stopped with {done} of {total} {work.noun}s done"
    else:  # One failure may be that of several files.
        text = f"{total - done} of {total} {work.noun}s failed"
    raise ShardError(f"{text}:\n{lines_of(messages)}")


def _message_with_advice(failure: Failure, resume_hint: str) -> str:
    """Return the message of a failure, with what a user can do about an output."""
    if failure.kind is FailureKind.OUTPUT:
        return f"{failure.message}; fix that and {resume_hint}"
    return failure.message
