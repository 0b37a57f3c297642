"""The shipped grids are those of the documentation, and loading says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise import grid_names, load_grid
from sysnoise.manifests.plan import grid_size
from sysnoise.transforms import grid_problems
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.geometry import PRESETS
from sysnoise.transforms.resizers import RESIZES

SHIPPED = {
    "coco-300-squash": (4, 11, 2, "squash300", 15),
    "coco-416": (4, 11, 2, "letterbox416", 15),
    "coco-640-letterbox": (4, 11, 2, "letterbox640", 15),
    "coco-distinct-full": (3, 11, 2, "coco-800x1333", 66),
    "coco-distinct-one-factor": (4, 11, 2, "coco-800x1333", 15),
    "coco-full": (6, 11, 2, "coco-800x1333", 132),
    "coco-one-factor": (6, 11, 2, "coco-800x1333", 17),
    "coco-published": (1, 2, 1, "coco-800x1333", 2),
    "coco-resize": (1, 17, 1, "coco-800x1333", 17),
    "coco-source-geometry": (1, 1, 1, "coco-800x1333", 6),
    "coco-stacks": (9, 9, 1, "coco-800x1333", 18),
    "imagenet-decode": (9, 1, 1, "shorter256-crop224", 9),
    "imagenet-full": (6, 11, 2, "shorter256-crop224", 132),
    "imagenet-one-factor": (6, 11, 2, "shorter256-crop224", 17),
    "imagenet-original": (3, 11, 1, "squash256-crop224", 33),
    "imagenet-resize": (1, 17, 1, "shorter256-crop224", 17),
    "imagenet-source-geometry": (1, 1, 1, "shorter256-crop224", 13),
    "imagenet-stacks": (9, 14, 1, "shorter256-crop224", 31),
    "imagenet-train": (6, 11, 2, "random-resized-crop224", 17),
    "imagenet-wide": (19, 34, 7, "shorter256-crop224", 58),
}
PAPER = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


def test_names() -> None:
    assert grid_names() == sorted(SHIPPED)


@pytest.fixture
def all_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every library pass for installed; loading a grid uses none."""
    monkeypatch.setattr(grid_problems, "is_available", lambda method: True)


@pytest.mark.usefixtures("all_extras")
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_grid(name: str) -> None:
    decoders, resizes, colors, geometry, variants = SHIPPED[name]
    grid = load_grid(name)
    assert grid.name == name
    assert (len(grid.decoders), len(grid.resizes), len(grid.colors)) == (decoders, resizes, colors)
    assert grid.geometry == PRESETS[geometry]
    assert len(set(grid.variants)) == len(grid.variants) == variants
    assert grid_size(grid.document()) == variants
    resize = "ort-linear" if name == "coco-stacks" else "pillow-bilinear"
    assert grid.baseline.id == grid.variants[0].id == f"pillow/{resize}/rgb"
    if resizes == 11:
        opencv = ("nearest", "linear", "area", "cubic", "lanczos4")
        paper = {f"pillow-{filter_}" for filter_ in PAPER} | {f"opencv-{flag}" for flag in opencv}
        assert set(grid.resizes) == paper


@pytest.mark.usefixtures("all_extras")
def test_imagenet_wide_has_all_methods() -> None:
    grid = load_grid("imagenet-wide")
    assert set(grid.decoders) == DECODERS.keys() - {"opencv-exif"}
    assert set(grid.resizes) == RESIZES.keys() - {"none"}
    assert set(grid.colors) == COLORS.keys()


def test_grids_of_one_axis_have_every_method_without_an_extra() -> None:
    resizes = {name for name, method in RESIZES.items() if method.extra is None} - {"none"}
    decoders = {name for name, method in DECODERS.items() if method.extra is None}
    assert set(load_grid("imagenet-resize").resizes) == resizes
    assert set(load_grid("coco-resize").resizes) == resizes
    assert set(load_grid("imagenet-decode").decoders) == decoders - {"opencv-exif"}


def test_file_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "decoders: [pil]\nresizes: [pil-cubic, pil-bilinear]\ncolors: [rgb]\n"
        "geometry: {rule: letterbox, size: 416}\n"
    )
    grid = load_grid(str(file))
    assert grid.name == "mine"
    assert [variant.id for variant in grid.variants] == [
        "pillow/pillow-bicubic/rgb",
        "pillow/pillow-bilinear/rgb",
    ]


def test_unknown_name_lists_the_grids() -> None:
    with pytest.raises(GridError, match=r"did you mean 'imagenet-full'.*imagenet-original"):
        load_grid("imagenet-ful")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"reading the grid file '.*missing\.yaml'"):
        load_grid(str(tmp_path / "missing.yaml"))
