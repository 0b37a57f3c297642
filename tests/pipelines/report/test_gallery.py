"""Which samples and variants the gallery shows, and its crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sysnoise import open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.report.gallery import (
    central_crop,
    chosen_variants,
    make_gallery,
    spread_indices,
)
from sysnoise.pipelines.scoring.totals import identical_variants
from tests.end_to_end.reading import decode_image, read_tars, samples_table

PILLOW = "pillow/pillow-bilinear/rgb"


@pytest.mark.parametrize(
    ("length", "count", "places"),
    [(0, 4, []), (3, 4, [0, 1, 2]), (10, 4, [0, 2, 5, 7]), (100, 1, [0])],
)
def test_places_are_spread(length: int, count: int, places: list[int]) -> None:
    assert spread_indices(length, count) == places


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(224, 224, 64, 64), (96, 97, 0, 0), (50, 200, 0, 52)]
)
def test_crops_are_the_middle(height: int, width: int, top: int, left: int) -> None:
    values = np.arange(height * width * 3, dtype=np.uint32).astype(np.uint8)
    pixels = values.reshape(height, width, 3)
    crop = central_crop(pixels)
    np.testing.assert_array_equal(crop, pixels[top : top + 96, left : left + 96])


def test_variants_are_the_noisiest_by_turns_of_each_axis(imagenet_set: Path) -> None:
    found = open_set(str(imagenet_set))
    chosen = chosen_variants(found, identical_variants(SampleTables(found)))
    means = {each: found.variants[each]["difference"]["mean"] for each in chosen}
    assert chosen[0] == PILLOW
    assert chosen[2] == "pillow/opencv-nearest/rgb"
    assert chosen[3] == "pillow/pillow-bilinear/nv12-bt601"
    decoders = [each for each in chosen if each.endswith("/pillow-bilinear/rgb")][1:]
    resizes = [each for each in chosen if each.startswith("pillow/") and each.endswith("/rgb")][1:]
    for axis in (decoders, resizes):
        assert axis == sorted(axis, key=lambda each: -(means[each] or 0))
    # OpenCV and simplejpeg decode as Pillow does.
    assert not {"opencv/pillow-bilinear/rgb", "simplejpeg/pillow-bilinear/rgb"} & {*chosen}
    assert len(chosen) == 12


def test_pictures_are_those_of_the_tars_each_stored_once(imagenet_set: Path) -> None:
    found = open_set(str(imagenet_set))
    variants = [PILLOW, "opencv/pillow-bilinear/rgb", "ffmpeg/pillow-bilinear/rgb"]
    gallery = make_gallery(found, variants, 7)
    keys = [row["key"] for row in samples_table(imagenet_set)]
    assert [each.key for each in gallery.samples] == [keys[each * 18 // 7] for each in range(7)]
    assert len({each.tobytes() for each in gallery.pictures}) == len(gallery.pictures) == 14
    extension = imagenet_set.name.split("-")[1]
    stored = {each: read_tars(imagenet_set, each) for each in variants}
    for sample in gallery.samples:
        for variant, number in zip(variants, sample.pictures, strict=True):
            pixels = decode_image(stored[variant][sample.key][extension])[64:160, 64:160]
            np.testing.assert_array_equal(gallery.pictures[number], pixels)
        assert sample.sizes == ["224 x 224"] * 3
        assert sample.title.startswith("label ")
