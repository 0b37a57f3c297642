"""Ceil mode against pools that are written out as loops."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.pooling import ceil_mode
from tests.transforms.model.graphs import (
    Array,
    declared,
    find,
    model_of,
    node,
    noise,
    run,
    unchanged,
)


def starts(length: int, extent: int, stride: int, before: int, after: int) -> list[int]:
    """Where the windows of a rounded-up pool start, in coordinates of the padded axis.

    One after another until a window reaches the end; none starts in the padding at the end.
    """
    found: list[int] = []
    start = 0
    while start < length + before and (not found or found[-1] + extent < length + before + after):
        found.append(start)
        start += stride
    return found


def pooled(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: int = 1,
) -> Array:
    """Max-pool with the result's size rounded up, padded with minus infinity."""
    extents = [dilation * (k - 1) + 1 for k in kernel]
    rows, columns = (
        starts(x.shape[2 + axis], extents[axis], stride[axis], pads[axis], pads[2 + axis])
        for axis in (0, 1)
    )
    padded = np.full((*x.shape[:2], x.shape[2] + 99, x.shape[3] + 99), -np.inf, np.float32)
    padded[:, :, pads[0] : pads[0] + x.shape[2], pads[1] : pads[1] + x.shape[3]] = x
    result = np.empty((*x.shape[:2], len(rows), len(columns)), np.float32)
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        window = padded[:, :, row : row + extents[0], column : column + extents[1]]
        result[:, :, i, j] = window[:, :, ::dilation, ::dilation].max(axis=(2, 3))
    return result


def pool(x: str, y: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    given = {"kernel_shape": [2, 2], "strides": [2, 2], **attributes}
    return node("MaxPool", x, y, name, **given)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads", "dilation", "expected"),
    [
        ((112, 112), (3, 3), (2, 2), (1, 1, 1, 1), 1, (57, 57)),
        ((7, 9), (2, 2), (2, 2), (0, 0, 0, 0), 1, (4, 5)),
        ((7, 8), (2, 2), (2, 2), (0, 0, 0, 0), 1, (4, 4)),
        ((8, 11), (3, 2), (2, 3), (0, 0, 0, 0), 1, (4, 4)),
        ((9, 12), (3, 3), (2, 2), (1, 0, 0, 1), 1, (5, 6)),
        ((7, 7), (2, 2), (3, 3), (0, 0, 0, 0), 1, (3, 3)),
        ((12, 12), (3, 3), (2, 2), (1, 1, 1, 1), 2, (6, 6)),
        ((11, 10), (2, 2), (4, 4), (0, 0, 0, 0), 2, (3, 3)),
        ((7, 7), (3, 3), (2, 1), (0, 0, 1, 1), 1, (4, 6)),
    ],
)
def test_pools_round_up(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: int,
    expected: tuple[int, int],
) -> None:
    model = model_of(
        [pool("x", "y", kernel_shape=kernel, strides=stride, pads=pads, dilations=[dilation] * 2)],
        ["N", 2, *size],
    )
    x = noise(3, 2, *size) - 1000  # Padding with zeros would show.
    with unchanged(model):
        changed = ceil_mode(model, (1, 2, *size))
    (found,) = run(changed, x)
    assert found.shape[2:] == expected != run(model, x)[0].shape[2:]
    assert np.array_equal(found, pooled(x, kernel, stride, pads, dilation))


def test_sizes_of_a_chain_are_those_of_the_formula() -> None:
    names = "xabcy"
    pools = [pool(*each, kernel_shape=[3, 3], pads=[1] * 4) for each in pairwise(names)]
    changed = ceil_mode(model_of(pools, [1, 1, 112, 112], y=[1, 1, 7, 7]), (1, 1, 112, 112))
    x = expected = noise(1, 1, 112, 112)
    for size in (57, 29, 15, 8):
        expected = pooled(expected, (3, 3), (2, 2), (1, 1, 1, 1))
        assert expected.shape == (1, 1, size, size)
    assert np.array_equal(run(changed, x)[0], expected)
    assert [declared(each) for each in changed.graph.output] == [[1, 1, 8, 8]]
    assert {each.name: declared(each)[2] for each in changed.graph.value_info} == {
        "a": 57,
        "b": 29,
        "c": 15,
    }


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (3, 3), (5, 2), (4, 3)])
@pytest.mark.parametrize("size", [20, 21, 22, 23])
def test_automatic_padding_made_explicit_means_the_same(
    auto_pad: str, kernel: int, stride: int, size: int
) -> None:
    first: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
    # The second pool always changes; the first alone would be left as it was.
    other = pool("x", "b", kernel_shape=[3, 3], strides=[size - 1] * 2)
    alone = model_of([pool("x", "y", **first, auto_pad=auto_pad)], [1, 1, size, size])
    both = [pool("x", "a", **first, auto_pad=auto_pad), other]
    model = model_of(both, [1, 1, size, size], a=[None] * 4, b=[None] * 4)
    x = noise(1, 1, size, size) - 1000
    changed = ceil_mode(model, (1, 1, size, size))
    assert [each.get("auto_pad") for each in find(changed, "MaxPool")] == [None, None]
    found, (before,) = run(changed, x)[0], run(alone, x)
    if auto_pad == "VALID":
        assert np.array_equal(found, pooled(x, (kernel, kernel), (stride, stride)))
    else:
        assert np.array_equal(found, before)


def test_declared_shapes_follow_and_open_ones_stay_open() -> None:
    nodes = [pool("x", "a", "first"), node("Relu", "a", "y"), node("Flatten", "a", "flat")]
    fixed = model_of(nodes, ["N", 2, 7, 7], y=["N", 2, 3, 3], flat=["N", 18])
    fixed = onnx.shape_inference.infer_shapes(fixed)
    assert [declared(each) for each in fixed.graph.value_info] == [["N", 2, 3, 3]]
    changed = ceil_mode(fixed, (1, 2, 7, 7))
    assert [declared(each) for each in changed.graph.output] == [["N", 2, 4, 4], ["N", 32]]
    assert [declared(each) for each in changed.graph.value_info] == [["N", 2, 4, 4]]
    assert [each.shape for each in run(changed, noise(5, 2, 7, 7))] == [(5, 2, 4, 4), (5, 32)]
    opened = model_of(nodes, ["N", 2, "H", "W"], y=["N", 2, "h", "w"], flat=["N", "f"])
    changed = ceil_mode(opened, (1, 2, 7, 7))
    assert [declared(each) for each in changed.graph.output] == [["N", 2, "h", "w"], ["N", "f"]]
    assert [each.shape for each in run(changed, noise(5, 2, 7, 7))] == [(5, 2, 4, 4), (5, 32)]


@pytest.mark.parametrize(
    ("size", "nodes"),
    [
        (8, [pool("x", "y")]),
        (7, [node("Relu", "x", "y")]),
        (7, [pool("x", "y", ceil_mode=1)]),
        (7, [pool("x", "y", strides=[1, 1])]),
        (7, [node("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[2, 2])]),
        (7, [pool("x", "y", auto_pad="SAME_UPPER")]),
        (5, [pool("x", "y", pads=[1, 1, 1, 1])]),  # The last window would start in the padding.
        (6, [pool("x", "y", strides=[3, 3])]),
        (9, [pool("x", "y", kernel_shape=[3, 3], pads=[1] * 4)]),
    ],
    ids=str,
)
def test_null_where_no_size_changes(size: int, nodes: list[onnx.NodeProto]) -> None:
    model = model_of(nodes, [1, 1, size, size])
    assert ceil_mode(model, (1, 1, size, size)) is model
    if nodes[0].op_type == "MaxPool" and not find(model, "MaxPool")[0].get("auto_pad"):
        x, given = noise(1, 1, size, size), find(model, "MaxPool")[0]
        expected = pooled(
            x, given["kernel_shape"], given["strides"], given.get("pads", (0, 0, 0, 0))
        )
        assert np.array_equal(run(model, x)[0], expected)


BRANCH = [pool("x", "p", "pool1"), node("Conv", "x k", "c", "conv", strides=[2, 2])]
KERNEL = {"k": np.ones((2, 2, 2, 2), np.float32)}


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        (
            [*BRANCH, node("Concat", "p c", "y", "join", axis=1)],
            KERNEL,
            "Concat 'join' cannot take the new shapes: 'p' is (1, 2, 4, 4), expected "
            "(1, 2, 3, 3), 'c' is (1, 2, 3, 3); ceil mode made the result of MaxPool 'pool1' "
            "(1, 2, 4, 4) instead of (1, 2, 3, 3)",
        ),
        (
            [*BRANCH, node("Add", "c p", "s"), node("Relu", "s", "y")],
            KERNEL,
            "Add of 's' cannot take the new shapes: 'c' is (1, 2, 3, 3), 'p' is (1, 2, 4, 4), "
            "expected (1, 2, 3, 3); ceil mode made the result of MaxPool 'pool1' (1, 2, 4, 4) "
            "instead of (1, 2, 3, 3)",
        ),
        (
            [pool("x", "p"), node("Flatten", "p", "f"), node("Gemm", "f w", "y", "fc")],
            {"w": np.ones((18, 5), np.float32)},
            "Gemm 'fc' cannot take the new shapes: 'f' is (1, 32), expected (1, 18), 'w' is "
            "(18, 5); ceil mode made the result of MaxPool of 'p' (1, 2, 4, 4) instead of "
            "(1, 2, 3, 3)",
        ),
        (
            [pool("x", "p"), node("Reshape", "p s", "y", "flat")],
            {"s": np.array([1, 18])},
            "Reshape 'flat' cannot take the new shapes: 'p' is (1, 2, 4, 4), expected "
            "(1, 2, 3, 3), 's' is (2,), 'y' is (1, 18); ceil mode made the result of MaxPool of "
            "'p' (1, 2, 4, 4) instead of (1, 2, 3, 3)",
        ),
    ],
    ids=["concat", "add", "gemm", "reshape"],
)
def test_a_node_that_cannot_follow_is_named(
    nodes: list[onnx.NodeProto], weights: dict[str, Any], message: str
) -> None:
    rank = 2 if nodes[-1].op_type in ("Gemm", "Reshape") else 4
    model = model_of(nodes, [1, 2, 7, 7], weights, y=[None] * rank)
    run(model, noise(1, 2, 7, 7))
    with unchanged(model), pytest.raises(ModelNoiseError) as caught:
        ceil_mode(model, (1, 2, 7, 7))
    assert str(caught.value) == message


def test_branches_that_grow_alike_fit() -> None:
    nodes = [
        pool("x", "a"),
        pool("x", "b", kernel_shape=[3, 3], pads=[0, 0, 1, 1]),
        node("Concat", "a b", "c", axis=1),
        pool("c", "y", strides=[3, 3]),
    ]
    x = noise(1, 2, 13, 13)
    changed = ceil_mode(model_of(nodes, [1, 2, 13, 13]), x.shape)
    sides = [pooled(x, (2, 2), (2, 2)), pooled(x, (3, 3), (2, 2), (0, 0, 1, 1))]
    expected = pooled(np.concatenate(sides, 1), (2, 2), (3, 3))
    assert expected.shape == (1, 4, 3, 3)
    assert np.array_equal(run(changed, x)[0], expected)


def test_a_misfit_before_another_pool_is_named() -> None:
    nodes = [*BRANCH, node("Add", "p c", "s", "add"), pool("s", "y", "last")]
    model = model_of(nodes, [1, 2, 7, 7], KERNEL)
    with pytest.raises(ModelNoiseError, match=r"^Add 'add' cannot take the new shapes: "):
        ceil_mode(model, (1, 2, 7, 7))


def test_only_pools_before_the_node_are_named() -> None:
    nodes = [
        pool("x", "other", "beside"),
        pool("x", "p", "before"),
        node("Relu", "p", "r"),
        node("Add", "r k", "y", "add"),
    ]
    weights = {"k": np.ones((3, 3), np.float32)}
    model = model_of(nodes, [1, 1, 7, 7], weights, y=[None] * 4, other=[None] * 4)
    with pytest.raises(ModelNoiseError, match=r"^Add 'add' .* MaxPool 'before' ") as caught:
        ceil_mode(model, (1, 1, 7, 7))
    assert "beside" not in str(caught.value)


def test_a_pool_that_cannot_be_changed_is_named() -> None:
    old = model_of([pool("x", "y", "p")], [1, 1, 7, 7], opset=9)
    with pytest.raises(ModelNoiseError, match=r"^MaxPool 'p': MaxPool of opset 9 has no ceil mode"):
        ceil_mode(old, (1, 1, 7, 7))
    custom = model_of([node("Odd", "x", "a", domain="own"), pool("a", "y", "p")], [1, 1, 7, 7])
    custom.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(ModelNoiseError, match=r"^MaxPool 'p': the shape of its input cannot be"):
        ceil_mode(custom, (1, 1, 7, 7))
    # Along the second axis, the window that rounding up adds would start in the padding.
    odd = model_of([pool("x", "y", "p", strides=[3, 3])], [1, 1, 7, 6])
    message = r"^MaxPool 'p': with ceil mode its result is \(3, 2\), but ONNX infers \(3, 3\)$"
    with pytest.raises(ModelNoiseError, match=message):
        ceil_mode(odd, (1, 1, 7, 6))


def test_a_shape_of_another_rank_is_refused() -> None:
    model = model_of([pool("x", "y")], [1, 1, 7, 7])
    with pytest.raises(ModelNoiseError, match=r"^input 'x' has 4 axes, but the shape \(1, 7\) was"):
        ceil_mode(model, (1, 7))
