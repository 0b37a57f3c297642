"""Runs of the command over odd files, and what they gave."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.pipelines.cli.main import main
from sysnoise.transforms.grid import Grid
from tests.end_to_end.commands import command
from tests.end_to_end.reading import Members, decode_image, read_tars, samples_table, shards, tree
from tests.odd_files import objects
from tests.odd_files.images import DECODERS, MAX_PIXELS, ODD_FILES, Does, OddFile
from tests.transforms import plain

RESIZES = ("pillow-bilinear", "opencv-linear")
FILES = [odd for files in ODD_FILES.values() for odd in files]
KEPT = [odd for odd in FILES if odd.reason is None]
LABELS = {odd.key: label for label, odd in enumerate(FILES)}

UPRIGHT: Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
"""Stored pixels turned upright: on which sides row 0 and column 0 are seen (EXIF 2.3, tag 274)."""


def grid_text(decoders: tuple[str, ...], geometry: str) -> str:
    return (
        f"decoders: [{', '.join(decoders)}]\nresizes: [{', '.join(RESIZES)}]\ncolors: [rgb]\n"
        f"geometry: {geometry}\n"
    )


IMAGENET_GRID = grid_text(DECODERS, "shorter256-crop224")
COCO_GRID = grid_text(
    tuple(name for name in DECODERS if name != "opencv-exif"),
    f"{{rule: letterbox, size: {objects.LETTERBOX}}}",
)


@dataclass(frozen=True)
class Run:
    """A finished set and its tables.

    Attributes:
        output: its folder.
        grid: its grid.
        samples: rows of the samples tables, by key.
        rejects: rows of the rejects table, by key.
        tars: members of the tars, by variant.
        rows: rows of the Parquet shards, by variant and key.
        errors: what the command wrote to its standard error.
    """

    output: Path
    grid: Grid
    samples: dict[str, dict[str, Any]]
    rejects: dict[str, dict[str, Any]]
    tars: dict[str, Members]
    rows: dict[str, dict[str, dict[str, Any]]]
    errors: str

    def image(self, variant: str, key: str) -> NDArray[Any]:
        """The stored pixels of a sample."""
        return decode_image(self.tars[variant][key]["png"])


def run(dataset: str, folder: Path, grid: str, *arguments: str) -> None:
    """Generate a set of both formats in ``folder / "out" / "set"``; :func:`read_run` reads it."""
    output = folder / "out" / "set"
    (folder / "grid.yaml").write_text(grid, "utf-8")
    done = command(
        *("generate", dataset, *arguments),
        *(f"--output={output}", f"--grid={folder / 'grid.yaml'}"),
        *("--format=both", f"--max-pixels={MAX_PIXELS}", "--max-rejects=100%"),
    )
    assert done.code == 0, done.error
    (folder / "errors.txt").write_text(done.error, "utf-8")


def read_run(folder: Path, grid: str) -> Run:
    """Read what :func:`run` gave."""
    output = folder / "out" / "set"
    parsed = parse_grid(grid, "grid.yaml", "grid")
    ids = [variant.id for variant in parsed.variants]
    tables = {
        each: [row for file in shards(output, each, "parquet") for row in _rows(file)]
        for each in ids
    }
    return Run(
        output,
        parsed,
        {row["key"]: row for row in samples_table(output)},
        {row["key"]: row for row in _rows(output / "rejects.parquet")},
        {each: read_tars(output, each) for each in ids},
        {each: {row["key"]: row for row in rows} for each, rows in tables.items()},
        (folder / "errors.txt").read_text("utf-8"),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def write_coco(folder: Path, document: objects.Document) -> None:
    for odd in objects.ODD_IMAGES:
        path = folder / "images" / odd.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(odd.data)
    (folder / "instances_odd.json").write_text(json.dumps(document), "utf-8")


def straight_line(decoded: NDArray[Any], resize: str) -> NDArray[Any]:
    """The shorter side to 256, the center 224 x 224, as torchvision computes them."""
    height, width = decoded.shape[:2]
    size = (256, 256 * height // width) if width <= height else (256 * width // height, 256)
    resized = plain.RESIZES[resize](decoded, size)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    return resized[top : top + 224, left : left + 224]


def observed(odd: OddFile, done: Run) -> tuple[Does, ...]:
    """What the decoders did with a file, told from the finished set."""
    row = done.samples[odd.key]
    statuses = {
        None: Does.UNTRIED,
        "ok": Does.READS,
        "fallback": Does.FALLBACK,
        "failed": Does.FAILS,
    }
    does = {name: statuses[row["decoders"][name]] for name in DECODERS}
    if row["status"] == "rejected":
        return tuple(does.values())
    stored = {name: [row[f"{name}__{resize}__rgb"] for resize in RESIZES] for name in DECODERS}
    same = {name: Does.SAME if stored[name] == stored["pillow"] else Does.OWN for name in DECODERS}
    if same["opencv-exif"] is Does.OWN and row["geometry_exif"]["orientation"] != 1:
        upright = UPRIGHT[row["geometry_exif"]["orientation"]](plain.DECODERS["pillow"](odd.data))
        pixels = done.image("opencv-exif/pillow-bilinear/rgb", odd.key)
        if np.array_equal(pixels, straight_line(upright, "pillow-bilinear")):
            same["opencv-exif"] = Does.TURNED
    same["pillow"] = Does.BASELINE
    return tuple(same[name] if does[name] is Does.READS else does[name] for name in DECODERS)


def refusal(dataset: str, folder: Path, grid: str, arguments: list[str]) -> str:
    """The message with which a run is refused; checks that it left no file."""
    (folder / "grid.yaml").write_text(grid, "utf-8")
    before = tree(folder)
    error = io.StringIO()
    output = [f"--output={folder / 'out'}", f"--grid={folder / 'grid.yaml'}"]
    with contextlib.redirect_stderr(error):
        assert main(["generate", dataset, *output, *arguments]) == 1
    assert tree(folder) == before
    return error.getvalue()
