"""The noises inside a model, by name, and their application to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import onnx

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.methods import Method, MethodIdentity, get_method, identity, registry
from sysnoise.transforms.model.graph import Shape
from sysnoise.transforms.model.pooling import ceil_mode
from sysnoise.transforms.model.precision import half_precision
from sysnoise.transforms.model.quantization import Activations, Calibration, Weights, quantize
from sysnoise.transforms.model.upsampling import interpolation, upsample


class Family(Enum):
    """What of a model a noise changes, in the order of application.

    Precision comes last, as it is the deployed graph that is quantized. A model takes one noise of
    a family.
    """

    CEIL_MODE = "rounding of pools"
    UPSAMPLE = "upsampling"
    PRECISION = "precision"


@dataclass(frozen=True)
class Deployment:
    """What noises need to know beside the model.

    Attributes:
        calibration: of int8.
        input_shape: of a batch of one.
    """

    calibration: Calibration
    input_shape: Shape


Change = Callable[[onnx.ModelProto, Deployment], onnx.ModelProto]
"""Gives a changed model, or the model itself where there is nothing to change."""


@dataclass(frozen=True)
class ModelNoise(Method[Change]):
    """A method of a noise inside the model.

    Attributes:
        family: what it changes.
    """

    extra: str | None = "evaluate"
    family: Family = field(kw_only=True)


@dataclass(frozen=True)
class NoisyModel:
    """A model with noises.

    Attributes:
        model: in ONNX's own format, as float32 from input to output.
        null: names of the noises that changed nothing, in the order of application.
    """

    model: onnx.ModelProto
    null: tuple[str, ...]


def _ceil_mode(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
    return ceil_mode(model, deployment.input_shape)


def _fp16(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
    return half_precision(model)


def _upsample(mode: str, transformation: str) -> ModelNoise:
    attributes = interpolation(mode, transformation)

    def change(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
        return upsample(model, deployment.input_shape, attributes)

    name = "bilinear" if mode == "linear" else mode
    return ModelNoise(
        f"upsample-{name}-{transformation}", "onnx", change, attributes, family=Family.UPSAMPLE
    )


def _int8(name: str, activations: Activations, weights: Weights) -> ModelNoise:
    def change(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
        return quantize(model, deployment.calibration, activations, weights)

    options = {
        "format": "QDQ",
        "calibration": "MinMax",
        "activations": activations.value,
        "weights": weights.value,
        "reduce_range": False,
    }
    return ModelNoise(f"int8-{name}", "onnxruntime", change, options, family=Family.PRECISION)


MODEL_NOISES: Mapping[str, ModelNoise] = registry(
    (
        ModelNoise("fp16", "onnx", _fp16, {"arithmetic": "float32"}, family=Family.PRECISION),
        _int8("symmetric-per-tensor", Activations.SYMMETRIC, Weights.PER_TENSOR),
        _int8("symmetric-per-channel", Activations.SYMMETRIC, Weights.PER_CHANNEL),
        _int8("asymmetric-per-tensor", Activations.ASYMMETRIC, Weights.PER_TENSOR),
        _int8("asymmetric-per-channel", Activations.ASYMMETRIC, Weights.PER_CHANNEL),
        ModelNoise("ceil-mode", "onnx", _ceil_mode, family=Family.CEIL_MODE),
        *(
            _upsample(mode, transformation)
            for mode in ("linear", "nearest")
            for transformation in ("half_pixel", "align_corners", "asymmetric")
        ),
    )
)


def model_noise_identity(name: str) -> MethodIdentity:
    """Return what decides the changed model here: name, library and its build, options.

    Raises:
        UnknownNameError: no such noise.
    """
    return identity(get_method(MODEL_NOISES, "model noise", name))


def apply_noises(
    model: onnx.ModelProto,
    names: Sequence[str],
    calibration: Calibration,
    input_shape: Shape,
) -> NoisyModel:
    """Put noises into a model, in the order of :class:`Family`, whatever the order of the names.

    Args:
        model: with one float32 input, weights included; it is not changed.
        names: of :data:`MODEL_NOISES`.
        calibration: yields input tensors, float32, one batch each; called for int8 alone.
        input_shape: of a batch of one, such as (1, 3, 224, 224).

    Raises:
        UnknownNameError: no such noise.
        ModelNoiseError: two noises of a family, or a model that cannot be changed so.
    """
    noises = [get_method(MODEL_NOISES, "model noise", name) for name in names]
    deployment = Deployment(calibration, input_shape)
    null = []
    for family in Family:
        noise = _only([each for each in noises if each.family is family])
        if noise is None:
            continue
        changed = noise.function(model, deployment)
        if changed is model:
            null.append(noise.name)
        else:
            model = onnx.shape_inference.infer_shapes(changed, data_prop=True)
    return NoisyModel(model, tuple(null))


def _only(noises: Sequence[ModelNoise]) -> ModelNoise | None:
    if len(noises) > 1:
        names = " and ".join(each.name for each in noises)
        raise ModelNoiseError(f"{names} are both noises of the {noises[0].family.value}; give one")
    return noises[0] if noises else None
