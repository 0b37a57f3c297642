"""Beam's runner and options: the local default, and refusal of arguments that nobody knows."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import create_runner

from pipelines.arguments import generate_options
from pipelines.errors import UsageError


def beam_runner(
    arguments: Sequence[str], workers: int | None
) -> tuple[FnApiRunner | None, PipelineOptions]:
    """Return Beam's runner and options for arguments that are not ours.

    Without ``--runner``, that is Beam's local FnApiRunner with a thread a worker, which waits for a
    process of ours; plain DirectRunner would first try to download a binary. With it, the options
    name the runner.

    Args:
        arguments: as typed.
        workers: number of local worker processes; by default the number of cores.

    Raises:
        UsageError: an argument that Beam does not know, or ``workers`` with another runner.
    """
    name = PipelineOptions(list(arguments)).view_as(StandardOptions).runner
    if name is not None:
        _load_runner(name)
    _refuse_unknown(arguments)
    if name is None:
        return FnApiRunner(), _local_options(arguments, workers)
    if workers:
        raise UsageError("--workers counts local processes; --runner has options of its own")
    options = PipelineOptions(list(arguments))
    if name.endswith("DaskRunner"):
        _set_up_dask(options)
    return None, options


def _local_options(arguments: Sequence[str], workers: int | None) -> PipelineOptions:
    if "--direct_running_mode" in {argument.split("=")[0] for argument in arguments}:
        raise UsageError("--direct_running_mode goes with --runner; local workers are processes")
    count = workers or os.cpu_count() or 1
    local = ["--direct_running_mode=multi_threading", f"--direct_num_workers={count}"]
    return PipelineOptions([*local, *arguments])


def _load_runner(name: str) -> None:
    """Import a runner, which makes its options known, or refuse it."""
    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={name}: Beam has no such runner here: {error}") from error


def _set_up_dask(options: PipelineOptions) -> None:
    """Make each shard a task of its own, where 128 would share one, and keep Dask quiet.

    It logs a traceback where its scheduler is gone, which the command says by itself.
    """
    from apache_beam.runners.dask.dask_runner import DaskOptions

    dask = options.view_as(DaskOptions)
    if not dask.npartitions and not dask.partition_size:
        dask.partition_size = 1
    for name in ("distributed", "distributed.client"):  # Each has a level of its own.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _refuse_unknown(arguments: Sequence[str]) -> None:
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    _, unknown = parsers[0].parse_known_args(list(arguments))
    if unknown:
        name = unknown[0].split("=")[0]
        beams = sorted(text for action in parsers[0]._actions for text in action.option_strings)
        close = _closest(name, generate_options()) or _closest(name, beams)
        hint = f"; did you mean {close}?" if close else ""
        raise UsageError(f"unknown argument {unknown[0]!r}, neither of sysnoise nor of Beam{hint}")


def _closest(name: str, options: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(name, options, n=1)), "")
