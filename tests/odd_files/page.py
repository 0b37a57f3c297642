"""The page ``docs/odd-files.md``: its prose is written by hand, its tables by the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pycocotools import mask as coco_mask

from tests.odd_files import objects
from tests.odd_files.images import OddFile
from tests.odd_files.runs import Run, observed

BOX_FIELDS = ("bbox", "area", "iscrowd")
PAGE = Path(__file__).parents[2] / "docs" / "odd-files.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """The page with each table between the two comments that name it."""
    for name, text in tables.items():
        before, begin, rest = page.partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert begin, f"{PAGE} has no table {name!r}"
        page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


def file_row(odd: OddFile, done: Run) -> list[str]:
    row = done.samples[odd.key]
    if row["status"] == "rejected":
        becomes = f"rejected, `{done.rejects[odd.key]['reason']}`"
    else:
        becomes = "kept" if odd.key == Path(odd.name).stem else f"kept, key `{row['key']}`"
    return [odd.what, *(does.value for does in observed(odd, done)), becomes]


def image_row(odd: objects.OddImage, *runs: Run) -> list[str]:
    return [odd.what, *(_became(Path(odd.name).stem, done) for done in runs)]


def _became(key: str, done: Run) -> str:
    row = done.samples[key]
    if row["status"] == "rejected":
        return f"rejected, `{done.rejects[key]['reason']}`"
    fallbacks = [name for name, status in row["decoders"].items() if status == "fallback"]
    return f"kept; fallback for {', '.join(fallbacks)}" if fallbacks else "kept"


def annotation_row(what: str, done: Run) -> list[str]:
    number = list(objects.ANNOTATIONS).index(what)
    stored = done.rows[done.grid.baseline.id]["objects"]["annotations"][number]
    given = objects.ANNOTATIONS[what].get("bbox")
    cells = [shown(value) for value in (given, *(stored[name] for name in BOX_FIELDS))]
    if stored["segmentation"] is None:
        return [what, *cells, "null"]
    mask = {"size": [objects.LETTERBOX] * 2, "counts": stored["segmentation"]}
    return [what, *cells, f"{coco_mask.area(mask)} pixels"]


def shown(value: object) -> str:
    return "null" if value is None else str(value)
