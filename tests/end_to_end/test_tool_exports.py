"""What labelling tools export as COCO becomes a set that verifies and scores, as it is.

The documents are made here after the tools' own writers: the converters of Label Studio (labels are
counted from 0, paths have the machine's separators) and labelme2coco (no header; rectangles may be
drawn backwards), CVAT's and FiftyOne's exporters (links are empty or null), COCO Annotator's
(booleans, paths, colors), and Roboflow's downloads (a category for the project before the classes).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.end_to_end.commands import command
from tests.scoring import write_perfect_boxes

GRID = """
decoders: [pillow]
resizes: [none]
colors: [rgb]
geometry: native
baseline: pillow/none/rgb
"""
SIZE = (64, 48)
BOX = [5, 5, 20, 20]
OUTLINE = [5, 5, 25, 5, 25, 25, 5, 25]

Export = tuple[str, str, dict[str, Any], str]
"""Path of the images' folder and of the document in an export, the document, and a key."""


def entry(image_id: int, name: str, **fields: object) -> dict[str, Any]:
    return {"id": image_id, "width": SIZE[0], "height": SIZE[1], "file_name": name, **fields}


def thing(annotation_id: int, image_id: int, category: int, **fields: object) -> dict[str, Any]:
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category,
        "segmentation": [OUTLINE],
        "area": 400.0,
        "bbox": BOX,
        "iscrowd": 0,
        **fields,
    }


def cvat() -> Export:
    info = dict.fromkeys(
        ("contributor", "date_created", "description", "url", "version", "year"), ""
    )
    links = {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0}
    document = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": info,
        "categories": [{"id": 1, "name": "cat", "supercategory": ""}],
        "images": [entry(1, "street/Frame 1.PNG", **links)],
        "annotations": [
            thing(1, 1, 1, segmentation=[], attributes={"occluded": False, "rotation": 0.0})
        ],
    }
    return "images/default", "annotations/instances_default.json", document, "Frame_201"


def label_studio() -> Export:
    document = {
        "images": [entry(0, "images\\3\\0a1b2c3d-photo.jpg")],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [thing(0, 0, 0, segmentation=[], ignore=0, area=400)],
        "info": {"year": 2024, "version": "1.0", "contributor": "Label Studio"},
    }
    return "images", "result.json", document, "0a1b2c3d-photo"


def roboflow() -> Export:
    name = "photo_jpg.rf.0123456789abcdef0123456789abcdef.jpg"
    document = {
        "info": {"year": "2024", "version": "3", "date_created": "2024-01-01T00:00:00+00:00"},
        "licenses": [{"id": 1, "url": "", "name": "Public Domain"}],
        "categories": [
            {"id": 0, "name": "cat", "supercategory": "none"},
            {"id": 1, "name": "cat", "supercategory": "cat"},
        ],
        "images": [
            entry(0, name, license=1, date_captured="2024-01-01", extra={"name": "photo.jpg"})
        ],
        "annotations": [thing(0, 0, 1, segmentation=[], area=400.5)],
    }
    return "train", "train/_annotations.coco.json", document, name[:-4].replace(".", "_2E")


def labelme2coco() -> Export:
    document = {
        "images": [entry(1, "photo.jpeg")],
        "annotations": [
            thing(1, 1, 0, segmentation=[], iscrowd=0),
            thing(2, 1, 0, bbox=[25, 25, -20, -20], segmentation=[]),
        ],
        "categories": [{"id": 0, "name": "cat", "supercategory": "cat"}],
    }
    return "labelme", "dataset.json", document, "photo"


def coco_annotator() -> Export:
    image = entry(
        *(12, "photo.jpg"),
        dataset_id=1,
        category_ids=[],
        path="/datasets/x/photo.jpg",
        annotated=True,
        deleted=False,
        metadata={},
        milliseconds=1234,
        events=[],
    )
    document = {
        "images": [image],
        "categories": [
            {
                "id": 3,
                "name": "cat",
                "supercategory": None,
                "color": "#fa3b2e",
                "metadata": {},
                "keypoint_colors": [],
            }
        ],
        "annotations": [
            thing(7, 12, 3, iscrowd=False, isbbox=False, color="#1e90ff", metadata={}),
            thing(8, 12, 3, iscrowd=True, isbbox=True, keypoints=[]),
        ],
    }
    return "x", "x-1.json", document, "photo"


def fiftyone() -> Export:
    document = {
        "info": {"year": "", "version": "", "description": "Exported from FiftyOne"},
        "licenses": [],
        "categories": [{"id": 0, "name": "cat", "supercategory": None}],
        "images": [entry(1, "photo.webp", license=None, coco_url=None)],
        "annotations": [thing(1, 1, 0, segmentation=None, area=None, supercategory=None)],
    }
    return "data", "labels.json", document, "photo"


EXPORTS: Mapping[str, Callable[[], Export]] = {
    "CVAT": cvat,
    "Label Studio": label_studio,
    "Roboflow": roboflow,
    "labelme2coco": labelme2coco,
    "COCO Annotator": coco_annotator,
    "FiftyOne": fiftyone,
}


@pytest.mark.parametrize("tool", EXPORTS)
def test_export_becomes_a_set(tool: str, tmp_path: Path) -> None:
    folder, path, document, key = EXPORTS[tool]()
    images, annotations = tmp_path / folder, tmp_path / path
    name = document["images"][0]["file_name"].replace("\\", "/").removeprefix("images/")
    for place in (images / name, annotations):
        place.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, "red").save(images / name)
    annotations.write_text(json.dumps(document), "utf-8")
    (tmp_path / "grid.yaml").write_text(GRID, "utf-8")
    output = tmp_path / "out"
    done = command(
        *("generate", "coco", f"--images={images}", f"--annotations={annotations}"),
        *(f"--grid={tmp_path / 'grid.yaml'}", f"--output={output}", "--workers=1"),
    )
    assert done.code == 0, done.error
    assert "1 sample x 1 variant in 1 shard, 0 rejected" in done.out
    (stored,) = (output / "annotations").glob("*.original.json")
    found = json.loads(stored.read_text("utf-8"))
    assert [image["file_name"] for image in found["images"]] == [f"{key}.png"]
    assert found["categories"] == document["categories"]
    for one, other in zip(found["annotations"], document["annotations"], strict=True):
        expected = {field: other[field] for field in other if field in one}
        assert one == expected  # True is 1.
        assert {field for field in other if field not in one} == {
            field for field in ("segmentation", "area") if other[field] is None
        }
        assert type(one["iscrowd"]) is int
    assert command("verify", str(output)).code == 0
    scored = command(
        *("score", str(output)),
        f"--predictions={write_perfect_boxes(output, tmp_path / 'results')}",
    )
    assert scored.code == 0, scored.error


def test_images_without_annotations_become_a_set(tmp_path: Path) -> None:
    """As ``image_info_test-dev2017.json``, here without categories, too: nothing to score."""
    (tmp_path / "test2017").mkdir()
    Image.new("RGB", SIZE).save(tmp_path / "test2017" / "000000000001.jpg")
    annotations = tmp_path / "image_info_test-dev2017.json"
    annotations.write_text(json.dumps({"images": [entry(1, "000000000001.jpg")]}), "utf-8")
    (tmp_path / "grid.yaml").write_text(GRID, "utf-8")
    output = tmp_path / "out"
    done = command(
        *("generate", "coco", f"--images={tmp_path / 'test2017'}"),
        *(f"--annotations={annotations}", f"--grid={tmp_path / 'grid.yaml'}"),
        *(f"--output={output}", "--workers=1", "--format=both"),
    )
    assert done.code == 0, done.error
    assert "the file has no annotations: the set holds images without objects" in done.error
    stored = output / "annotations" / "instances_test-dev2017.original.json"
    found = json.loads(stored.read_text("utf-8"))
    assert (len(found["images"]), found["annotations"], found["categories"]) == (1, [], [])
    verified = command("verify", str(output), "--pixels")
    assert verified.code == 0, verified.error
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "pillow__none__rgb.json").write_text("[]", "utf-8")
    scored = command("score", str(output), f"--predictions={tmp_path / 'results'}")
    assert scored.code == 1
    assert "cannot be scored against: the images have no object with a box" in scored.error
