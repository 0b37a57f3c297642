"""Beam's runner and options: the local default, and the refusal of unknown arguments."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import create_runner

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.workers.cores import available_cores
from sysnoise.transforms.methods import closest_name


@dataclass(frozen=True)
class Engine:
    """What runs a pipeline.

    Attributes:
        local_runner: Beam's runner in this process; None where ``options`` name another runner.
        options: Beam's options.
    """

    local_runner: FnApiRunner | None
    options: PipelineOptions

    @property
    def local_workers(self) -> int | None:
        """Number of local workers; None with another runner."""
        if self.local_runner is None:
            return None
        workers: int = self.options.view_as(DirectOptions).direct_num_workers
        return workers


def beam_engine(
    arguments: Sequence[str], workers: int | None, own_options: Sequence[str] = ()
) -> Engine:
    """Return what runs a pipeline, from the arguments that the command itself does not know.

    Without ``--runner``, this is Beam's local FnApiRunner with one thread per worker process, which
    the thread waits for; plain DirectRunner would first try to download a binary. Otherwise, the
    options name the runner.

    Args:
        arguments: the arguments as typed.
        workers: number of local workers; by default one for each core that it may use.
        own_options: the options of the command, which a message may suggest.

    Raises:
        UsageError: Beam does not know an argument, or ``workers`` is given with another runner.
    """
    name = PipelineOptions(list(arguments)).view_as(StandardOptions).runner
    if name is not None:
        _load_runner(name)
    _refuse_unknown(arguments, own_options)
    if name is None:
        return Engine(FnApiRunner(), _local_options(arguments, workers))
    if workers:
        raise UsageError("--workers counts local processes; --runner has options of its own")
    options = PipelineOptions(list(arguments))
    if name.endswith("DaskRunner"):
        _set_up_dask(options)
    return Engine(None, options)


def _local_options(arguments: Sequence[str], workers: int | None) -> PipelineOptions:
    if "--direct_running_mode" in {argument.split("=")[0] for argument in arguments}:
        raise UsageError("--direct_running_mode goes with --runner; local workers are processes")
    count = workers or available_cores()
    local = ["--direct_running_mode=multi_threading", f"--direct_num_workers={count}"]
    return PipelineOptions([*local, *arguments])


def _load_runner(name: str) -> None:
    """Import a runner, which registers its options, or refuse it."""
    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={name}: Beam has no such runner here: {error}") from error


def _set_up_dask(options: PipelineOptions) -> None:
    """Make each shard a task of its own, where 128 would share one, and keep Dask quiet.

    Dask logs a traceback if its scheduler is gone, which the command reports itself.
    """
    from apache_beam.runners.dask.dask_runner import DaskOptions

    dask = options.view_as(DaskOptions)
    if not dask.npartitions and not dask.partition_size:
        dask.partition_size = 1
    for name in ("distributed", "distributed.client"):  # Each has a level of its own.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _refuse_unknown(arguments: Sequence[str], own_options: Sequence[str]) -> None:
    _, unknown = _beam_parser().parse_known_args(list(arguments))
    if unknown:
        raise UsageError(unknown_to_both(unknown[0], own_options))


def beam_options() -> list[str]:
    """Return the names of the options that Beam has, without those of runners not yet loaded."""
    return sorted(text for action in _beam_parser()._actions for text in action.option_strings)


def unknown_to_both(argument: str, own_options: Sequence[str]) -> str:
    """Return the message on an argument that neither a command nor Beam has.

    Args:
        argument: the argument as typed.
        own_options: the options of the command, which are suggested before Beam's.
    """
    name = argument.partition("=")[0]
    close = closest_name(name, own_options) or closest_name(name, beam_options())
    hint = f" (did you mean {close}?)" if close else ""
    return f"unknown argument {argument!r}, neither of sysnoise nor of Beam{hint}"


def _beam_parser() -> argparse.ArgumentParser:
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    return parsers[0]
