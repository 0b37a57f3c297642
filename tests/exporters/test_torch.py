"""Noises in exported models against the same change of the PyTorch model.

``make test-exporters`` runs them in an environment that has PyTorch.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.ops import feature_pyramid_network

from sysnoise.transforms.model.noises import apply_noises
from tests.exporters.zoo import MODELS, Exporter, build, export, image_for

pytestmark = pytest.mark.exporters

Outputs = list[NDArray[np.float64]]

CLOSE = 1e-5
"""The largest difference of scores, logits and deltas."""
PIXELS = 5e-3
"""The largest difference of edges of final boxes, in pixels of the image."""
FOUND = 0.95
"""The part of final detections that must be the same: others lie next to a threshold of NMS."""

DETECTORS = ("RetinaNet R50", "Faster R-CNN R50")
HEADS = ("RetinaNet R50, heads", "Faster R-CNN R50, RPN heads")
CLASSIFIERS = ("ResNet-18", "ResNet-50")
INTERPOLATIONS: dict[str, dict[str, Any]] = {
    "upsample-bilinear-half_pixel": {"mode": "bilinear", "align_corners": False},
    "upsample-bilinear-align_corners": {"mode": "bilinear", "align_corners": True},
    "upsample-nearest-half_pixel": {"mode": "nearest-exact"},
}
"""The noises that PyTorch has, too."""


@functools.cache
def exported(name: str, exporter: Exporter) -> onnx.ModelProto:
    return export(build(name), image_for(name), exporter)


def exports(*names: str) -> list[Any]:
    """Models with the exporters that can export them: dynamo cannot where boxes are chosen."""
    return [
        pytest.param(name, each, id=f"{name}-{each.value}")
        for name in names
        for each in Exporter
        if each is Exporter.LEGACY or name not in DETECTORS
    ]


def run(model: onnx.ModelProto, name: str) -> Outputs:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [
        np.asarray(each, np.float64)
        for each in session.run(None, {"input": image_for(name).numpy()})
    ]


def noisy(name: str, exporter: Exporter, *noises: str) -> Outputs:
    """The outputs of an exported model with noises, of which none is null."""
    found = apply_noises(exported(name, exporter), noises, _no_calibration, MODELS[name].shape)
    assert found.null == ()
    return run(found.model, name)


def _no_calibration() -> Any:
    raise AssertionError("it is for int8 alone")


def torch_outputs(name: str, change: Callable[[nn.Module], None]) -> Outputs:
    """The outputs of a changed PyTorch model, in the order of the exported model's."""
    model = build(name)
    change(model)
    with torch.no_grad():
        found = model(image_for(name))
    if name in DETECTORS:
        # In the order of torchvision's dictionaries, as the exporter flattens them.
        return [each.numpy().astype(np.float64) for each in found[0].values()]
    flat = found if isinstance(found, list) else [found]
    return [each.numpy().astype(np.float64) for each in flat]


def round_pools(model: nn.Module, *, up: bool) -> None:
    for module in model.modules():
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = up


def rounded_up(model: nn.Module) -> None:
    round_pools(model, up=True)


def assert_equal(name: str, found: Outputs, expected: Outputs) -> None:
    if name in DETECTORS:
        assert _part_found(found, expected) >= FOUND
        assert _part_found(expected, found) >= FOUND
        return
    assert [each.shape for each in found] == [each.shape for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= CLOSE


def _part_found(found: Outputs, expected: Outputs) -> float:
    """The part of detections that others contain, with a class, a score and a box."""
    there = [
        np.logical_and.reduce(
            [
                np.abs(one - each).reshape(len(one), -1).max(axis=1) <= limit
                for one, each, limit in zip(found, detection, _limits(found), strict=True)
            ]
        ).any()
        for detection in zip(*expected, strict=True)
    ]
    return float(np.mean(there))


def _limits(outputs: Outputs) -> list[float]:
    """The limits of boxes, scores and classes, in the order in which a detector has them."""
    return [PIXELS if each.ndim == 2 else CLOSE for each in outputs]


def differ(one: Outputs, other: Outputs) -> bool:
    """Whether results differ by far more than rounding."""
    pairs = list(zip(one, other, strict=True))
    return any(a.shape != b.shape or np.abs(a - b).max() > 100 * CLOSE for a, b in pairs)


@pytest.mark.parametrize(("name", "exporter"), exports(*CLASSIFIERS, *HEADS, *DETECTORS))
def test_ceil_mode_is_that_of_pytorch(name: str, exporter: Exporter) -> None:
    found = noisy(name, exporter, "ceil-mode")
    assert_equal(name, found, torch_outputs(name, rounded_up))
    assert differ(found, run(exported(name, exporter), name))


@pytest.mark.parametrize("exporter", Exporter)
def test_floor_mode_is_that_of_pytorch(exporter: Exporter) -> None:
    """Of GoogLeNet, which is trained with ceil mode."""
    found = noisy("GoogLeNet", exporter, "floor-mode")
    expected = torch_outputs("GoogLeNet", functools.partial(round_pools, up=False))
    assert_equal("GoogLeNet", found, expected)
    assert differ(found, run(exported("GoogLeNet", exporter), "GoogLeNet"))


@pytest.mark.parametrize("noise", INTERPOLATIONS)
@pytest.mark.parametrize(("name", "exporter"), exports(*HEADS, *DETECTORS))
def test_upsampling_is_that_of_pytorch(
    name: str, exporter: Exporter, noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the feature pyramid; torchvision's resize of the image, in the graph, is left alone.

    With ceil mode, because factors are whole without it, and nearest takes the same pixels.
    """
    found = noisy(name, exporter, "ceil-mode", noise)
    functional = types.SimpleNamespace(**vars(nn.functional))
    functional.interpolate = lambda maps, size, mode: nn.functional.interpolate(
        maps, size=size, **INTERPOLATIONS[noise]
    )
    monkeypatch.setattr(feature_pyramid_network, "F", functional)
    assert_equal(name, found, torch_outputs(name, rounded_up))
    assert differ(found, noisy(name, exporter, "ceil-mode"))


@pytest.mark.parametrize(("name", "exporter"), exports(*CLASSIFIERS, *HEADS, *DETECTORS))
def test_the_exported_model_is_that_of_pytorch(name: str, exporter: Exporter) -> None:
    """Without noise, so that the tolerances above are those of the export."""
    assert_equal(name, run(exported(name, exporter), name), torch_outputs(name, lambda _: None))
