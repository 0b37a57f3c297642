"""The models of an evaluation: the one that was given, and it with noises inside."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.document import Document, write_document
from sysnoise.pipelines.evaluation.runtime import MODEL_BYTES, open_session
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.noises import apply_noises, model_noise_identity

MODELS = "models"
_PLAIN = "model"


@dataclass(frozen=True)
class Models:
    """The models of an evaluation, and what they are made from.

    Attributes:
        output: the folder of predictions, which also holds the models.
        document: the document of the evaluation, which names the models.
        plain: the model that was given.
        calibration: yields input tensors of the baseline's images, one image each.
        input_shape: shape of the input for one image.
    """

    output: Root
    document: Document
    plain: onnx.ModelProto
    calibration: Callable[[], Iterator[NDArray[Any]]]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelFile:
    """A model that was written.

    Attributes:
        path: path of the model below the folder of predictions.
        sha256: sha256 of the file, in hexadecimal.
    """

    path: str
    sha256: str


def model_file(models: Models, noises: Sequence[str]) -> ModelFile | None:
    """Return a model with noises inside; it is made unless an earlier run made it.

    Args:
        models: the models of the evaluation.
        noises: names of ``MODEL_NOISES``; none for the plain model.

    Returns:
        None where the noises change nothing.

    Raises:
        ModelNoiseError: a noise cannot be put into this model.
        InputError: the images of a calibration cannot be read.
        OutputError: the model cannot be written.
    """
    name = "+".join(noises) or _PLAIN
    path = f"{MODELS}/{name}.onnx"
    known = models.document[MODELS].get(name)
    if known is None or known["sha256"] != _sha256_at(models.output, path):
        known = _make(models, name, noises, path)
    return None if known["sha256"] is None else ModelFile(path, known["sha256"])


def _sha256_at(output: Root, path: str) -> str | None:
    data = read_if_there(output, path, MODEL_BYTES)
    return None if data is None else hashlib.sha256(data).hexdigest()


def _make(models: Models, name: str, noises: Sequence[str], path: str) -> Mapping[str, Any]:
    """Make a model, write it and add it to the document; without a sha256 if nothing changes."""
    model = _noisy(models, name, noises) if noises else models.plain
    sha256 = None
    if model is not None:
        data = model.SerializeToString(deterministic=True)
        write_file(models.output, path, data)
        sha256 = hashlib.sha256(data).hexdigest()
    identities = [model_noise_identity(noise) for noise in noises]
    known = {"sha256": sha256, "noises": identities}
    models.document[MODELS][name] = known
    write_document(models.output, models.document)
    return known


def _noisy(models: Models, name: str, noises: Sequence[str]) -> onnx.ModelProto | None:
    """Put noises into the plain model; return None where they change nothing."""
    print(f"making the model with {name}", file=sys.stderr, flush=True)
    try:
        noisy = apply_noises(models.plain, noises, models.calibration, models.input_shape)
    except ModelNoiseError as error:
        raise ModelNoiseError(f"putting {name} into the model: {error}") from error
    if len(noisy.null) == len(noises):
        return None
    try:
        open_session(noisy.model.SerializeToString(), f"the model with {name}")
    except InputError as error:
        raise ModelNoiseError(str(error)) from error
    return noisy.model
