"""Beam's runner and options: the local default, and refusal of arguments that nobody knows."""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import sys
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import create_runner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipelines.errors import UsageError

_KEEP_FREED_MEMORY = ("MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=268435456")
"""Keeps glibc from giving each array back to the system, which takes 3 % of a worker's time.

Source: mallopt(3); other C libraries do not know these variables.
"""


def beam_runner(
    arguments: Sequence[str], workers: int | None
) -> tuple[FnApiRunner | None, PipelineOptions]:
    """Return Beam's runner and options for arguments that are not ours.

    Without ``--runner``, that is Beam's local FnApiRunner with one process a worker; plain
    DirectRunner would first try to download a binary. With it, the options name the runner.

    Args:
        arguments: as typed.
        workers: number of local worker processes; by default the number of cores.

    Raises:
        UsageError: an argument that Beam does not know, or ``workers`` with another runner.
    """
    _refuse_unknown(arguments)
    options = PipelineOptions(list(arguments))
    name = options.view_as(StandardOptions).runner
    if name is not None:
        if workers:
            raise UsageError("--workers counts local processes; --runner has options of its own")
        _refuse_unknown_runner(name)
        return None, options
    count = workers or os.cpu_count() or 1
    options = PipelineOptions([f"--direct_num_workers={count}", *arguments])
    # -P keeps a folder of the user's that is called "pipelines" out of the import path.
    worker = [sys.executable, "-P", "-m", "pipelines.worker"]
    command = shlex.join(["env", *_KEEP_FREED_MEMORY, *worker])
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(command)), options


def _refuse_unknown_runner(name: str) -> None:
    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={name}: Beam has no such runner here: {error}") from error


def _refuse_unknown(arguments: Sequence[str]) -> None:
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    _, unknown = parsers[0].parse_known_args(list(arguments))
    if unknown:
        known = sorted(text for action in parsers[0]._actions for text in action.option_strings)
        close = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"unknown argument {unknown[0]!r}, ours or Beam's{hint}")
