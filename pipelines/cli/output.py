"""What several commands print, and where their files may go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from sysnoise.manifests.secrets import without_secrets
from sysnoise.transforms.text import one_line

if TYPE_CHECKING:
    from sysnoise.manifests.manifest import Manifest
    from sysnoise.pipelines.scoring.compose import Table


def warn(message: str) -> None:
    """Print a warning on standard error."""
    print(f"sysnoise: warning: {without_secrets(message)}", file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Print each on one line, whatever the names in it are."""
    for line in lines:
        print(one_line(line))


def print_finished(output: str, manifest: Manifest, to: TextIO | None = None) -> None:
    """Print the size of a finished set, and warn of axes without noise.

    Args:
        output: the set, as the user gave it.
        manifest: manifest of the set.
        to: file that the size is printed to; standard output by default.
    """
    counts, output = manifest["counts"], without_secrets(output)
    print(
        f"{output}: {counts['samples']} samples x {counts['variants']} variants in "
        f"{counts['shards']} shards, {counts['rejects']} rejected, "
        f"{counts['bytes'] / 1e6:.1f} MB in {counts['files']} files",
        file=to,
    )
    if counts["rejects"]:
        print(f"the reasons are in {output}/rejects.parquet", file=to)
    for axis, noise in manifest["noise"].items():
        if noise["images"] and noise["images"] == noise["identical_images"]:
            warn(
                f"the {axis} axis carries no noise: every image of its {noise['variants']} "
                "variant(s) equals the baseline's"
            )


def print_table(arguments: argparse.Namespace, table: Table) -> None:
    """Print a table, or write it to ``--output``."""
    from sysnoise.pipelines.scoring.formats import FORMATTERS
    from sysnoise.pipelines.storage.commit import write_path

    text = FORMATTERS[arguments.format](table)
    if arguments.output:
        write_path(arguments.output, text.encode())
    else:
        print(text, end="")
    if arguments.format == "csv":
        for row in table.rows:
            for note in row.notes:
                print(f"sysnoise: note: {row.model}: {note}", file=sys.stderr)


def refuse_outputs_inside(set_url: str, *outputs: str | None) -> None:
    """Refuse outputs that lie in the set itself.

    Raises:
        UsageError: one does.
    """
    from sysnoise.pipelines.storage.commit import refuse_inside

    for output in filter(None, outputs):
        refuse_inside(set_url, output)
