"""What is known of a model before it runs: the shapes of its tensors, and values from sizes alone.

Exporters write sizes as computations (Shape, Gather, Mul, Floor, Cast, Concat, ...), which ONNX's
shape inference follows only in part. Here, the nodes are visited in order, at the size at which the
model runs: ONNX's rule for each operator gives the shapes of its results, and what is computed from
constants and shapes alone is computed, by ONNX's reference implementation. The model itself is not
rewritten, so that its nodes keep their names and an open batch size stays open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TypeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.graph import Shape, Shapes, attributes_of, input_of

Values = dict[str, NDArray[Any]]
"""The values of tensors by name."""

_MOST_ELEMENTS = 2**14
"""The elements of the largest tensor whose values are computed: sizes are few, weights are many."""

_RANDOM = (
    *("Bernoulli", "Multinomial"),
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
)
"""The operators whose results are not those of their inputs alone."""

_SHAPES = ("Shape", "Size")

_NO_ANSWER = (
    onnx.checker.ValidationError,
    onnx.defs.SchemaError,
    onnx.shape_inference.InferenceError,
)
"""Raised for a node that is not valid, an unknown operator, and shapes that do not fit."""

_GAPS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Raised by the reference implementation, by NumPy, for what is not implemented or does not fit."""

_SHORTER = ("NonZero", "Compress", "Unique")
"""The operators whose results have sizes that only values tell; their input's are a bound."""


@dataclass(frozen=True)
class Known:
    """What is known of the tensors of a model; it grows while the nodes are visited.

    Attributes:
        opsets: the version of each operator set, by domain.
        ir_version: the version of the model's format.
        types: the types of tensors, by name; their shapes may be open.
        shapes: the shapes of tensors, where all sizes are known.
        values: the values of short tensors that do not depend on the pixels of the input.
    """

    opsets: Mapping[str, int]
    ir_version: int
    types: dict[str, TypeProto] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=dict)
    values: Values = field(default_factory=dict)


def prepare(model: onnx.ModelProto, input_shape: Shape) -> Known:
    """Return what is known of all tensors of the main graph.

    Intermediate and output shapes that the model declares are ignored.

    Args:
        model: a model with one input.
        input_shape: the sizes of the input where the model leaves them open.

    Raises:
        ModelNoiseError: the model's input has another number of axes.
    """
    known = start(model, input_shape)
    for node in model.graph.node:
        learn(known, node)
    return known


def start(model: onnx.ModelProto, input_shape: Shape) -> Known:
    """Return what is known before the first node: the input and the weights.

    Args:
        model: a model with one input.
        input_shape: the sizes of the input where the model leaves them open.

    Raises:
        ModelNoiseError: the model's input has another number of axes.
    """
    opsets = {each.domain: int(each.version) for each in model.opset_import}
    known = Known(opsets, model.ir_version)
    image = input_of(model)
    _add_type(known, image.name, _fixed(image, input_shape))
    for weight in model.graph.initializer:
        _add_type(
            known, weight.name, helper.make_tensor_type_proto(weight.data_type, tuple(weight.dims))
        )
        if math.prod(weight.dims) <= _MOST_ELEMENTS:
            known.values[weight.name] = numpy_helper.to_array(weight)
    return known


def learn(known: Known, node: NodeProto) -> None:
    """Add what is known of a node's results, in place; a result that cannot be known is removed.

    Args:
        known: what is known of the node's inputs.
        node: the next node of the main graph.
    """
    for name in node.output:
        for facts in (known.types, known.shapes, known.values):
            facts.pop(name, None)  # The node may have been visited before, with other inputs.
    for name, kind in _inferred(known, node).items():
        _add_type(known, name, kind)
    for name, value in _computed(known, node).items():
        # The reference implementation has other types than the standard here and there.
        element = known.types[name].tensor_type.elem_type if name in known.types else 0
        element = element or helper.np_dtype_to_tensor_dtype(value.dtype)
        known.values[name] = value.astype(helper.tensor_dtype_to_np_dtype(element))
        _add_type(known, name, helper.make_tensor_type_proto(element, value.shape))


def _fixed(image: onnx.ValueInfoProto, input_shape: Shape) -> TypeProto:
    """Return the input's type with sizes from ``input_shape`` where they are open."""
    kind = TypeProto()
    kind.CopyFrom(image.type)
    dimensions = kind.tensor_type.shape.dim
    if len(dimensions) != len(input_shape):
        raise ModelNoiseError(
            f"input {image.name!r} has {len(dimensions)} axes, "
            f"but the shape {input_shape} was given"
        )
    for dimension, size in zip(dimensions, input_shape, strict=True):
        if not dimension.HasField("dim_value"):
            dimension.dim_value = size
    return kind


def _add_type(known: Known, name: str, kind: TypeProto) -> None:
    known.types[name] = kind
    shape = _known_shape(kind)
    if shape is not None:
        known.shapes[name] = shape


def _known_shape(kind: TypeProto) -> Shape | None:
    """Return the shape of a tensor; None where a size or the number of axes is unknown."""
    if not kind.tensor_type.HasField("shape"):
        return None
    dimensions = kind.tensor_type.shape.dim
    if not all(each.HasField("dim_value") for each in dimensions):
        return None
    return tuple(each.dim_value for each in dimensions)


def _inferred(known: Known, node: NodeProto) -> dict[str, TypeProto]:
    """Return the types that ONNX's rule for the operator gives; none where it has no answer."""
    inputs = [name for name in node.input if name]
    try:
        schema = onnx.defs.get_schema(node.op_type, known.opsets[node.domain], node.domain)
        found: dict[str, TypeProto] = onnx.shape_inference.infer_node_outputs(
            schema,
            node,
            {name: known.types.get(name, TypeProto()) for name in inputs},
            {
                name: numpy_helper.from_array(known.values[name], name)
                for name in inputs
                if name in known.values
            },
            opset_imports=[helper.make_opsetid(*each) for each in known.opsets.items()],
            ir_version=known.ir_version,
        )
    except (KeyError, *_NO_ANSWER):
        return {}  # An operator set that the model does not name, or one of the others.
    return {name: kind for name, kind in found.items() if name}


def _computed(known: Known, node: NodeProto) -> Values:
    """Return the values of the node's results where they follow from known values and shapes."""
    if node.op_type in _SHAPES and node.input[0] in known.shapes:
        shape = np.array(known.shapes[node.input[0]], np.int64)
        if node.op_type == "Size":
            return {node.output[0]: np.array(shape.prod())}
        given = attributes_of(node)
        return {node.output[0]: shape[given.get("start", 0) : given.get("end")]}
    inputs = [name for name in node.input if name]
    if not _is_computed(known, node, inputs):
        return {}
    try:
        with np.errstate(all="ignore"):
            results = _evaluator(known, node, inputs).run(
                None, {name: known.values[name] for name in inputs}
            )
    except _GAPS:
        return {}
    named = zip([name for name in node.output if name], results, strict=True)
    return {name: np.asarray(value) for name, value in named if np.size(value) <= _MOST_ELEMENTS}


def _is_computed(known: Known, node: NodeProto, inputs: list[str]) -> bool:
    if node.op_type in _RANDOM or node.domain not in ("", "ai.onnx"):
        return False
    if any(each.type in (each.GRAPH, each.GRAPHS) for each in node.attribute):
        return False
    results = [name for name in node.output if name]
    is_short = node.op_type in _SHORTER or all(
        name in known.shapes and math.prod(known.shapes[name]) <= _MOST_ELEMENTS for name in results
    )
    return is_short and all(name in known.values for name in inputs)


def _evaluator(known: Known, node: NodeProto, inputs: list[str]) -> ReferenceEvaluator:
    """Return ONNX's reference implementation of one node."""
    graph = helper.make_graph(
        [node],
        "node",
        [helper.make_value_info(name, known.types[name]) for name in dict.fromkeys(inputs)],
        [helper.make_value_info(name, TypeProto()) for name in node.output if name],
    )
    imports = [helper.make_opsetid(*each) for each in known.opsets.items()]
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=imports))
