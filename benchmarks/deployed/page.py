"""``docs/deployed.md`` from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.deployed.facts import OTHERS
from benchmarks.report import table

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "deployed.md"
FIGURES = DOCS / "deployed" / "figures.json"

INTRODUCTION = """\
# What the methods stand for

The methods have the names of their libraries. Other libraries contain the same code, or code that
does nearly the same. `make deployed` compares decoders and resizes of the field with all methods,
and writes this page; `sysnoise grids NAME` (for the methods of a grid) and the
[catalogue](catalogue.md) name what a method stands for.

**Figures** are the mean / maximum absolute difference of 8-bit values, of 255 levels, and the share
of changed pixels. "Equal" means that no value of any photograph differs. The nearest method is the
one with the smallest mean difference; it is said to stand for a call that differs from it by at
most 2 levels anywhere, or by .05 on average. Libraries that return floats were rounded as the
tables say.
"""

DECODERS = """\
## Decoders

Each photograph was decoded by Pillow, and encoded again by Pillow at quality 90, in three chroma
subsamplings. The last column is the difference from `pillow` on 4:2:0.
"""

RESIZES = """\
## Resizes

Each photograph was decoded by Pillow. It is *reduced* to a shorter side of 256 pixels, the longer
truncated; its central 200 x 150 pixels are *enlarged* to the same. The method is the nearest of the
reduced ones. The last column is the difference of the reduced ones from `pillow-bilinear`.
"""


STACKS = """\
## Stacks

What a [stack](stacks.md) gives for a file, against what the libraries give that it stands for,
called as their own projects call them. The photographs are as they are stored. The variant is the
stack's chain of decoder, resize, color and geometry. Images to which the libraries give another
size than the stack are counted, and are in no figure.
"""

EARLIER_FACTS = """\
## Other programs

These were measured before, not by `make deployed`: on 12 photographs, eleven of 512 x 512 pixels
and one of 1024 x 683, at quality 90, with Pillow 12.3; resizes from 500 x 375 to 341 x 256.
Distances are mean / maximum.
"""


def format_page(results: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    return "\n".join(_parts(results))


def _parts(results: Mapping[str, Any]) -> Iterator[str]:
    photographs, machine = results["photographs"], results["machine"]
    yield INTRODUCTION
    yield (
        f"**Photographs:** {photographs['count']} color JPEGs without rotation by EXIF and without "
        f"color profile: {photographs['subsamplings']}. "
        f"**Machine:** {machine['processor']}, Python {machine['python']}.\n"
    )
    builds = ", ".join(f"{name} {each['version']}" for name, each in results["builds"].items())
    yield f"**Versions of the methods:** {builds}.\n"
    yield DECODERS
    yield _table("decoder", results["decoder"], "4:2:0")
    yield RESIZES
    yield _table("resize", results["resize"], "reduced")
    yield STACKS
    for grid in ("imagenet-stacks", "coco-stacks"):
        yield f"### `{grid}`\n"
        yield _stack_table(results[grid])
    yield EARLIER_FACTS
    yield table(
        ["method", "other programs", "versions", "distance"],
        (
            [f"`{method}`", each.what, each.versions, each.distance]
            for methods in OTHERS.values()
            for method, found in methods.items()
            for each in found
        ),
    )


def _table(what: str, rows: Sequence[Mapping[str, Any]], baseline: str) -> str:
    kinds = list(rows[0]["distance"])
    header = [what, "versions", "nearest method", *kinds, "from the baseline's"]
    cells = (
        [
            _name(row),
            row["versions"],
            f"`{row['nearest']}`",
            *(distance_text(row["distance"][kind]) for kind in kinds),
            distance_text(row["baseline"][baseline]),
        ]
        for row in rows
    )
    return table(header, cells)


def _stack_table(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["stack", "variant", "calls", "versions", "distance", "equal images", "other sizes"]
    cells = (
        [
            f"`{row['stack']}`",
            f"`{row['variant']}`",
            _name(row),
            row["versions"],
            distance_text(row["distance"]),
            f"{row['equal_images']} of {row['images']}",
            row["other_sizes"],
        ]
        for row in rows
    )
    return table(header, cells)


def _name(row: Mapping[str, Any]) -> str:
    rounding = f", rounded {row['rounding']}" if row["rounding"] else ""
    return f"`{row['name']}`{rounding}"


def distance_text(found: Mapping[str, float]) -> str:
    """Return mean, maximum and share of changed pixels as text; "equal" where nothing differs."""
    if not found["maximum"]:
        return "equal"
    mean = f"{found['mean']:.3f}" if found["mean"] >= 0.0005 else "< .001"
    return f"{mean} / {found['maximum']:.0f} / {_percent(found['changed_share'])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
