"""Tiny graphs that give the same two objects as each family of detectors does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sysnoise.pipelines.evaluation.config_heads import CATEGORIES

SIDE = 64
CATEGORY_IDS = (9, 47)
"""COCO's boat and cup."""
EDGES = ((4, 8, 20, 28), (22, 24, 52, 46))
"""Left, upper, right and lower edge of a boat and a cup, in pixels of the input."""
SCORES = (0.75, 0.5)
PLACES = tuple(CATEGORIES["coco80"].index(number) for number in CATEGORY_IDS)
"""Their places among the 80 classes."""

Array = NDArray[Any]
Dims = tuple[int | str, ...]


@dataclass(frozen=True)
class Family:
    """What a family's exporter writes.

    Attributes:
        outputs: the outputs by name.
        image: shape of the input.
        type: type of the input, of ONNX.
        open: shapes of outputs whose sizes are open, by name.
    """

    outputs: Mapping[str, Array]
    image: Dims = (1, 3, SIDE, SIDE)
    type: int = TensorProto.FLOAT
    open: Mapping[str, Dims] = field(default_factory=dict)


def model(family: Family, **metadata: str) -> ModelProto:
    """A graph that gives these outputs for every image, of which it takes the mean in vain."""
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
    ]
    constants: dict[str, Array] = {"none": np.array(0, np.float32)}
    given = []
    for name, array in family.outputs.items():
        constants[f"{name}_fixed"] = array
        if array.dtype == np.float32:
            nodes.append(helper.make_node("Add", [f"{name}_fixed", "nothing"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}_fixed"], [name]))
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        shape = family.open.get(name, array.shape)
        given.append(helper.make_tensor_value_info(name, kind, shape))
    graph = helper.make_graph(
        nodes,
        "family",
        [helper.make_tensor_value_info("image", family.type, family.image)],
        given,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(made, metadata)
    return made


def _centered() -> list[list[float]]:
    return [
        [(x1 + x2) / 2, (y1 + y2) / 2, float(x2 - x1), float(y2 - y1)] for x1, y1, x2, y2 in EDGES
    ]


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _grids(*first_anchors: tuple[int, tuple[int, int]]) -> dict[str, Array]:
    """Grids of three anchors, by stride; the objects are in the last, which is the finest."""
    made = {}
    for stride, _ in first_anchors:
        cells = SIDE // stride
        made[f"grid{stride}"] = np.full((1, 3, 85, cells, cells), -20, np.float32)
    stride, (width, height) = first_anchors[-1]
    for (x, y, w, h), score, place in zip(_centered(), SCORES, PLACES, strict=True):
        column, row = int(x // stride), int(y // stride)
        numbers = made[f"grid{stride}"][0, 0, :, row, column]
        numbers[:2] = _logit(x / stride - column), _logit(y / stride - row)
        numbers[2:5] = math.log(w / width), math.log(h / height), 20
        numbers[5 + place] = _logit(score)
    # The coarsest grid is neither the first nor the last, as exporters happen to order them.
    shapes = {name: (1, 255, *grid.shape[3:]) for name, grid in made.items()}
    return {name: made[name].reshape(shapes[name]) for name in sorted(made)}


def _table(boxes: int, objectness: bool) -> Array:
    """Rows of box, objectness if there is one, and 80 scores; the objects are the last rows."""
    first = 5 if objectness else 4
    table = np.zeros((1, boxes, first + 80), np.float32)
    for row, box, score, place in zip((-2, -1), _centered(), SCORES, PLACES, strict=True):
        table[0, row, :4] = box
        table[0, row, 4] = 1 if objectness else 0
        table[0, row, first + place] = score
    return table


def _yolox() -> Array:
    """Cells of strides 8, 16 and 32; the objects are in the second row of the finest grid."""
    table = np.zeros((1, 64 + 16 + 4, 85), np.float32)
    for column, (x, y, w, h), score, place in zip((3, 5), _centered(), SCORES, PLACES, strict=True):
        numbers = table[0, 8 + column]
        numbers[:5] = x / 8 - column, y / 8 - 1, math.log(w / 8), math.log(h / 8), 1
        numbers[5 + place] = score
    return table


def _torchvision(image: Dims) -> Family:
    """Without N; classes are COCO's ids."""
    outputs: dict[str, Array] = {
        "boxes": np.array(EDGES, np.float32),
        "labels": np.array(CATEGORY_IDS, np.int64),
        "scores": np.array(SCORES, np.float32),
    }
    return Family(outputs, image, open={"boxes": ("n", 4), "labels": ("n",), "scores": ("n",)})


def _with_masks() -> Family:
    """Mask R-CNN: a pixel belongs to an object with a probability of 0.875 inside of its box."""
    family = _torchvision((1, 3, SIDE, SIDE))
    masks = np.full((2, 1, SIDE, SIDE), 0.125, np.float32)
    for mask, (x1, y1, x2, y2) in zip(masks, EDGES, strict=True):
        mask[0, y1:y2, x1:x2] = 0.875
    opened = {**family.open, "masks": ("n", 1, SIDE, SIDE)}
    return dataclasses.replace(family, outputs={**family.outputs, "masks": masks}, open=opened)


def _queries(classes: int, places: tuple[int, ...], logits: Array) -> Family:
    """Logits and boxes of five queries, of which the last three are nothing."""
    scores = np.full((1, 5, classes), -20, np.float32)
    boxes = np.full((1, 5, 4), 0.5, np.float32)
    boxes[0, :2] = np.array(_centered()) / SIDE
    for query, (place, logit) in enumerate(zip(places, logits, strict=True)):
        scores[0, query, place] = logit
    return Family({"logits": scores, "pred_boxes": boxes})


def _detr() -> Family:
    """Softmax over 92 numbers; two that are not -20 decide the score."""
    family = _queries(92, CATEGORY_IDS, np.array([_logit(score) for score in SCORES]))
    logits = family.outputs["logits"]
    logits[..., -1] = 0
    return family


def _anchored() -> Family:
    """RetinaNet's anchors; the objects are relative to the first two of the cell at (8, 8).

    Their ratio of height to width is 0.5, and their sizes are 32 and 40: half of 45.25 and 22.63
    is rounded to 23 and 11, half of 56.57 and 28.28 to 28 and 14.
    """
    anchors = 9 * (64 + 16 + 4 + 1 + 1)
    scores = np.full((1, anchors, 91), -20, np.float32)
    deltas = np.zeros((1, anchors, 4), np.float32)
    first = 9 * (8 + 1)
    for place, (width, height), (x, y, w, h), score, number in zip(
        (first, first + 1), ((46, 22), (56, 28)), _centered(), SCORES, CATEGORY_IDS, strict=True
    ):
        scores[0, place, number] = _logit(score)
        deltas[0, place, :2] = (x - 8) / width, (y - 8) / height
        deltas[0, place, 2:] = math.log(w / width), math.log(h / height)
    return Family({"cls_logits": scores, "bbox_regression": deltas})


def _ended() -> Array:
    rows = [[*box, score, place] for box, score, place in zip(EDGES, SCORES, PLACES, strict=True)]
    return np.array([[*rows, [0] * 6]], np.float32)


def _upright() -> Array:
    return np.array([[(y1, x1, y2, x2) for x1, y1, x2, y2 in EDGES]], np.float32) / SIDE


FAMILIES: Mapping[str, Callable[[], Family]] = {
    "yolov3": lambda: Family(_grids((16, (30, 61)), (32, (116, 90)), (8, (10, 13)))),
    "yolov3-tiny": lambda: Family(_grids((32, (81, 82)), (16, (10, 14)))),
    "yolov5": lambda: Family({"output": _table(16, True)}),
    "yolov8": lambda: Family({"output0": _table(100, False).transpose(0, 2, 1)}),
    "yolov10": lambda: Family({"output0": _ended()}),
    "yolox": lambda: Family({"output": _yolox()}),
    "torchvision-fasterrcnn": lambda: _torchvision((3, "height", "width")),
    "torchvision-maskrcnn": _with_masks,
    "torchvision-retinanet": lambda: _torchvision((1, 3, SIDE, SIDE)),
    "torchvision-ssd": lambda: _torchvision((1, 3, "height", "width")),
    "retinanet-anchors": _anchored,
    "detr": _detr,
    "rt-detr": lambda: _queries(80, PLACES, np.array([_logit(score) for score in SCORES])),
    "tf-detection": lambda: Family(
        {
            "detection_boxes": _upright(),
            "detection_classes": np.array([CATEGORY_IDS], np.float32),
            "detection_scores": np.array([SCORES], np.float32),
            "num_detections": np.array([2], np.float32),
        },
        (1, SIDE, SIDE, 3),
        TensorProto.UINT8,
    ),
    "ssd": lambda: Family(
        {
            "bboxes": np.array([EDGES], np.float32) / SIDE,
            "labels": np.array([PLACES], np.int64) + 1,
            "scores": np.array([SCORES], np.float32),
        }
    ),
}
"""The families of the shipped configs, by the configs' names."""


def renamed(family: Family, **names: str) -> Family:
    """The same with other names of outputs, in reverse order."""
    outputs = {names.get(name, name): array for name, array in family.outputs.items()}
    open_shapes = {names.get(name, name): shape for name, shape in family.open.items()}
    backwards = dict(reversed(outputs.items()))
    return dataclasses.replace(family, outputs=backwards, open=open_shapes)
