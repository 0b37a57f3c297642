"""ONNX Runtime's resizes, against the formulas of their names in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sysnoise.transforms.methods import get_method
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize import onnx_runtime
from sysnoise.transforms.resizers import RESIZES, resize
from tests.transforms.resize import plain
from tests.transforms.resize.formulas import (
    Border,
    Floats,
    align_corners,
    asymmetric,
    cubic,
    resized,
    triangle,
    weights,
)

pytestmark = pytest.mark.extras

SIZES = [(341, 256), (224, 224), (99, 77), (1, 5), (700, 801)]
FLOAT32 = 0.01
"""Levels by which float32 may move a result, and with it the place where it is rounded."""


def tensorflow_1_bilinear(pixels: Pixels, size: tuple[int, int]) -> Floats:
    """TensorFlow 1's ``resize_bilinear`` without ``align_corners`` and ``half_pixel_centers``.

    Source: TensorFlow, ``core/kernels/image/resize_bilinear_op.cc``, ``LegacyScaler``: the place is
    the output pixel times the reduction, and lies between its floor and the next pixel.
    """
    values = pixels.astype(float)
    for axis, length in ((0, size[1]), (1, size[0])):
        place = np.arange(length) * values.shape[axis] / length
        lower = np.floor(place).astype(int)
        upper = np.minimum(lower + 1, values.shape[axis] - 1)
        share = np.expand_dims(place - lower, (1, 2) if axis == 0 else (0, 2))
        values = np.take(values, lower, axis) * (1 - share) + np.take(values, upper, axis) * share
    return values


def by_weights(make: Callable[[int, int], Floats]) -> Callable[[Pixels, tuple[int, int]], Floats]:
    return lambda pixels, size: resized(
        pixels, make(pixels.shape[0], size[1]), make(pixels.shape[1], size[0])
    )


FORMULAS: dict[str, Callable[[Pixels, tuple[int, int]], Floats]] = {
    "ort-linear": by_weights(lambda source, result: weights(source, result, triangle, 1)),
    "ort-linear-asymmetric": tensorflow_1_bilinear,
    "ort-linear-align-corners": by_weights(
        lambda source, result: weights(source, result, triangle, 1, align_corners)
    ),
    "ort-linear-antialias": by_weights(
        lambda source, result: weights(source, result, triangle, 1, widened=True)
    ),
    "ort-cubic-05": by_weights(
        lambda source, result: weights(source, result, cubic(-0.5), 2, border=Border.LEFT_OUT)
    ),
    "ort-cubic-antialias": by_weights(
        lambda source, result: weights(source, result, cubic(-0.75), 2, widened=True)
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("size", SIZES)
def test_floats_are_the_rounded_formula(
    name: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    exact = FORMULAS[name](photos["coffee"], size)
    assert np.abs(resize(name, photos["coffee"], size) - exact).max() <= 0.5 + FLOAT32


@pytest.mark.parametrize("size", SIZES)
def test_uint8_is_cut_off(size: tuple[int, int], photos: dict[str, Pixels]) -> None:
    lost = FORMULAS["ort-linear"](photos["coffee"], size) - resize(
        "ort-linear-uint8", photos["coffee"], size
    )
    assert lost.min() >= -FLOAT32
    assert lost.max() <= 1 + FLOAT32
    assert 0.4 < lost.mean() < 0.6


@pytest.mark.parametrize("size", SIZES)
def test_asymmetric_is_the_same_by_weights(
    size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    make = by_weights(lambda source, result: weights(source, result, triangle, 1, asymmetric))
    expected = tensorflow_1_bilinear(photos["coffee"], size)
    np.testing.assert_allclose(make(photos["coffee"], size), expected, atol=1e-9)


def test_formulas_cover_all_methods() -> None:
    names = {name for name in RESIZES if name.startswith("ort-")}
    assert names == {*FORMULAS, "ort-linear-uint8"}


@pytest.mark.parametrize("size", [(341, 256), (700, 801)])
@pytest.mark.parametrize("attributes", [{"mode": "linear"}, {"mode": "cubic", "antialias": 1}])
def test_threads_of_the_session_have_no_effect(
    size: tuple[int, int], attributes: dict[str, str | int], photos: dict[str, Pixels]
) -> None:
    floats = photos["coffee"].astype(np.float32)
    one, four = (plain.onnx_runtime(floats, size, threads, **attributes) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)


def test_sessions_are_loaded_once(photos: dict[str, Pixels]) -> None:
    def use_all() -> None:
        for name in FORMULAS:
            resize(name, photos["coffee"], (9, 9))

    use_all()
    loaded = onnx_runtime._session.cache_info().misses
    use_all()
    assert onnx_runtime._session.cache_info().misses == loaded


def test_identity_says_all_that_decides_the_pixels() -> None:
    assert get_method(RESIZES, "resize", "ort-cubic-0.5").options == {
        "operator": "Resize",
        "opset": 18,
        "layout": "NCHW",
        "type": "float32",
        "rounding": "rint",
        "mode": "cubic",
        "coordinate_transformation_mode": "half_pixel",
        "antialias": 0,
        "cubic_coeff_a": "-0.5",
        "exclude_outside": 1,
    }
    truncated = RESIZES["ort-linear-uint8"].options
    assert (truncated["type"], truncated["rounding"]) == ("uint8", "truncated by ONNX Runtime")
