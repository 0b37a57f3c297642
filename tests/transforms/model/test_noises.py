"""Noises by name: their registry, their order, and what they leave alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import onnx
import onnxruntime
import pytest

from sysnoise.manifests.settings import Noise, noises_of, parse_setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.methods import UnknownNameError
from sysnoise.transforms.model.noises import MODEL_NOISES, apply_noises, model_noise_identity
from sysnoise.transforms.model.pooling import Rounding, round_pools
from sysnoise.transforms.model.quantization import Activations, Weights, quantize
from tests.transforms.model.graphs import (
    Array,
    Axes,
    bytes_of,
    declared,
    find,
    model_of,
    node,
    noise,
    run,
    unchanged,
)

SHAPE = (1, 3, 9, 9)
COLUMNS = {
    Noise.FP16: ["fp16"],
    Noise.INT8: [
        "int8-symmetric-per-tensor",
        "int8-symmetric-per-channel",
        "int8-asymmetric-per-tensor",
        "int8-asymmetric-per-channel",
        "int8-symmetric-per-tensor-whole-graph",
        "int8-symmetric-per-channel-whole-graph",
        "int8-asymmetric-per-tensor-whole-graph",
        "int8-asymmetric-per-channel-whole-graph",
    ],
    Noise.CEIL_MODE: ["ceil-mode", "floor-mode"],
    Noise.UPSAMPLE: [
        "upsample-bilinear-half_pixel",
        "upsample-bilinear-align_corners",
        "upsample-bilinear-asymmetric",
        "upsample-nearest-half_pixel",
        "upsample-nearest-align_corners",
        "upsample-nearest-asymmetric",
    ],
}
NAMES = [name for names in COLUMNS.values() for name in names]


def a_model(name: str) -> onnx.ModelProto:
    """One that the noise changes."""
    model = detector()
    if name == "floor-mode":
        model.graph.node[1].attribute.append(onnx.helper.make_attribute("ceil_mode", 1))
    return model


def detector(batch: int | str = "N", y: Axes | None = None) -> onnx.ModelProto:
    """A convolution, a pool over an odd size, and an upsampling as in no method."""
    nodes = [
        node("Conv", "x w b", "c", "conv", pads=[1] * 4),
        node("MaxPool", "c", "p", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", "p - s", "y", "up", mode="cubic"),
    ]
    weights = {
        "w": noise(4, 3, 3, 3),
        "b": noise(4, seed=1),
        "s": np.array([1, 1, 1.5, 1.5], np.float32),
    }
    return model_of(nodes, [batch, *SHAPE[1:]], weights, y=y or ["N", 4, None, None])


def calibration() -> Iterator[Array]:
    yield from (noise(*SHAPE, seed=seed) for seed in (2, 3))


def no_calibration() -> Iterator[Array]:
    raise AssertionError("it is for int8 alone")


def test_names_are_those_of_the_columns() -> None:
    assert list(MODEL_NOISES) == NAMES
    noises = noises_of(DatasetKind.COCO)
    for column, names in COLUMNS.items():
        for name in names:
            assert parse_setting(f"a/b/c+{name}", ["a/b/c"], noises).method(column) == name
            assert re.fullmatch("[a-z0-9_-]+", name)
            assert MODEL_NOISES[name].extra == "evaluate"


def test_identities_tell_noises_and_versions() -> None:
    identities = [model_noise_identity(name) for name in NAMES]
    assert json.loads(json.dumps(identities)) == identities
    assert len({json.dumps(each["options"]) for each in identities}) == len(NAMES)
    assert [each["name"] for each in identities] == NAMES
    for each in identities:
        if each["library"] == "onnx":
            assert each["build"] == {"version": onnx.__version__}
        else:
            assert each["name"].startswith("int8-")
            assert each["build"]["version"] == onnxruntime.__version__
            assert each["build"]["onnx"] == onnx.__version__
    assert model_noise_identity("upsample-nearest-asymmetric")["options"] == {
        "coordinate_transformation_mode": "asymmetric",
        "mode": "nearest",
        "nearest_mode": "floor",
    }


def test_unknown_names_list_the_valid_ones() -> None:
    message = (
        "unknown model noise 'int8-symmetric' (did you mean 'int8-symmetric-per-tensor'?); valid: "
        "int8-symmetric-per-tensor, int8-symmetric-per-channel, int8-asymmetric-per-tensor, "
        "int8-asymmetric-per-channel, int8-symmetric-per-tensor-whole-graph, "
        "int8-symmetric-per-channel-whole-graph, int8-asymmetric-per-tensor-whole-graph, "
        f"upsample-bilinear-asymmetric and {len(NAMES) - 8} more; docs/evaluating.md lists them"
    )
    with pytest.raises(UnknownNameError) as caught:
        apply_noises(detector(), ["ceil-mode", "int8-symmetric"], no_calibration, SHAPE)
    assert str(caught.value) == message
    with pytest.raises(UnknownNameError):
        model_noise_identity("int8-symmetric")


@pytest.mark.parametrize("name", NAMES)
def test_each_noise_changes_results_and_nothing_else(name: str) -> None:
    model = a_model(name)
    samples = calibration if name.startswith("int8") else no_calibration
    with unchanged(model):
        noisy = apply_noises(model, [name], samples, SHAPE)
        again = apply_noises(model, [name], samples, SHAPE)
    assert noisy.null == ()
    assert bytes_of(noisy.model) == bytes_of(again.model)
    x = noise(5, *SHAPE[1:], seed=4)
    (found,), (before,) = run(noisy.model, x), run(model, x)
    assert found.dtype == np.float32
    assert found.shape == ((5, 4, 7, 7) if name == "ceil-mode" else (5, 4, 6, 6))
    if found.shape == before.shape:
        assert np.abs(found - before).max() > 1e-4


def test_the_graph_is_changed_before_its_precision_whatever_the_order() -> None:
    model = detector()
    int8 = "int8-asymmetric-per-channel"
    names = [int8, "ceil-mode", "upsample-bilinear-half_pixel"]
    results = {
        bytes_of(apply_noises(model, order, calibration, SHAPE).model)
        for order in permutations(names)
    }
    assert len(results) == 1
    noisy = apply_noises(model, names, calibration, SHAPE)
    assert noisy.null == ()
    (resize,), (pool,) = find(noisy.model, "Resize"), find(noisy.model, "MaxPool")
    assert pool["ceil_mode"] == 1
    assert resize["mode"] == "linear"
    x = np.concatenate(list(calibration()))
    (found,) = run(noisy.model, x)
    (surgery,) = run(apply_noises(model, names[1:], no_calibration, SHAPE).model, x)
    assert found.shape == surgery.shape == (2, 4, 7, 7)
    # The ranges are those of the changed graph, so that nothing is cut off.
    assert 0 < np.abs(found - surgery).max() < 0.03 * np.ptp(surgery)


def test_ceil_mode_and_int8_are_one_after_the_other() -> None:
    model = detector()
    noisy = apply_noises(model, ["int8-symmetric-per-tensor", "ceil-mode"], calibration, SHAPE)
    expected = quantize(
        round_pools(model, SHAPE, Rounding.CEIL),
        calibration,
        Activations.SYMMETRIC,
        Weights.PER_TENSOR,
    )
    x = noise(2, *SHAPE[1:], seed=4)
    assert np.array_equal(run(noisy.model, x)[0], run(expected, x)[0])


@pytest.mark.parametrize("name", ["fp16", "int8-symmetric-per-tensor", "ceil-mode"])
def test_models_still_take_images_without_boxes(name: str) -> None:
    """Boxes are chosen, clipped and put together, as torchvision's detectors are exported.

    With declared shapes in between, ONNX Runtime would replace the sizes of the last Reshape.
    """
    model = chooser()
    changed = apply_noises(model, [name], calibration, SHAPE).model
    for shift, count in ((-100, 0), (0, 1), (100, 1)):
        x = noise(*SHAPE, seed=7) + np.float32(shift)
        (found,), (expected,) = run(changed, x), run(model, x)
        assert found.shape[1:] == expected.shape[1:] == (4,)
        assert (len(found) > 0) == (len(expected) > 0) == count


def chooser() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w", "c", "conv", pads=[1] * 4),
        node("MaxPool", "c", "p", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        *(node("Transpose", "p", "t", perm=[0, 2, 3, 1]), node("Reshape", "t four", "all")),
        *(
            node("ReduceMax", "all", "best", axes=[1], keepdims=0),
            node("Greater", "best zero", "g"),
        ),
        *(node("NonZero", "g", "n"), node("Transpose", "n", "places", perm=[1, 0])),
        node("GatherND", "all places", "boxes"),
        *(node("Shape", "boxes", "shape1"), node("Shape", "boxes", "shape2")),
        *(
            node("Slice", "boxes start end one step", "a"),
            node("Slice", "boxes one big one step", "b"),
        ),
        *(node("Unsqueeze", "a last", "a2"), node("Unsqueeze", "b last", "b2")),
        node("Concat", "a2 b2", "corners", axis=2),
        *(
            node("Gather", "shape1 i0", "rows", axis=0),
            node("Gather", "shape2 i1", "sides", axis=0),
        ),
        *(node("Unsqueeze", "rows start", "rows1"), node("Unsqueeze", "sides start", "sides1")),
        *(node("Concat", "rows1 sides1", "to", axis=0), node("Reshape", "corners to", "y")),
    ]
    weights = {
        "w": np.abs(noise(4, 3, 3, 3)),
        "zero": np.zeros(1, np.float32),
        "four": np.array([-1, 4]),
        **{name: np.array([value]) for name, value in (("start", 0), ("one", 1), ("last", 2))},
        "end": np.array([99]),
        "big": np.array([99]),
        "step": np.array([2]),
        "i0": np.array(0),
        "i1": np.array(1),
    }
    return model_of(nodes, SHAPE, weights, y=[None, 4])


def test_null_noises_are_told_and_leave_the_model() -> None:
    model = model_of([node("Relu", "x", "y")], ["N", 3, 9, 9])
    noisy = apply_noises(model, ["upsample-nearest-asymmetric", "ceil-mode"], no_calibration, SHAPE)
    assert noisy.null == ("ceil-mode", "upsample-nearest-asymmetric")
    assert noisy.model is model
    noisy = apply_noises(model, ["fp16", "ceil-mode"], no_calibration, SHAPE)
    assert noisy.null == ("ceil-mode",)
    assert len(find(noisy.model, "Cast")) == 4
    assert apply_noises(model, [], no_calibration, SHAPE).null == ()


def test_results_declare_the_shapes_of_their_outputs() -> None:
    """As the checker wants it, where the model does not."""
    model = detector(1)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(onnx.checker.ValidationError, match="Field 'shape'"):
        onnx.checker.check_model(model)
    for name, size in (("fp16", 6), ("ceil-mode", 7), ("int8-symmetric-per-channel", 6)):
        noisy = apply_noises(model, [name], calibration, SHAPE)
        onnx.checker.check_model(noisy.model, full_check=True)
        assert list(noisy.model.graph.value_info) == []
        assert declared(noisy.model.graph.output[0]) == [1, 4, size, size]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["int8-symmetric-per-tensor", "fp16"],
            "int8-symmetric-per-tensor and fp16 are both noises of the precision; give one",
        ),
        (
            ["upsample-nearest-asymmetric", "ceil-mode", "upsample-bilinear-asymmetric"],
            "upsample-nearest-asymmetric and upsample-bilinear-asymmetric are both noises of the "
            "upsampling; give one",
        ),
        (
            ["ceil-mode", "ceil-mode"],
            "ceil-mode and ceil-mode are both noises of the rounding of pools; give one",
        ),
    ],
    ids=lambda value: "" if isinstance(value, list) else value[:20],
)
def test_two_noises_of_a_family_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ModelNoiseError) as caught:
        apply_noises(detector(), names, calibration, SHAPE)
    assert str(caught.value) == message
