"""Tiny ONNX models whose outputs a formula gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = 1000
SIDE = 224
DETECTOR_SIDE = 64
CATEGORIES = (1, 2, 3)
POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}

CLASSIFIER_CONFIG = f"""
task: classification
input:
  name: image
  size: [{SIDE}, {SIDE}]
  layout: NCHW
  channels: BGR
  mean: [103.5, 116.25, 123.75]
  scale: [57.5, 57.25, 58.25]
output: logits
"""
DETECTOR_CONFIG = f"""
task: detection
input:
  name: image
  size: [{DETECTOR_SIDE}, {DETECTOR_SIDE}]
  layout: NHWC
  channels: RGB
  mean: 0
  scale: 255
  fit: letterbox
head: {{type: boxes, boxes: boxes, scores: scores, format: xywh, units: pixels}}
categories: [1, 2, 3]
score_threshold: 0.0
nms: none
"""


def weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The classifier's matrix, 3 x classes, and its bias."""
    drawn = np.random.default_rng(7)
    matrix = drawn.normal(size=(3, CLASSES)).astype(np.float32)
    return matrix, drawn.normal(size=CLASSES).astype(np.float32)


def write_classifier(path: Path) -> None:
    """Write a model: a max-pool of 3 with stride 2, the mean of each channel, one matrix.

    The pool does not fill 224 pixels, so that ceil mode changes it.
    """
    matrix, bias = weights()
    nodes = [
        helper.make_node(
            "MaxPool", ["image"], ["pooled"], "pool", kernel_shape=[3, 3], strides=[2, 2]
        ),
        helper.make_node("GlobalAveragePool", ["pooled"], ["averages"], "average"),
        helper.make_node("Flatten", ["averages"], ["means"], "flatten"),
        helper.make_node("Gemm", ["means", "matrix", "bias"], ["logits"], "classify"),
    ]
    _write(path, nodes, ["N", 3, SIDE, SIDE], {"logits": ["N", CLASSES]}, matrix=matrix, bias=bias)


def write_detector(path: Path) -> None:
    """Write a model of three fixed boxes, x, y, w, h, with the mean of a channel as score each."""
    boxes = np.array([[[8, 8, 16, 16], [20, 24, 30, 20], [2, 30, 40, 12]]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], "mean", axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "last"], ["column"], "column"),
        helper.make_node("Mul", ["column", "each"], ["scores"], "scores"),
        helper.make_node("Identity", ["fixed"], ["boxes"], "boxes"),
    ]
    _write(
        path,
        nodes,
        [1, DETECTOR_SIDE, DETECTOR_SIDE, 3],
        {"scores": [1, 3, len(CATEGORIES)], "boxes": [1, 3, 4]},
        last=np.array([2], np.int64),
        each=np.eye(3, dtype=np.float32)[None],
        fixed=boxes,
    )


def write_models(folder: Path) -> None:
    """Write both models and their configs."""
    write_classifier(folder / "classifier.onnx")
    write_detector(folder / "detector.onnx")
    (folder / "classifier.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    (folder / "detector.yaml").write_text(DETECTOR_CONFIG, "utf-8")


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: list[int | str],
    outputs: dict[str, list[int | str]],
    **constants: NDArray[np.generic],
) -> None:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, each)
            for name, each in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _float(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
