"""Masks in results, scored through the command, with pycocotools as the second reader."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sysnoise import open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.scoring.average_precision import mean_average_precision
from sysnoise.pipelines.scoring.ground_truth import read_ground_truth
from sysnoise.pipelines.scoring.matching import SortedObjects, category_matches
from sysnoise.pipelines.scoring.result_files import Shape, read_results, shape_array
from tests.end_to_end.commands import Options, Outcome, command, generate
from tests.end_to_end.reading import samples_table
from tests.odd_files.runs import Run

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
NAMES = ("mAP", "AP50", "AP75", "AP-small", "AP-medium", "AP-large")
MASK_NAMES = tuple(f"mask {name}" for name in NAMES)

Document = dict[str, Any]
Results = list[dict[str, Any]]


def read(output: Path, kind: str) -> Document:
    (path,) = (output / "annotations").glob(f"*.{kind}.json")
    return dict(json.loads(path.read_text("utf-8")))


def reader_of(document: Document) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        reader = COCO()
        reader.dataset = document
        reader.createIndex()
    return reader


def found(output: Path, seed: int) -> Results:
    """Masks near those of the objects, in stored pixels, of which some are lists of run lengths."""
    generator = np.random.default_rng(seed)
    document = read(output, "rescaled")
    reader = reader_of(document)
    categories = [each["id"] for each in document["categories"]]
    results = []
    for annotation in document["annotations"]:
        mask = reader.annToMask(annotation)
        for number in range(3):
            shift = generator.integers(-4 - 12 * number, 5 + 12 * number, 2)
            moved = np.roll(mask, tuple(shift.tolist()), (0, 1))
            rle = coco_mask.encode(np.asfortranarray(moved))
            category = annotation["category_id"] if number < 2 else generator.choice(categories)
            results.append(
                {
                    "image_id": annotation["image_id"],
                    "category_id": int(category),
                    "score": float(generator.random()),
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                }
            )
            if number == 1:
                results[-1]["segmentation"]["counts"] = run_lengths(moved)
    return results


def run_lengths(mask: Any) -> list[int]:
    flat = np.concatenate(([0], mask.ravel(order="F"), [2]))
    return np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def texts(coco_set: Path) -> dict[str, str]:
    """The masks of two settings as JSON."""
    return {
        setting: json.dumps(found(coco_set, seed))
        for seed, setting in enumerate((BASELINE, NEAREST))
    }


@pytest.fixture
def masks(texts: dict[str, str]) -> dict[str, Results]:
    """The masks of two settings, which a test may change."""
    return {setting: json.loads(text) for setting, text in texts.items()}


def with_boxes(results: Results) -> Results:
    boxed = []
    for each in results:
        segmentation = each["segmentation"]
        if isinstance(segmentation["counts"], list):
            segmentation = coco_mask.frPyObjects(segmentation, *segmentation["size"])
        boxed.append({**each, "bbox": coco_mask.toBbox(segmentation).tolist()})
    return boxed


def pycocotools_metrics(output: Path, results: Results) -> list[float | None]:
    """The metrics of masks in stored pixels, of sizes that are told by areas in source pixels."""
    rows = {row["image_id"]: row["geometry"] for row in samples_table(output) if row["geometry"]}
    truth = read(output, "rescaled")
    areas = {each["id"]: each["area"] for each in read(output, "original")["annotations"]}
    for each in truth["annotations"]:
        each["area"] = areas[each["id"]]
    reader = reader_of(truth)
    compressed = []
    for each in results:
        rle = each["segmentation"]
        if isinstance(rle["counts"], list):
            rle = coco_mask.frPyObjects(rle, *rle["size"])
        compressed.append({**each, "segmentation": rle})
    with contextlib.redirect_stdout(io.StringIO()):
        detections = reader.loadRes(compressed)
        for each in detections.dataset["annotations"]:
            geometry = rows[each["image_id"]]
            each["area"] = float(each["area"]) / (geometry["scale_x"] * geometry["scale_y"])
        evaluation = COCOeval(reader, detections, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if value < 0 else 100 * float(value) for value in evaluation.stats[:6]]


def write(folder: Path, results: dict[str, Results]) -> Path:
    folder.mkdir()
    for setting, each in results.items():
        name = f"{setting.replace('/', '__')}.json"
        (folder / name).write_text(json.dumps(each), "utf-8")
    return folder


def score(output: Path, *predictions: Path) -> Outcome:
    named = (f"--predictions={each}" for each in predictions)
    return command("score", str(output), *named, "--format=json")


def table(output: Path, *predictions: Path) -> dict[str, Any]:
    done = score(output, *predictions)
    assert done.code == 0, done.error
    return dict(json.loads(done.out))


def metrics_of(row: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    methods = [each["score"] for cell in row["noises"] for each in cell["methods"]]
    return {each["setting"]: each["metrics"] for each in methods} | {BASELINE: row["trained"]}


def test_masks_alone_agree_with_pycocotools(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    document = table(coco_set, write(tmp_path / "masks", masks))
    assert document["metrics"] == list(MASK_NAMES)
    (row,) = document["models"]
    measured = metrics_of(row)
    for setting, each in masks.items():
        expected = dict(zip(MASK_NAMES, pycocotools_metrics(coco_set, each), strict=True))
        assert measured[setting] == pytest.approx(expected, abs=1e-9)
        assert expected["mask mAP"] is not None
        assert 5 < expected["mask mAP"] < 95
    (cell,) = row["noises"]
    deltas = [measured[setting]["mask mAP"] for setting in (BASELINE, NEAREST)]
    assert cell["mean"] == pytest.approx(deltas[0] - deltas[1])  # type: ignore[operator]
    low, high = cell["interval"]
    assert low < high


def test_masks_beside_boxes_leave_these_as_they_are(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    both = {setting: with_boxes(each) for setting, each in masks.items()}
    boxes = {
        setting: [
            {name: value for name, value in one.items() if name != "segmentation"} for one in each
        ]
        for setting, each in both.items()
    }
    folders = [write(tmp_path / name, each) for name, each in (("both", both), ("boxes", boxes))]
    with_masks, without = (table(coco_set, folder) for folder in folders)
    assert with_masks["metrics"] == [*NAMES, *MASK_NAMES]
    (row,), (plain,) = with_masks["models"], without["models"]
    for setting, metrics in metrics_of(plain).items():
        expected = dict(zip(MASK_NAMES, pycocotools_metrics(coco_set, masks[setting]), strict=True))
        assert metrics_of(row)[setting] == pytest.approx(metrics | expected, abs=1e-9)
    assert [cell["interval"] for cell in row["noises"]] == [
        cell["interval"] for cell in plain["noises"]
    ]
    together = table(coco_set, *folders)
    assert together["metrics"] == [*NAMES, *MASK_NAMES]
    assert together["models"][1]["trained"]["mask mAP"] is None


def test_settings_without_masks_or_detections(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    both = with_boxes(masks[BASELINE])
    boxes = [{k: value for k, value in each.items() if k != "segmentation"} for each in both]
    folder = write(
        tmp_path / "mixed", {BASELINE: both, NEAREST: boxes, f"{BASELINE}+upsample-nearest": []}
    )
    (row,) = table(coco_set, folder)["models"]
    measured = metrics_of(row)
    assert measured[BASELINE]["mask mAP"] is not None
    assert measured[NEAREST]["mask mAP"] is None
    assert measured[f"{BASELINE}+upsample-nearest"]["mask mAP"] == 0


def edited(**changes: Any) -> Callable[[Results], None]:
    return lambda results: results[1]["segmentation"].update(changes)


def replaced(segmentation: Any) -> Callable[[Results], None]:
    return lambda results: results[1].update(segmentation=segmentation)


HUGE = 10**18


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (edited(size=[HUGE, HUGE], counts=[HUGE * HUGE]), "masks that are not of their image's"),
        (edited(size=[2**31, 1], counts=[2**31]), "masks that are not of their image's"),
        (edited(counts=[HUGE]), "detection 1, segmentation: expected size and counts"),
        (edited(counts=[-1]), "detection 1, segmentation"),
        (edited(counts="o" * 50), "detection 1, segmentation"),
        (edited(counts="\x00"), "detection 1, segmentation"),
        (edited(counts=""), "detection 1, segmentation"),
        (edited(counts=None), "detection 1, segmentation"),
        (edited(size=[1]), "detection 1, segmentation"),
        (edited(size="x"), "detection 1, segmentation"),
        (replaced([[0, 0, 9, 0, 9, 9]]), "detection 1, segmentation"),
        (replaced(None), "detection 1, segmentation"),
        (lambda results: results[1].pop("segmentation"), "detection 1, segmentation"),
        (
            lambda results: results[1].update(bbox=[0, 0, 1, 1]),
            "detection 1: expected no bbox, which the first one lacks",
        ),
    ],
    ids=[
        *("huge size", "long size", "huge count", "negative", "long numbers", "characters"),
        *("no counts", "null counts", "short size", "text size", "outline", "null", "missing"),
        "a box",
    ],
)
def test_bad_masks_are_refused_by_name(
    change: Callable[[Results], None],
    complaint: str,
    coco_set: Path,
    masks: dict[str, Results],
    tmp_path: Path,
) -> None:
    results = masks[BASELINE]
    change(results)
    failed = score(coco_set, write(tmp_path / "masks", {BASELINE: results}))
    assert failed.code == 1
    assert complaint in failed.error
    assert len(failed.error) < 1000


def test_masks_of_another_size_name_the_image(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    results = masks[BASELINE]
    height, width = results[4]["segmentation"]["size"]
    results[4]["segmentation"] = {"size": [width + 1, height], "counts": [(width + 1) * height]}
    failed = score(coco_set, write(tmp_path / "masks", {BASELINE: results}))
    text = f"image {results[4]['image_id']} has {width} x {height} pixels, the mask {height} x"
    assert (failed.code, failed.lacks("size (1)", text)) == (1, [])


def test_models_of_boxes_and_of_masks_alone_share_no_table(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    boxed = with_boxes(masks[BASELINE])
    boxes = [{k: v for k, v in each.items() if k != "segmentation"} for each in boxed]
    alone = write(tmp_path / "masks", {BASELINE: masks[BASELINE]})
    failed = score(coco_set, alone, write(tmp_path / "boxes", {BASELINE: boxes}))
    assert failed.code == 1
    assert not failed.lacks("'masks' by mask mAP", "'boxes' by mAP", "score them apart")
    mixed = write(tmp_path / "mixed", {BASELINE: boxes, NEAREST: masks[NEAREST]})
    failed = score(coco_set, mixed)
    assert (failed.code, failed.lacks("no bbox, which other settings have", NEAREST)) == (1, [])


def test_objects_without_masks_are_counted(coco_run: Run, tmp_path: Path) -> None:
    """Outlines of fewer than three points are none, and other odd objects are scored."""
    rescaled = read(coco_run.output, "rescaled")
    sizes = {each["id"]: (each["height"], each["width"]) for each in rescaled["images"]}
    outlines = [each.get("segmentation") for each in rescaled["annotations"]]
    without = sum(
        not outline or (isinstance(outline, list) and max(map(len, outline)) < 6)
        for outline in outlines
    )
    whole = [
        {
            "image_id": image_id,
            "category_id": rescaled["categories"][0]["id"],
            "score": 1.0,
            "segmentation": {"size": [*size], "counts": [0, size[0] * size[1]]},
        }
        for image_id, size in sizes.items()
    ]
    (row,) = table(coco_run.output, write(tmp_path / "masks", {BASELINE: whole}))["models"]
    assert without > 1
    assert f"objects without a mask, which do not count: {without}" in row["notes"]


def test_a_set_without_masks_is_scored_by_boxes(coco_source: Path, tmp_path: Path) -> None:
    """A model that gives boxes and masks runs to its end, and its boxes count."""
    document = json.loads((coco_source / "instances_demo.json").read_text("utf-8"))
    for annotation in document["annotations"]:
        annotation.pop("segmentation", None)
    (tmp_path / "instances_demo.json").write_text(json.dumps(document), "utf-8")
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\ngeometry: letterbox416\n"
    )
    options: Options = {
        "images": coco_source / "images",
        "annotations": tmp_path / "instances_demo.json",
        "grid": tmp_path / "grid.yaml",
        "output": tmp_path / "set",
    }
    assert generate("coco", options, "--workers=1").code == 0
    whole = coco_mask.encode(np.ones((416, 416), np.uint8, order="F"))
    rle = {"size": whole["size"], "counts": whole["counts"].decode()}
    results = [
        {**each, "score": 1.0, "segmentation": rle}
        for each in read(tmp_path / "set", "rescaled")["annotations"]
    ]
    (row,) = table(tmp_path / "set", write(tmp_path / "model", {BASELINE: results}))["models"]
    assert row["trained"]["mAP"] == pytest.approx(100)
    assert [name for name in row["trained"] if name.startswith("mask")] == []
    assert "the objects have no masks: those of detections do not count" in row["notes"]


def test_all_images_once_have_the_metric_of_the_set(
    coco_set: Path, masks: dict[str, Results], tmp_path: Path
) -> None:
    """What intervals are resampled from: matches of masks, of which the metric is known."""
    truth = read_ground_truth(SampleTables(open_set(str(coco_set))))
    folder = write(tmp_path / "masks", {BASELINE: masks[BASELINE]})
    (file,) = read_results(str(folder), truth.image_ids)
    (row,) = table(coco_set, folder)["models"]
    values = [as_text(each) for each in file.detections.shapes[Shape.MASK]]
    detections = dataclasses.replace(
        file.detections, shapes={Shape.MASK: shape_array(Shape.MASK, values)}
    )
    images = list(truth.placements)
    objects = SortedObjects.of(truth.masks, images, Shape.MASK)
    once = np.ones((1, len(images)), np.int64)
    (value,) = mean_average_precision(category_matches(objects, detections), once)
    assert 100 * value == pytest.approx(row["trained"]["mask mAP"], abs=1e-9)


def as_text(rle: dict[str, Any]) -> dict[str, Any]:
    if isinstance(rle["counts"], str):
        return rle
    return dict(coco_mask.frPyObjects(rle, *rle["size"]))
