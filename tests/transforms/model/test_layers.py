"""What is the network in a graph that also prepares images and decodes boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from sysnoise.transforms.model.layers import constant_tensors, image_tensors, network_nodes
from tests.transforms.model.graphs import floats, model_of, node, noise

CONV = {"k": noise(4, 3, 3, 3)}


def network(model: onnx.ModelProto) -> set[str]:
    """The names of the nodes that are the network."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    kind = onnx.TensorProto.FLOAT
    named = {each.name for each in values if each.type.tensor_type.elem_type == kind}
    found = network_nodes(model, named)
    return {each.name for each, is_in in zip(model.graph.node, found, strict=True) if is_in}


def test_decoding_in_the_graph_follows_the_last_layer() -> None:
    nodes = [
        node("Sub", "x mean", "n", "normalize"),
        node("Conv", "n k", "c", "backbone"),
        node("Relu", "c", "r", "relu"),
        node("Conv", "r h", "b", "boxes"),
        node("Conv", "r h", "s", "scores"),
        node("Relu", "s", "f", "last relu"),
        node("Mul", "b stride", "m", "scale"),
        node("Add", "m anchors", "y", "decode"),
        node("Sigmoid", "f", "z", "sigmoid"),
    ]
    weights: dict[str, Any] = {**CONV, "mean": floats(0.5), "h": noise(4, 4, 1, 1)}
    weights |= {"stride": floats(8), "anchors": noise(1, 4, 5, 5)}
    model = model_of(nodes, [1, 3, 7, 7], weights, y=[None] * 4, z=[None] * 4)
    assert network(model) == {"normalize", "backbone", "relu", "boxes", "scores", "last relu"}


def test_the_way_to_the_regions_of_a_second_stage_is_not_the_network() -> None:
    """As in Faster R-CNN: proposals are decoded and chosen, and features are read there."""
    nodes = [
        node("Conv", "x k", "c", "backbone"),
        node("Relu", "c", "r", "relu"),
        node("Conv", "r h", "p", "proposals"),
        node("Reshape", "p rows", "d", "rows"),
        node("Mul", "d stride", "b", "decode"),
        node("RoiAlign", "r b image", "f", "read", output_height=2, output_width=2),
        node("Reshape", "f flat", "v", "flatten"),
        node("Gemm", "v w", "y", "second"),
    ]
    weights: dict[str, Any] = {**CONV, "h": noise(4, 4, 1, 1), "rows": np.array([-1, 4])}
    weights |= {"stride": floats(8), "image": np.zeros(25, np.int64), "flat": np.array([25, 16])}
    weights |= {"w": noise(16, 3)}
    model = model_of(nodes, [1, 3, 7, 7], weights, y=[None, 3])
    assert network(model) == {
        *("backbone", "relu", "proposals"),
        *("read", "flatten", "second"),
    }


@pytest.mark.parametrize(
    ("last", "weights"),
    [
        # The mean of distances 0, 1, 2, 3.
        ("Conv", np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)),
        ("MatMul", np.arange(5, dtype=np.float32).reshape(5, 1)),
    ],
)
def test_products_that_decode_are_no_layers(last: str, weights: Any) -> None:
    nodes = [
        node("Conv", "x k", "c", "head"),
        node("Softmax", "c", "s", "distribution", axis=1),
        node(last, "s w", "y", "decode"),
    ]
    model = model_of(nodes, [1, 3, 7, 7], {**CONV, "w": weights})
    assert network(model) == {"head"}
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(weights + 1, "w"))
    assert network(model) == {"head", "distribution", "decode"}


def test_a_product_that_turns_boxes_is_no_layer() -> None:
    nodes = [
        node("Conv", "x k", "c", "head"),
        node("Transpose", "c", "t", "rows", perm=[0, 2, 3, 1]),
        node("MatMul", "t corners", "y", "decode"),
    ]
    corners = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
    weights = {**CONV, "corners": corners.astype(np.float32)}
    assert network(model_of(nodes, [1, 3, 7, 7], weights)) == {"head"}


def test_the_image_is_what_stands_before_the_first_layer() -> None:
    nodes = [
        node("Constant", "", "half", value_float=0.5),
        node("Mul", "x half", "n", "normalize"),
        node("Conv", "n k", "c", "layer"),
        node("Relu", "n", "other"),
        node("Relu", "c", "y"),
    ]
    model = model_of(nodes, [1, 3, 7, 7], CONV)
    assert image_tensors(model) == {"x", "n", "half", "other"}
    assert image_tensors(model_of([node("Relu", "x", "y")], [1, 3, 7, 7])) == set()


def test_constants_depend_on_no_input() -> None:
    nodes = [
        node("Constant", "", "half", value_float=0.5),
        node("Mul", "half k", "scaled"),
        node("Shape", "x", "shape"),
        node("Cast", "shape", "sizes", to=onnx.TensorProto.FLOAT),
        node("Conv", "x scaled", "y"),
    ]
    model = model_of(nodes, [1, 3, 7, 7], CONV)
    assert constant_tensors(model) == {"k", "half", "scaled"}
    assert constant_tensors(model, "Shape") == {"k", "half", "scaled", "shape", "sizes"}
