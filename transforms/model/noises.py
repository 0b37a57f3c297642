"""The noises inside a model by name, and how they are applied to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import onnx

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.methods import Method, MethodIdentity, get_method, identity, registry
from sysnoise.transforms.model.graph import Shape
from sysnoise.transforms.model.pooling import Rounding, round_pools
from sysnoise.transforms.model.precision import half_precision
from sysnoise.transforms.model.quantization import (
    Activations,
    Calibration,
    Extent,
    Weights,
    quantize,
)
from sysnoise.transforms.model.upsampling import interpolation, upsample

_WHOLE_GRAPH = "-whole-graph"


class Family(Enum):
    """The part of a model that a noise changes; families are applied in this order.

    Precision comes last, because it is the deployed graph that is quantized. A model takes at most
    one noise of each family.
    """

    ROUNDING = "rounding of pools"
    UPSAMPLE = "upsampling"
    PRECISION = "precision"


@dataclass(frozen=True)
class Deployment:
    """What noises need to know about the use of the model.

    Attributes:
        calibration: the inputs that int8 is calibrated with.
        input_shape: the shape of an input with a batch size of one.
    """

    calibration: Calibration
    input_shape: Shape


Change = Callable[[onnx.ModelProto, Deployment], onnx.ModelProto]
"""A function that returns a changed model, or the model itself if there is nothing to change."""


@dataclass(frozen=True)
class ModelNoise(Method[Change]):
    """A method of a noise inside the model.

    Attributes:
        family: the part of the model that it changes.
        null: why it changes nothing, for models in which it does so.
    """

    family: Family = field(kw_only=True)
    null: str = field(kw_only=True)


@dataclass(frozen=True)
class NoisyModel:
    """A model with noises.

    Attributes:
        model: the model, whose input and output are float32.
        null: the names of noises that changed nothing, in the order in which they were applied.
    """

    model: onnx.ModelProto
    null: tuple[str, ...]


def _fp16(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
    return half_precision(model)


def _round(rounding: Rounding) -> ModelNoise:
    def change(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
        return round_pools(model, deployment.input_shape, rounding)

    options = {"ceil_mode": int(rounding is Rounding.CEIL)}
    way = "up" if rounding is Rounding.CEIL else "down"
    return ModelNoise(
        rounding.value,
        "onnx",
        change,
        options,
        family=Family.ROUNDING,
        null=f"no max-pool has another size when it rounds {way}",
    )


def _upsample(mode: str, transformation: str) -> ModelNoise:
    attributes = interpolation(mode, transformation)

    def change(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
        return upsample(model, deployment.input_shape, attributes)

    name = "bilinear" if mode == "linear" else mode
    return ModelNoise(
        f"upsample-{name}-{transformation}",
        "onnx",
        change,
        attributes,
        family=Family.UPSAMPLE,
        null="no feature map is enlarged, or each has the same pixels in this way",
    )


def _int8(activations: Activations, weights: Weights, extent: Extent) -> ModelNoise:
    def change(model: onnx.ModelProto, deployment: Deployment) -> onnx.ModelProto:
        return quantize(model, deployment.calibration, activations, weights, extent)

    options = {
        "format": "QDQ",
        "calibration": "MinMax",
        "activations": activations.value,
        "weights": weights.value,
        "extent": extent.value,
        "reduce_range": False,
    }
    name = f"int8-{activations.name}-{weights.name}".lower().replace("_", "-")
    name += _WHOLE_GRAPH if extent is Extent.WHOLE_GRAPH else ""
    return ModelNoise(
        name,
        "onnxruntime",
        change,
        options,
        family=Family.PRECISION,
        null="ONNX Runtime quantizes none of its operators",
    )


MODEL_NOISES: Mapping[str, ModelNoise] = registry(
    (
        ModelNoise(
            "fp16",
            "onnx",
            _fp16,
            {"arithmetic": "float32"},
            family=Family.PRECISION,
            null="no tensor is float32",
        ),
        *(
            _int8(activations, weights, extent)
            for extent in Extent
            for activations in Activations
            for weights in Weights
        ),
        *map(_round, Rounding),
        *(
            _upsample(mode, transformation)
            for mode in ("linear", "nearest")
            for transformation in ("half_pixel", "align_corners", "asymmetric")
        ),
    )
)


ON_REQUEST = tuple(name for name in MODEL_NOISES if name.endswith(_WHOLE_GRAPH))
"""The noises that ``all`` leaves out: what they add to int8 belongs to what follows the network.

As the worst methods of their column, they would stand for it in the stack of all noises.
"""


def model_noise_identity(name: str) -> MethodIdentity:
    """Return what decides the changed model on this machine: name, library, build and options.

    Raises:
        UnknownNameError: there is no such noise.
    """
    return identity(get_method(MODEL_NOISES, "model noise", name))


def apply_noises(
    model: onnx.ModelProto,
    names: Sequence[str],
    calibration: Calibration,
    input_shape: Shape,
) -> NoisyModel:
    """Apply noises to a model in the order of :class:`Family`, whatever the order of the names.

    Args:
        model: a model with one float32 input, weights included; it is not changed.
        names: names in :data:`MODEL_NOISES`.
        calibration: yields input tensors, float32, one batch each; it is called for int8 only.
        input_shape: the shape of an input with a batch size of one, such as (1, 3, 224, 224).

    Raises:
        UnknownNameError: there is no such noise.
        ModelNoiseError: two noises are of one family, or the model cannot be changed as requested.
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
            model = _with_declared_outputs(changed)
    return NoisyModel(model, tuple(null))


def _with_declared_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Declare the shapes of the outputs, as ONNX's checker wants it, and of no other tensor.

    From shapes that are declared with sizes that depend on the pixels, such as the number of boxes,
    ONNX Runtime 1.32 concludes that a Reshape is one to ``[0, -1]``, which fails for no boxes.
    """
    declared = onnx.shape_inference.infer_shapes(model, data_prop=True)
    del declared.graph.value_info[:]
    return declared


def _only(noises: Sequence[ModelNoise]) -> ModelNoise | None:
    if len(noises) > 1:
        names = " and ".join(each.name for each in noises)
        raise ModelNoiseError(f"{names} are both noises of the {noises[0].family.value}; give one")
    return noises[0] if noises else None
