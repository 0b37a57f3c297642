"""Running a pipeline."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from sysnoise.pipelines.beam.local_run import INTERRUPT_SECONDS, MayGoOn, local_run
from sysnoise.pipelines.beam.options import Engine
from sysnoise.pipelines.errors import ShardError
from sysnoise.pipelines.workers.failures import Failure

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
