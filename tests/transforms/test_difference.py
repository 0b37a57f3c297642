"""Difference statistics, against NumPy's wide integers and OpenCV's PSNR."""

from __future__ import annotations

import itertools
import json
import random
import re

import cv2
import numpy as np
import pytest

from sysnoise.transforms.difference import Difference, identical, merged
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels
from tests.transforms import plain

RESIZES = ["pillow-nearest", "pillow-bicubic", "opencv-linear", "opencv-lanczos4"]


def in_wide_integers(pixels: Pixels, baseline: Pixels) -> Difference:
    absolute = np.abs(pixels.astype(np.int64) - baseline.astype(np.int64))
    return Difference(
        images=1,
        identical_images=int(absolute.max() == 0),
        pixels=absolute.shape[0] * absolute.shape[1],
        changed_pixels=int((absolute.max(axis=2) > 0).sum()),
        absolute_sum=int(absolute.sum()),
        squared_sum=int((absolute**2).sum()),
        maximum=int(absolute.max()),
    )


@pytest.fixture(scope="module")
def resized(photos: dict[str, Pixels]) -> dict[str, Pixels]:
    names = ["pillow-bilinear", *RESIZES]
    return {name: plain.RESIZES[name](photos["coffee"], (341, 227)) for name in names}


@pytest.mark.parametrize("name", RESIZES)
def test_sums_are_those_of_wide_integers(name: str, resized: dict[str, Pixels]) -> None:
    baseline = resized["pillow-bilinear"]
    found = difference(resized[name], baseline)
    assert found == in_wide_integers(resized[name], baseline)
    assert found == difference(baseline, resized[name])


def test_sums_of_the_largest_difference_are_exact() -> None:
    white = np.full((2003, 3001, 3), 255, np.uint8)
    black = np.zeros_like(white)
    black[0, 0, 0] = 254
    assert difference(white, black) == in_wide_integers(white, black)


@pytest.mark.parametrize("channel", range(3))
def test_one_changed_value_is_one_changed_pixel(channel: int) -> None:
    baseline = np.full((3, 5, 3), 100, np.uint8)
    pixels = baseline.copy()
    pixels[1, 2, channel] = 93
    assert difference(pixels, baseline) == Difference(1, 0, 15, 1, 7, 49, 7)


def test_equal_images_are_identical_by_content(photos: dict[str, Pixels]) -> None:
    photo = photos["chelsea"]
    expected = Difference(images=1, identical_images=1, pixels=300 * 451)
    assert difference(photo, photo) == difference(photo, photo.copy()) == expected
    assert identical(300 * 451) == expected


def test_views_are_compared_like_their_copies(photos: dict[str, Pixels]) -> None:
    one, other = photos["chelsea"][::2, ::-1], photos["chelsea"][1::2, ::-1, ::-1]
    assert difference(one, other) == in_wide_integers(one, other)


@pytest.mark.parametrize("name", RESIZES)
def test_what_follows_from_the_sums(name: str, resized: dict[str, Pixels]) -> None:
    pixels, baseline = resized[name], resized["pillow-bilinear"]
    found = difference(pixels, baseline)
    distance = np.abs(pixels.astype(float) - baseline)
    assert found.mean == pytest.approx(distance.mean())
    assert found.psnr == pytest.approx(cv2.PSNR(baseline, pixels))
    assert found.changed_share == pytest.approx(distance.any(axis=2).mean())
    assert found.identical_share == 0


def test_ratios_without_a_ground_are_none() -> None:
    nothing = Difference()
    assert (nothing.mean, nothing.psnr) == (None, None)
    assert (nothing.changed_share, nothing.identical_share) == (None, None)
    same = identical(10)
    assert (same.mean, same.psnr) == (0, None)
    assert (same.changed_share, same.identical_share) == (0, 1)


def test_merging_pools_pixels_in_any_order(resized: dict[str, Pixels]) -> None:
    baseline = resized["pillow-bilinear"]
    stacked = np.vstack([resized[name] for name in RESIZES])
    pooled = in_wide_integers(stacked, np.vstack([baseline] * len(RESIZES)))
    parts = [difference(resized[name], baseline) for name in RESIZES] + [identical(5)]
    random.Random(0).shuffle(parts)
    total = merged(parts)
    assert total == merged([merged(parts[:2]), merged(parts[2:])])
    assert (total.images, total.identical_images, total.pixels) == (5, 1, pooled.pixels + 5)
    for name in ("changed_pixels", "absolute_sum", "squared_sum", "maximum"):
        assert getattr(total, name) == getattr(pooled, name)
    assert merged([]) == Difference()


def test_document_holds_sums_and_ratios_as_json(resized: dict[str, Pixels]) -> None:
    found = difference(resized["opencv-linear"], resized["pillow-bilinear"])
    document = json.loads(json.dumps(found.document()))
    assert Difference(*itertools.islice(document.values(), 7)) == found
    for name in ("mean", "psnr", "changed_share", "identical_share"):
        assert document[name] == getattr(found, name)
    assert len(document) == 11


@pytest.mark.parametrize("shape", [(400, 601, 3), (400, 600), (1, 1, 3), (600, 400, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...], photos: dict[str, Pixels]) -> None:
    message = f"cannot compare shapes {shape} and (400, 600, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        difference(np.zeros(shape, np.uint8), photos["coffee"])
