"""Interpolations of Resize against matrices made from their formulas in float64."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.upsampling import interpolation, upsample
from tests.transforms.model.graphs import Array, find, floats, model_of, node, noise, run, unchanged

MODES = ("linear", "nearest")
TRANSFORMATIONS = ("half_pixel", "align_corners", "asymmetric")
ALL = list(product(MODES, TRANSFORMATIONS))
DARKNET = interpolation("nearest", "asymmetric")


def matrix(mode: str, transformation: str, length: int, result: int) -> NDArray[np.float64]:
    """Weights of the source pixels (columns) in each result (rows), along one axis."""
    weights = np.zeros((result, length))
    for x in range(result):
        source = {
            "half_pixel": (x + 0.5) * length / result - 0.5,
            "align_corners": x * (length - 1) / (result - 1),
            "asymmetric": x * length / result,
        }[transformation]
        if mode == "nearest":
            rounded = math.floor(source if transformation == "asymmetric" else source + 0.5)
            weights[x, min(max(rounded, 0), length - 1)] = 1
            continue
        lower = math.floor(source)
        for pixel, weight in ((lower, lower + 1 - source), (lower + 1, source - lower)):
            weights[x, min(max(pixel, 0), length - 1)] += weight
    return weights


def resized(x: Array, size: tuple[int, int], mode: str, transformation: str) -> NDArray[np.float64]:
    rows, columns = (
        matrix(mode, transformation, length, result)
        for length, result in zip(x.shape[2:], size, strict=True)
    )
    return np.asarray(np.einsum("ri,bcij,sj->bcrs", rows, x, columns))


def resize_by(scales: tuple[float, ...], opset: int = 13, **attributes: Any) -> onnx.ModelProto:
    nodes = [node("Resize", "x - s", "y", "up", **attributes)]
    return model_of(nodes, ["N", 2, 4, 5], {"s": floats(*scales)}, opset)


@pytest.mark.parametrize(("mode", "transformation"), ALL)
@pytest.mark.parametrize("size", [(8, 10), (12, 10), (7, 13), (4, 11)])
@pytest.mark.parametrize(
    "given",
    [
        {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
        {"mode": "nearest", "nearest_mode": "ceil"},
    ],
    ids=["cubic", "nearest"],
)
def test_interpolations_are_those_of_the_formulas(
    mode: str, transformation: str, size: tuple[int, int], given: dict[str, Any]
) -> None:
    sizes = {"sizes": np.array([1, 2, *size])}
    nodes = [node("Resize", "x - - sizes", "y", **given)]
    model = model_of(nodes, [1, 2, 4, 5], sizes)
    with unchanged(model):
        changed = upsample(model, (1, 2, 4, 5), interpolation(mode, transformation))
    assert find(changed, "Resize") == [interpolation(mode, transformation)]
    x = noise(1, 2, 4, 5)
    (found,) = run(changed, x)
    expected = resized(x, size, mode, transformation)
    if mode == "nearest":
        assert np.array_equal(found, expected)
    else:
        # Coordinates and weights in float32: some units in the last place of values up to 4.
        assert np.abs(found - expected).max() < 1e-5
    assert not np.allclose(found, run(model, x)[0], atol=1e-3)


@pytest.mark.parametrize(("mode", "transformation"), ALL)
def test_a_batch_of_any_size_and_scales_instead_of_sizes(mode: str, transformation: str) -> None:
    model = resize_by((1, 1, 2, 3), mode="cubic")
    changed = upsample(model, (1, 2, 4, 5), interpolation(mode, transformation))
    x = noise(3, 2, 4, 5)
    expected = resized(x, (8, 15), mode, transformation)
    assert np.abs(run(changed, x)[0] - expected).max() < 1e-5


@pytest.mark.parametrize(
    "attributes",
    [
        DARKNET,
        interpolation("linear", "align_corners"),
        {"mode": "linear"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    ],
    ids=str,
)
def test_null_where_the_node_is_so_already(attributes: dict[str, Any]) -> None:
    model = resize_by((1, 1, 2, 2), **attributes)
    transformation = attributes.get("coordinate_transformation_mode", "half_pixel")
    wanted = interpolation(attributes["mode"], transformation.removeprefix("pytorch_"))
    assert upsample(model, (1, 2, 4, 5), wanted) is model
    other = interpolation("linear", "asymmetric")
    changed = upsample(model, (1, 2, 4, 5), other)
    assert find(changed, "Resize") == [other]
    x = noise(1, 2, 4, 5)
    expected = resized(x, (8, 10), wanted["mode"], wanted["coordinate_transformation_mode"])
    assert np.abs(run(model, x)[0] - expected).max() < 1e-5


def test_null_where_nearest_takes_the_same_pixels() -> None:
    """For every pair of nearest interpolations and some sizes, as ONNX Runtime tells."""
    same = set()
    roundings = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    for length, factor in product((2, 3, 6, 13), (2, 3, 4)):
        x = np.arange(length * 7, dtype=np.float32).reshape(1, 1, length, 7)
        for given, rounding in product(TRANSFORMATIONS, roundings):
            attributes: dict[str, Any]
            attributes = {"coordinate_transformation_mode": given, "nearest_mode": rounding}
            nodes = [node("Resize", "x - s", "y", mode="nearest", **attributes)]
            scales = {"s": floats(1, 1, factor, 1)}
            model = model_of(nodes, [1, 1, length, 7], scales)
            for wanted in TRANSFORMATIONS:
                changed = upsample(model, x.shape, interpolation("nearest", wanted))
                null = changed is model
                forced = resize_node_with(model, interpolation("nearest", wanted))
                assert null == np.array_equal(run(model, x)[0], run(forced, x)[0])
                same.add((null, given == wanted))
    assert same == {(True, True), (True, False), (False, True), (False, False)}


def resize_node_with(model: onnx.ModelProto, attributes: dict[str, str]) -> onnx.ModelProto:
    forced = onnx.ModelProto()
    forced.CopyFrom(model)
    (only,) = forced.graph.node
    del only.attribute[:]
    only.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    return forced


@pytest.mark.parametrize("scales", [(1, 1, 0.5, 0.5), (1, 1, 2, 0.5), (1, 1, 1, 1)])
def test_null_where_a_node_shrinks_or_keeps(scales: tuple[float, ...]) -> None:
    model = resize_by(scales, mode="cubic")
    assert upsample(model, (1, 2, 4, 5), DARKNET) is model


def test_null_without_resize() -> None:
    model = model_of([node("Relu", "x", "y")], [1, 1, 4, 4])
    assert upsample(model, (1, 1, 4, 4), DARKNET) is model


def test_only_nodes_that_enlarge_are_changed() -> None:
    shapes = [node("Shape", "x", "shape"), node("Slice", "shape start end", "batch")]
    nodes = [
        node("Resize", "x - half", "a", mode="linear"),
        node("Resize", "a - double", "b", mode="linear"),
        *shapes,
        node("Concat", "batch rest", "sizes", axis=0),  # As exporters write it.
        node("Resize", "b - - sizes", "y", mode="linear"),
    ]
    weights: dict[str, Any] = {
        "half": floats(1, 1, 0.5, 0.5),
        "double": floats(1, 1, 2, 2),
        "start": np.array([0]),
        "end": np.array([2]),
        "rest": np.array([16, 20]),
    }
    model = model_of(nodes, ["N", 2, 4, 6], weights)
    wanted = interpolation("nearest", "align_corners")
    changed = upsample(model, (1, 2, 4, 6), wanted)
    assert find(changed, "Resize") == [{"mode": "linear"}, wanted, wanted]
    assert run(changed, noise(3, 2, 4, 6))[0].shape == (3, 2, 16, 20)


def test_the_image_is_resized_as_before() -> None:
    """What stands before the first weighted layer prepares the image, as in torchvision."""
    nodes = [
        node("Mul", "x half", "n"),
        node("Resize", "n - double", "r", "prepare", mode="linear"),
        node("Conv", "r k", "c"),
        node("Resize", "c - double", "y", "pyramid", mode="linear"),
    ]
    weights = {"half": floats(0.5), "double": floats(1, 1, 2, 2), "k": noise(2, 2, 1, 1)}
    model = model_of(nodes, ["N", 2, "H", "W"], weights)
    changed = upsample(model, (1, 2, 4, 6), DARKNET)
    assert find(changed, "Resize") == [{"mode": "linear"}, DARKNET]
    x = noise(3, 2, 4, 6)
    smooth = resized(x * np.float32(0.5), (8, 12), "linear", "half_pixel")
    features = np.einsum("oi,bihw->bohw", weights["k"][:, :, 0, 0], smooth)
    expected = resized(features.astype(np.float32), (16, 24), "nearest", "asymmetric")
    assert np.abs(run(changed, x)[0] - expected).max() < 1e-5
    without = model_of([*nodes[:3], node("Relu", "c", "y")], ["N", 2, "H", "W"], weights)
    assert upsample(without, (1, 2, 4, 6), DARKNET) is without


def test_sizes_that_the_graph_computes_are_followed() -> None:
    """The factor is 16 / height, in float32, and rounded down."""
    nodes = [
        node("Conv", "x k", "c"),
        *(node("Shape", "c", "shape"), node("Gather", "shape two", "height", axis=0)),
        *(node("Cast", "height", "length", to=1), node("Div", "target length", "factor")),
        *(node("Mul", "length factor", "exact"), node("Floor", "exact", "floored")),
        *(
            node("Cast", "floored", "size", to=7),
            node("Concat", "front size size", "sizes", axis=0),
        ),
        node("Resize", "c - - sizes", "y", "up", mode="linear"),
    ]
    weights: dict[str, Any] = {"k": noise(2, 2, 1, 1), "two": np.array([2]), "target": floats(16)}
    weights["front"] = np.array([1, 2])
    model = model_of(nodes, [1, 2, "H", "W"], weights)
    assert find(upsample(model, (1, 2, 5, 7), DARKNET), "Resize") == [DARKNET]
    assert upsample(model, (1, 2, 16, 16), DARKNET) is model
    assert upsample(model, (1, 2, 32, 32), DARKNET) is model


def test_axes_and_aspect_stay_and_antialias_goes() -> None:
    kept: dict[str, Any] = {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}
    nodes = [node("Resize", "x - - s", "y", mode="linear", antialias=1, **kept)]
    model = model_of(nodes, [1, 2, 4, 5], {"s": np.array([8, 11])}, opset=18)
    changed = upsample(model, (1, 2, 4, 5), DARKNET)
    assert find(changed, "Resize") == [{**kept, **DARKNET}]
    assert run(changed, noise(1, 2, 4, 5))[0].shape == (1, 2, 8, 10)


def test_nodes_that_upsample_something_else_are_named() -> None:
    def refused(model: onnx.ModelProto, shape: tuple[int, ...] = (1, 2, 4, 5)) -> str:
        with unchanged(model), pytest.raises(ModelNoiseError) as caught:
            upsample(model, shape, DARKNET)
        return str(caught.value)

    assert refused(resize_by((1, 2, 2, 2), mode="cubic")) == (
        "Resize 'up' enlarges (1, 2, 4, 5) to (1, 4, 8, 10); only the last two of four axes may "
        "change"
    )
    line = model_of([node("Resize", "x - s", "y")], [1, 2, 4], {"s": floats(1, 1, 2)}, y=[None] * 3)
    assert refused(line, (1, 2, 4)).startswith("Resize of 'y' enlarges (1, 2, 4) to (1, 2, 8); ")
    crop: dict[str, Any] = {"coordinate_transformation_mode": "tf_crop_and_resize"}
    assert refused(resize_by((1, 1, 2, 2), **crop)).startswith("Resize 'up' crops, ")
    unknown = model_of([node("Resize", "x - x", "y", "up")], [8])
    assert refused(unknown, (8,)) == (
        "Resize 'up': the shape of its input or result cannot be inferred"
    )


@pytest.mark.parametrize(("kind", "opset"), [("Resize", 10), ("Upsample", 9)])
def test_opsets_without_coordinate_transformation_are_refused(kind: str, opset: int) -> None:
    nodes = [node(kind, "x s", "y", "up", mode="nearest")]
    old = model_of(nodes, [1, 2, 4, 5], {"s": floats(1, 1, 2, 2)}, opset)
    assert run(old, noise(1, 2, 4, 5))[0].shape == (1, 2, 8, 10)
    message = rf"^{kind} 'up': opset {opset} has no coordinate transformation; convert the model to"
    with pytest.raises(ModelNoiseError, match=message):
        upsample(old, (1, 2, 4, 5), DARKNET)
