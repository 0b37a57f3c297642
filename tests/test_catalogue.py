"""The catalogue has every method of the registries, as they are, and its picture."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.catalogue import (
    CROP,
    FIGURES,
    PAGE,
    PICTURES,
    VARIATIONS,
    description,
    format_page,
    measured,
    picture_names,
    pictures,
)
from sysnoise.transforms.libraries import is_importable, library_build
from sysnoise.transforms.methods import Method
from sysnoise.transforms.variants import METHODS


def test_page_is_what_registries_and_figures_say() -> None:
    assert PAGE.read_text("utf-8") == format_page(json.loads(FIGURES.read_text("utf-8"))), (
        "run 'make catalogue'"
    )


def test_page_names_every_method_and_shows_its_picture() -> None:
    shown = re.findall(
        r"^### `(.+)`\n\n!\[.+\]\(catalogue/(.+)\.png\)$", PAGE.read_text("utf-8"), re.M
    )
    assert [picture for _, picture in shown] == picture_names()
    assert all(picture.endswith(f"-{name}") for name, picture in shown)
    assert {path.stem for path in PICTURES.glob("*.png")} == {picture for _, picture in shown}
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 1_500_000


def test_methods_that_share_a_function_are_told_apart() -> None:
    methods: list[Method[Any]] = [each for axis in METHODS.values() for each in axis.values()]
    texts = {method.name: (description(method), str(method.options)) for method in methods}
    assert all(text for text, _ in texts.values())
    assert len(set(texts.values())) == len(texts)
    assert texts.keys() >= VARIATIONS.keys()


@pytest.mark.parametrize("axis", METHODS)
def test_figures_are_those_of_recorded_builds(axis: str) -> None:
    recorded = json.loads(FIGURES.read_text("utf-8"))
    same = [
        name for name, method in METHODS[axis].items() if _is_recorded(method, recorded["builds"])
    ]
    assert {name: measured(axis, name) for name in same} == {
        name: recorded["figures"][axis][name] for name in same
    }
    assert recorded["figures"][axis].keys() == METHODS[axis].keys()


def _is_recorded(method: Method[Any], builds: dict[str, Any]) -> bool:
    """Whether the library, and Pillow, which wrote the JPEGs, are those of the figures."""
    libraries = (method.library, "pillow")
    return is_importable(method.library) and all(
        builds[library] == library_build(library) for library in libraries
    )


def test_pictures_are_the_crop_and_the_amplified_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The swap of red and blue needs no library to be told."""
    swap = {"color": {"bgr": METHODS["color"]["bgr"], "rgb": METHODS["color"]["rgb"]}}
    monkeypatch.setattr("benchmarks.catalogue.METHODS", swap)
    made = dict(pictures())
    swapped, plain = (np.asarray(made[f"color-{name}"]).astype(int) for name in ("bgr", "rgb"))
    width = CROP[1].stop - CROP[1].start
    assert np.array_equal(swapped[:, :width, ::-1], plain[:, :width])
    difference = swapped[:, :width] - plain[:, :width]
    assert np.array_equal(swapped[:, width:], np.clip(128 + 8 * difference, 0, 255))
    assert (plain[:, width:] == 128).all()
    stored = np.asarray(Image.open(PICTURES / "color-bgr.png").convert("RGB")).astype(int)
    assert np.abs(stored - swapped).mean() < 8
