"""COCO reads back whole from folders and archives, and contradictions are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.sources import Source, SourceSet
from tests.pipelines.readers.layouts import in_memory, refusal, write_zip

Document = dict[str, Any]
Build = Callable[[Path, Path], str]


def folder(source: Path, target: Path) -> str:
    shutil.copytree(source / "images", target / "val2017")
    return "val2017"


def folder_above(source: Path, target: Path) -> str:
    folder(source, target / "images")
    return "images"


def zipped(source: Path, target: Path) -> str:
    write_zip(target / "val2017.zip", source / "images", "val2017/")
    return "val2017.zip"


def parsed(source: Path) -> Document:
    return dict(json.loads((source / "instances_demo.json").read_text("utf-8")))


def read(images: str, document: object, target: Path, split: str | None = None) -> SourceSet:
    """Read images with a document, written as the annotations of val2017."""
    path = target / "instances_val2017.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return read_coco(images, str(path), split)


@pytest.mark.parametrize("place", [str, in_memory])
@pytest.mark.parametrize("build", [folder, folder_above, zipped])
def test_published_layouts_read_back(
    build: Build, place: Callable[[Path], str], coco_source: Path, tmp_path: Path
) -> None:
    images = build(coco_source, tmp_path)
    document = parsed(coco_source)
    (tmp_path / "instances_val2017.json").write_text(json.dumps(document), "utf-8")
    base = place(tmp_path)
    found = read_coco(f"{base}/{images}", f"{base}/instances_val2017.json", None)

    rows = found.table.to_pylist()
    assert [json.loads(row["image"]) for row in rows] == document["images"]
    assert [row["key"] for row in rows] == [f"{image['id']:012d}" for image in document["images"]]
    for row, image in zip(rows, document["images"], strict=True):
        own = [each for each in document["annotations"] if each["image_id"] == image["id"]]
        assert json.loads(row["annotations"]) == own
        photo = coco_source / "images" / image["file_name"]
        assert source_reader(found.root)(Source(**row)) == photo.read_bytes()
    assert found.coco == {key: document[key] for key in ("info", "licenses", "categories")}
    assert found.split == "val2017"
    assert found.warnings == ()


def test_order_of_parts_and_annotations_is_free(coco_source: Path, tmp_path: Path) -> None:
    document = parsed(coco_source)
    document["annotations"].sort(key=lambda each: each["id"] * 7 % 11)
    found = read(str(coco_source / "images"), document, tmp_path)
    turned = dict(reversed(document.items()))
    assert next(iter(turned)) == "annotations"
    assert read(str(coco_source / "images"), turned, tmp_path).table == found.table
    for row in found.table.to_pylist():
        image = json.loads(row["image"])["id"]
        own = [each for each in document["annotations"] if each["image_id"] == image]
        assert row["annotations"] == json.dumps(own, separators=(",", ":"))


def test_images_without_annotations_and_crowds_stay(coco_source: Path) -> None:
    found = read_coco(str(coco_source / "images"), str(coco_source / "instances_demo.json"), "mine")
    objects = [json.loads(text) for text in found.table["annotations"].to_pylist()]
    assert [len(each) for each in objects] == [1] * 9 + [2] * 3 + [1] * 3 + [0] * 3
    crowds = [each["segmentation"]["size"] for own in objects for each in own if each["iscrowd"]]
    assert crowds == [[427, 640]] * 3
    assert found.split == "mine"


def test_images_that_are_not_annotated_are_left_out_with_a_warning(
    coco_source: Path, tmp_path: Path
) -> None:
    document = parsed(coco_source)
    document["images"] = document["images"][-2:]
    document["annotations"] = []
    found = read(str(coco_source / "images"), document, tmp_path)
    assert found.table["name"].to_pylist() == ["000000000017.jpg", "000000000018.jpg"]
    (warning,) = found.warnings
    assert "16 image(s)" in warning
    assert str(coco_source / "images") in warning


def change(part: str, index: int, **values: object) -> Callable[[Document], Document]:
    """Set fields of one entry of a list; ``None`` removes the field."""

    def changed(document: Document) -> Document:
        entry = document[part][index] | values
        document[part][index] = {key: value for key, value in entry.items() if value is not None}
        return document

    return changed


def put(part: str, value: object) -> Callable[[Document], Document]:
    return lambda document: document | {part: value}


REFUSED: dict[str, tuple[Callable[[Document], object], list[str]]] = {
    "not JSON": (lambda document: "{", ["instances_val2017.json", "line 1 column 2"]),
    "not a mapping": (
        lambda document: [],
        ["instances_val2017.json", "no list of images, annotations, categories"],
    ),
    "captions": (put("annotations", None), ["not a COCO instances file", "no list of annotations"]),
    "no images": (
        lambda document: document | {"images": [], "annotations": []},
        ["instances_val2017.json", "no images"],
    ),
    "image is not a mapping": (put("images", [3]), ["images[0]"]),
    "image without width": (
        change("images", 2, width=None),
        ["images[2]: width: expected int, found None"],
    ),
    "image id is text": (change("images", 2, id="3"), ["images[2]: id: expected int, found '3'"]),
    "annotation without image": (
        change("annotations", 1, image_id=None),
        ["annotations[1]", "image_id"],
    ),
    "annotation of no image": (
        change("annotations", 0, image_id=99),
        ["contradicts itself", "image 99, which is not listed"],
    ),
    "image id twice": (change("images", 1, id=1), ["1 image id(s) are listed twice"]),
}


@pytest.mark.parametrize(("mutate", "fragments"), REFUSED.values(), ids=REFUSED)
def test_bad_annotations_are_refused(
    mutate: Callable[[Document], object],
    fragments: list[str],
    coco_source: Path,
    tmp_path: Path,
) -> None:
    document = mutate(parsed(coco_source))
    message = refusal(lambda: read(str(coco_source / "images"), document, tmp_path))
    assert [fragment for fragment in fragments if fragment not in message] == []


def test_annotated_image_that_is_missing_is_refused(coco_source: Path, tmp_path: Path) -> None:
    images = tmp_path / folder(coco_source, tmp_path)
    (images / "000000000005.jpg").unlink()
    message = refusal(lambda: read(str(images), parsed(coco_source), tmp_path))
    assert f"1 annotated image(s) are not in '{images}':\n  000000000005.jpg" in message


def test_file_name_that_fits_two_images_is_refused(coco_source: Path, tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        shutil.copytree(coco_source / "images", tmp_path / "images" / split)
    message = refusal(lambda: read(str(tmp_path / "images"), parsed(coco_source), tmp_path))
    assert "train2017/000000000001.jpg" in message
    assert "val2017/000000000001.jpg" in message
