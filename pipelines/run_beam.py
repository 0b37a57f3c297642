"""Running a pipeline on Beam's local runner, or on the engine that the options name."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipelines.errors import ShardError, listed
from pipelines.local_run import local_run
from pipelines.progress import Work
from pipelines.shard_job import Failure

INTERRUPT_SECONDS = 0.2
"""The longest time in which the command does not notice that it is interrupted."""

Build = Callable[[beam.Pipeline], object]
"""Adds the steps of a pipeline."""


def run_locally(
    build: Build, elements: int, runner: FnApiRunner, options: PipelineOptions
) -> list[Failure]:
    """Run a pipeline on Beam's local runner, wait for the end, and return the failures.

    Args:
        build: adds its steps.
        elements: number of elements that it starts from.
        runner: Beam's local one.
        options: Beam's; those of further runs, so that they stay as they are.
    """
    options = copy.deepcopy(options)
    direct = options.view_as(DirectOptions)  # A worker without an element would start and stop.
    direct.direct_num_workers = min(direct.direct_num_workers, elements)
    # Beam works in a thread: an interrupt within its work would put its threads at odds.
    with local_run() as run, concurrent.futures.ThreadPoolExecutor(1) as beam_thread:
        done = beam_thread.submit(_run, build, runner, options)
        while not concurrent.futures.wait([done], INTERRUPT_SECONDS).done:
            pass
    done.result()
    return run.failures


def run_on_engine(build: Build, options: PipelineOptions, go_on: str) -> None:
    """Run a pipeline on the engine that the options name, and wait for the end.

    Args:
        build: adds its steps.
        options: Beam's.
        go_on: what a user can do after a failure.

    Raises:
        ShardError: the engine failed.
    """
    try:
        _run(build, None, options)
    except Exception as error:  # Every engine has errors of its own.
        first_line = str(error).strip().partition("\n")[0]
        raise ShardError(
            f"--runner={options.view_as(StandardOptions).runner} failed: {type(error).__name__}: "
            f"{first_line}; {go_on}"
        ) from error


def _run(build: Build, runner: FnApiRunner | None, options: PipelineOptions) -> None:
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        build(pipeline)


def refuse_unfinished(failures: Sequence[Failure], work: Work, go_on: str) -> None:
    """Refuse to go on where a run has not done all; what failed and was done elsewhere is done.

    Args:
        failures: that are known.
        work: of the run.
        go_on: what a user can do where the runner did not say why.

    Raises:
        ShardError: something is not done.
    """
    done, total = len(work.done()), len(work.images)
    if done == total:
        return
    if not failures:
        raise ShardError(
            f"the runner ended with {done} of {total} {work.noun}s done, and did not say why; "
            f"{go_on}"
        )
    messages = list(dict.fromkeys(failure.message for failure in failures))
    was_stopped = any(failure.kind.stops_run for failure in failures)
    if was_stopped and done + len(failures) < total:
        text = f"stopped with {done} of {total} {work.noun}s done"
    else:  # One failure may be that of several files.
        text = f"{total - done} of {total} {work.noun}s failed"
    raise ShardError(f"{text}:\n{listed(messages)}")
