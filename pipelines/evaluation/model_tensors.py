"""The inputs and outputs of a model, as it says or shape inference finds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, shape_inference

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.trial import tried
from sysnoise.transforms.model.input import InputSpec
from sysnoise.transforms.problems import DocumentPath, DocumentProblem, dotted_path

Shape = tuple[int | str, ...]
"""Sizes of dimensions; a text stands for one that is open, or not known before the model runs."""

FLOATS = ("float16", "float32", "float64")
NUMBERS = ("int32", "int64", *FLOATS)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Attributes:
        name: name of the tensor.
        type: type of its elements, by NumPy's name.
        shape: its shape; None where it is not known at all.
    """

    name: str
    type: str
    shape: Shape | None

    def __str__(self) -> str:
        return f"{self.name} {self.type} {written(self.shape)}"


MOST_SIZES = 1024
"""Numbers of a tensor that shapes may be computed from, such as the scales of a ``Resize``."""

Tensors = Mapping[str, TensorInfo]
"""Inputs or outputs by name."""


def inputs_of(model: ModelProto) -> Tensors:
    """Return what the model is fed; older models list their weights too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {each.name: _tensor(each) for each in model.graph.input if each.name not in weights}


def declared_outputs(model: ModelProto) -> Tensors:
    """Return what the model gives, as it says."""
    return {each.name: _tensor(each) for each in model.graph.output}


def outputs_of(model: ModelProto, spec: InputSpec) -> Tensors:
    """Return what the model gives at an input size, as far as it is known.

    Raises:
        InputError: the shapes cannot be inferred within the limits of a trial.
    """
    sized = without_weights(model)
    del sized.graph.value_info[:]
    for value in sized.graph.input:
        shape = value.type.tensor_type.shape
        wanted = dict(zip(spec.layout.value, spec.shape(1), strict=True))
        if value.name == spec.name and len(shape.dim) == len(wanted):
            for dim, (axis, size) in zip(shape.dim, wanted.items(), strict=True):
                dim.dim_value = dim.dim_value or (0 if axis == "N" else size)
    data = tried("looking at the model", sized.ByteSize(), lambda: _inferred(sized))
    return {value.name: _tensor(value) for value in GraphProto.FromString(data).output}


def without_weights(model: ModelProto) -> ModelProto:
    """Return a copy without the numbers of large float tensors, which decide no shape."""
    light = ModelProto()
    light.CopyFrom(model)
    for tensor in light.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and math.prod(tensor.dims) > MOST_SIZES:
            for field in ("raw_data", "float_data"):
                tensor.ClearField(field)
    return light


def metadata_of(model: ModelProto) -> dict[str, str]:
    """Return what the exporter wrote into the model beside the graph."""
    return {each.key: each.value for each in model.metadata_props}


def misfit(problems: Iterable[DocumentProblem], inputs: Tensors, outputs: Tensors) -> UsageError:
    """Return the refusal of a model that is not what its config says, with what the model says."""
    lines = [
        "the config does not fit the model:",
        *(f"  {dotted_path(path, 'config')}: {text}" for path, text in problems),
        "the model says of itself:",
        *(f"  input {each}" for each in inputs.values()),
        *(f"  output {each}" for each in outputs.values()),
    ]
    return UsageError("\n".join(lines))


def output_problems(
    path: DocumentPath,
    found: TensorInfo,
    expected: Shape,
    why: str,
    types: Sequence[str] = FLOATS,
) -> list[DocumentProblem]:
    """Compare an output with what the config makes of it; ``why`` goes before the shape."""
    problems: list[DocumentProblem] = []
    if found.type not in types:
        text = f"expected elements of {' or '.join(types)}, but the model gives {found.type}"
        problems.append((path, text))
    if found.shape is not None and not fits(found.shape, expected):
        text = f"{why} {written(expected)}, but the model gives {written(found.shape)}"
        problems.append((path, text))
    return problems


def fits(shape: Shape, expected: Shape) -> bool:
    """Whether all sizes that are known on both sides are equal."""
    return len(shape) == len(expected) and all(
        one == other
        for one, other in zip(shape, expected, strict=True)
        if isinstance(one, int) and isinstance(other, int)
    )


def written(shape: Shape | None) -> str:
    """Return a shape as a message shows it."""
    return "of unknown shape" if shape is None else " x ".join(map(str, shape)) or "scalar"


def _inferred(model: ModelProto) -> bytes:
    """Return a graph with the outputs of a model, whose shapes are inferred as far as they are."""
    with contextlib.suppress(shape_inference.InferenceError):
        model = shape_inference.infer_shapes(model, data_prop=True)
    return bytes(GraphProto(output=model.graph.output).SerializeToString())


def _tensor(value: ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    kind = "of unknown type"
    if tensor.elem_type in TensorProto.DataType.values() and tensor.elem_type:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    if not tensor.HasField("shape"):
        return TensorInfo(value.name, kind, None)
    sizes = (dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim)
    return TensorInfo(value.name, kind, tuple(sizes))
