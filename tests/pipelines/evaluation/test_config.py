"""CONFIG.yaml: what it may say, and how it is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from sysnoise.pipelines.cli.photographs import COCO_CATEGORIES
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.config import (
    Classifier,
    ModelConfig,
    parse_config,
)
from sysnoise.pipelines.evaluation.config_heads import CATEGORIES
from sysnoise.pipelines.evaluation.config_values import Background
from sysnoise.transforms.model.boxes import (
    Detector,
    Nms,
    NmsClasses,
)
from sysnoise.transforms.model.heads import (
    Activation,
    AnchorEdges,
    AnchorLevel,
    AnchorsHead,
    AnchorSpacing,
    BoxesHead,
    BoxFormat,
    BoxUnits,
    TensorAxes,
    TensorHead,
    TensorValue,
    YoloHead,
    YoloOutput,
)
from sysnoise.transforms.model.input import ChannelOrder, InputFit, InputSpec, InputType, Layout

CLASSIFIER = """\
task: classification
input:
  name: input
  size: [224, 160]
  layout: NCHW
  channels: RGB
  mean: [123.675, 116.28, 103.53]
  scale: 127.5
output: logits
"""
YOLO = """\
task: detection
input: {name: images, size: [416, 416], layout: NHWC, channels: BGR, dtype: uint8, fit: letterbox}
head:
  type: yolo
  outputs:
    - {name: coarse, anchors: [[81, 82], [135, 169.5]]}
    - {name: fine, anchors: [[10, 14]]}
categories: coco80
nms: {iou: 0.45}
"""
BOXES = """\
task: detection
input: {name: x, size: [8, 8], layout: NCHW, channels: RGB, mean: 0, scale: 255, dtype: float16}
head: {type: boxes, boxes: b, scores: s, labels: l, format: cxcywh, units: normalized}
categories: [7, 3]
score_threshold: 0.25
nms: none
max_detections: 300
"""
TENSOR = """\
task: detection
input:
  {name: x, size: [64, 64], layout: NCHW, channels: BGR, mean: 0, scale: 1, fit: letterbox-top-left}
constants: {image_shape: 64, factors: [1, 2.5]}
head:
  type: tensor
  output: output
  axes: boxes-values
  values: [box, objectness, scores]
  format: cxcywh
  units: pixels
  strides: [8, 16, 32]
categories: [1]
nms: {iou: 0.65}
"""
ANCHORS = """\
task: detection
input: {name: x, size: any, layout: NCHW, channels: RGB, mean: 0, scale: 1, fit: pad, multiple: 64}
head:
  type: anchors
  scores: s
  deltas: d
  activation: sigmoid
  weights: [10, 10, 5, 5]
  candidates: 200
  spacing: grid
  center: 0.5
  levels:
    - {stride: 16, sizes: [32, 64], scales: [1, 1.25], ratios: [0.5, 2]}
    - {stride: 8, anchors: [[10, 20], [30, 15]]}
categories: [1]
nms: {iou: 0.5}
"""
OPEN_INPUT = "name: auto, size: auto, layout: auto"


def error(text: str) -> str:
    """Return the whole message with which a config is refused."""
    with pytest.raises(UsageError) as caught:
        parse_config(text, "my.yaml")
    return str(caught.value)


def test_classifier() -> None:
    spec = InputSpec(
        name="input",
        height=224,
        width=160,
        layout=Layout.NCHW,
        channels=ChannelOrder.RGB,
        mean=(123.675, 116.28, 103.53),
        scale=(127.5, 127.5, 127.5),
        type=InputType.FLOAT32,
        fit=InputFit.EXACT,
        pad=114,
    )
    config = parse_config(CLASSIFIER, "my.yaml")
    assert config == ModelConfig(spec, Classifier("logits", Background.NONE))
    assert config.outputs == ("logits",)
    with_background = parse_config(f"{CLASSIFIER}background: first\n", "my.yaml")
    assert with_background.task == Classifier("logits", Background.FIRST)


def test_detector_with_grids() -> None:
    spec = InputSpec(
        name="images",
        height=416,
        width=416,
        layout=Layout.NHWC,
        channels=ChannelOrder.BGR,
        mean=(0, 0, 0),
        scale=(1, 1, 1),
        type=InputType.UINT8,
        fit=InputFit.LETTERBOX,
        pad=114,
    )
    grids = (
        YoloOutput("coarse", ((81.0, 82.0), (135.0, 169.5))),
        YoloOutput("fine", ((10.0, 14.0),)),
    )
    nms = Nms(0.45, NmsClasses.SEPARATE)
    config = parse_config(YOLO, "my.yaml")
    detector = Detector(YoloHead(grids), CATEGORIES["coco80"], 0.001, nms, 100)
    assert config == ModelConfig(spec, detector)
    assert config.outputs == ("coarse", "fine")


def test_detector_with_boxes() -> None:
    config = parse_config(BOXES, "my.yaml")
    head = BoxesHead("b", "s", "l", BoxFormat.CXCYWH, BoxUnits.NORMALIZED)
    assert config.task == Detector(head, (7, 3), 0.25, None, 300)
    assert config.input.type is InputType.FLOAT16
    assert config.outputs == ("b", "s", "l")
    without_labels = parse_config(BOXES.replace("labels: l, ", ""), "my.yaml")
    assert without_labels.outputs == ("b", "s")


def test_ids_of_cocos_eighty_categories() -> None:
    ids = CATEGORIES["coco80"]
    assert len(ids) == 80
    assert (ids[0], ids[11], ids[14], ids[79]) == (1, 13, 16, 90)
    # Their places among the names of darknet's coco.names, from which detectors count.
    places = {"person": 0, "boat": 8, "cat": 15, "cup": 41, "spoon": 44, "potted plant": 58}
    assert {ids[places[name]]: name for name in places} == COCO_CATEGORIES


def test_categories_with_gaps_and_backgrounds() -> None:
    ids = CATEGORIES["coco91"]
    assert len(ids) == 91
    assert all(each in (None, place) for place, each in enumerate(ids))
    assert [each for each in ids if each is not None] == list(CATEGORIES["coco80"])
    for text, expected in (
        ("[null, 7, null, 3]", (None, 7, None, 3)),
        ("[7, 3]\nbackground: first", (None, 7, 3)),
        ("[7, 3]\nbackground: last", (7, 3, None)),
        ("[7, 3]\nbackground: none", (7, 3)),
    ):
        task = parse_config(BOXES.replace("[7, 3]", text), "my.yaml").task
        assert isinstance(task, Detector)
        assert task.categories == expected


def test_detector_with_one_tensor() -> None:
    config = parse_config(TENSOR, "my.yaml")
    assert isinstance(config.task, Detector)
    assert config.task.head == TensorHead(
        "output",
        TensorAxes.BOXES_VALUES,
        (TensorValue.BOX, TensorValue.OBJECTNESS, TensorValue.SCORES),
        BoxFormat.CXCYWH,
        BoxUnits.PIXELS,
        (8, 16, 32),
    )
    assert config.input.fit is InputFit.LETTERBOX_TOP_LEFT
    assert config.constants == (("image_shape", (64.0,)), ("factors", (1.0, 2.5)))


def test_detector_with_anchors() -> None:
    config = parse_config(ANCHORS, "my.yaml")
    assert isinstance(config.task, Detector)
    head = config.task.head
    assert isinstance(head, AnchorsHead)
    assert head.weights == (10.0, 10.0, 5.0, 5.0)
    assert (head.activation, head.candidates) == (Activation.SIGMOID, 200)
    assert (head.spacing, head.edges, head.center) == (AnchorSpacing.GRID, AnchorEdges.EXACT, 0.5)
    coarse, fine = head.levels
    assert fine == AnchorLevel(8, ((10.0, 20.0), (30.0, 15.0)))
    assert coarse.stride == 16
    # Ratios of height to width first, then sizes, then scales.
    expected = [
        (side / math.sqrt(ratio), side * math.sqrt(ratio))
        for ratio in (0.5, 2)
        for side in (32, 40, 64, 80)
    ]
    np.testing.assert_allclose(coarse.anchors, expected)
    second = (
        ANCHORS[: ANCHORS.index("  candidates")] + "  proposals: p\ncategories: [1]\nnms: none\n"
    )
    config = parse_config(second, "my.yaml")
    assert config.outputs == ("s", "d", "p")


def test_activations() -> None:
    for name, activation in (("sigmoid", Activation.SIGMOID), ("none", None)):
        text = BOXES.replace("normalized", f"normalized, activation: {name}")
        task = parse_config(text, "my.yaml").task
        assert isinstance(task, Detector)
        assert isinstance(task.head, BoxesHead)
        assert task.head.activation is activation


def test_what_is_left_to_the_model_has_its_places() -> None:
    text = TENSOR.replace("name: x, size: [64, 64], layout: NCHW", OPEN_INPUT)
    text = text.replace("output: output", "output: auto").replace("[1]", "auto")
    config = parse_config(text, "my.yaml")
    assert sorted(config.left_open) == [
        ("categories",),
        ("head", "output"),
        ("input", "layout"),
        ("input", "name"),
        ("input", "size"),
    ]
    text = YOLO.replace("coarse", "auto").replace("fine", "auto")
    assert parse_config(text, "my.yaml").left_open == (
        ("head", "outputs", 0, "name"),
        ("head", "outputs", 1, "name"),
    )


def test_documents_of_configs_without_later_fields_are_as_they_were() -> None:
    """Predictions of earlier versions stay valid."""
    document = parse_config(BOXES, "my.yaml").document()
    assert document.keys() == {"input", "task"}
    assert document["task"]["head"] == {
        "boxes": "b",
        "scores": "s",
        "labels": "l",
        "format": "cxcywh",
        "units": "normalized",
    }
    expected = {"name", "height", "width", "layout", "channels", "mean", "scale"}
    assert document["input"].keys() == expected | {"type", "fit", "pad"}
    without = parse_config(BOXES.replace("labels: l, ", ""), "my.yaml").document()
    assert without["task"]["head"]["labels"] is None


def test_document_tells_configs_apart_and_is_json() -> None:
    documents = []
    for text in (CLASSIFIER, YOLO, BOXES):
        config = parse_config(text, "my.yaml")
        document = config.document()
        assert json.loads(json.dumps(document)) == document
        documents.append(document)
        pad = dataclasses.replace(config, input=dataclasses.replace(config.input, pad=0))
        documents.append(pad.document())
    assert all(one != other for one in documents for other in documents if one is not other)


def test_a_scale_of_levels_of_0_to_1_is_refused() -> None:
    text = CLASSIFIER.replace("scale: 127.5", "scale: [0.229, 0.224, 0.225]")
    assert error(text) == (
        "my.yaml:8:3: input.scale: counts levels of 0 to 255, found [0.229, 0.224, 0.225]; give "
        "mean and scale x 255"
    )


def test_all_problems_of_a_file_are_told_at_once_with_their_places() -> None:
    text = """\
# A config with many mistakes.
task: detection
input:
  name: 564
  size: [416]
  layout: NCWH
  mean: [1, 2]
  scale: [1, 0, 1]
  pad: 300
  colour: RGB
head:
  type: yolo
  outputs:
    - {name: coarse, anchors: [[81, 82], [135]]}
    - fine
categories: coco
nms: {iou: 45, classes: separate}
max_detections: 10
max_detections: 0
output: logits
"""
    settings = "name, size, layout, channels, mean, scale, dtype, fit, pad, multiple"
    fields = (
        "task, input, constants, head, categories, background, score_threshold, nms, max_detections"
    )
    assert error(text).splitlines() == [
        "my.yaml:3:1: input: 'channels' is missing",
        "my.yaml:4:3: input.name: expected a text, found 564; put it in quotes",
        "my.yaml:5:3: input.size: expected [height, width], found [416]",
        "my.yaml:6:3: input.layout: unknown choice 'NCWH' (did you mean 'NCHW'?); "
        "valid: NCHW, NHWC, CHW, HWC",
        "my.yaml:7:3: input.mean: expected a number, or three in the order of channels, "
        "found [1, 2]",
        "my.yaml:8:3: input.scale: levels are divided by it, so it cannot be 0, found [1, 0, 1]",
        "my.yaml:9:3: input.pad: expected a whole number from 0 to 255, found 300",
        "my.yaml:9:3: input.pad: goes with fit letterbox or pad only; leave it out",
        f"my.yaml:10:3: input.colour: unknown setting 'colour'; valid: {settings}",
        "my.yaml:14:22: head.outputs[0].anchors: expected [width, height] in pixels of the input, "
        "found [135]",
        "my.yaml:15:7: head.outputs[1]: expected a mapping of settings, found 'fine'",
        "my.yaml:16:1: categories: unknown categories 'coco' (did you mean 'coco91'?); "
        "valid: coco80, coco91, auto",
        "my.yaml:17:7: nms.iou: expected a number from 0 to 1, found 45",
        "my.yaml:19:1: max_detections: expected a whole number of at least 1, found 0",
        "my.yaml:19:1: max_detections: is set twice",
        f"my.yaml:20:1: output: unknown setting 'output'; valid: {fields}",
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["1:1: config: expected a mapping of settings, found None"]),
        ("[1]", ["1:1: config: expected a mapping of settings, found [1]"]),
        ("task: {}", ["1:1: config: 'input' is missing", "1:1: task: unknown choice {}; valid: "]),
        (
            "task: detection\ninput: 7\nhead: {type: ssd}\nnms: 0.5\n",
            [
                "1:1: config: 'categories' is missing",
                "2:1: input: expected a mapping of settings, found 7",
                "3:8: head.type: unknown choice 'ssd'; valid: yolo, boxes, tensor, anchors",
                "4:1: nms: expected a mapping of settings, or none, found 0.5",
            ],
        ),
    ],
)
def test_what_is_missing_is_told_once(text: str, messages: list[str]) -> None:
    lines = error(text).splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith(f"my.yaml:{message}")


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (CLASSIFIER, "127.5", ".inf", "input.scale: expected a number, or three in the order of"),
        (CLASSIFIER, "224", "yes", "input.size: expected a whole number of at least 1, found True"),
        (CLASSIFIER, "logits", "''", "output: expected a text, found ''"),
        (CLASSIFIER, "task: cl", "nms: none\ntask: cl", "nms: unknown setting 'nms'; valid: task,"),
        (CLASSIFIER, "  scale: 127.5\n", "", "input: 'scale' is missing"),
        (YOLO, "uint8,", "uint8, mean: 0,", "input.mean: does not go with dtype uint8; leave it"),
        (
            YOLO,
            "[[10, 14]]",
            "[]",
            "head.outputs[1].anchors: expected a list of at least one entry",
        ),
        (YOLO, "[10, 14]", "[10, 0]", "head.outputs[1].anchors: expected [width, height] in pixel"),
        (YOLO, "fine,", "coarse,", "head.outputs[1].name: 'coarse' is used twice"),
        (YOLO, "letterbox}", "letterbox, pad: true}", "input.pad: expected a whole number from 0"),
        (YOLO, "  type: yolo\n", "", "head: 'type' is missing"),
        (YOLO, "{iou: 0.45}", "{}", "nms: 'iou' is missing"),
        (YOLO, "coco80", "[1, 2.5]", "categories: expected a name (coco80, coco91) or one id per"),
        (YOLO, "coco80", "[1, 1]", "categories: an id is listed twice"),
        (BOXES, "labels: l", "classes: l", "head.classes: unknown setting 'classes'"),
        (BOXES, "0.25", "-1", "score_threshold: expected a number from 0 to 1, found -1"),
        (BOXES, "[7, 3]", "[null]", "categories: expected at least one id"),
        (BOXES, "[7, 3]", "auto\nbackground: last", "background: does not go with categories auto"),
        (BOXES, "normalized", "pixels, activation: relu", "head.activation: unknown choice 'relu'"),
        (TENSOR, "[box, objectness, scores]", "[box, objectness]", "head.values: expected box, an"),
        (TENSOR, "[box, objectness, scores]", "[box, box, scores]", "head.values: only 'other' ma"),
        (TENSOR, "cxcywh", "xywh", "head.strides: goes with format cxcywh and units pixels only"),
        (TENSOR, "64, factors", "[], factors", "constants: expected a number or a list of number"),
        (TENSOR, "letterbox-top-left", "letterbox, multiple: 8", "input.multiple: goes with fit p"),
        (
            TENSOR,
            "[64, 64]",
            "any",
            "input: size any and fit pad go together; give both or",
        ),
        (TENSOR, "[64, 64]", "large", "input.size: expected [height, width], any or auto, found"),
        (TENSOR, "letterbox-top-left", "auto", "input.fit: auto goes with size auto only"),
        (ANCHORS, "[10, 10, 5, 5]", "[10, 5]", "head.weights: expected four numbers, for x, y, wi"),
        (ANCHORS, "[0.5, 2]", "[0]", "head.levels[0].ratios: expected a number above 0 and at mo"),
        (ANCHORS, "[32, 64]", f"{[1] * 999}", "head.levels[0]: expected at most 1000 anchors of a"),
        (ANCHORS, "center: 0.5", "center: 2", "head.center: expected a number from 0 to 1, found"),
        (
            ANCHORS,
            "anchors: [[10, 20], [30, 15]]",
            "ratios: [1]",
            "head.levels[1]: 'sizes' is missing",
        ),
        (YOLO, "coarse", "auto", "head.outputs: say auto for the names of all outputs, or of none"),
        (BOXES, "cxcywh", "xyhw", "head.format: unknown choice 'xyhw' (did you mean 'xywh'?); va"),
    ],
)
def test_one_problem(text: str, old: str, new: str, message: str) -> None:
    assert text.count(old) == 1, old
    found = error(text.replace(old, new))
    assert "\n" not in found
    assert f": {message}" in found
