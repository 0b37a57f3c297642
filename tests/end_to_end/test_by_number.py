"""Samples by number are those that other readers find in the shards, in any order."""

from __future__ import annotations

import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sysnoise import SetError, open_set
from sysnoise.manifests.by_number import SamplesByNumber
from sysnoise.manifests.errors import NotHeldError
from tests.end_to_end.damage import edit_tar, truncate
from tests.end_to_end.reading import decode_image, read_tars, shards
from tests.end_to_end.test_reading import parquet_set

PILLOW = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"


def shuffled(count: int) -> list[int]:
    return random.Random(count).sample(range(count), count)


def test_tar_shards_in_any_order(imagenet_set: Path) -> None:
    extension = imagenet_set.name.split("-")[1]
    members = {each: read_tars(imagenet_set, each) for each in (PILLOW, FFMPEG)}
    keys = list(members[PILLOW])
    samples = SamplesByNumber(open_set(str(imagenet_set)), [PILLOW, "ffmpeg__pillow-bilinear__rgb"])
    assert len(samples) == len(keys) == 18
    assert samples.first == [0, 5, 10, 15, 18]
    for number in shuffled(18):
        found = samples[number]
        assert found.key == keys[number]
        assert list(found.images) == [PILLOW, FFMPEG]
        assert found.label == int(members[PILLOW][found.key]["cls"])
        for variant, image in found.images.items():
            stored = decode_image(members[variant][found.key][extension])
            np.testing.assert_array_equal(image, stored, strict=True)


def test_objects_come_with_their_image(coco_set: Path) -> None:
    found = open_set(str(coco_set))
    samples = SamplesByNumber(found, [found.baseline])
    expected = list(found.paired([found.baseline]))
    for number in shuffled(len(expected)):
        one, other = samples[number], expected[number]
        assert (one.key, one.image_id, one.targets) == (other.key, other.image_id, other.targets)
        assert one.geometry == other.geometry


def test_parquet_shards_are_read_by_row_groups(imagenet_source: Path, tmp_path: Path) -> None:
    output = parquet_set(imagenet_source, tmp_path / "set")
    expected = list(open_set(str(output)).paired([PILLOW, FFMPEG]))
    for variant in (PILLOW, FFMPEG):
        for path in shards(output, variant, "parquet"):
            pq.write_table(pq.read_table(path), path, row_group_size=2)
            assert pq.read_metadata(path).num_row_groups == 2
    samples = SamplesByNumber(open_set(str(output)), [PILLOW, FFMPEG])
    assert len(samples) == len(expected) == 6
    for number in (*range(6), *shuffled(6)):
        assert samples[number].key == expected[number].key
        for variant, image in samples[number].images.items():
            np.testing.assert_array_equal(image, expected[number].images[variant])


def test_a_number_that_is_not_there(small_set: Path) -> None:
    samples = SamplesByNumber(open_set(str(small_set)), [PILLOW])
    for number in (-1, 18):
        with pytest.raises(IndexError, match=f"has no sample {number}, but 18"):
            samples[number]


def test_pickled_samples_read_the_same(small_set: Path) -> None:
    samples = SamplesByNumber(open_set(str(small_set)), [PILLOW])
    key = samples[7].key
    again: SamplesByNumber = pickle.loads(pickle.dumps(samples))
    assert again[7].key == key
    assert again.found.reopened().manifest == samples.found.manifest


def test_damaged_shards_are_named(small_set: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_set, tmp_path / "set")
    cut, emptied, missing, later = shards(copy, PILLOW, "tar")[:4]
    truncate(cut)
    edit_tar(emptied, lambda members: members[:3])
    missing.unlink()
    samples = SamplesByNumber(open_set(str(copy)), [PILLOW])
    with pytest.raises(SetError, match=f"{cut.name}' of .* is damaged"):
        samples[0]
    with pytest.raises(SetError, match=f"{emptied.name}.* it holds 1 samples, expected 3"):
        samples[3]
    with pytest.raises(NotHeldError, match=f"lacks '.*{missing.name}'"):
        samples[6]
    assert samples[9].label is not None
    truncate(later)
    with pytest.raises(SetError, match=f"{later.name}' of .* is damaged: it ends before its byte"):
        samples[11]


def test_parts_of_a_shard_are_its_samples(small_set: Path) -> None:
    found = open_set(str(small_set))
    keys = [sample.key for sample in found.iterate(PILLOW, [2])]
    for start, stop in ((0, 2), (1, 2), (2, None), (1, None), (1, 1)):
        part = [sample.key for sample in found.paired_part([PILLOW], 2, start, stop)]
        assert part == keys[start:stop]
