"""What others read from a set is what ``apply`` gives, bit for bit."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sysnoise import Grid, apply, apply_all, load_grid, map_box
from sysnoise.pipelines.cli.photographs import IMAGENET_LABELS
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.reading import decode_image, digest, read_tars, samples_table, shards

ONE_FACTOR = load_grid("imagenet-one-factor")
COCO_PUBLISHED = load_grid("coco-published")


@functools.cache  # Sets of several image formats have the same pixels.
def expected(grid: Grid, variant_id: str, images: Path) -> dict[str, Pixels]:
    """Pixels of a variant by key, computed online from the source files."""
    return {
        path.stem: apply(grid, variant_id, path.read_bytes(), path.stem)
        for path in sorted(images.iterdir())
    }


def assert_same(found: dict[str, Pixels], wanted: dict[str, Pixels]) -> None:
    assert list(found) == list(wanted)
    for key, pixels in wanted.items():
        np.testing.assert_array_equal(found[key], pixels, err_msg=key)


@pytest.mark.parametrize("variant_id", [variant.id for variant in ONE_FACTOR.variants])
def test_tarfile_and_pyarrow_give_the_pixels_of_apply(
    variant_id: str, imagenet_set: Path, imagenet_source: Path
) -> None:
    wanted = expected(ONE_FACTOR, variant_id, imagenet_source / "images")
    extension = imagenet_set.name.split("-")[1]
    members = read_tars(imagenet_set, variant_id)
    assert_same({key: decode_image(value[extension]) for key, value in members.items()}, wanted)
    rows = [
        row
        for path in shards(imagenet_set, variant_id, "parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert_same({row["key"]: decode_image(row["image"]["bytes"]) for row in rows}, wanted)
    for row in rows:
        members_of = members[row["key"]]
        label = IMAGENET_LABELS[row["key"].split("_")[0]]
        document = json.loads(members_of["json"])
        assert label == row["label"] == document["label"] == int(members_of["cls"])
        assert row["geometry"] == document["geometry"]
        assert row["image"]["path"] == f"{row['key']}.{extension}"


def test_webdataset_gives_the_pixels_of_apply(imagenet_set: Path, imagenet_source: Path) -> None:
    variant_id = "ffmpeg/pillow-bilinear/rgb"
    urls = [str(path) for path in shards(imagenet_set, variant_id, "tar")]
    extension = imagenet_set.name.split("-")[1]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert_same(
        {sample["__key__"]: np.asarray(sample[extension]) for sample in samples},
        expected(ONE_FACTOR, variant_id, imagenet_source / "images"),
    )
    for sample in samples:
        assert sample["cls"] == IMAGENET_LABELS[sample["__key__"].split("_")[0]]
        assert sample["json"]["key"] == sample["__key__"]


@pytest.mark.parametrize(("loader", "extension"), [("parquet", "parquet"), ("webdataset", "tar")])
def test_hugging_face_datasets_decode_the_pixels_of_apply(
    loader: str, extension: str, imagenet_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    variant_id = "pillow/opencv-area/rgb"
    files = [str(path) for path in shards(imagenet_set, variant_id, extension)]
    loaded = datasets.load_dataset(
        loader, data_files={"val": files}, split="val", cache_dir=str(tmp_path)
    )
    key, image = ("key", "image")
    if loader == "webdataset":
        key, image = "__key__", imagenet_set.name.split("-")[1]
    assert isinstance(loaded.features[image], datasets.Image)
    assert_same(
        {row[key]: np.asarray(row[image]) for row in loaded},
        expected(ONE_FACTOR, variant_id, imagenet_source / "images"),
    )


def test_hugging_face_datasets_read_coco_objects(coco_set: Path, tmp_path: Path) -> None:
    files = [str(path) for path in shards(coco_set, "pillow/pillow-nearest/rgb", "parquet")]
    loaded = datasets.load_dataset(
        "parquet", data_files={"demo": files}, split="demo", cache_dir=str(tmp_path)
    )
    rescaled = COCO(coco_set / "annotations" / "instances_demo.rescaled.json")
    for row in loaded:
        known = rescaled.imgToAnns[row["image_id"]]
        assert [each["id"] for each in row["annotations"]] == [each["id"] for each in known]
        for found, annotation in zip(row["annotations"], known, strict=True):
            assert found["bbox"] == annotation["bbox"]
            size = [row["geometry"]["output_height"], row["geometry"]["output_width"]]
            mask = coco_mask.decode({"size": size, "counts": found["segmentation"]})
            np.testing.assert_array_equal(mask, rescaled.annToMask(annotation))


def test_coco_shards_hold_the_pixels_of_apply(coco_set: Path, coco_source: Path) -> None:
    for variant in COCO_PUBLISHED.variants:
        members = read_tars(coco_set, variant.id)
        assert_same(
            {key: decode_image(value["png"]) for key, value in members.items()},
            expected(COCO_PUBLISHED, variant.id, coco_source / "images"),
        )


def test_all_variants_of_an_image_are_those_of_the_set(coco_set: Path, coco_source: Path) -> None:
    """Pixels by their digests, and boxes by their placements."""
    rescaled = COCO(coco_set / "annotations" / "instances_demo.rescaled.json")
    published = COCO(coco_source / "instances_demo.json")
    for row in samples_table(coco_set):
        data = (coco_source / "images" / row["source_name"]).read_bytes()
        made = apply_all(COCO_PUBLISHED, data)
        for variant in COCO_PUBLISHED.variants:
            assert made[variant.id].digest == row[variant.slug]
            assert digest(made[variant.id].pixels) == row[variant.slug]
        placement = made[COCO_PUBLISHED.baseline.id].placement
        assert placement.output == (
            row["geometry"]["output_width"],
            row["geometry"]["output_height"],
        )
        for found in rescaled.imgToAnns[row["image_id"]]:
            assert map_box(published.anns[found["id"]]["bbox"], placement) == found["bbox"]


def test_pycocotools_loads_both_ground_truths(coco_set: Path, coco_source: Path) -> None:
    published = COCO(coco_source / "instances_demo.json")
    original = COCO(coco_set / "annotations" / "instances_demo.original.json")
    rescaled = COCO(coco_set / "annotations" / "instances_demo.rescaled.json")
    geometry = {row["image_id"]: row["geometry"] for row in samples_table(coco_set)}
    assert original.anns == published.anns
    assert list(rescaled.anns) == list(published.anns)
    assert original.cats == rescaled.cats == published.cats
    assert set(rescaled.imgs) == set(published.imgs)
    for image_id, image in rescaled.imgs.items():
        placed = geometry[image_id]
        assert (image["width"], image["height"]) == (
            placed["output_width"],
            placed["output_height"],
        )
        assert image["file_name"] == original.imgs[image_id]["file_name"] == f"{image_id:012d}.png"
    for annotation_id, annotation in published.anns.items():
        factors = geometry[annotation["image_id"]]
        x, y = factors["scale_x"], factors["scale_y"]
        found = rescaled.anns[annotation_id]
        np.testing.assert_allclose(found["bbox"], np.multiply(annotation["bbox"], [x, y, x, y]))
        assert found["area"] == pytest.approx(annotation["area"] * x * y)
        assert found["iscrowd"] == annotation["iscrowd"]
        # A box's mask is the box: the resampled crowd covers the scaled box to the pixel's half.
        box = coco_mask.toBbox(rescaled.annToRLE(found))
        np.testing.assert_allclose(box, found["bbox"], atol=1.0)
