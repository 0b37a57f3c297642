"""Scores of boxes through the command, with pycocotools as the second reader."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sysnoise.transforms.methods import install_line
from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.damage import edit_json, reseal
from tests.end_to_end.reading import manifest, samples_table
from tests.odd_files.runs import Run

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
SETTINGS = (BASELINE, NEAREST, f"{BASELINE}+box-offset-1-decode", f"{BASELINE}+upsample-bilinear")
METRICS = ("mAP", "AP50", "AP75", "AP-small", "AP-medium", "AP-large")

Results = list[dict[str, Any]]


def truth(output: Path) -> dict[str, Any]:
    """The original ground truth, with what pycocotools cannot do without."""
    (path,) = (output / "annotations").glob("*.original.json")
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    document["annotations"] = [each for each in document["annotations"] if "bbox" in each]
    for each in document["annotations"]:
        each.setdefault("iscrowd", 0)
        each.setdefault("area", each["bbox"][2] * each["bbox"][3])
    return document


def found(output: Path, seed: int) -> tuple[Results, Results]:
    """Boxes near the objects, and some elsewhere: in stored pixels, and in source pixels."""
    generator = np.random.default_rng(seed)
    document = truth(output)
    rows = {row["image_id"]: row["geometry"] for row in samples_table(output) if row["geometry"]}
    categories = [each["id"] for each in document["categories"]]
    stored, source = [], []
    for annotation in document["annotations"]:
        geometry = rows.get(annotation["image_id"])
        if geometry is None:  # The image is rejected.
            continue
        for number in range(4):
            box = np.array(annotation["bbox"]) + generator.normal(0, 3 + 20 * number, 4)
            box[2:] = np.maximum(box[2:], 1)
            category = annotation["category_id"] if number < 3 else generator.choice(categories)
            result = {
                "image_id": annotation["image_id"],
                "category_id": int(category),
                "score": float(generator.random()),
            }
            source.append({**result, "bbox": box.tolist()})
            stored.append({**result, "bbox": to_stored(box.tolist(), geometry)})
    return stored, source


def to_stored(box: list[float], geometry: dict[str, Any]) -> list[float]:
    scales = [geometry["resized_width"] / geometry["region_width"]]
    scales += [geometry["resized_height"] / geometry["region_height"]]
    x = (box[0] - geometry["source_x"]) * scales[0] - geometry["crop_x"] + geometry["pad_left"]
    y = (box[1] - geometry["source_y"]) * scales[1] - geometry["crop_y"] + geometry["pad_top"]
    return [x, y, box[2] * scales[0], box[3] * scales[1]]


def pycocotools_metrics(document: dict[str, Any], results: Results) -> list[float | None]:
    """The mAP, AP50, AP75 and those by size, in percent."""
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = [dict(each) for each in document["annotations"]]
        reader = COCO()
        reader.dataset = {**document, "annotations": annotations}
        reader.createIndex()
        evaluation = COCOeval(reader, reader.loadRes([dict(each) for each in results]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if value < 0 else 100 * float(value) for value in evaluation.stats[:6]]


def pycocotools_map(document: dict[str, Any], results: Results) -> float:
    """The mAP of objects of all sizes, in percent; -100 where there is none."""
    with contextlib.redirect_stdout(io.StringIO()):
        reader = COCO()
        reader.dataset = document
        reader.createIndex()
        evaluation = COCOeval(reader, reader.loadRes(results), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]
    return 100 * float(precision[precision > -1].mean()) if (precision > -1).any() else -100


def write(folder: Path, results: dict[str, Results]) -> Path:
    folder.mkdir()
    for setting, each in results.items():
        name = f"{setting.replace('/', '__')}.json"
        (folder / name).write_text(json.dumps(each), "utf-8")
    return folder


def score(output: Path, predictions: Path, *options: str) -> Outcome:
    return command("score", str(output), f"--predictions={predictions}", *options)


def model(output: Path, predictions: Path, *options: str) -> dict[str, Any]:
    done = score(output, predictions, "--format=json", *options)
    assert done.code == 0, done.error
    (row,) = json.loads(done.out)["models"]
    return dict(row)


def metrics_of(row: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    methods = [each["score"] for cell in row["noises"] for each in cell["methods"]]
    return {each["setting"]: each["metrics"] for each in methods} | {BASELINE: row["trained"]}


def test_metrics_agree_with_pycocotools(coco_set: Path, tmp_path: Path) -> None:
    boxes = {setting: found(coco_set, seed) for seed, setting in enumerate(SETTINGS)}
    folder = write(tmp_path / "yolo", {setting: each[0] for setting, each in boxes.items()})
    row = model(coco_set, folder)
    measured = metrics_of(row)
    assert set(measured) == set(SETTINGS)
    document = truth(coco_set)
    for setting, (_, source) in boxes.items():
        expected = pycocotools_metrics(document, source)
        assert measured[setting] == pytest.approx(
            dict(zip(METRICS, expected, strict=True)), abs=1e-9
        )
        assert expected[0] is not None
        assert 5 < expected[0] < 95
    columns = {cell["noise"]: cell for cell in row["noises"]}
    assert list(columns) == ["resize", "upsample", "post-processing"]
    for cell in columns.values():
        (method,) = cell["methods"]
        values = [measured[BASELINE]["mAP"], measured[method["score"]["setting"]]["mAP"]]
        assert None not in values
        assert cell["mean"] == pytest.approx(values[0] - values[1])  # type: ignore[operator]
        assert method["score"]["flip_rate"] is method["score"]["mcnemar_p"] is None
        low, high = method["score"]["interval"]
        assert low < high


def test_letterboxed_images_and_odd_objects_agree_with_pycocotools(
    coco_run: Run, tmp_path: Path
) -> None:
    output = coco_run.output
    stored, source = found(output, 0)
    document = truth(output)
    held = {row["image_id"] for row in coco_run.samples.values() if row["status"] == "ok"}
    for name in ("images", "annotations"):
        field = "id" if name == "images" else "image_id"
        document[name] = [each for each in document[name] if each[field] in held]
    row = model(output, write(tmp_path / "yolo", {BASELINE: stored}))
    assert row["images"] == len(held)
    expected = dict(zip(METRICS, pycocotools_metrics(document, source), strict=True))
    assert row["trained"] == pytest.approx(expected, abs=1e-9)
    (path,) = (output / "annotations").glob("*.original.json")
    objects = json.loads(path.read_text("utf-8"))["annotations"]
    without = sum("bbox" not in each for each in objects if each["image_id"] in held)
    assert any(f"which do not count: {without}" in note for note in row["notes"]) == bool(without)


@pytest.mark.slow
def test_intervals_are_those_of_copied_images(coco_set: Path, tmp_path: Path) -> None:
    """Each resample is a dataset of its own, in which images occur as often as they are drawn."""
    boxes = {setting: found(coco_set, seed) for seed, setting in enumerate((BASELINE, NEAREST))}
    folder = write(tmp_path / "yolo", {setting: each[0] for setting, each in boxes.items()})
    (cell,) = model(coco_set, folder)["noises"]
    document = truth(coco_set)
    ids = sorted(each["id"] for each in document["images"])
    generator = np.random.default_rng(0)
    deltas = []
    for _ in range(1000):
        drawn = [ids[place] for place in generator.integers(len(ids), size=len(ids))]
        copied = copies(document, drawn)
        values = [pycocotools_map(copied, repeated(source, drawn)) for _, source in boxes.values()]
        assert min(values) >= 0
        deltas.append(values[0] - values[1])
    expected = [float(limit) for limit in np.percentile(deltas, [2.5, 97.5])]
    assert cell["interval"] == pytest.approx(expected, abs=1e-9)


def copies(document: dict[str, Any], drawn: list[int]) -> dict[str, Any]:
    images = [{"id": number} for number in range(1, len(drawn) + 1)]
    annotations = repeated(document["annotations"], drawn)
    for number, each in enumerate(annotations, start=1):
        each["id"] = number
    return {**document, "images": images, "annotations": annotations}


def repeated(entries: Results, drawn: list[int]) -> Results:
    return [
        {**entry, "image_id": number}
        for number, image_id in enumerate(drawn, start=1)
        for entry in entries
        if entry["image_id"] == image_id
    ]


def test_images_without_detections_count(coco_set: Path, tmp_path: Path) -> None:
    stored, source = found(coco_set, 0)
    few = [each for each in stored if each["image_id"] != 1]
    row = model(coco_set, write(tmp_path / "few", {BASELINE: few}))
    assert row["images"] == 18
    expected = pycocotools_metrics(
        truth(coco_set), [each for each in source if each["image_id"] != 1]
    )
    assert row["trained"]["mAP"] == pytest.approx(expected[0], abs=1e-9)
    (note,) = (note for note in row["notes"] if "images without detections" in note)
    assert "'1'" in note
    row = model(coco_set, write(tmp_path / "none", {BASELINE: stored, NEAREST: []}))
    (cell,) = row["noises"]
    assert cell["mean"] == pytest.approx(row["trained"]["mAP"])


def test_partial_scores_images_with_detections_in_all_settings(
    coco_set: Path, tmp_path: Path
) -> None:
    stored, source = found(coco_set, 0)
    few = [each for each in stored if each["image_id"] > 4]
    few.append({**few[0], "image_id": 999})
    folder = write(tmp_path / "few", {BASELINE: stored, NEAREST: few})
    refused = score(coco_set, folder)
    assert refused.code == 1
    assert f"'{NEAREST}': images that are not in the set (1): '999'" in refused.error
    row = model(coco_set, folder, "--partial")
    common = {each["image_id"] for each in stored if each["image_id"] > 4}
    assert row["images"] == len(common)
    assert f"{len(common)} of 18 images are scored" in row["notes"]
    document = truth(coco_set)
    document["images"] = [each for each in document["images"] if each["id"] in common]
    document["annotations"] = [
        each for each in document["annotations"] if each["image_id"] in common
    ]
    expected = pycocotools_metrics(
        document, [each for each in source if each["image_id"] in common]
    )
    assert row["trained"]["mAP"] == pytest.approx(expected[0], abs=1e-9)
    assert row["noises"][0]["mean"] == pytest.approx(0.0)
    elsewhere = [{**stored[0], "image_id": 17}]  # A photograph without objects.
    folder = write(tmp_path / "elsewhere", {BASELINE: elsewhere})
    done = score(coco_set, folder, "--partial")
    assert done.code == 1
    assert "the images have no object with a box" in done.error
    other = [each for each in stored if each["image_id"] <= 4]
    folder = write(tmp_path / "apart", {BASELINE: other, NEAREST: few})
    done = score(coco_set, folder, "--partial")
    assert done.code == 1
    assert "no image for all settings in common" in done.error


def test_other_categories_do_not_count_and_are_noted(coco_set: Path, tmp_path: Path) -> None:
    stored, source = found(coco_set, 0)
    foreign = [{**each, "category_id": 2} for each in stored[:5]]
    row = model(coco_set, write(tmp_path / "yolo", {BASELINE: stored + foreign}))
    expected = pycocotools_metrics(truth(coco_set), source)
    assert row["trained"]["mAP"] == pytest.approx(expected[0], abs=1e-9)
    assert any("do not count: up to 5 in a setting, of '2'" in n for n in row["notes"])


def test_settings_that_do_not_fit_are_named_all_at_once(coco_set: Path, tmp_path: Path) -> None:
    stored, _ = found(coco_set, 0)
    folder = write(
        tmp_path / "yolo",
        {
            NEAREST: [{**stored[0], "image_id": 77}],
            f"{NEAREST}+int8+fp16": stored,
            f"{NEAREST}+fp16+int8": stored,
            "metrics": stored,
            f"{BASELINE}+dropout": stored,
        },
    )
    done = score(coco_set, folder)
    assert done.code == 1
    assert (
        done.lacks(
            f"'{BASELINE}': the baseline setting is not among the predictions",
            f"'{NEAREST}': images that are not in the set (1): '77'",
            f"'{NEAREST}+fp16+int8': two files are of this setting",
            "'metrics': unknown variant 'metrics'",
            "unknown noise 'dropout'",
        )
        == []
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda entry: entry.pop("score"), "score: expected a finite number, found nothing"),
        (lambda entry: entry.update(score=float("nan")), "score: expected a finite number, found"),
        (lambda entry: entry.update(image_id="1"), "image_id: expected a whole number, or the key"),
        (lambda entry: entry.update(image_id=1.0), "image_id: expected a whole number, or the key"),
        (lambda entry: entry.update(category_id=True), "category_id: expected a whole number"),
        (lambda entry: entry.update(bbox=[1, 2, 3]), "bbox: expected x, y, width, height"),
        (lambda entry: entry.update(bbox=[1, 2, -3, 4]), "bbox: expected x, y, width, height"),
        (lambda entry: entry.update(bbox=[1, 2, 3, "4"]), "bbox: expected x, y, width, height"),
    ],
)
def test_malformed_detections_are_named(
    change: Callable[[dict[str, Any]], None], complaint: str, coco_set: Path, tmp_path: Path
) -> None:
    stored, _ = found(coco_set, 0)
    change(stored[3])
    done = score(coco_set, write(tmp_path / "yolo", {BASELINE: stored}))
    assert done.code == 1
    assert f"detection 3, {complaint}" in done.error


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"image_id": 1', "null"])
def test_files_that_are_no_results_are_refused(text: str, coco_set: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "yolo", {})
    path = folder / f"{BASELINE.replace('/', '__')}.json"
    path.write_text(text, "utf-8")
    done = score(coco_set, folder)
    assert done.code == 1
    assert f"the results file {str(path)!r}" in done.error


def test_predictions_of_the_other_kind_are_refused(coco_set: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.jsonl").write_text("{}\n", "utf-8")
    done = score(coco_set, tmp_path / "classes.jsonl")
    assert done.code == 1
    assert "no .json files, nor a folder of such" in done.error


def test_the_library_is_an_extra(
    coco_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = score(coco_set, tmp_path)
    assert done.code == 2
    assert install_line("evaluate") in done.error


def test_a_set_without_objects_cannot_be_scored_against(coco_set: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(coco_set, tmp_path / "bare")
    split = manifest(bare)["dataset"]["split"]
    path = bare / "annotations" / f"instances_{split}.original.json"
    edit_json(path, lambda document: document.update(annotations=[]))
    reseal(bare)
    done = score(bare, write(tmp_path / "yolo", {BASELINE: []}))
    assert done.code == 1
    assert "the images have no object with a box" in done.error
    path.unlink()
    done = score(bare, tmp_path / "yolo")
    assert done.code == 1
    assert "lacks" in done.error


def test_a_recipe_without_images_is_scored_against(coco_set: Path, tmp_path: Path) -> None:
    stored, _ = found(coco_set, 0)
    folder = write(tmp_path / "yolo", {BASELINE: stored})
    published = command("publish", str(coco_set), str(tmp_path / "recipe"), "--recipe-only")
    assert published.code == 0, published.error
    assert not (tmp_path / "recipe" / "variants").exists()
    assert model(tmp_path / "recipe", folder) == model(coco_set, folder)
