"""Half precision against NumPy's float16, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from sysnoise.transforms.model.precision import half_precision
from tests.transforms.model.graphs import (
    ALL,
    NONE,
    Array,
    declared,
    find,
    floats,
    model_of,
    node,
    noise,
    run,
    unchanged,
)

UNIT = 2.0**-11
"""Half the distance between 1 and the next float16: the largest relative error of a rounding."""


def half(values: NDArray[Any]) -> NDArray[np.float16]:
    return values.astype(np.float16)


def stored(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


@pytest.mark.parametrize("level", [ALL, NONE], ids=["optimized", "plain"])
def test_every_step_is_rounded(level: Any) -> None:
    nodes = [node("Mul", "x a", "p"), node("Sub", "p b", "q"), node("Mul", "q c", "y")]
    weights = {"a": floats(1.5), "b": floats(100), "c": floats(8)}
    model = model_of(nodes, ["N", 4], weights, y=["N", 4])
    with unchanged(model):
        changed = half_precision(model)
    x = floats(66.67, 66.69, 66.77, 67.1).reshape(1, 4)
    steps = half(half(half(x) * np.float16(1.5)) - np.float16(100)) * np.float16(8)
    # The steps matter: neither the exact result nor that of a rounded input is the same.
    assert not np.array_equal(steps, (half(x).astype(np.float32) * 1.5 - 100) * 8)
    assert np.array_equal(run(changed, x, level)[0], steps)


def test_ties_go_to_even_and_large_activations_to_infinity() -> None:
    model = model_of([node("Identity", "x", "y")], [7], y=[7])
    x = floats(1 + UNIT, 1 + 3 * UNIT, 65519, 65520, -1e9, 2.0**-25, 3 * 2.0**-25)
    (found,) = run(half_precision(model), x)
    assert np.array_equal(found, [1, 1 + 4 * UNIT, 65504, np.inf, -np.inf, 0, 2 * 2.0**-24])


def convolution(x: NDArray[Any], w: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """A valid convolution in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    result = np.einsum("ncijkl,ockl->noij", windows.astype(np.float64), w.astype(np.float64))
    return np.asarray(result + b.reshape(1, -1, 1, 1))


def test_the_error_of_a_convolution_is_that_of_its_roundings() -> None:
    w, b, x = noise(6, 3, 3, 3, seed=1), noise(6, seed=2), noise(4, 3, 9, 9)
    model = model_of([node("Conv", "x w b", "y", "conv")], ["N", 3, 9, 9], {"w": w, "b": b})
    (found,) = run(half_precision(model), x)
    exact = convolution(x, w, b)
    # Input, weight and result each gain a factor of at most 1 + UNIT, and the bias and the result.
    products = convolution(np.abs(x), np.abs(w), np.zeros(6))
    bound = products * ((1 + UNIT) ** 3 - 1) + np.abs(b).reshape(1, -1, 1, 1) * (
        (1 + UNIT) ** 2 - 1
    )
    float32 = 30 * 2.0**-24 * (products + 1)  # 28 sums.
    assert (np.abs(found - exact) <= bound + float32).all()
    assert np.abs(found - exact).max() > UNIT / 8
    assert np.array_equal(found, half(found))
    rounded = convolution(half(x), half(w), half(b))
    assert (np.abs(found - rounded) <= np.abs(rounded) * UNIT + float32).all()


def test_weights_are_stored_as_half_and_the_interface_is_float() -> None:
    w, b = noise(2, 3, 3, 3), noise(2)
    model = model_of([node("Conv", "x w b", "y")], ["N", 3, 9, 9], {"w": w, "b": b})
    changed = half_precision(model)
    assert [each.dtype for each in stored(changed).values()] == [np.float16] * 2
    assert all(map(np.array_equal, stored(changed).values(), (half(w), half(b))))
    (x,), (y,) = changed.graph.input, changed.graph.output
    assert (x.name, declared(x), x.type.tensor_type.elem_type) == (
        "x",
        ["N", 3, 9, 9],
        TensorProto.FLOAT,
    )
    assert (y.name, y.type.tensor_type.elem_type) == ("y", TensorProto.FLOAT)


def test_weights_beyond_the_range_stay_finite() -> None:
    weights = {"w": floats(1e6, -1e6, np.inf, -np.inf, 65504)}
    model = model_of([node("Add", "x w", "y")], [5], weights, y=[5])
    changed = half_precision(model)
    (found,) = run(changed, np.zeros(5, np.float32))
    assert np.array_equal(found, [65504, -65504, np.inf, -np.inf, 65504])
    assert np.array_equal(found, stored(changed)["w/half"])


def test_sizes_that_are_computed_from_shapes_stay_exact() -> None:
    """A float16 next to 1.0001 and 1.0004 is 1; pixels that become whole numbers are rounded."""
    nodes = [
        *(node("Shape", "x", "shape"), node("Cast", "shape", "length", to=TensorProto.FLOAT)),
        *(node("Mul", "length factor", "scaled"), node("Floor", "scaled", "floored")),
        node("Cast", "floored", "size", to=TensorProto.INT64),
        node("ConstantOfShape", "size", "y"),
        *(node("Mul", "x other", "p"), node("Cast", "p", "whole", to=TensorProto.INT64)),
        node("Cast", "whole", "z", to=TensorProto.FLOAT),
    ]
    weights = {"factor": floats(1.0001), "other": floats(1.0004)}
    model = model_of(nodes, ["N"], weights, y=["M"], z=["N"])
    x = np.full(10000, 3000, np.float32)
    for changed, expected in ((model, 3001), (half_precision(model), 3000)):
        size, found = run(changed, x)
        assert size.shape == (10001,)
        assert set(found) == {expected}


def test_scales_of_resize_stay_exact() -> None:
    nodes = [
        node("Resize", "x - s", "a"),
        node("Shape", "a", "shape"),
        node("Cast", "shape", "size", to=TensorProto.FLOAT),
        node("Mul", "size factor", "scales"),
        node("Resize", "a - scales", "y"),
    ]
    # From 24 to 29 and on to 36; with scales in half precision it would be one less each time.
    first, second = 29.001 / 24, 36.001 / 29
    assert [int(24 * float(np.float16(first))), int(29 * float(np.float16(second)))] == [28, 35]
    weights = {"s": floats(1, 1, first, first), "factor": floats(1, 1, second / 29, second / 29)}
    model = model_of(nodes, [1, 1, 24, 24], weights)
    changed = half_precision(model)
    assert [each.dtype for each in stored(changed).values()] == [np.float32] * 2
    x = noise(1, 1, 24, 24)
    (found,) = run(changed, x)
    assert found.shape == (1, 1, 36, 36)
    assert np.array_equal(found, half(run(model, x)[0]))


def test_what_nodes_leave_out_is_no_scale() -> None:
    """Resize has no region here, and Dropout no mask; neither has a name."""
    nodes = [node("Mul", "x w", "p"), node("Dropout", "p", "d -"), node("Resize", "d - s", "y")]
    weights = {"w": floats(0.1), "s": floats(1, 1, 2, 2)}
    x = noise(1, 1, 4, 4)
    (found,) = run(half_precision(model_of(nodes, [1, 1, 4, 4], weights)), x)
    assert np.array_equal(found, (half(x) * half(floats(0.1))).repeat(2, 2).repeat(2, 3))


@pytest.mark.parametrize("opset", [9, 10])
def test_scales_of_old_upsampling_stay_exact(opset: int) -> None:
    kind = {9: "Upsample", 10: "Resize"}[opset]
    weights = {"s": floats(1, 1, 1.3334, 1.3334)}
    model = model_of([node(kind, "x s", "y")], [1, 1, 24, 24], weights, opset)
    x = noise(1, 1, 24, 24)
    assert np.array_equal(run(half_precision(model), x)[0], half(run(model, x)[0]))


def test_constants_are_weights() -> None:
    value = numpy_helper.from_array(floats(0.1, 1e6))
    nodes = [
        node("Constant", "", "c", value=value),
        node("Constant", "", "d", value_floats=[0.1, 0.7]),
        node("Add", "x c", "s"),
        node("Add", "s d", "y"),
    ]
    model = model_of(nodes, [2], y=[2])
    changed = half_precision(model)
    (found,) = run(changed, floats(0, 0))
    expected = half(half(floats(0.1, 65504)) + half(floats(0.1, 0.7)))
    assert np.array_equal(found, expected)
    assert find(changed, "Constant")[0]["value"].data_type == TensorProto.FLOAT16


def test_weights_that_are_listed_as_inputs() -> None:
    model = model_of([node("Add", "x w", "y")], [2], {"w": floats(0.1, 0.2)}, opset=8, y=[2])
    model.ir_version = 3
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]))
    changed = half_precision(model)
    assert [each.name for each in changed.graph.input] == ["x"]
    assert np.array_equal(run(changed, floats(0, 0))[0], half(floats(0.1, 0.2)))


def test_tensors_of_other_types_stay() -> None:
    nodes = [
        node("TopK", "x k", "values indices", axis=1),
        node("Cast", "indices", "f", to=TensorProto.FLOAT),
        node("Add", "values f", "y"),
    ]
    model = model_of(nodes, [1, 5], {"k": np.array([2])}, y=[1, 2])
    changed = half_precision(model)
    assert [each.dtype for each in stored(changed).values()] == [np.int64]
    x = floats(0.1, 0.5, 0.3, 0.7, 0.2).reshape(1, 5)
    expected = half(half(floats(0.7, 0.5)) + floats(3, 1))
    assert np.array_equal(run(changed, x)[0], expected.reshape(1, 2))


def test_null_without_float_tensors() -> None:
    graph = onnx.helper.make_graph(
        [node("Add", "x x", "y")],
        "graph",
        [onnx.helper.make_tensor_value_info("x", TensorProto.INT64, [2])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.INT64, [2])],
    )
    model = onnx.helper.make_model(graph)
    assert half_precision(model) is model


def test_input_that_several_nodes_read() -> None:
    nodes = [node("Mul", "x x", "a"), node("Sub", "a x", "y")]
    x: Array = noise(50)
    (found,) = run(half_precision(model_of(nodes, [50], y=[50])), x)
    rounded = half(x)
    assert np.array_equal(found, half(rounded * rounded) - rounded)
