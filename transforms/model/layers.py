"""The weighted layers of a model: what stands before the first of them, and what follows the last.

Exported models often contain more than the network. Before its first convolution or matrix product,
images are normalized and resized; after its last, boxes are decoded, chosen and scaled back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from sysnoise.transforms.model.graph import attributes_of

_WEIGHTED = ("Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul", "RNN", "GRU", "LSTM")
"""Convolutions, matrix products, and the layers that are made of them."""

_FUSED = ("Relu", "Clip")
"""The operators that toolchains make part of the layer before them."""

_REGIONS = ("RoiAlign", "MaxRoiPool", "GridSample")
"""The operators that read features, their first input, at places, which are not features."""


def image_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of the tensors that depend on no weighted layer: the prepared image.

    Args:
        model: a model; graphs inside of its nodes are not looked into.

    Returns:
        The inputs are among them. There are none in a model without weighted layers.
    """
    found, features = {each.name for each in model.graph.input}, set[str]()
    weights = _constants(model)
    for node in model.graph.node:
        is_feature = _is_weighted(node, weights) or not features.isdisjoint(node.input)
        (features if is_feature else found).update(name for name in node.output if name)
    return found if features else set()


def network_nodes(model: onnx.ModelProto, floats: set[str]) -> list[bool]:
    """Tell which nodes are the network: weighted layers, and all from which one gets its features.

    Not the network is what follows the last weighted layer on every way to an output, such as the
    decoding of boxes, and the way from a first stage to the places at which a second one reads
    features (RoiAlign). A ReLU or Clip directly after the last layer is part of it. A convolution
    or product that computes no features is not a weighted layer: one whose weights are 0, 1, 2, ...
    gives the mean of a distribution over distances (arXiv 2006.04388), and one of 4 x 4 turns the
    four numbers of a box into others.

    Args:
        model: a model; graphs inside of its nodes are not looked into.
        floats: the names of its float tensors; whole numbers, such as sizes and indices, are no
            features.

    Returns:
        One value per node of the main graph, in order.
    """
    nodes, weights = list(model.graph.node), _constants(model)
    layers = [_is_weighted(node, weights) for node in nodes]
    network, needed = list(layers), set[str]()
    for place, node in reversed(list(enumerate(nodes))):
        network[place] |= not needed.isdisjoint(node.output)
        if network[place]:
            needed.update(name for name in _features(node) if name in floats)
    results = {node.output[0] for node, is_layer in zip(nodes, layers, strict=True) if is_layer}
    fused = (node.op_type in _FUSED and node.input[0] in results for node in nodes)
    return [known or follows for known, follows in zip(network, fused, strict=True)]


def constant_tensors(model: onnx.ModelProto, *also: str) -> set[str]:
    """Return the names of the tensors that depend on no input of the model.

    Args:
        model: a model.
        also: the types of operators whose results count as constants, whatever they depend on.
    """
    found = {"", *(each.name for each in model.graph.initializer)}
    for node in model.graph.node:
        if node.op_type in also or found.issuperset(node.input):
            found.update(node.output)
    return found - {""}


def _features(node: NodeProto) -> Iterator[str]:
    yield from node.input[:1] if node.op_type in _REGIONS else node.input


def _constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Return the model's weights and constants by name."""
    found = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and "value" in (given := attributes_of(node)):
            found[node.output[0]] = given["value"]
    return found


def _is_weighted(node: NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    if node.op_type not in _WEIGHTED or node.domain not in ("", "ai.onnx"):
        return False
    weights = [constants[name] for name in node.input[:2] if name in constants]
    return not any(_decodes(numpy_helper.to_array(each)) for each in weights)


def _decodes(weights: NDArray[np.generic]) -> bool:
    """Whether weights are 0, 1, 2, ..., or a matrix of 4 x 4: see :func:`network_nodes`."""
    counts = weights.size > 1 and np.array_equal(weights.ravel(), np.arange(weights.size))
    return counts or weights.shape == (4, 4)
