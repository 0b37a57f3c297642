"""``sysnoise score``: its arguments, and the paper's tables."""

from __future__ import annotations

import argparse
from typing import Any

from sysnoise.pipelines.cli.arguments import (
    add_command,
    add_required_predictions,
    add_set,
    add_table_output,
    add_trained,
)
from sysnoise.pipelines.cli.output import print_table, refuse_outputs_inside


def add_score(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "score", "score a model's predictions: the paper's tables")
    parser.set_defaults(run=_score)
    parser.epilog = "The format of predictions, and what the figures mean: docs/scoring.md."
    add_set(parser)
    add_required_predictions(parser)
    add_trained(parser)
    add_table_output(parser)


def _score(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.scoring.compose import named_predictions, score
    from sysnoise.pipelines.scoring.records import Counting, Coverage

    refuse_outputs_inside(arguments.set, arguments.output)
    predictions = named_predictions(arguments.predictions, arguments.model)
    coverage, counting = Coverage(arguments.coverage), Counting(arguments.counting)
    table = score(arguments.set, predictions, coverage, counting, arguments.trained)
    print_table(arguments, table)
