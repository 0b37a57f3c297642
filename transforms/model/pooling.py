"""Ceil mode: max-pools that round the size of their result up instead of down.

For a padded length L, window K and stride S, a pool gives floor((L - K) / S) + 1 or
ceil((L - K) / S) + 1 values along an axis (ONNX, operator MaxPool; arXiv 2307.00280, section on
model inference). Caffe rounds up; PyTorch and ONNX round down by default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.graph import (
    Shape,
    Shapes,
    attributes_of,
    copy_of,
    infer_shapes,
    label,
    nodes_of,
    opset_of,
    replace_attributes,
)

_FIRST_OPSET = 10
"""The first opset in which MaxPool has a ceil mode."""


@dataclass(frozen=True)
class Window:
    """How a pool moves along one axis.

    Attributes:
        extent: the length of the window, dilation included.
        stride: the distance from one window to the next.
        before: the padding at the start.
        after: the padding at the end.
    """

    extent: int
    stride: int
    before: int
    after: int

    def floor(self, length: int) -> int:
        """Return the number of windows, rounded down, along an axis of this length."""
        return (length + self.before + self.after - self.extent) // self.stride + 1

    def ceil(self, length: int) -> int:
        """Return the number of windows, rounded up.

        A window that would start in the padding at the end does not count (ONNX, MaxPool 22; so do
        PyTorch and, in every opset, ONNX Runtime).
        """
        padded = length + self.before + self.after
        count = math.ceil((padded - self.extent) / self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= length + self.before else count


def ceil_mode(model: onnx.ModelProto, input_shape: Shape) -> onnx.ModelProto:
    """Round up the result of every strided max-pool.

    A pool with ``auto_pad`` first gets the explicit padding that this means for the input shape.
    Pools whose result has the same size either way are not changed. The shapes that the model
    declares are inferred again.

    Args:
        model: a model with one input.
        input_shape: the shape of an input with a batch size of one.

    Returns:
        The changed model; the model itself where no result changes its size.

    Raises:
        ModelNoiseError: a later node cannot take the new shape, or a pool's shape or opset does not
            allow the change.
    """
    before = infer_shapes(model, input_shape)
    changed = copy_of(model)
    pools = [node for node in nodes_of(changed, "MaxPool") if _rounds_down(node)]
    for pool in pools:
        _make_padding_explicit(pool, _input_size(pool, before))
    shapes, grown = before, list[onnx.NodeProto]()
    for pool in pools:
        if pool.input[0] not in shapes:  # All pools before it are done, and a node does not fit.
            _refuse_misfits(changed, before, shapes, grown)
        windows, size = _windows(pool), _input_size(pool, shapes)
        counts = tuple(each.ceil(length) for each, length in zip(windows, size, strict=True))
        if counts == tuple(each.floor(length) for each, length in zip(windows, size, strict=True)):
            continue
        if opset_of(model) < _FIRST_OPSET:
            raise ModelNoiseError(
                f"{label(pool)}: MaxPool of opset {opset_of(model)} has no ceil mode; convert the "
                f"model to opset {_FIRST_OPSET} or later with onnx.version_converter"
            )
        replace_attributes(pool, (), ceil_mode=1)
        grown.append(pool)
        shapes = infer_shapes(changed, input_shape)
        _check_inferred(pool, counts, shapes)
    _refuse_misfits(changed, before, shapes, grown)
    return _declare(changed, before, shapes) if grown else model


def _rounds_down(pool: onnx.NodeProto) -> bool:
    given = attributes_of(pool)
    return max(given.get("strides", [1])) > 1 and not given.get("ceil_mode", 0)


def _input_size(pool: onnx.NodeProto, shapes: Shapes) -> Shape:
    """Return the lengths of the axes along which the pool moves."""
    if pool.input[0] not in shapes:
        raise ModelNoiseError(f"{label(pool)}: the shape of its input cannot be inferred")
    return shapes[pool.input[0]][2:]


def _windows(pool: onnx.NodeProto) -> list[Window]:
    """Return the window along each axis of a pool with explicit padding."""
    given = attributes_of(pool)
    kernel = given["kernel_shape"]
    axes = len(kernel)
    strides, dilations = given.get("strides", [1] * axes), given.get("dilations", [1] * axes)
    pads = given.get("pads", [0] * 2 * axes)
    extents = [dilation * (k - 1) + 1 for k, dilation in zip(kernel, dilations, strict=True)]
    return [Window(*each) for each in zip(extents, strides, pads[:axes], pads[axes:], strict=True)]


def _make_padding_explicit(pool: onnx.NodeProto, size: Shape) -> None:
    """Replace ``auto_pad`` by the padding that it means for an input of this size, in place.

    SAME gives ceil(length / stride) windows and the padding that they need; UPPER has the larger
    part of an odd padding at the end (ONNX, operator MaxPool).
    """
    auto_pad = attributes_of(pool).get("auto_pad", "NOTSET")
    if auto_pad == "NOTSET":
        return
    replace_attributes(pool, ("auto_pad", "pads"))
    if auto_pad == "VALID":
        return
    smaller, larger = list[int](), list[int]()
    for window, length in zip(_windows(pool), size, strict=True):
        last = (math.ceil(length / window.stride) - 1) * window.stride
        total = max(last + window.extent - length, 0)
        smaller.append(total // 2)
        larger.append(total - total // 2)
    pads = smaller + larger if auto_pad == "SAME_UPPER" else larger + smaller
    replace_attributes(pool, (), pads=pads)


def _check_inferred(pool: onnx.NodeProto, counts: Shape, shapes: Shapes) -> None:
    """Refuse a pool whose result has another shape in ONNX's inference than in ONNX Runtime.

    The inference counts windows that start in the padding at the end (onnx/onnx#5711). That matters
    only where one axis has such a window and another rounds up.
    """
    found = shapes.get(pool.output[0], ())[2:]
    if found != counts:
        raise ModelNoiseError(
            f"{label(pool)}: with ceil mode its result is {counts}, but ONNX infers {found}"
        )


def _refuse_misfits(
    model: onnx.ModelProto, before: Shapes, after: Shapes, grown: Sequence[onnx.NodeProto]
) -> None:
    """Refuse the first node that does not fit its new inputs, so that inference finds no result."""
    by_result = {pool.output[0]: pool for pool in grown}
    causes: dict[str, set[str]] = {}
    for node in model.graph.node:
        found = {cause for name in node.input for cause in causes.get(name, ())}
        found.update(by_result.keys() & set(node.output))
        causes |= {name: found for name in node.output if name}
        lost = any(name in before and name not in after for name in node.output)
        if lost or _drops_elements(node, after):
            raise ModelNoiseError(
                f"{label(node)} cannot take the new shapes: {_compared(node, before, after)}; "
                + "; ".join(_described(by_result[name], before, after) for name in sorted(found))
            )


def _drops_elements(node: onnx.NodeProto, shapes: Shapes) -> bool:
    """Whether a Reshape changes the number of elements, which inference does not check."""
    if node.op_type != "Reshape" or not {node.input[0], node.output[0]} <= shapes.keys():
        return False
    return math.prod(shapes[node.input[0]]) != math.prod(shapes[node.output[0]])


def _compared(node: onnx.NodeProto, before: Shapes, after: Shapes) -> str:
    """Describe the shapes of the node's inputs and of the results that inference still finds."""
    names = [name for name in (*node.input, *node.output) if name in before and name in after]
    return ", ".join(
        f"{name!r} is {after[name]}"
        + (f", expected {before[name]}" if after[name] != before[name] else "")
        for name in names
    )


def _described(pool: onnx.NodeProto, before: Shapes, after: Shapes) -> str:
    result = pool.output[0]
    return f"ceil mode made the result of {label(pool)} {after[result]} instead of {before[result]}"


def _declare(model: onnx.ModelProto, before: Shapes, after: Shapes) -> onnx.ModelProto:
    """Infer the shapes that the model declares again, in place; open sizes stay open."""
    for output in model.graph.output:
        old, new = before.get(output.name, ()), after.get(output.name, ())
        for dimension, was, now in zip(output.type.tensor_type.shape.dim, old, new, strict=False):
            if was != now and dimension.HasField("dim_value"):
                dimension.dim_value = now
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, data_prop=True)
