"""An ONNX model with noises inside, made from the one that was given."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import onnx

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.models import OnnxBase
from sysnoise.pipelines.evaluation.providers import CPU
from sysnoise.pipelines.evaluation.runtime import open_session
from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.noises import apply_noises


def noisy_model(base: OnnxBase, noises: Sequence[str]) -> onnx.ModelProto | None:
    """Put noises into a model; return None where they change nothing.

    Raises:
        ModelNoiseError: a noise cannot be put into this model.
        InputError: the images of a calibration cannot be read.
    """
    name = "+".join(noises)
    print(f"making the model with {name}", file=sys.stderr, flush=True)
    try:
        noisy = apply_noises(base.model, noises, base.calibration, base.input_shape)
    except ModelNoiseError as error:
        raise ModelNoiseError(f"putting {name} into the model: {error}") from error
    if len(noisy.null) == len(noises):
        return None
    try:
        open_session(noisy.model.SerializeToString(), f"the model with {name}", CPU)
    except InputError as error:
        raise ModelNoiseError(str(error)) from error
    return noisy.model
