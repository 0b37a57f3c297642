"""Ids of variants: what they name, and what they leave out."""

from __future__ import annotations

import itertools

import pytest

from sysnoise.transforms.variant_ids import (
    changed_axes,
    is_variant_id,
    variant_id,
    variant_names,
    varied_axes,
)

NAMES = {
    "decoder": "pillow",
    "resize": "opencv-area",
    "color": "rgb",
    "source": "original",
    "geometry": "first",
}
SOURCES = {"original": "", "jpeg-q75": "--from-jpeg-q75"}
GEOMETRIES = {"first": "", "shorter232-crop224": "--at-shorter232-crop224"}


@pytest.mark.parametrize(("source", "geometry"), itertools.product(SOURCES, GEOMETRIES))
def test_what_is_usual_is_left_out(source: str, geometry: str) -> None:
    names = {**NAMES, "source": source, "geometry": geometry}
    text = f"pillow/opencv-area/rgb{SOURCES[source]}{GEOMETRIES[geometry]}"
    assert variant_id(names) == text
    assert variant_names(text) == names
    assert is_variant_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "pillow/rgb",
        "pillow/opencv-area/rgb/png",
        "pillow/opencv-area/rgb--jpeg-q75",
        "pillow/opencv-area/rgb--from-",
        "pillow/opencv-area/rgb--at-a--from-b",
        "pillow/opencv-area/rgb--from-a--from-b",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_variant_id(text)
    with pytest.raises(ValueError, match=r"^expected decoder/resize/color"):
        variant_names(text)


def test_axes_in_which_variants_differ() -> None:
    one, other = "pillow/a/rgb", "pillow/b/nv12--from-jpeg-q75"
    assert changed_axes(other, one) == ("resize", "color", "source")
    assert changed_axes(one, one) == ()
    assert varied_axes([one]) == ("decoder", "resize", "color")
    assert varied_axes([one, other]) == ("decoder", "resize", "color", "source")
