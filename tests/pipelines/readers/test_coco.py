"""COCO reads back whole from folders and archives, and contradictions are refused."""

from __future__ import annotations

import copy
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

    rows = found.rows().to_pylist()
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
    assert read(str(coco_source / "images"), turned, tmp_path).rows() == found.rows()
    for row in found.rows().to_pylist():
        image = json.loads(row["image"])["id"]
        own = [each for each in document["annotations"] if each["image_id"] == image]
        assert row["annotations"] == json.dumps(own, separators=(",", ":"))


def test_images_without_annotations_and_crowds_stay(coco_source: Path) -> None:
    found = read_coco(str(coco_source / "images"), str(coco_source / "instances_demo.json"), "mine")
    objects = [json.loads(text) for text in found.rows()["annotations"].to_pylist()]
    assert [len(each) for each in objects] == [1] * 9 + [2] * 3 + [1] * 3 + [0] * 3
    crowds = [each["segmentation"]["size"] for own in objects for each in own if each["iscrowd"]]
    assert crowds == [[427, 640]] * 3
    assert found.split == "mine"


def test_images_that_are_not_annotated_are_left_out_with_a_warning(
    coco_source: Path, tmp_path: Path
) -> None:
    document = parsed(coco_source)
    document["images"] = document["images"][-2:]
    ids = [image["id"] for image in document["images"]]
    document["annotations"] = [each | {"image_id": ids[0]} for each in document["annotations"][:1]]
    found = read(str(coco_source / "images"), document, tmp_path)
    assert found.rows()["name"].to_pylist() == ["000000000017.jpg", "000000000018.jpg"]
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


UUID = 212079936519179802034917030575389202408

REFUSED: dict[str, tuple[Callable[[Document], object], list[str]]] = {
    "not JSON": (lambda document: "{", ["instances_val2017.json", "line 1 column 2"]),
    "no images": (
        lambda document: document | {"images": [], "annotations": []},
        ["instances_val2017.json", "no images"],
    ),
    "image is not a mapping": (put("images", [3]), ["images[0]: expected a mapping, found 3"]),
    "image without width": (
        change("images", 2, width=None),
        ["images[2]: width: expected a whole number of pixels from 1 to 2^31 - 1, found nothing"],
    ),
    "image without pixels": (change("images", 2, height=0), ["images[2]: height", "found 0"]),
    "width is a text": (change("images", 2, width="64"), ["images[2]: width", "found '64'"]),
    "file name is a number": (
        change("images", 2, file_name=3),
        ["images[2]: file_name: expected a text, found 3"],
    ),
    "image id is text": (change("images", 2, id="3"), ["images[2]: id: expected", "found '3'"]),
    "image id is a fraction": (change("images", 2, id=3.0), ["images[2]: id", "found 3.0"]),
    "image id is a UUID": (change("images", 2, id=UUID), ["images[2]: id", f"found {UUID}"]),
    "negative image id": (change("images", 2, id=-3), ["images[2]: id", "found -3"]),
    "annotation id is a UUID": (
        change("annotations", 2, id=UUID),
        ["annotations[2]: id: expected a whole number of 64 bits", f"found {UUID}"],
    ),
    "annotation without image": (
        change("annotations", 1, image_id=None),
        ["annotations[1]: image_id: expected", "found nothing"],
    ),
    "annotation of no image": (
        change("annotations", 0, image_id=99),
        ["annotation 1 is of image 99, which is not listed"],
    ),
    "category without id": (put("categories", [{"name": "x"}]), ["categories[0]: id: expected"]),
    "category without name": (put("categories", [{"id": 1}]), ["categories[0]: name: expected"]),
    "category name is a number": (
        put("categories", [{"id": 1, "name": 7}]),
        ["categories[0]: name: expected a text, found 7"],
    ),
    "category id twice": (
        put("categories", [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]),
        ["category id 1 is listed twice"],
    ),
    "no categories": (put("categories", []), ["it has annotations, but no categories"]),
    "annotations are a mapping": (
        put("annotations", {"1": {}}),
        ["annotations: expected a list, found {'1': {}}"],
    ),
    "image id twice": (change("images", 1, id=1), ["image id 1 is listed twice"]),
    "member twice": (
        lambda document: json.dumps(document)[:-1] + ', "images": []}',
        ["it has 'images' twice"],
    ),
    "number of 70 bits in another field": (
        change("annotations", 1, more={"key": [2**70]}),
        ["annotations[1]: more.key[0]: a whole number of 22 digits does not fit into 64 bits"],
    ),
    "infinity in another field": (
        lambda document: json.dumps(document).replace('"iscrowd"', '"x": 1e999, "iscrowd"', 1),
        ["annotations[0]: x: a number does not fit into 64 bits"],
    ),
    "half a character": (
        change("annotations", 1, text="\ud800"),
        ["annotations[1]: text: '\\ud800' has half of a surrogate pair"],
    ),
    "number of 70 bits in the info": (
        put("info", {"year": 2**70}),
        ["info.year: a whole number of 22 digits does not fit into 64 bits"],
    ),
    "long info": (put("info", "x" * (9 << 20)), ["together they are longer than 8388608 bytes"]),
    "NaN": (
        change("annotations", 2, area=float("nan")),
        ["annotations[2]: NaN is not a JSON number: line 1 column "],
    ),
    "outline that leaves its image far": (
        change("annotations", 1, segmentation=[[0, 0, -20_000.5, 3, 4, 4]]),
        ["annotation 2: segmentation: expected outlines within 16 times", "found a coordinate of"],
    ),
    "two images of one file": (
        change("images", 1, file_name="train2017/000000000001.jpg"),
        ["000000000001.jpg: 000000000001.jpg and train2017/000000000001.jpg"],
    ),
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


def test_all_is_said_at_once(coco_source: Path, tmp_path: Path) -> None:
    """What is wrong in any list, and what only contradicts another."""
    document = parsed(coco_source)
    document["images"][1]["width"] = "64"
    document["annotations"][0]["id"] = UUID
    document["annotations"][3]["image_id"] = 9.0
    document["annotations"][4]["iscrowd"] = "0"
    document["annotations"][5]["category_id"] = 99
    document["annotations"].append(document["annotations"][6])
    document["categories"].append({"id": None, "name": 3})
    message = refusal(lambda: read(str(coco_source / "images"), document, tmp_path))
    places = [line.strip().split(": expected")[0] for line in message.splitlines()[1:]]
    assert sorted(places) == [
        f"annotation id {document['annotations'][6]['id']} is listed twice",
        "annotations[0]: id",
        "annotations[3]: image_id",
        "annotations[4]: iscrowd",
        "categories[6]: id",
        "categories[6]: name",
        "images[1]: width",
    ]
    document["categories"].pop()
    message = refusal(lambda: read(str(coco_source / "images"), document, tmp_path))
    assert "annotation 6 is of category 99, which is not listed" in message


def test_what_is_read_is_normalized(coco_source: Path, tmp_path: Path) -> None:
    """The table of sources holds what the set needs; all else is as it was written."""
    document = parsed(coco_source)
    clean = read(str(coco_source / "images"), document, tmp_path)
    odd = copy.deepcopy(document)
    for image in odd["images"]:
        image["width"] = float(image["width"])
    for number, each in enumerate(odd["annotations"]):
        each["iscrowd"] = bool(each["iscrowd"]) if number % 2 else float(each["iscrowd"])
        each["keypoints"] = None
    found = read(str(coco_source / "images"), odd, tmp_path)
    assert found.rows() == clean.rows()
    assert found.coco == clean.coco


def test_category_zero_and_names_that_repeat_are_kept(coco_source: Path, tmp_path: Path) -> None:
    """Roboflow puts the name of the project before the classes, also where it is one of them."""
    document = parsed(coco_source)
    document["categories"] = [{"id": number, "name": "fire"} for number in (0, 1)]
    document["annotations"] = [each | {"category_id": 0} for each in document["annotations"]]
    found = read(str(coco_source / "images"), document, tmp_path)
    assert found.coco["categories"] == document["categories"]
    assert found.labels() == {0, 1}


FOREIGN: dict[str, tuple[object, str]] = {
    "captions": (
        {"images": [], "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]},
        "captions of COCO",
    ),
    "panoptic": (
        {"annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": []}]},
        "panoptic annotations of COCO",
    ),
    "results": ([{"image_id": 1, "category_id": 1, "score": 0.5}], "detections, COCO's results"),
    "labelme": ({"version": "5", "shapes": [], "imagePath": "a.jpg"}, "labelme's annotation"),
    "Label Studio": ([{"id": 1, "data": {"image": "a"}, "annotations": []}], "Label Studio"),
    "VIA": ({"a.jpg12": {"filename": "a.jpg", "size": 12, "regions": []}}, "(VIA)"),
    "VIA project": ({"_via_settings": {}, "_via_img_metadata": {}}, "(VIA)"),
    "Create ML": ([{"image": "a.jpg", "annotations": []}], "Create ML"),
    "a list of numbers": ([1, 2], "a list"),
    "an empty list": ([], "a list"),
    "a number": (3, "no list of images"),
    "another mapping": ({"labels": []}, "no list of images"),
    "images are a mapping": ({"images": {}}, "no list of images"),
}


@pytest.mark.parametrize(("document", "what"), FOREIGN.values(), ids=FOREIGN)
def test_other_documents_are_refused_by_what_they_are(
    document: object, what: str, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    message = refusal(lambda: read(str(tmp_path / "images"), document, tmp_path))
    assert "instances_val2017.json' is not a COCO instances file: it holds " in message
    assert what in message.split("; read are")[0]
    assert "read are COCO's instances and keypoints, LVIS" in message


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


def test_frames_of_another_folder_are_never_taken(coco_source: Path, tmp_path: Path) -> None:
    """The pictures of one camera are not those of another, wherever they lie."""
    document = parsed(coco_source)
    for image in document["images"]:
        image["file_name"] = f"cam1/{image['file_name']}"
    shutil.copytree(coco_source / "images", tmp_path / "frames" / "cam2")
    message = refusal(lambda: read(str(tmp_path / "frames"), document, tmp_path))
    assert "18 annotated image(s) are not in" in message
    assert "cam1/000000000001.jpg: cam2/000000000001.jpg" in message
    shutil.copytree(coco_source / "images", tmp_path / "frames" / "cam1")
    message = refusal(lambda: read(str(tmp_path / "frames" / "cam2"), document, tmp_path))
    assert f"all in cam1: this folder lies beside '{tmp_path / 'frames' / 'cam2'}'" in message
    for root in ("frames", "frames/cam1"):
        found = read(str(tmp_path / root), document, tmp_path)
        assert found.rows()["file"][0].as_py().endswith("000000000001.jpg")
        assert found.rows()["key"][0].as_py() == "000000000001"
    assert found.warnings == ()


def test_place_of_the_images_elsewhere_is_said(coco_source: Path, tmp_path: Path) -> None:
    document = parsed(coco_source)
    for image in document["images"]:
        image["file_name"] = f"camera\\{image['file_name']}"
    found = read(str(coco_source / "images"), document, tmp_path)
    assert found.rows()["name"][0].as_py() == "camera/000000000001.jpg"
    assert found.rows()["file"][0].as_py() == "000000000001.jpg"
    (warning,) = found.warnings
    assert "begin with 'camera/', which is not the name of the folder" in warning


def test_any_file_may_be_annotated(coco_source: Path, tmp_path: Path) -> None:
    """Its content decides what it is; other files are none of the images that are left out."""
    images = tmp_path / folder(coco_source, tmp_path)
    document = parsed(coco_source)
    names = ["a.tif", "b.jfif", "c", "d.jpe", "e.data"]
    for image, name in zip(document["images"], names, strict=False):
        (images / image["file_name"]).rename(images / name)
        image["file_name"] = name
    (images / "notes.txt").write_text("1", "utf-8")
    found = read(str(images), document, tmp_path)
    assert set(names) < set(found.rows()["file"].to_pylist())
    assert found.warnings == ()


def test_lvis_names_images_by_url(coco_source: Path, tmp_path: Path) -> None:
    document = parsed(coco_source)
    for image in document["images"]:
        name = image.pop("file_name")
        image["coco_url"] = f"http://images.cocodataset.org/val2017/{name}"
    images = tmp_path / folder_above(coco_source, tmp_path)
    found = read(str(images), document, tmp_path)
    rows = found.rows().to_pylist()
    assert [row["name"] for row in rows] == [row["file"] for row in rows]
    assert rows[0]["name"] == json.loads(rows[0]["image"])["file_name"]
    assert rows[0]["name"] == "val2017/000000000001.jpg"
    assert rows[0]["key"] == "000000000001"
    assert read(str(images / "val2017"), document, tmp_path).table["file"][0].as_py() == (
        "000000000001.jpg"
    )


@pytest.mark.parametrize("url", [None, 3, "", "http://[", "http://host/"])
def test_image_without_a_name_is_refused(url: object, coco_source: Path, tmp_path: Path) -> None:
    document = parsed(coco_source)
    document["images"][0] |= {"file_name": None, "coco_url": url}
    message = refusal(lambda: read(str(coco_source / "images"), document, tmp_path))
    assert "images[0]: file_name: expected a text, found None" in message
