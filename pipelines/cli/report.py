"""``sysnoise report``: its arguments, and the page that it writes."""

from __future__ import annotations

import argparse
import importlib.util
from typing import Any

from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.cli.arguments import (
    add_command,
    add_optional_predictions,
    add_set,
    positive,
    variant_id,
)
from sysnoise.pipelines.cli.output import refuse_outputs_inside
from sysnoise.pipelines.errors import UsageError


def add_report(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "report", "show a finished set on one page that needs no network"
    )
    parser.set_defaults(run=_report)
    add_set(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the HTML file")
    parser.add_argument(
        "--samples",
        type=positive,
        default=16,
        metavar="N",
        help="number of samples in the gallery (default: %(default)s)",
    )
    parser.add_argument(
        "--variant",
        action="append",
        type=variant_id,
        default=[],
        metavar="ID",
        help="a variant in the gallery, at most 12; may be repeated (default: those that differ "
        "most)",
    )
    parser.add_argument(
        "--png-dir", metavar="DIR", help="also write the plots there, as PNG files (extra: report)"
    )
    predictions = parser.add_argument_group("predictions of models (docs/scoring.md)")
    add_optional_predictions(predictions)


def _report(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.report.compose import make_report, write_plots, write_report
    from sysnoise.pipelines.scoring.compose import named_predictions
    from sysnoise.pipelines.scoring.records import Counting, Coverage

    refuse_outputs_inside(arguments.set, arguments.output, arguments.png_dir)
    if arguments.png_dir:
        _require_plots()
    predictions = named_predictions(arguments.predictions, arguments.model)
    coverage, counting = Coverage(arguments.coverage), Counting(arguments.counting)
    if not predictions and (coverage, counting) != (Coverage.WHOLE, Counting.DISTINCT):
        raise UsageError("--partial and --all-methods need --predictions")
    report = make_report(
        arguments.set, arguments.variant, arguments.samples, predictions, coverage, counting
    )
    size = write_report(report, arguments.output)
    print(f"{without_secrets(arguments.output)}: {size / 1e6:.1f} MB")
    if arguments.png_dir:
        print(*write_plots(report, arguments.png_dir), sep="\n")


def _require_plots() -> None:
    """Refuse plots where their library, an extra, is not installed."""
    from sysnoise.transforms.methods import install_line

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"--png-dir needs matplotlib: {install_line('report')}")
