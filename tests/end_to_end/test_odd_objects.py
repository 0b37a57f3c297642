"""Odd annotations and images of COCO through the command: what becomes of each."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.odd_files import objects
from tests.odd_files.images import jpeg
from tests.odd_files.runs import COCO_GRID, UPRIGHT, Run, refusal, write_coco
from tests.transforms import plain


@pytest.mark.parametrize("what", objects.REFUSED)
def test_refused_annotations(what: str, tmp_path: Path) -> None:
    change, fragment = objects.REFUSED[what]
    write_coco(tmp_path, objects.refused_document(change))
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    arguments = [
        f"--images={tmp_path / 'images'}",
        f"--annotations={tmp_path / 'instances_odd.json'}",
    ]
    assert fragment in refusal("coco", tmp_path, COCO_GRID, arguments)


@pytest.mark.parametrize("odd", objects.ODD_IMAGES, ids=lambda odd: odd.name)
def test_what_becomes_of_an_image_of_coco(odd: objects.OddImage, coco_run: Run) -> None:
    row = coco_run.samples[Path(odd.name).stem]
    assert row["source_name"] == odd.name
    assert row["image_id"] == 1 + objects.ODD_IMAGES.index(odd)
    if odd.reason:
        assert row["status"] == "rejected"
        assert coco_run.rejects[row["key"]]["reason"] == odd.reason.value
        return
    assert row["status"] == "ok"
    assert {name for name, each in row["decoders"].items() if each != "ok"} == set(odd.fallbacks)
    placement = row["geometry"]
    for variant in coco_run.grid.variants:
        decoder = "pillow" if variant.decoder in odd.fallbacks else variant.decoder
        size = placement["resized_width"], placement["resized_height"]
        expected = plain.RESIZES[variant.resize](plain.DECODERS[decoder](odd.data), size)
        stored = coco_run.image(variant.id, row["key"])
        left, top = placement["pad_left"], placement["pad_top"]
        window = stored[top : top + size[1], left : left + size[0]]
        np.testing.assert_array_equal(window, expected)
        assert stored.shape == (objects.LETTERBOX, objects.LETTERBOX, 3)
        assert (row["differences"][variant.slug] is None) is (variant.decoder in odd.fallbacks)


def test_what_becomes_of_turned_images_in_an_upright_set(coco_upright_run: Run) -> None:
    """Those that were annotated as turned are kept, turned; those as stored are rejected."""
    wrong = {Path(odd.name).stem for odd in objects.ODD_IMAGES if odd.reason}
    assert coco_upright_run.rejects.keys() == wrong - {"upright"} | {"o6"}
    (odd,) = [each for each in objects.ODD_IMAGES if each.name == "upright.jpg"]
    for decoder in coco_upright_run.grid.decoders:
        turned = np.ascontiguousarray(UPRIGHT[6](plain.DECODERS[decoder](odd.data)))
        resized = plain.RESIZES["opencv-linear"](turned, (68, 96))
        stored = coco_upright_run.image(f"{decoder}/opencv-linear/rgb", "upright")
        np.testing.assert_array_equal(stored[:, 14:82], resized)


def doubled(annotation: objects.Annotation) -> objects.Annotation:
    """What must become of an annotation: the image is doubled, under 16 rows of padding."""
    expected = {name: value for name, value in annotation.items() if value is not None}
    if "iscrowd" in annotation:
        expected["iscrowd"] = int(annotation["iscrowd"])
    if "bbox" in annotation:
        x, y, width, height = annotation["bbox"]
        expected["bbox"] = [2 * x, 2 * y + 16, 2 * width, 2 * height]
    if "area" in expected:
        expected["area"] = 4 * annotation["area"]
    if isinstance(annotation.get("segmentation"), list):
        expected["segmentation"] = [
            [2 * value + 16 * (place % 2) for place, value in enumerate(flat)]
            for flat in annotation["segmentation"]
        ]
    elif "segmentation" in expected:
        mask = np.pad(np.kron(objects.crowd(), np.ones((2, 2), np.uint8)), ((16, 16), (0, 0)))
        counts: Any = objects.run_lengths(mask)
        if isinstance(annotation["segmentation"]["counts"], str):
            counts = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
        expected["segmentation"] = {"size": [objects.LETTERBOX] * 2, "counts": counts}
    return expected


@pytest.mark.parametrize("what", objects.ANNOTATIONS)
def test_what_becomes_of_an_annotation(what: str, coco_run: Run) -> None:
    """In the tars, the Parquet shards and the rescaled annotations."""
    annotation = objects.ANNOTATIONS[what]
    number = 1 + list(objects.ANNOTATIONS).index(what)
    expected = {"id": number, "image_id": 1, **doubled(annotation)}
    path = coco_run.output / "annotations/instances_odd.rescaled.json"
    rescaled = json.loads(path.read_text("utf-8"))["annotations"]
    assert [each for each in rescaled if each["id"] == number] == [expected]
    for variant in coco_run.grid.variants:
        document = json.loads(coco_run.tars[variant.id]["objects"]["json"])
        assert document["annotations"][number - 1] == expected
        row = coco_run.rows[variant.id]["objects"]["annotations"][number - 1]
        for name in ("id", "category_id", "iscrowd", "area", "bbox"):
            assert row[name] == expected.get(name)
        assert row["segmentation"] == run_length_text(expected.get("segmentation"))


def run_length_text(segmentation: Any) -> str | None:
    """What pycocotools makes of a segmentation; outlines need three points to enclose anything."""
    if not segmentation:
        return None
    side = objects.LETTERBOX
    if isinstance(segmentation, list):
        outlines = [flat for flat in segmentation if len(flat) >= 6]
        blank = coco_mask.encode(np.zeros((side, side), np.uint8, order="F"))
        parts = coco_mask.frPyObjects(outlines, side, side) if outlines else [blank]
        merged: str = coco_mask.merge(parts)["counts"].decode()
        return merged
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return counts
    compressed: str = coco_mask.frPyObjects(segmentation, side, side)["counts"].decode()
    return compressed


@pytest.mark.parametrize("kind", ["original", "rescaled"])
def test_pycocotools_reads_the_annotations(kind: str, coco_run: Run) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(coco_run.output / f"annotations/instances_odd.{kind}.json"))
    kept = [number for number, odd in enumerate(objects.ODD_IMAGES, start=1) if not odd.reason]
    assert sorted(coco.imgs) == kept
    document = objects.document()
    assert sorted(coco.anns) == [
        each["id"] for each in document["annotations"] if each["image_id"] in kept
    ]


def test_odd_annotations_are_named_in_warnings(coco_run: Run) -> None:
    ids = {what: str(number) for number, what in enumerate(objects.ANNOTATIONS, start=1)}
    expected = {
        "lack area or iscrowd": [
            "Without `area`",
            "Without `iscrowd`",
            "`area` and segmentation null",
        ],
        "have a box without area": ["Box without width", "Box of negative height"],
        "have a box outside of the image": ["Box outside of the image"],
    }
    for text, names in expected.items():
        (warning,) = [part for part in coco_run.errors.split("sysnoise: warning: ") if text in part]
        listed = [line.strip() for line in warning.splitlines()[1:] if line.startswith("  ")]
        assert listed == [ids[name] for name in names]
