"""INT8 models: what is in the graph, and errors within the steps of its scales."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.quantization import Activations, Extent, Weights, quantize
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
from tests.transforms.model.test_precision import convolution

VARIANTS = list(product(Activations, Weights))
W, B = noise(6, 3, 3, 3, seed=1) * np.arange(1, 7, dtype=np.float32).reshape(6, 1, 1, 1), noise(6)
X = noise(4, 3, 9, 9) + 1


def conv(opset: int = 13) -> onnx.ModelProto:
    weights = {"w": W, "b": B}
    return model_of([node("Conv", "x w b", "y", "conv")], ["N", 3, 9, 9], weights, opset)


def calibration() -> Iterator[Array]:
    yield from (X[:2], X[2:])


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def step(model: onnx.ModelProto, tensor: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and zero point with which a tensor is quantized and made float again."""
    (found,) = {
        tuple(each.input[1:])
        for each in model.graph.node
        if each.op_type in ("QuantizeLinear", "DequantizeLinear")
        and tensor in (each.input[0], each.output[0])
    }
    scale, zero = (constants(model)[name] for name in found)
    return scale, zero


@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_scales_are_those_of_the_ranges(activations: Activations, weights: Weights) -> None:
    model = conv()
    with unchanged(model):
        changed = quantize(model, calibration, activations, weights)
    for tensor, values in (("x", X), ("y", run(model, X)[0])):
        scale, zero = step(changed, tensor)
        low, high = min(values.min(), 0), max(values.max(), 0)
        if activations is Activations.SYMMETRIC:
            assert zero.dtype == np.int8
            assert zero == 0
            assert scale == pytest.approx(max(-low, high) / 127, rel=1e-6)
        else:
            assert zero.dtype == np.uint8
            assert scale == pytest.approx((high - low) / 255, rel=1e-6)
            assert zero == round(-low / scale)
    scale, zero = step(changed, "w_quantized")
    largest = np.abs(W).max(axis=(1, 2, 3)) if weights is Weights.PER_CHANNEL else np.abs(W).max()
    assert scale == pytest.approx(largest / 127, rel=1e-6)
    assert zero.dtype == np.int8
    assert not zero.any()
    stored = constants(changed)["w_quantized"]
    assert stored.dtype == np.int8
    shape = (-1, 1, 1, 1) if weights is Weights.PER_CHANNEL else ()
    assert np.abs(stored * scale.reshape(shape) - W).max() <= scale.max() / 2 * (1 + 1e-5)
    assert np.abs(stored).max() > 64  # All eight bits are used.


@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_errors_are_within_half_steps(activations: Activations, weights: Weights) -> None:
    changed = quantize(conv(), calibration, activations, weights)
    (found,) = run(changed, X)
    assert [declared(each)[1:] for each in changed.graph.input] == [[3, 9, 9]]
    (x, _), (y, _) = (step(changed, each) for each in "xy")
    w, _ = step(changed, "w_quantized")
    steps = np.broadcast_to(w.reshape(-1, 1, 1, 1), W.shape)
    nothing = np.zeros(6)
    # Each product is (x + dx)(w + dw), |dx| <= x / 2 and |dw| <= w / 2; the bias has the step x w.
    bound = (
        convolution(np.full_like(X, x / 2), np.abs(W), nothing)
        + convolution(np.abs(X) + x / 2, steps / 2, nothing)
        + (x * w / 2).reshape(1, -1, 1, 1)
        + y / 2
    )
    error = np.abs(found - convolution(X, W, B))
    assert (error <= bound * (1 + 1e-3)).all()
    assert error.max() > y / 2


def test_more_scales_are_closer() -> None:
    """The channels of the weight have different ranges."""
    exact = convolution(X, W, B)
    for activations in Activations:
        errors = [
            np.abs(run(quantize(conv(), calibration, activations, each), X)[0] - exact)[:, 0].mean()
            for each in (Weights.PER_CHANNEL, Weights.PER_TENSOR)
        ]
        assert errors[0] < errors[1]


def test_batch_normalization_is_part_of_the_convolution() -> None:
    nodes = [
        node("Conv", "x w b", "c", "conv"),
        node("BatchNormalization", "c s b m v", "y", "norm"),
    ]
    ones = np.ones(6, np.float32)
    weights = {"w": W, "b": B, "s": ones * 2, "m": ones, "v": ones * 4}
    model = model_of(nodes, ["N", 3, 9, 9], weights)
    changed = quantize(model, calibration, Activations.ASYMMETRIC, Weights.PER_CHANNEL)
    assert len(find(changed, "Conv")) == 1
    assert find(changed, "BatchNormalization") == []
    (found,), (expected,) = run(changed, X), run(model, X)
    assert np.abs(found - expected).max() < 0.02 * np.ptp(expected)


def towers() -> onnx.ModelProto:
    """Two maps through one head, as in RetinaNet; one half and one weight for both products."""
    nodes = [
        node("Conv", "x w b", "c", "stem", pads=[1] * 4),
        node("MaxPool", "c", "p", "pool", kernel_shape=[3, 3], strides=[3, 3]),
        node("Conv", "c head b", "h1", "head1"),
        node("Conv", "p head b", "h2", "head2"),
        *(node("Mul", "h1 half", "m1"), node("Mul", "h2 half", "m2")),
        *(node("GlobalAveragePool", "m1", "g1"), node("GlobalAveragePool", "m2", "g2")),
        *(node("Flatten", "g1", "f1"), node("Flatten", "g2", "f2")),
        *(node("MatMul", "f1 square", "s1"), node("MatMul", "f2 square", "s2")),
        node("Add", "s1 s2", "y"),
    ]
    weights = {"w": W, "b": B, "head": noise(6, 6, 2, 2, seed=2), "square": noise(6, 6, seed=3)}
    weights["half"] = np.array([0.5], np.float32)
    return model_of(nodes, ["N", 3, 9, 9], weights, y=["N", 6])


@pytest.mark.parametrize("extent", Extent)
@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_nodes_that_share_constants_run_with_exact_sums(
    activations: Activations, weights: Weights, extent: Extent
) -> None:
    """In a session with session.x64quantprecision, which ``run`` opens."""
    model = towers()
    with unchanged(model):
        changed = quantize(model, calibration, activations, weights, extent)
    (found,), (expected,) = run(changed, X), run(model, X)
    assert 0 < np.abs(found - expected).max() < 0.05 * np.ptp(expected)
    read = [name for each in changed.graph.node for name in each.input]
    stored = {each.name for each in changed.graph.initializer if len(each.dims) > 1}
    assert len([name for name in read if name in stored]) == len(stored) == 5


def decoder() -> onnx.ModelProto:
    """A head whose deltas are decoded in the graph, around anchors that are large."""
    nodes = [
        node("Conv", "x w b", "c", "stem", pads=[1] * 4),
        node("Relu", "c", "r"),
        node("Conv", "r head b", "deltas", "head"),
        node("Mul", "deltas sizes", "m"),
        node("Add", "m anchors", "y"),
        node("Softmax", "deltas", "z", axis=1),
    ]
    weights = {"w": W, "b": B, "head": noise(6, 6, 2, 2, seed=2) / 8}
    weights["sizes"] = np.array([16], np.float32)
    weights["anchors"] = np.arange(6 * 64, dtype=np.float32).reshape(1, 6, 8, 8)
    outputs: dict[str, Any] = {name: [None] * 4 for name in ("deltas", "y", "z")}
    return model_of(nodes, ["N", 3, 9, 9], weights, **outputs)


@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_what_follows_the_last_layer_stays_float(
    activations: Activations, weights: Weights
) -> None:
    changed = quantize(decoder(), calibration, activations, weights)
    deltas, found, scores = run(changed, X)
    anchors = np.arange(6 * 64, dtype=np.float32).reshape(1, 6, 8, 8)
    assert np.array_equal(found, deltas * np.float32(16) + anchors)
    exact = np.exp(deltas.astype(np.float64))
    assert np.abs(scores - exact / exact.sum(axis=1, keepdims=True)).max() < 1e-6
    whole = quantize(decoder(), calibration, activations, weights, Extent.WHOLE_GRAPH)
    _, coarse, _ = run(whole, X)
    expected = run(decoder(), X)[1]
    assert len(np.unique(coarse)) <= 256 < len(np.unique(found))
    assert np.abs(found - expected).mean() < np.abs(coarse - expected).mean()


@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_a_network_alone_is_what_the_library_makes(
    activations: Activations, weights: Weights, tmp_path: Path
) -> None:
    """Where nothing follows the last layer and nothing is shared, whatever the extent."""
    given, prepared, result = (str(tmp_path / name) for name in "123")
    onnx.save(conv(), given)
    quant_pre_process(given, prepared, skip_symbolic_shape=True)
    symmetric = activations is Activations.SYMMETRIC
    quantize_static(
        prepared,
        result,
        Samples(),
        per_channel=weights is Weights.PER_CHANNEL,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        extra_options={"ActivationSymmetric": symmetric},
    )
    for extent in Extent:
        changed = quantize(conv(), calibration, activations, weights, extent)
        assert np.array_equal(run(changed, X)[0], run(onnx.load(result), X)[0])


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """The calibration in the library's form."""

    def __init__(self) -> None:
        self.left = calibration()

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self.left, None)
        return None if batch is None else {"x": batch}


@pytest.mark.parametrize(("activations", "weights"), VARIANTS)
def test_the_same_calibration_gives_the_same_bytes(
    activations: Activations, weights: Weights
) -> None:
    script = f"""
import hashlib
from tests.transforms.model.test_quantization import *
changed = quantize(towers(), calibration, {activations}, {weights})
print(hashlib.sha256(bytes_of(changed)).hexdigest())
"""
    expected = hashlib.sha256(bytes_of(quantize(towers(), calibration, activations, weights)))
    for seed in "12":  # Of the order in which Python's sets are walked through.
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        assert done.stdout.strip() == expected.hexdigest()


def test_no_files_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "work")
    quantize(conv(), calibration, Activations.SYMMETRIC, Weights.PER_TENSOR)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert len(list(tmp_path.rglob("*"))) == 2


def test_null_where_nothing_can_be_quantized() -> None:
    model = model_of([node("Neg", "x", "y")], ["N", 3, 9, 9])
    assert quantize(model, calibration, Activations.SYMMETRIC, Weights.PER_TENSOR) is model


def test_old_opsets_and_empty_calibrations_are_refused() -> None:
    with pytest.raises(ModelNoiseError, match=r"^int8 needs opset 13 or later, .* of opset 11; "):
        quantize(conv(opset=11), calibration, Activations.SYMMETRIC, Weights.PER_TENSOR)
    with pytest.raises(ModelNoiseError, match=r"^int8 needs calibration, and there is no sample"):
        quantize(conv(), lambda: iter(()), Activations.SYMMETRIC, Weights.PER_TENSOR)


def test_a_model_with_two_inputs_is_refused() -> None:
    model = conv()
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(ModelNoiseError, match=r"one input is needed; .* inputs: 'x', 'z'$"):
        quantize(model, calibration, Activations.SYMMETRIC, Weights.PER_TENSOR)


@pytest.mark.filterwarnings("ignore:All-NaN axis")  # What is not a number has no range.
def test_what_the_library_cannot_quantize_is_refused() -> None:
    model = model_of(
        [node("Mul", "x w", "z"), node("Conv", "z k", "y")],
        ["N", 3, 9, 9],
        {"w": np.array([np.nan], np.float32), "k": W},
    )
    with pytest.raises(ModelNoiseError, match=r"^ONNX Runtime cannot quantize it: "):
        quantize(model, calibration, Activations.ASYMMETRIC, Weights.PER_TENSOR)


def test_a_calibration_that_fails_says_so_itself() -> None:
    def failing() -> Iterator[Array]:
        yield X[:2]
        raise LookupError("no such image")

    with pytest.raises(LookupError, match="no such image"):
        quantize(conv(), failing, Activations.SYMMETRIC, Weights.PER_TENSOR)
