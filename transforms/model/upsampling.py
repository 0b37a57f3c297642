"""Upsampling inside a model with another interpolation (ONNX, operator Resize).

An axis of length L is scaled by s to length N. The source coordinate of output x is
(x + 0.5) / s - 0.5 with ``half_pixel``, x (L - 1) / (N - 1) with ``align_corners`` and x / s with
``asymmetric``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import onnx

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.graph import (
    Shape,
    Shapes,
    attributes_of,
    copy_of,
    label,
    nodes_of,
    opset_of,
    replace_attributes,
)
from sysnoise.transforms.model.layers import image_tensors
from sysnoise.transforms.model.preparation import prepare

_FIRST_OPSET = 11
"""The first opset in which Resize has a coordinate transformation."""

_DEFAULTS = {
    "mode": "nearest",
    "coordinate_transformation_mode": "half_pixel",
    "nearest_mode": "round_prefer_floor",
}

_HALF = Fraction(1, 2)
_COORDINATES: dict[str, Callable[[int, int, int], Fraction]] = {
    "half_pixel": lambda x, length, result: (x + _HALF) * length / result - _HALF,
    "align_corners": lambda x, length, result: Fraction(x * (length - 1), max(result - 1, 1)),
    "asymmetric": lambda x, length, result: Fraction(x * length, result),
}
_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda coordinate: math.ceil(coordinate - _HALF),
    "round_prefer_ceil": lambda coordinate: math.floor(coordinate + _HALF),
}
"""The roundings of ``nearest_mode`` by name."""

_REPLACED = (*_DEFAULTS, "antialias", "cubic_coeff_a", "exclude_outside", "extrapolation_value")
"""The attributes of the interpolation, which are replaced; the others are kept."""


def interpolation(mode: str, transformation: str) -> dict[str, str]:
    """Return the attributes of Resize for an interpolation.

    The coordinate of the nearest pixel is rounded as in frameworks: with ``asymmetric`` down, as in
    PyTorch's ``nearest`` and darknet; otherwise to the nearest with halves up, as in PyTorch's
    ``nearest-exact`` and TensorFlow.

    Args:
        mode: the mode, ``linear`` or ``nearest``.
        transformation: ``half_pixel``, ``align_corners`` or ``asymmetric``.
    """
    attributes = {"mode": mode, "coordinate_transformation_mode": transformation}
    if mode == "nearest":
        rounding = "floor" if transformation == "asymmetric" else "round_prefer_ceil"
        attributes["nearest_mode"] = rounding
    return attributes


def upsample(
    model: onnx.ModelProto, input_shape: Shape, attributes: Mapping[str, str]
) -> onnx.ModelProto:
    """Change the interpolation wherever the model enlarges feature maps in height or width.

    Resize nodes that shrink an axis, or change no size, are not changed, and neither are those
    before the first weighted layer, which resize the image.

    Args:
        model: a model with one input.
        input_shape: the shape of an input with a batch size of one.
        attributes: the attributes of the interpolation, from :func:`interpolation`.

    Returns:
        The changed model; the model itself where no node enlarges, or where all of them already
        give the same result: by the same interpolation, or by nearest with whole factors and the
        same source for every pixel.

    Raises:
        ModelNoiseError: a node that enlarges also changes other axes than the last two of four, or
            crops, or has unknown shapes, or is of an opset before 11.
    """
    shapes, images = prepare(model, input_shape).shapes, image_tensors(model)
    changed = copy_of(model)
    different = False
    for node in nodes_of(changed, "Resize", "Upsample"):
        if node.input[0] in images or not _enlarges(node, shapes):
            continue
        _refuse_unlike(node, shapes, opset_of(model))
        old, new = shapes[node.input[0]], shapes[node.output[0]]
        if not _gives_the_same(_interpolation_of(node), attributes, old[2:], new[2:]):
            replace_attributes(node, _REPLACED, **attributes)
            different = True
    return changed if different else model


def _enlarges(node: onnx.NodeProto, shapes: Shapes) -> bool:
    if not {node.input[0], node.output[0]} <= shapes.keys():
        raise ModelNoiseError(f"{label(node)}: the shape of its input or result cannot be inferred")
    old, new = shapes[node.input[0]], shapes[node.output[0]]
    return old != new and all(was <= now for was, now in zip(old, new, strict=True))


def _refuse_unlike(node: onnx.NodeProto, shapes: Shapes, opset: int) -> None:
    """Refuse a node that is not an upsampling of images, channels first, of opset 11 or later."""
    old, new = shapes[node.input[0]], shapes[node.output[0]]
    if len(old) != 4 or old[:2] != new[:2]:
        raise ModelNoiseError(
            f"{label(node)} enlarges {old} to {new}; only the last two of four axes may change"
        )
    if opset < _FIRST_OPSET:
        raise ModelNoiseError(
            f"{label(node)}: opset {opset} has no coordinate transformation; convert the model to "
            f"opset {_FIRST_OPSET} or later with onnx.version_converter"
        )
    if attributes_of(node).get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise ModelNoiseError(f"{label(node)} crops, which no other interpolation does")


def _interpolation_of(node: onnx.NodeProto) -> dict[str, str]:
    attributes = {**_DEFAULTS, **attributes_of(node)}
    # The two differ only where the result has one pixel along an axis.
    if attributes["coordinate_transformation_mode"] == "pytorch_half_pixel":
        attributes["coordinate_transformation_mode"] = "half_pixel"
    return {name: attributes[name] for name in _DEFAULTS}


def _gives_the_same(
    given: Mapping[str, str], requested: Mapping[str, str], old: Shape, new: Shape
) -> bool:
    """Whether two interpolations of images of one size to another are the same."""
    if all(given[name] == value for name, value in requested.items()):
        return True
    both_nearest = given["mode"] == requested["mode"] == "nearest"
    if not both_nearest or given["coordinate_transformation_mode"] not in _COORDINATES:
        return False
    return all(
        # Where a factor is not whole, the runtime's rounding of coordinates decides.
        result % length == 0
        and _sources(given, length, result) == _sources(requested, length, result)
        for length, result in zip(old, new, strict=True)
    )


def _sources(attributes: Mapping[str, str], length: int, result: int) -> list[int]:
    """Return the source of each pixel along an axis under nearest interpolation."""
    coordinate = _COORDINATES[attributes["coordinate_transformation_mode"]]
    rounding = _ROUNDINGS[attributes["nearest_mode"]]
    found = [rounding(coordinate(x, length, result)) for x in range(result)]
    return [min(max(each, 0), length - 1) for each in found]
