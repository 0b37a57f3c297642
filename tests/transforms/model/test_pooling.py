"""Ceil mode against pools that are written out as loops."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.pooling import Rounding, round_pools
from tests.transforms.model.graphs import (
    Array,
    bytes_of,
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


def rounded_up(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    return round_pools(model, shape, Rounding.CEIL)


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
        changed = rounded_up(model, (1, 2, *size))
    (found,) = run(changed, x)
    assert found.shape[2:] == expected != run(model, x)[0].shape[2:]
    assert np.array_equal(found, pooled(x, kernel, stride, pads, dilation))


def test_sizes_of_a_chain_are_those_of_the_formula() -> None:
    names = "xabcy"
    pools = [pool(*each, kernel_shape=[3, 3], pads=[1] * 4) for each in pairwise(names)]
    changed = rounded_up(model_of(pools, [1, 1, 112, 112], y=[1, 1, 7, 7]), (1, 1, 112, 112))
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
    changed = rounded_up(model, (1, 1, size, size))
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
    changed = rounded_up(fixed, (1, 2, 7, 7))
    assert [declared(each) for each in changed.graph.output] == [["N", 2, 4, 4], ["N", 32]]
    assert [declared(each) for each in changed.graph.value_info] == [["N", 2, 4, 4]]
    assert [each.shape for each in run(changed, noise(5, 2, 7, 7))] == [(5, 2, 4, 4), (5, 32)]
    opened = model_of(nodes, ["N", 2, "H", "W"], y=["N", 2, "h", "w"], flat=["N", "f"])
    changed = rounded_up(opened, (1, 2, 7, 7))
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
    assert rounded_up(model, (1, 1, size, size)) is model
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
            "(1, 2, 3, 3), 'c' is (1, 2, 3, 3); ceil-mode made the result of MaxPool 'pool1' "
            "(1, 2, 4, 4) instead of (1, 2, 3, 3); export the model with open height and width",
        ),
        (
            [*BRANCH, node("Add", "c p", "s"), node("Relu", "s", "y")],
            KERNEL,
            "Add of 's' cannot take the new shapes: 'c' is (1, 2, 3, 3), 'p' is (1, 2, 4, 4), "
            "expected (1, 2, 3, 3); ceil-mode made the result of MaxPool 'pool1' (1, 2, 4, 4) "
            "instead of (1, 2, 3, 3); export the model with open height and width",
        ),
        (
            [pool("x", "p"), node("Flatten", "p", "f"), node("Gemm", "f w", "y", "fc")],
            {"w": np.ones((18, 5), np.float32)},
            "Gemm 'fc' cannot take the new shapes: 'f' is (1, 32), expected (1, 18), 'w' is "
            "(18, 5); ceil-mode made the result of MaxPool of 'p' (1, 2, 4, 4) instead of "
            "(1, 2, 3, 3); the weights 'w' fix this size, whatever is exported",
        ),
        (
            [pool("x", "p"), node("Reshape", "p s", "y", "mixed")],
            {"s": np.array([3, 6])},
            "Reshape 'mixed' cannot take the new shapes: 'p' is (1, 2, 4, 4), expected "
            "(1, 2, 3, 3), 's' is (2,), 'y' is (3, 6); ceil-mode made the result of MaxPool of "
            "'p' (1, 2, 4, 4) instead of (1, 2, 3, 3); export the model with open height and "
            "width, so that it computes these sizes",
        ),
        (
            [pool("x", "p"), node("Slice", "p from to axes", "y", "crop")],
            {"from": np.array([0]), "to": np.array([3]), "axes": np.array([2])},
            "Slice 'crop' cannot take the new shapes: 'p' is (1, 2, 4, 4), expected (1, 2, 3, 3), "
            "'from' is (1,), 'to' is (1,), 'axes' is (1,), 'y' is (1, 2, 3, 4), expected "
            "(1, 2, 3, 3); ceil-mode made the result of MaxPool of 'p' (1, 2, 4, 4) instead of "
            "(1, 2, 3, 3); export the model with open height and width, so that it computes these "
            "sizes",
        ),
        (
            [pool("x", "p"), node("Add", "p anchors", "y", "decode")],
            {"anchors": np.zeros((1, 1, 3, 3), np.float32)},
            "Add 'decode' cannot take the new shapes: 'p' is (1, 2, 4, 4), expected "
            "(1, 2, 3, 3), 'anchors' is (1, 1, 3, 3); ceil-mode made the result of MaxPool of 'p' "
            "(1, 2, 4, 4) instead of (1, 2, 3, 3); 'anchors' is a constant for the old size: "
            "export the model with open height and width, so that it computes this, or without "
            "what follows its heads",
        ),
        (
            [
                *(node("Conv", "x k", "c", "conv", strides=[2, 2]), pool("c", "p", "pool1")),
                node("Resize", "p - s", "u", "up", mode="nearest"),
                node("Add", "u c", "y", "fuse"),
            ],
            {**KERNEL, "s": np.array([1, 1, 3, 3], np.float32)},
            "Add 'fuse' cannot take the new shapes: 'u' is (1, 2, 6, 6), expected (1, 2, 3, 3), "
            "'c' is (1, 2, 3, 3); ceil-mode made the result of MaxPool 'pool1' (1, 2, 2, 2) "
            "instead of (1, 2, 1, 1); Resize 'up' enlarges by a factor: export it with the size of "
            "the other map, as of interpolate(..., size=...)",
        ),
    ],
    ids=["concat", "add", "gemm", "reshape", "slice", "constant", "factor"],
)
def test_a_node_that_cannot_follow_is_named(
    nodes: list[onnx.NodeProto], weights: dict[str, Any], message: str
) -> None:
    rank = 2 if nodes[-1].op_type in ("Gemm", "Reshape") else 4
    model = model_of(nodes, [1, 2, 7, 7], weights, y=[None] * rank)
    run(model, noise(1, 2, 7, 7))
    with unchanged(model), pytest.raises(ModelNoiseError) as caught:
        rounded_up(model, (1, 2, 7, 7))
    assert str(caught.value) == message


def test_floor_mode_is_the_reverse() -> None:
    """Of a chain that rounds up, as of GoogLeNet."""
    names = "xabcy"
    pools = [pool(*each, kernel_shape=[3, 3], ceil_mode=1) for each in pairwise(names)]
    model = model_of(pools, [1, 1, 112, 112], y=[1, 1, 7, 7])
    with unchanged(model):
        changed = round_pools(model, (1, 1, 112, 112), Rounding.FLOOR)
    x = noise(1, 1, 112, 112)
    expected = x
    for size in (55, 27, 13, 6):
        expected = pooled(expected[:, :, : 2 * size + 1, : 2 * size + 1], (3, 3), (2, 2))
        assert expected.shape == (1, 1, size, size)
    assert np.array_equal(run(changed, x)[0], expected)
    assert round_pools(changed, (1, 1, 112, 112), Rounding.FLOOR) is changed
    assert rounded_up(model, (1, 1, 112, 112)) is model
    back = rounded_up(changed, (1, 1, 112, 112))
    assert np.array_equal(run(back, x)[0], run(model, x)[0])


def pyramid(sizes: dict[str, Any], opset: int = 13, **outputs: Any) -> onnx.ModelProto:
    """The top-down way of a feature pyramid, traced: sizes of the lateral maps are numbers."""
    nodes = [
        node("Conv", "x k", "c1", "stem", pads=[1] * 4),
        pool("c1", "c2", "pool2", kernel_shape=[3, 3], pads=[1] * 4),
        node("Conv", "c2 k", "c3", "conv3", strides=[2, 2], pads=[1] * 4),
        node("Conv", "c3 k", "c4", "conv4", strides=[2, 2], pads=[1] * 4),
        *sizes["nodes"],
        node("Resize", "c4 - - to3", "u3", "up3", mode="nearest", **sizes["given"]),
        node("Conv", "c3 l", "l3", "lateral3"),
        node("Add", "l3 u3", "p3", "merge3"),
        node("Resize", "p3 - - to2", "u2", "up2", mode="nearest", **sizes["given"]),
        node("Relu", "u2", "v2"),
        node("Conv", "c2 l", "l2", "lateral2"),
        node("Concat", "l2 v2", "y", "merge2", axis=1),
    ]
    weights = {"k": noise(2, 2, 3, 3), "l": noise(2, 2, 1, 1, seed=1), **sizes["weights"]}
    return model_of(nodes, ["N", 2, 16, 16], weights, opset, **outputs)


_BATCH = [
    node("Shape", "x", "shape"),
    node("Slice", "shape zero two", "batch"),
    node("Concat", "batch end3", "to3", axis=0),
    node("Constant", "", "end2", value_ints=[8, 8]),
    node("Concat", "batch end2", "to2", axis=0),
]
FROZEN: dict[str, dict[str, Any]] = {
    "constants": {
        "nodes": [],
        "given": {},
        "weights": {"to3": np.array([1, 2, 4, 4]), "to2": np.array([1, 2, 8, 8])},
    },
    "computed": {
        "nodes": _BATCH,
        "given": {},
        "weights": {"zero": np.array([0]), "two": np.array([2]), "end3": np.array([4, 4])},
    },
    "axes": {
        "nodes": [],
        "given": {"axes": [3, -2]},
        "weights": {"to3": np.array([4, 4]), "to2": np.array([8, 8])},
    },
}


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_sizes_of_a_pyramid_follow(name: str) -> None:
    """As those that a model with open sizes computes."""
    opset = 18 if name == "axes" else 13
    model = pyramid(FROZEN[name], opset)
    opened = pyramid(
        {
            "nodes": [
                *(node("Shape", "c3", "to3"), node("Shape", "c2", "shape2")),
                *(node("Slice", "shape2 zero four", "to2"),),
            ],
            "given": {},
            "weights": {"zero": np.array([0]), "four": np.array([4])},
        },
    )
    shape = (1, 2, 16, 16)
    with unchanged(model):
        changed = rounded_up(model, shape)
    assert bytes_of(changed) == bytes_of(rounded_up(model, shape))
    x = noise(3 if name != "constants" else 1, *shape[1:], seed=3)
    (found,), (expected,) = run(changed, x), run(rounded_up(opened, shape), x)
    assert found.shape[2:] == (9, 9) != run(model, x)[0].shape[2:]
    assert np.array_equal(found, expected)
    assert len([each for each in changed.graph.node if each.name.endswith("/sizes")]) == 2


def test_a_frozen_split_of_a_head_follows() -> None:
    """Reshape, Transpose, Reshape, as heads have it; the last pool of the chain grows."""
    nodes = [
        node("Conv", "x k", "c", "head"),
        pool("c", "p", "pool1"),
        node("Reshape", "p apart", "a"),
        node("Transpose", "a", "t", perm=[0, 3, 4, 1, 2]),
        node("Reshape", "t rows", "y", "join"),
    ]
    weights: dict[str, Any] = {"k": noise(6, 2, 2, 2)}
    weights |= {"apart": np.array([0, 2, 3, 3, 4]), "rows": np.array([1, 24, 3])}
    x = noise(1, 2, 8, 10)
    model = model_of(nodes, [1, 2, 8, 10], weights, y=[1, 24, 3])
    changed = rounded_up(model, x.shape)
    with_less = [*nodes[:4], node("Reshape", "t rows", "y")]
    weights |= {"apart": np.array([0, 2, 3, 4, 5]), "rows": np.array([0, -1, 3])}
    opened = model_of(with_less, [1, 2, 8, 10], weights, y=[1, None, 3])
    opened.graph.node[1].attribute.append(helper.make_attribute("ceil_mode", 1))
    (found,), (expected,) = run(changed, x), run(opened, x)
    assert found.shape == (1, 40, 3)
    assert np.array_equal(found, expected)
    assert [declared(each) for each in changed.graph.output] == [[1, 40, 3]]


def test_branches_that_grow_alike_fit() -> None:
    nodes = [
        pool("x", "a"),
        pool("x", "b", kernel_shape=[3, 3], pads=[0, 0, 1, 1]),
        node("Concat", "a b", "c", axis=1),
        pool("c", "y", strides=[3, 3]),
    ]
    x = noise(1, 2, 13, 13)
    changed = rounded_up(model_of(nodes, [1, 2, 13, 13]), x.shape)
    sides = [pooled(x, (2, 2), (2, 2)), pooled(x, (3, 3), (2, 2), (0, 0, 1, 1))]
    expected = pooled(np.concatenate(sides, 1), (2, 2), (3, 3))
    assert expected.shape == (1, 4, 3, 3)
    assert np.array_equal(run(changed, x)[0], expected)


def test_a_misfit_before_another_pool_is_named() -> None:
    nodes = [*BRANCH, node("Add", "p c", "s", "add"), pool("s", "y", "last")]
    model = model_of(nodes, [1, 2, 7, 7], KERNEL)
    with pytest.raises(ModelNoiseError, match=r"^Add 'add' cannot take the new shapes: "):
        rounded_up(model, (1, 2, 7, 7))


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
        rounded_up(model, (1, 1, 7, 7))
    assert "beside" not in str(caught.value)


def test_a_pool_that_cannot_be_changed_is_named() -> None:
    old = model_of([pool("x", "y", "p")], [1, 1, 7, 7], opset=9)
    with pytest.raises(ModelNoiseError, match=r"^MaxPool 'p': MaxPool of opset 9 has no ceil mode"):
        rounded_up(old, (1, 1, 7, 7))
    custom = model_of([node("Odd", "x", "a", domain="own"), pool("a", "y", "p")], [1, 1, 7, 7])
    custom.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(ModelNoiseError, match=r"^MaxPool 'p': the shape of its input cannot be"):
        rounded_up(custom, (1, 1, 7, 7))
    # Along the second axis, the window that rounding up adds would start in the padding.
    odd = model_of([pool("x", "y", "p", strides=[3, 3])], [1, 1, 7, 6])
    message = r"^MaxPool 'p': with ceil-mode its result is \(3, 2\), but ONNX infers \(3, 3\)$"
    with pytest.raises(ModelNoiseError, match=message):
        rounded_up(odd, (1, 1, 7, 6))


def test_a_shape_of_another_rank_is_refused() -> None:
    model = model_of([pool("x", "y")], [1, 1, 7, 7])
    with pytest.raises(ModelNoiseError, match=r"^input 'x' has 4 axes, but the shape \(1, 7\) was"):
        rounded_up(model, (1, 7))
