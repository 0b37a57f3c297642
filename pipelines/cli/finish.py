"""``sysnoise finish``: a set whose shards were made in parts."""

from __future__ import annotations

import argparse
from typing import Any

from sysnoise.pipelines.cli.arguments import add_command, add_max_rejects, add_set
from sysnoise.pipelines.cli.output import print_finished


def add_finish(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "finish", "finish a set whose shards were made in parts")
    parser.set_defaults(run=_finish)
    add_set(parser, name="output")
    add_max_rejects(parser)


def _finish(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.generation.finish import finish_set

    print_finished(arguments.output, finish_set(arguments.output, arguments.max_rejects))
