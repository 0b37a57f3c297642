"""Half precision: weights and activations are rounded to float16, and arithmetic is in float32.

Hardware with half-precision operands and single-precision sums, such as NVIDIA's tensor cores,
computes in this way. The graph contains the roundings: a Cast to float16 and one back after every
tensor. This is necessary because, on CPUs, ONNX Runtime computes nodes of type float16 in float32
and drops the roundings between them (microsoft/onnxruntime#8018 and #17953), so that only the
weights of a model from one of the usual converters would be rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from sysnoise.transforms.model.graph import attributes_of, copy_of, input_of, nodes_of
from sysnoise.transforms.model.layers import constant_tensors

_OF_SHAPES = ("Shape", "Size")
_WHOLE_NUMBERS = (TensorProto.INT32, TensorProto.INT64)

_LARGEST = np.finfo(np.float16).max


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Round weights and activations to float16, to the nearest with ties to even.

    Weights are stored as float16. Input and output stay float32, with values that float16 has.
    Finite weights out of its range become its largest value, as in converters; activations become
    infinite, as in the arithmetic. Scales of Resize, sizes that are computed from shapes, and the
    tensors that both are computed from, stay exact. Graphs inside of nodes (If, Loop), and tensors
    whose type cannot be inferred, are not changed.

    Args:
        model: a model with one input.

    Returns:
        The changed model; the model itself where nothing in it is float32.
    """
    rounded = _float_tensors(model) - _exact_tensors(model)
    if not rounded:
        return model
    changed = copy_of(model)
    changed.ir_version = max(
        changed.ir_version, 4
    )  # The first version with weights that are not inputs.
    graph = changed.graph
    image = input_of(changed).name
    nodes = list(_stored_as_half(graph, rounded))
    if image in rounded:
        nodes += _rounding(image, f"{image}/rounded")
    for node in graph.node:
        if image in rounded:
            node.input[:] = [f"{name}/rounded" if name == image else name for name in node.input]
        nodes += _with_rounded_results(node, rounded)
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of all float32 tensors of the main graph."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    weights = {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    values = (*graph.input, *graph.value_info, *graph.output)
    return weights.union(
        each.name for each in values if each.type.tensor_type.elem_type == TensorProto.FLOAT
    )


def _exact_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of the scales of Resize, of sizes, and of what they are computed from.

    Rounding them would change sizes: a graph may compute them in float32, from shapes, and convert
    them to whole numbers. The shape of a tensor does not depend on its values.
    """
    exact = {name for node in nodes_of(model, "Resize", "Upsample") for name in node.input[1:]}
    static = constant_tensors(model, *_OF_SHAPES)
    for node in nodes_of(model, "Cast", "Range"):
        if node.op_type == "Range" or attributes_of(node)["to"] in _WHOLE_NUMBERS:
            exact |= static.intersection(node.input)
    for node in reversed(model.graph.node):
        exact.discard("")  # The name of an input that a node leaves out.
        if node.op_type not in _OF_SHAPES and not exact.isdisjoint(node.output):
            exact.update(node.input)
    return exact


def _stored_as_half(graph: onnx.GraphProto, rounded: set[str]) -> Iterator[NodeProto]:
    """Store weights as float16, in place, and yield the nodes that convert them back to float32."""
    stored = {each.name for each in graph.initializer} & rounded
    for weight in graph.initializer:
        if weight.name in stored:
            name = weight.name
            weight.CopyFrom(_half(weight, f"{name}/half"))
            yield _cast(f"{name}/half", name, TensorProto.FLOAT)
    # Up to IR version 3, weights are listed among the inputs.
    inputs = [each for each in graph.input if each.name not in stored]
    del graph.input[:]
    graph.input.extend(inputs)


def _with_rounded_results(node: NodeProto, rounded: set[str]) -> Iterator[NodeProto]:
    """Yield the node and the nodes that round its results."""
    given = {each.name: each for each in node.attribute}
    if node.op_type == "Constant" and "value" in given and node.output[0] in rounded:
        name = node.output[0]
        node.output[0] = f"{name}/half"
        given["value"].t.CopyFrom(_half(given["value"].t, f"{name}/half"))
        yield from (node, _cast(f"{name}/half", name, TensorProto.FLOAT))
        return
    results = [name for name in node.output if name in rounded]
    node.output[:] = [f"{name}/exact" if name in rounded else name for name in node.output]
    yield node
    for name in results:
        yield from _rounding(f"{name}/exact", name)


def _rounding(source: str, result: str) -> tuple[NodeProto, NodeProto]:
    half = f"{result}/half"
    return _cast(source, half, TensorProto.FLOAT16), _cast(half, result, TensorProto.FLOAT)


def _cast(source: str, result: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [source], [result], name=f"{result}/cast", to=to)


def _half(tensor: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    values = np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), values)
    return numpy_helper.from_array(values.astype(np.float16), name)
