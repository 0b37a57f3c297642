"""What several commands print, and where their files may go."""

from __future__ import annotations

import argparse
import codecs
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from sysnoise.manifests.secrets import without_secrets
from sysnoise.transforms.quantities import counted, size_text
from sysnoise.transforms.text import one_line
from sysnoise.transforms.text_table import wrapped

if TYPE_CHECKING:
    from sysnoise.manifests.manifest import Manifest
    from sysnoise.pipelines.scoring.compose import Table

NARROWEST = 40
"""Number of characters to which tables are fitted on a terminal that is even narrower."""


def warn(message: str) -> None:
    """Print a warning on standard error."""
    print(f"sysnoise: warning: {without_secrets(message)}", file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Print each on one line, whatever the names in it are."""
    for line in lines:
        print(one_line(line))


def print_finished(output: str, manifest: Manifest, to: TextIO | None = None) -> None:
    """Print the size of a finished set, all of its files, and warn of axes without noise.

    Args:
        output: the set, as the user gave it.
        manifest: manifest of the set.
        to: file that the size is printed to; standard output by default.
    """
    from sysnoise.pipelines.storage.root import open_output
    from sysnoise.pipelines.verification.sums import set_size

    size = set_size(open_output(output))
    counts, output = manifest["counts"], without_secrets(output)
    print(
        f"{output}: {counted(counts['samples'], 'sample')} x "
        f"{counted(counts['variants'], 'variant')} in {counted(counts['shards'], 'shard')}, "
        f"{counts['rejects']:,} rejected, {size_text(size.bytes)} in "
        f"{counted(size.files, 'file')}",
        file=to,
    )
    if counts["rejects"]:
        print(f"the reasons are in {output}/rejects.parquet", file=to)
    for axis, noise in manifest["noise"].items():
        if noise["images"] and noise["images"] == noise["identical_images"]:
            warn(
                f"the {axis} axis carries no noise: every image of its "
                f"{counted(noise['variants'], 'variant')} equals the baseline's"
            )


def terminal_width() -> int | None:
    """Return the number of characters of a line of the terminal; None where there is none."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST)


def table_width(arguments: argparse.Namespace) -> int | None:
    """Return the number of characters to which tables are fitted; None for whole tables."""
    return None if arguments.width == "whole" else terminal_width()


def print_entry(label: str, text: str) -> None:
    """Print an entry of a list, on a terminal on as many lines as it needs."""
    width = terminal_width()
    print(f"{label}{text}" if width is None else "\n".join(wrapped(label, text, width)))


def print_table(arguments: argparse.Namespace, table: Table) -> None:
    """Print a table, or write it to ``--output``."""
    from sysnoise.pipelines.scoring.formats import FORMATTERS
    from sysnoise.pipelines.storage.commit import write_path

    width = table_width(arguments)
    if arguments.output:
        write_path(arguments.output, FORMATTERS[arguments.format](table).encode())
    elif arguments.format == "terminal" and width is not None:
        _print_fitted(table, width)
    else:
        print(FORMATTERS[arguments.format](table), end="")
    if arguments.format == "csv":
        for row in table.rows:
            for note in row.notes:
                print(f"sysnoise: note: {row.model}: {note}", file=sys.stderr)


def _print_fitted(table: Table, width: int) -> None:
    """Print a table on a terminal, and a chart where the terminal has its characters."""
    from sysnoise.pipelines.scoring.chart import loss_chart
    from sysnoise.pipelines.scoring.formats import terminal

    print(terminal(table, width), end="")
    chart = loss_chart(table, width)
    if chart and codecs.lookup(sys.stdout.encoding).name == "utf-8":
        print("", *chart, sep="\n")


def refuse_outputs_inside(set_url: str, *outputs: str | None) -> None:
    """Refuse outputs that lie in the set itself.

    Raises:
        UsageError: one does.
    """
    from sysnoise.pipelines.storage.commit import refuse_inside

    for output in filter(None, outputs):
        refuse_inside(set_url, output)
