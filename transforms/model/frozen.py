"""Sizes that an exporter wrote as numbers, found again where the sizes of feature maps change.

A model that is exported for one size may hold sizes of feature maps as constants: of a Resize that
enlarges a map to the size of another one (the top-down way of a feature pyramid), and of a Reshape
that splits or joins axes. Where a pool before them gives another size, these numbers are stale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from sysnoise.transforms.model.graph import Shape, attributes_of
from sysnoise.transforms.model.preparation import Known

_JOINS = ("Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min", "Concat", "Where")
"""The operators whose inputs are feature maps of one size."""


@dataclass(frozen=True)
class StaleSizes:
    """A tensor of sizes that has to change.

    Attributes:
        node: the node that reads it.
        place: the place of the tensor among the node's inputs.
        change: what has to be added to each of its numbers.
    """

    node: NodeProto
    place: int
    change: tuple[int, ...]


def stale_sizes(
    node: NodeProto, before: Known, after: Known, makers: Mapping[str, NodeProto]
) -> StaleSizes | None:
    """Return sizes that have to change so that a node fits its inputs; None where there are none.

    A Reshape's sizes follow from the axes of its input: an axis of the result that holds all axes
    that changed takes their new sizes. Where maps that had one height and width are joined, and
    only some have new ones, the others were enlarged by a Resize to a size that is stale.

    Args:
        node: a node.
        before: what is known of the model as it was exported.
        after: what is known of the changed model up to this node.
        makers: the node that computes each tensor.
    """
    if node.op_type == "Reshape" and len(node.input) == 2:
        return _stale_reshape(node, before, after)
    if node.op_type in _JOINS:
        return _stale_resize(node, before, after, makers)
    return None


def renew(stale: StaleSizes) -> tuple[NodeProto, NodeProto]:
    """Give a node new sizes, in place, and return the nodes that compute them, to stand before it.

    The change is added to the numbers, so that those that the model computes are still computed.

    Args:
        stale: the sizes.
    """
    name = f"{stale.node.output[0]}/sizes"
    change = numpy_helper.from_array(np.array(stale.change, np.int64), f"{name}/change")
    source = stale.node.input[stale.place]
    stale.node.input[stale.place] = name
    return (
        helper.make_node("Constant", [], [change.name], name=change.name, value=change),
        helper.make_node("Add", [source, change.name], [name], name=name),
    )


def _stale_reshape(node: NodeProto, before: Known, after: Known) -> StaleSizes | None:
    source, target = node.input
    if not {source, node.output[0]} <= before.shapes.keys():
        return None
    if source not in after.shapes or target not in after.values:
        return None
    old, new = before.shapes[source], after.shapes[source]
    wanted = None if old == new else regrouped(old, before.shapes[node.output[0]], new)
    if wanted is None:
        return None
    # 0 stands for the input's own size, and -1 for what is left: both follow by themselves.
    given = [int(each) for each in after.values[target]]
    change = [0 if n in (0, -1) else size - n for n, size in zip(given, wanted, strict=True)]
    return StaleSizes(node, 1, tuple(change)) if any(change) else None


def regrouped(old: Shape, result: Shape, new: Shape) -> Shape | None:
    """Return the shape into which a Reshape turns an input of another shape.

    Args:
        old: a shape of the input.
        result: the shape that the Reshape gives it.
        new: another shape of the input, with as many axes.

    Returns:
        None where several axes of the result share those that changed.
    """
    if math.prod(old) != math.prod(result) or 0 in old:
        return None
    found = list[int]()
    i = j = 0
    while i < len(old) or j < len(result):
        # The shortest runs of axes that hold the same number of elements.
        k, m = i + 1, j + 1
        while math.prod(old[i:k]) != math.prod(result[j:m]):
            if math.prod(old[i:k]) < math.prod(result[j:m]):
                k += 1
            else:
                m += 1
        run = _regrouped_run(old[i:k], result[j:m], new[i:k])
        if run is None:
            return None
        found += run
        i, j = k, m
    return tuple(found)


def _regrouped_run(old: Shape, result: Shape, new: Shape) -> Shape | None:
    changed = [place for place in range(len(old)) if old[place] != new[place]]
    if not changed:
        return result
    first, last = changed[0], changed[-1] + 1
    lead, span, rest = math.prod(old[:first]), math.prod(old[first:last]), math.prod(old[last:])
    for place, size in enumerate(result):
        left, right = result[:place], result[place + 1 :]
        if lead % math.prod(left) == rest % math.prod(right) == size % span == 0:
            return (*left, size // span * math.prod(new[first:last]), *right)
    return None


def _stale_resize(
    node: NodeProto, before: Known, after: Known, makers: Mapping[str, NodeProto]
) -> StaleSizes | None:
    size = _map_size(before, node.output[0])
    maps = [name for name in node.input if size and _map_size(before, name) == size]
    found = {name: _map_size(after, name) for name in maps}
    wanted = {each for each in found.values() if each not in (size, ())}
    if len(wanted) != 1:
        return None
    for name in (name for name in maps if found[name] == size):
        resize = enlarged_by(name, before, makers)
        if resize is not None:
            return _resize_sizes(resize, after, wanted.pop())
    return None


def enlarged_by(name: str, known: Known, makers: Mapping[str, NodeProto]) -> NodeProto | None:
    """Return the Resize that gave a feature map its height and width; None where there is none.

    Args:
        name: the name of the map, of four axes.
        known: what is known of the model.
        makers: the node that computes each tensor.
    """
    size, waiting, seen = _map_size(known, name), [name], set[str]()
    while waiting:
        each = waiting.pop()
        if each in seen or each not in makers or _map_size(known, each) != size:
            continue
        seen.add(each)
        if makers[each].op_type in ("Resize", "Upsample"):
            return makers[each]
        waiting.extend(makers[each].input)
    return None


def _map_size(known: Known, name: str) -> Shape:
    """Return the height and width of a tensor of four axes; nothing for any other."""
    shape = known.shapes.get(name, ())
    return shape[2:] if len(shape) == 4 else ()


def _resize_sizes(resize: NodeProto, after: Known, wanted: Shape) -> StaleSizes | None:
    """Return the sizes of a Resize; None where it has factors, or sizes of other axes."""
    if len(resize.input) < 4 or resize.input[3] not in after.values:
        return None
    given = attributes_of(resize)
    axes: Sequence[int] = [axis % 4 for axis in given.get("axes", range(4))]
    if given.get("keep_aspect_ratio_policy", "stretch") != "stretch" or not {2, 3} <= set(axes):
        return None
    sizes = [int(each) for each in after.values[resize.input[3]]]
    change = [wanted[axis - 2] - n if axis > 1 else 0 for axis, n in zip(axes, sizes, strict=True)]
    return StaleSizes(resize, 3, tuple(change)) if any(change) else None
