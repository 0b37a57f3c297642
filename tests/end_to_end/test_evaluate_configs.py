"""The shipped configs by name, through the command, on tiny graphs of each family's shapes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import yaml
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from sysnoise import open_set
from sysnoise.pipelines.evaluation.named_configs import config_names, config_text
from tests.detectors import CATEGORY_IDS, EDGES, FAMILIES, SCORES, SIDE, model, renamed
from tests.end_to_end.commands import Outcome, command
from tests.models import weights, write_classifier

BASELINE = "pillow/none/rgb"
GRID = """
decoders: [pillow, opencv]
resizes: [none]
colors: [rgb]
geometry: native
baseline: pillow/none/rgb
"""
CLASSIFIERS = {
    "torchvision-classification": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "timm": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "timm-inception": ((127.5,) * 3, (127.5,) * 3),
    "efficientnet-lite": ((127,) * 3, (128,) * 3),
}
PADDED = ("torchvision-fasterrcnn", "torchvision-ssd")
"""The families whose graphs take images of any size here."""


@pytest.fixture(scope="module")
def boxes_set(tmp_path_factory: pytest.TempPathFactory, coco_source: Path) -> Path:
    """Two photographs in their own sizes."""
    folder = tmp_path_factory.mktemp("boxes")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    done = command(
        "generate",
        "coco",
        f"--images={coco_source / 'images'}",
        f"--annotations={coco_source / 'instances_demo.json'}",
        f"--grid={folder / 'grid.yaml'}",
        f"--output={folder / 'set'}",
        *("--limit=2", "--workers=1"),
    )
    assert done.code == 0, done.error
    return folder / "set"


def evaluate(found: Path, made: onnx.ModelProto, config: str, out: Path, *more: str) -> Outcome:
    """Run ``sysnoise evaluate`` on the baseline with a model that is written beside the output."""
    onnx.save(made, out.with_suffix(".onnx"))
    return command(
        "evaluate",
        str(found),
        f"--model={out.with_suffix('.onnx')}",
        f"--config={config}",
        f"--predictions={out}",
        f"--variant={BASELINE}",
        "--workers=1",
        *more,
    )


def detections(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((out / "pillow__none__rgb.json").read_text("utf-8"))
    return rows


def in_the_image(box: tuple[int, ...], width: int, height: int, config: str) -> list[float]:
    """Map edges in the input back to a stored image by each family's fit."""
    across = down = min(SIDE / width, SIDE / height)
    left, top = (SIDE - round(width * across)) // 2, (SIDE - round(height * across)) // 2
    if config == "yolox":
        left = top = 0
    if config in ("ssd", "rt-detr"):
        across, down, left, top = SIDE / width, SIDE / height, 0, 0
    if config in PADDED:
        across, down, left, top = 1, 1, 0, 0
    x1, x2 = (min(max((edge - left) / across, 0), width) for edge in (box[0], box[2]))
    y1, y2 = (min(max((edge - top) / down, 0), height) for edge in (box[1], box[3]))
    return [x1, y1, x2 - x1, y2 - y1]


def check_objects(found: Path, out: Path, config: str) -> None:
    """Each image has both objects, the better first, where the graph has them in its input."""
    rows = detections(out)
    images = [(each.image_id, each.image.shape) for each in open_set(str(found)).iterate(BASELINE)]
    assert len(images) == 2
    assert [row["image_id"] for row in rows] == [number for number, _ in images for _ in EDGES]
    assert [row["category_id"] for row in rows] == [*CATEGORY_IDS] * 2
    np.testing.assert_allclose([row["score"] for row in rows], [*SCORES] * 2, atol=1e-5)
    expected = [
        in_the_image(box, width, height, config)
        for _, (height, width, _) in images
        for box in EDGES
    ]
    # Sides of a letterboxed image are whole pixels of 64, some of which are ten of the image.
    np.testing.assert_allclose([row["bbox"] for row in rows], expected, atol=6)


def test_every_config_is_tried() -> None:
    assert sorted([*FAMILIES, *CLASSIFIERS]) == config_names()


@pytest.mark.parametrize("config", FAMILIES)
def test_a_detector_by_name(config: str, boxes_set: Path, tmp_path: Path) -> None:
    done = evaluate(boxes_set, model(FAMILIES[config]()), config, tmp_path / "out")
    assert done.code == 0, done.error
    check_objects(boxes_set, tmp_path / "out", config)
    again = "2 of 2 images are resized a second time, to the model's 64 x 64"
    assert (again in done.error) == (again in done.out) == (config not in PADDED)
    document = yaml.safe_load((tmp_path / "out" / "evaluation.yaml").read_text("utf-8"))
    assert "auto" not in json.dumps(document["config"])
    spec = document["config"]["input"]
    assert (spec["name"], document["batch_size"]) == ("image", 1)
    if config not in PADDED:
        assert (spec["height"], spec["width"]) == (SIDE, SIDE)


def test_masks_are_those_of_the_stored_image(boxes_set: Path, tmp_path: Path) -> None:
    """Those of the graph fill the boxes; a border is at the same place but for a pixel."""
    made = model(FAMILIES["torchvision-maskrcnn"]())
    done = evaluate(boxes_set, made, "torchvision-maskrcnn", tmp_path / "out")
    assert done.code == 0, done.error
    sizes = {
        each.image_id: list(each.image.shape[:2])
        for each in open_set(str(boxes_set)).iterate(BASELINE)
    }
    rows = detections(tmp_path / "out")
    assert len(rows) == 4
    for row in rows:
        assert row["segmentation"]["size"] == sizes[row["image_id"]]
        assert coco_mask.decode(row["segmentation"]).max() == 1
        np.testing.assert_allclose(coco_mask.toBbox(row["segmentation"]), row["bbox"], atol=1)
        filled = row["bbox"][2] * row["bbox"][3]
        assert coco_mask.area(row["segmentation"]) == pytest.approx(filled, rel=0.02)


def test_score_tells_of_the_second_resize_too(boxes_set: Path, tmp_path: Path) -> None:
    """As far as the folder is one of ``evaluate``, and its document can be read."""
    out = tmp_path / "out"
    assert evaluate(boxes_set, model(FAMILIES["ssd"]()), "ssd", out).code == 0
    note = "out: 2 of 2 images are resized a second time, to the model's 64 x 64 (stretch), which"
    score = ("score", str(boxes_set), f"--predictions={out}")
    assert note in command(*score).out
    for text in ("{", "models: 7", "config: {input: {fit: exact, height: 64, width: 64}}", ""):
        (out / "evaluation.yaml").write_text(text, "utf-8")
        done = command(*score)
        assert done.code == 0, done.error
        assert "a second time" not in done.out


def test_outputs_of_other_names_and_order(boxes_set: Path, tmp_path: Path) -> None:
    for config, names in (
        ("torchvision-retinanet", {"boxes": "3145", "labels": "3146", "scores": "3149"}),
        ("rt-detr", {"logits": "a", "pred_boxes": "b"}),
    ):
        out = tmp_path / config
        made = model(renamed(FAMILIES[config](), **names))
        done = evaluate(boxes_set, made, config, out)
        assert done.code == 0, done.error
        check_objects(boxes_set, out, config)


def test_classes_are_those_that_the_model_names(boxes_set: Path, tmp_path: Path) -> None:
    """As Ultralytics writes them; the set has no unicorn."""
    family = FAMILIES["yolov10"]()
    family.outputs["output0"][0, :2, 5] = 2, 0
    names = "{0: 'cup', 1: 'unicorn', 2: 'Boat'}"
    done = evaluate(boxes_set, model(family, names=names), "yolov10", tmp_path / "out")
    assert done.code == 0, done.error
    check_objects(boxes_set, tmp_path / "out", "yolov10")
    document = yaml.safe_load((tmp_path / "out" / "evaluation.yaml").read_text("utf-8"))
    assert document["config"]["task"]["categories"] == [47, None, 9]
    (tmp_path / "own.yaml").write_text(
        config_text("yolov10").replace("categories: auto", "categories: coco80"), "utf-8"
    )
    own = str(tmp_path / "own.yaml")
    failed = evaluate(boxes_set, model(family, names=names), own, tmp_path / "own")
    assert not failed.lacks("categories: 80, but the model names 3 classes: 'cup', 'unicorn', 'B")
    strange = model(family, names="['a', 'b', 'c']")
    failed = evaluate(boxes_set, strange, "yolov10", tmp_path / "strange")
    assert not failed.lacks("categories: the model names its classes 'a', 'b', 'c', and the set")


def test_an_input_that_is_the_same_for_every_image(boxes_set: Path, tmp_path: Path) -> None:
    """Such as the size of the image; the constant is a factor of the boxes here."""
    made = model(FAMILIES["yolov10"]())
    ones = np.array([[[0.5, 0.5, 0.5, 0.5, 1, 1]]], np.float32)
    made.graph.node[-1].output[0] = "halved"
    made.graph.node.append(onnx.helper.make_node("Mul", ["halved", "factors"], ["output0"]))
    info = onnx.helper.make_tensor_value_info("factors", onnx.TensorProto.FLOAT, ["N", 1, 6])
    made.graph.input.append(info)
    made.graph.initializer[-1].CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(made.graph.initializer[-1]) / ones,
            made.graph.initializer[-1].name,
        )
    )
    failed = evaluate(boxes_set, made, "yolov10", tmp_path / "failed")
    assert failed.code == 2
    assert not failed.lacks("the model also needs 'factors', which nothing feeds; if it is the sa")
    own = tmp_path / "own.yaml"
    numbers = "constants: {factors: [0.5, 0.5, 0.5, 0.5, 1, 1]}"
    own.write_text(f"{config_text('yolov10')}{numbers}\n", "utf-8")
    done = evaluate(boxes_set, made, str(own), tmp_path / "out")
    assert done.code == 0, done.error
    check_objects(boxes_set, tmp_path / "out", "yolov10")


@pytest.mark.parametrize(
    ("family", "head", "said"),
    [
        ("yolov8", "boxes: output0, scores: output0", "axes: values-boxes, values: [box, scores]"),
        ("yolov5", "boxes: output, scores: output", "values: [box, objectness, scores]"),
        ("yolov10", "boxes: output0, scores: output0", "values: [box, score, label]"),
        ("rt-detr", "boxes: boxes, scores: scores", "boxes: pred_boxes, scores: logits"),
        ("torchvision-ssd", "boxes: b, scores: s", "boxes: boxes, scores: scores, labels: labels"),
    ],
)
def test_a_head_that_does_not_fit_is_told_which_one_does(
    family: str, head: str, said: str, boxes_set: Path, tmp_path: Path
) -> None:
    config = f"""
task: detection
input: {{name: image, size: [64, 64], layout: NCHW, channels: RGB, mean: 0, scale: 1, fit: stretch}}
head: {{type: boxes, {head}, format: xyxy, units: pixels}}
categories: coco80
nms: none
"""
    (tmp_path / "own.yaml").write_text(config, "utf-8")
    made = model(FAMILIES[family]())
    failed = evaluate(boxes_set, made, str(tmp_path / "own.yaml"), tmp_path / "out")
    assert failed.code == 2
    assert not failed.lacks(
        "such outputs fit ", "'head: {type: ", said, "'sysnoise configs' lists al"
    )


@pytest.mark.parametrize(
    ("family", "config", "fitting"),
    [
        ("yolov3-tiny", "yolov8", "yolov3-tiny"),
        ("yolov3", "yolov3-tiny", "yolov3"),
        ("yolov10", "yolov5", "yolov10"),
        ("rt-detr", "torchvision-fasterrcnn", "rt-detr"),
        (
            "torchvision-fasterrcnn",
            "yolox",
            "ssd, torchvision-fasterrcnn, torchvision-retinanet, torchvision-ssd",
        ),
    ],
)
def test_a_shipped_config_that_does_not_fit_is_told_which_ones_do(
    family: str, config: str, fitting: str, boxes_set: Path, tmp_path: Path
) -> None:
    failed = evaluate(boxes_set, model(FAMILIES[family]()), config, tmp_path / "out")
    assert failed.code == 2
    told = failed.error.splitlines()[-1]
    assert told == f"shipped configs that fit the model: {fitting}"


def test_a_detector_with_the_config_of_a_classifier_is_told_what_it_looks_like(
    small_set: Path, tmp_path: Path
) -> None:
    onnx.save(model(FAMILIES["yolov3-tiny"]()), tmp_path / "made.onnx")
    failed = command(
        "evaluate", str(small_set), f"--model={tmp_path / 'made.onnx'}", "--config=timm"
    )
    assert failed.code == 2
    told = failed.error.splitlines()[-1]
    assert told == "its outputs look like those of a detector; configs that fit it: yolov3-tiny"


def test_a_classifier_with_the_config_of_a_detector_is_told_what_it_looks_like(
    boxes_set: Path, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "made.onnx")
    failed = command(
        "evaluate", str(boxes_set), f"--model={tmp_path / 'made.onnx'}", "--config=yolov5"
    )
    assert failed.code == 2
    told = failed.error.splitlines()[-1]
    assert told == (
        "its outputs look like those of a classifier; configs that fit it: efficientnet-lite, "
        "timm, timm-inception, torchvision-classification"
    )


@pytest.mark.parametrize("config", CLASSIFIERS)
def test_a_classifier_by_name(config: str, small_set: Path, tmp_path: Path) -> None:
    write_classifier(tmp_path / "made.onnx")
    found = open_set(str(small_set))
    done = command(
        "evaluate",
        str(small_set),
        f"--model={tmp_path / 'made.onnx'}",
        f"--config={config}",
        f"--predictions={tmp_path / 'out'}",
        f"--variant={found.baseline}",
        "--workers=1",
    )
    assert done.code == 0, done.error
    slug = found.variants[found.baseline]["slug"]
    rows = pq.read_table(tmp_path / "out" / f"{slug}.parquet").to_pylist()
    images = {each.key: each.image for each in found.iterate(found.baseline)}
    assert [row["key"] for row in rows] == list(images)
    for row in rows:
        assert row["top5"] == top5(images[row["key"]], *CLASSIFIERS[config])


def top5(image: NDArray[np.uint8], mean: Any, scale: Any) -> list[int]:
    """The classifier of :func:`write_classifier` in float64."""
    scaled = (image.astype(np.float64) - mean) / scale
    windows = np.lib.stride_tricks.sliding_window_view(scaled, (3, 3), axis=(0, 1))[::2, ::2]
    matrix, bias = weights()
    logits = windows.max(axis=(3, 4)).mean(axis=(0, 1)) @ matrix.astype(np.float64) + bias
    return [int(each) for each in np.argsort(-logits)[:5]]


def of_any_size() -> onnx.ModelProto:
    """A graph with one box, and the mean of each channel as scores; height and width are open."""
    helper = onnx.helper
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "middle"], ["scores"]),
        helper.make_node("Identity", ["fixed"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "any",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])],
        [
            helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, 1, 3]),
            helper.make_tensor_value_info("boxes", onnx.TensorProto.FLOAT, [1, 1, 4]),
        ],
        [
            onnx.numpy_helper.from_array(np.array([1], np.int64), "middle"),
            onnx.numpy_helper.from_array(np.array([[[64, 32, 96, 72]]], np.float32), "fixed"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_images_of_the_set_run_as_they_are_through_a_model_of_any_size(
    coco_set: Path, tmp_path: Path
) -> None:
    """At 800 x 1333, padded to multiples of 32; nearest is not bilinear."""
    (tmp_path / "any.yaml").write_text(
        """
task: detection
input:
  {name: image, size: any, fit: pad, pad: 7, layout: NCHW, channels: RGB, mean: 0, scale: 255}
head: {type: boxes, boxes: boxes, scores: scores, format: xyxy, units: pixels}
categories: [1, 2, 3]
score_threshold: 0
nms: none
""",
        "utf-8",
    )
    onnx.save(of_any_size(), tmp_path / "any.onnx")
    done = command(
        "evaluate",
        str(coco_set),
        f"--model={tmp_path / 'any.onnx'}",
        f"--config={tmp_path / 'any.yaml'}",
        f"--predictions={tmp_path / 'out'}",
        "--variant=pillow/pillow-nearest/rgb",
    )
    assert done.code == 0, done.error
    assert "a second time" not in done.error
    found, scores = open_set(str(coco_set)), {}
    for variant in (found.baseline, "pillow/pillow-nearest/rgb"):
        slug = found.variants[variant]["slug"]
        rows = json.loads((tmp_path / "out" / f"{slug}.json").read_text("utf-8"))
        means = {(row["image_id"], row["category_id"]): row["score"] for row in rows}
        assert {tuple(row["bbox"]) for row in rows} == {(64, 32, 32, 40)}
        assert len(means) == len(rows) == 18 * 3
        for each in found.iterate(variant):
            height, width = each.image.shape[:2]
            assert max(height, width) <= 1333
            padded = np.full((-(-height // 32) * 32, -(-width // 32) * 32, 3), 7, np.float64)
            padded[:height, :width] = each.image
            made = [means[each.image_id, number] for number in (1, 2, 3)]
            np.testing.assert_allclose(made, padded.mean(axis=(0, 1)) / 255, atol=5e-4)
        scores[variant] = means
    assert scores[found.baseline] != scores["pillow/pillow-nearest/rgb"]
    document = yaml.safe_load((tmp_path / "out" / "evaluation.yaml").read_text("utf-8"))
    sides = [document["config"]["input"][side] for side in ("height", "width", "multiple")]
    sizes = [each.image.shape[:2] for each in found.iterate(found.baseline)]
    common = max(set(sizes), key=lambda size: (sizes.count(size), size[1], size[0]))
    assert sides == [*(-(-side // 32) * 32 for side in common), 32]


def test_a_model_of_one_size_is_not_one_of_any(boxes_set: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        config_text("yolov10").replace("size: auto", "size: any").replace("letterbox", "pad"),
        "utf-8",
    )
    made = model(FAMILIES["yolov10"]())
    failed = evaluate(boxes_set, made, str(tmp_path / "own.yaml"), tmp_path / "out")
    assert failed.code == 2
    assert not failed.lacks("input.size: any, but the model takes 1 x 3 x 64 x 64 only; give that")
    opened = model(dataclasses.replace(FAMILIES["yolov10"](), image=(1, 3, "h", "w")))
    failed = evaluate(boxes_set, opened, "yolov10", tmp_path / "open")
    assert not failed.lacks("input.size: the model takes 1 x 3 x h x w and does not say its size")
    opened = model(
        dataclasses.replace(FAMILIES["yolov10"](), image=(1, 3, "h", "w")), imgsz="[64, 64]"
    )
    done = evaluate(boxes_set, opened, "yolov10", tmp_path / "said")
    assert done.code == 0, done.error
    check_objects(boxes_set, tmp_path / "said", "yolov10")
