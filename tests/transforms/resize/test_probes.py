"""The probes of resizes, and the families that resizes form on them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sysnoise.transforms.methods import UnknownNameError
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize import probes
from sysnoise.transforms.resize.probes import (
    FAMILY_DISTANCE,
    PROBES,
    compare_resizes,
    probe_picture,
)
from sysnoise.transforms.resizers import RESIZES, ResizeError, resize
from tests.transforms import plain

CORE = [name for name, method in RESIZES.items() if not method.extra and name != "none"]
PICTURES = {name: probe_picture(*probe.source) for name, probe in PROBES.items()}


@pytest.mark.parametrize("size", [(250, 188), (100, 75), (1, 1), (7, 130)])
def test_picture(size: tuple[int, int]) -> None:
    picture = probe_picture(*size)
    assert (picture.shape, picture.dtype) == ((size[1], size[0], 3), np.dtype(np.uint8))
    np.testing.assert_array_equal(picture, probe_picture(*size))


def test_contrast_hardly_depends_on_the_size_of_the_detail() -> None:
    """As in photographs: differences of means of blocks shrink by less than a half per octave."""
    picture = probe_picture(256, 256).mean(axis=2)
    contrast = []
    for side in (1, 2, 4, 8, 16):
        blocks = picture.reshape(256 // side, side, 256 // side, side).mean(axis=(1, 3))
        contrast.append(np.abs(np.diff(blocks, axis=1)).mean())
    assert all(0.8 < larger / one < 2.2 for one, larger in itertools.pairwise(contrast))


def test_families_by_plain_calls() -> None:
    """By its definition: the first family whose first member is near on every probe."""
    families: list[list[str]] = []
    for name in plain.RESIZES:
        for family in families:
            distances = [
                np.abs(
                    plain.RESIZES[name](PICTURES[probe], sizes.size).astype(float)
                    - plain.RESIZES[family[0]](PICTURES[probe], sizes.size)
                ).mean()
                for probe, sizes in PROBES.items()
            ]
            if max(distances) <= FAMILY_DISTANCE:
                family.append(name)
                break
        else:
            families.append([name])
    found = compare_resizes(plain.RESIZES)
    assert [list(family) for family in found.families] == families
    assert found.identical == (("pillow-nearest", "opencv-nearest-exact"),)
    assert found.errors == {}


def test_order_decides_who_is_first() -> None:
    found = compare_resizes(["opencv-linear-exact", "pillow-bicubic", "opencv-linear"])
    assert found.families == (("opencv-linear-exact", "opencv-linear"), ("pillow-bicubic",))


def test_core_resizes_form_these_families() -> None:
    shared = [family for family in compare_resizes(CORE).families if len(family) > 1]
    assert shared == [
        ("pillow-nearest", "opencv-nearest-exact"),
        ("opencv-linear", "opencv-linear-exact"),
    ]


def test_a_resize_that_fails_has_no_family(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(name: str, pixels: Pixels, size: tuple[int, int]) -> Pixels:
        if name == "opencv-area":
            raise ResizeError("opencv-area: no")
        return resize(name, pixels, size)

    monkeypatch.setattr(probes, "resize", failing)
    found = compare_resizes(["opencv-area", "pillow-box"])
    assert found.families == (("pillow-box",),)
    assert str(found.errors["opencv-area"]) == "opencv-area: no"
    assert all(list(of) == ["pillow-box"] for of in found.distance.values())


def test_unknown_resize() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown resize 'boxx'"):
        compare_resizes(["boxx"])


@pytest.mark.extras
def test_families_with_all_extras() -> None:
    """On 12 photographs of ImageNet, the same distances give the same families: docs/methods.md."""
    names = [name for name in RESIZES if name != "none"]
    found = compare_resizes(names)
    assert len(found.families) == 27
    assert [family for family in found.families if len(family) > 1] == [
        ("pillow-nearest", "opencv-nearest-exact"),
        ("pillow-bilinear", "dali-triangular", "ort-linear-antialias"),
        ("opencv-linear", "opencv-linear-exact", "dali-linear", "ort-linear"),
        ("ort-cubic-05", "skia-catmull-rom"),
    ]
