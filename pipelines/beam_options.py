"""Beam's options: the local default, and refusal of arguments that nobody knows."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.errors import UsageError
from transforms.methods import unknown_name


def beam_options(arguments: Sequence[str], workers: int | None) -> PipelineOptions:
    """Return Beam's options for arguments that are not ours.

    Without ``--runner``, Beam's local FnApiRunner is used with one process a worker; plain
    DirectRunner would first try to download a binary.

    Args:
        arguments: as typed.
        workers: number of local worker processes; by default the number of cores.

    Raises:
        UsageError: an argument that Beam does not know, or ``workers`` with another runner.
    """
    local = not any(argument.split("=")[0] == "--runner" for argument in arguments)
    if workers and not local:
        raise UsageError("--workers counts local processes; with --runner use that runner's option")
    defaults = [
        "--runner=FnApiRunner",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers or os.cpu_count() or 1}",
    ]
    options = PipelineOptions([*(defaults if local else []), *arguments])
    parsers: list[argparse.ArgumentParser] = []
    options.get_all_options(add_extra_args_fn=parsers.append)
    known = {text for action in parsers[0]._actions for text in action.option_strings}
    _, unknown = parsers[0].parse_known_args(list(arguments))
    if unknown:
        raise UsageError(unknown_name("argument", unknown[0].split("=")[0], sorted(known)))
    return options
