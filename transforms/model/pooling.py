"""Ceil mode and floor mode: max-pools that round the size of their result up or down.

For a padded length L, window K and stride S, a pool gives floor((L - K) / S) + 1 or
ceil((L - K) / S) + 1 values along an axis (ONNX, operator MaxPool; arXiv 2307.00280, section on
model inference). Caffe rounds up; PyTorch and ONNX round down by default.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from enum import Enum

import onnx

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.frozen import enlarged_by, renew, stale_sizes
from sysnoise.transforms.model.graph import (
    Shape,
    Shapes,
    attributes_of,
    copy_of,
    label,
    opset_of,
    replace_attributes,
)
from sysnoise.transforms.model.layers import constant_tensors
from sysnoise.transforms.model.preparation import Known, learn, prepare, start

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


class Rounding(Enum):
    """How the size of a pool's result is rounded; the values name the noises."""

    CEIL = "ceil-mode"
    """Up, as in Caffe."""
    FLOOR = "floor-mode"
    """Down, as in PyTorch and ONNX by default."""


def round_pools(model: onnx.ModelProto, input_shape: Shape, rounding: Rounding) -> onnx.ModelProto:
    """Round the result of every strided max-pool up or down.

    A pool with ``auto_pad`` first gets the explicit padding that this means for the input shape.
    Pools whose result has the same size either way are not changed. Sizes of later nodes that were
    written as numbers are renewed (:mod:`~sysnoise.transforms.model.frozen`), and the shapes that
    the model declares are inferred again.

    Args:
        model: a model with one input.
        input_shape: the shape of an input with a batch size of one.
        rounding: how results are rounded.

    Returns:
        The changed model; the model itself where no result changes its size.

    Raises:
        ModelNoiseError: a later node cannot take the new shape, or a pool's shape or opset does not
            allow the change.
    """
    before = prepare(model, input_shape)
    changed = copy_of(model)
    change = _Change(changed, rounding, before, start(changed, input_shape))
    nodes, place = list(changed.graph.node), 0
    while place < len(nodes):
        node = nodes[place]
        if _is_rounded_otherwise(node, rounding):
            _turn(node, change)
        stale = stale_sizes(node, before, change.after, change.makers)
        if stale is not None and stale.node.output[0] not in change.renewed:
            change.renewed.add(stale.node.output[0])
            # It may stand before: what was learned from there on is learned again.
            place = next(n for n, each in enumerate(nodes) if each is stale.node)
            nodes[place:place] = renew(stale)
            continue
        learn(change.after, node)
        _refuse_misfit(node, change)
        place += 1
    if not change.turned:
        return model
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return _declare(changed, before.shapes, change.after.shapes)


@dataclass(frozen=True)
class _Change:
    """A model whose pools are being changed.

    Attributes:
        model: the model.
        rounding: how results are rounded.
        before: what is known of the model as it was given.
        after: what is known of the changed model, up to the node that is visited.
        turned: the counts of windows of the pools that round otherwise now, by their results.
        renewed: the results of the nodes whose sizes were renewed.
    """

    model: onnx.ModelProto
    rounding: Rounding
    before: Known
    after: Known
    turned: dict[str, Shape] = field(default_factory=dict)
    renewed: set[str] = field(default_factory=set)

    @functools.cached_property
    def makers(self) -> dict[str, onnx.NodeProto]:
        """The node that computes each tensor."""
        return {name: node for node in self.model.graph.node for name in node.output if name}


def _is_rounded_otherwise(node: onnx.NodeProto, rounding: Rounding) -> bool:
    if node.op_type != "MaxPool" or node.domain not in ("", "ai.onnx"):
        return False
    given = attributes_of(node)
    rounds_up = bool(given.get("ceil_mode", 0))
    return max(given.get("strides", [1])) > 1 and rounds_up is (rounding is Rounding.FLOOR)


def _turn(pool: onnx.NodeProto, change: _Change) -> None:
    """Make a pool round otherwise, in place, if this changes the size of its result."""
    _make_padding_explicit(pool, _input_size(pool, change.before.shapes))
    windows, size = _windows(pool), _input_size(pool, change.after.shapes)
    down = tuple(each.floor(length) for each, length in zip(windows, size, strict=True))
    up = tuple(each.ceil(length) for each, length in zip(windows, size, strict=True))
    if up == down:
        return
    if opset_of(change.model) < _FIRST_OPSET:
        raise ModelNoiseError(
            f"{label(pool)}: MaxPool of opset {opset_of(change.model)} has no ceil mode; convert "
            f"the model to opset {_FIRST_OPSET} or later with onnx.version_converter"
        )
    rounds_up = change.rounding is Rounding.CEIL
    replace_attributes(pool, (), ceil_mode=int(rounds_up))
    change.turned[pool.output[0]] = up if rounds_up else down


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


def _refuse_misfit(node: onnx.NodeProto, change: _Change) -> None:
    """Refuse a node that does not fit its new inputs, so that inference finds no result.

    ONNX's inference counts windows that start in the padding at the end, and ONNX Runtime does not
    (onnx/onnx#5711). That matters only where one axis has such a window and another rounds up.
    """
    before, after = change.before.shapes, change.after.shapes
    counts = change.turned.get(node.output[0])
    if counts is not None and after.get(node.output[0], ())[2:] != counts:
        raise ModelNoiseError(
            f"{label(node)}: with {change.rounding.value} its result is {counts}, but ONNX infers "
            f"{after.get(node.output[0], ())[2:]}"
        )
    lost = any(name in before and name not in after for name in node.output)
    if lost or _drops_elements(node, before, after):
        causes = "; ".join(_described(pool, change) for pool in _pools_before(node, change))
        raise ModelNoiseError(
            f"{label(node)} cannot take the new shapes: {_compared(node, before, after)}; "
            f"{causes}; {_advice(node, change)}"
        )


def _drops_elements(node: onnx.NodeProto, before: Shapes, after: Shapes) -> bool:
    """Whether a node no longer passes all elements on, which inference does not check."""
    if node.op_type not in ("Reshape", "Slice"):
        return False
    names = (node.input[0], node.output[0])
    if not (before.keys() & after.keys()).issuperset(names):
        return False
    (old, kept), (new, found) = ([shapes[name] for name in names] for shapes in (before, after))
    if node.op_type == "Reshape":
        return math.prod(new) != math.prod(found)
    return any(a == b and c != d for a, b, c, d in zip(old, kept, new, found, strict=True))


def _compared(node: onnx.NodeProto, before: Shapes, after: Shapes) -> str:
    """Describe the shapes of the node's inputs and of the results that inference still finds."""
    names = [name for name in (*node.input, *node.output) if name in before and name in after]
    return ", ".join(
        f"{name!r} is {after[name]}"
        + (f", expected {before[name]}" if after[name] != before[name] else "")
        for name in names
    )


def _pools_before(node: onnx.NodeProto, change: _Change) -> list[onnx.NodeProto]:
    """Return the changed pools that the node depends on, by the names of their results."""
    waiting, seen = [*node.input], set[str]()
    while waiting:
        name = waiting.pop()
        if name in change.makers and name not in seen:
            seen.add(name)
            waiting.extend(change.makers[name].input)
    return [change.makers[name] for name in sorted(seen & change.turned.keys())]


def _described(pool: onnx.NodeProto, change: _Change) -> str:
    before, after = (each.shapes[pool.output[0]] for each in (change.before, change.after))
    return f"{change.rounding.value} made the result of {label(pool)} {after} instead of {before}"


def _advice(node: onnx.NodeProto, change: _Change) -> str:
    """Say what to export instead."""
    constants = constant_tensors(change.model)
    fixed = [each for each in node.input if each in constants and change.before.shapes.get(each)]
    if node.op_type in ("Gemm", "MatMul") and fixed:
        return f"the weights {fixed[0]!r} fix this size, whatever is exported"
    if node.op_type in ("Reshape", "Slice"):
        return "export the model with open height and width, so that it computes these sizes"
    if fixed:
        return (
            f"{fixed[0]!r} is a constant for the old size: export the model with open height and "
            "width, so that it computes this, or without what follows its heads"
        )
    enlarging = [enlarged_by(name, change.before, change.makers) for name in node.input]
    for resize in (each for each in enlarging if each is not None and not each.input[3:]):
        return (
            f"{label(resize)} enlarges by a factor: export it with the size of the other map, as "
            "of interpolate(..., size=...)"
        )
    return "export the model with open height and width"


def _declare(model: onnx.ModelProto, before: Shapes, after: Shapes) -> onnx.ModelProto:
    """Infer the shapes that the model declares again, in place; open sizes stay open."""
    for output in model.graph.output:
        old, new = before.get(output.name, ()), after.get(output.name, ())
        for dimension, was, now in zip(output.type.tensor_type.shape.dim, old, new, strict=False):
            if was != now and dimension.HasField("dim_value"):
                dimension.dim_value = now
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, data_prop=True)
