"""What an evaluation runs: what was given, that with noises inside, and what stands for a noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, OutputError, UsageError
from sysnoise.pipelines.evaluation.config import ModelConfig
from sysnoise.pipelines.evaluation.document import Document, write_document
from sysnoise.pipelines.evaluation.predictor import (
    Predictor,
    PredictorIdentity,
    predictor_identity,
)
from sysnoise.pipelines.evaluation.predictor_inference import PredictorInference
from sysnoise.pipelines.evaluation.providers import CPU, PROVIDER_NOISES, Provider
from sysnoise.pipelines.evaluation.records import Inference
from sysnoise.pipelines.evaluation.request import OnnxModel, Request, SetClasses, refuse_other_task
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.errors import ModelNoiseError

if TYPE_CHECKING:
    import onnx

MODELS = "models"
_PLAIN = "model"


@dataclass(frozen=True)
class LoadedPredictor:
    """A predictor whose module was imported.

    Attributes:
        predictor: what the user names.
        identity: what its predictions depend on.
    """

    predictor: Predictor
    identity: PredictorIdentity


@dataclass(frozen=True)
class LoadedOnnx:
    """An ONNX model that fits its config.

    Attributes:
        model: the model with its weights.
        config: its config.
        sha256: sha256 of its serialized form, in hexadecimal.
        batch_size: number of images that it takes at a time.
    """

    model: onnx.ModelProto
    config: ModelConfig
    sha256: str
    batch_size: int


Loaded = LoadedPredictor | LoadedOnnx


@dataclass(frozen=True)
class LoadedModels:
    """What was given, ready to run.

    Attributes:
        base: the model whose loss is measured.
        settings: the models that stand for a noise, by its method.
    """

    base: Loaded
    settings: Mapping[str, Loaded]


ReadModels = Mapping[str, "onnx.ModelProto"]
"""ONNX models by their URLs."""


def read_models(request: Request) -> ReadModels:
    """Read the ONNX models of a request, for which nothing of the set is needed.

    Raises:
        InputError: a model cannot be read.
    """
    urls = dict.fromkeys(each.url for each in _onnx_models(request))
    if not urls:  # Predictors run where ONNX is not installed.
        return {}
    from sysnoise.pipelines.evaluation.model_reader import read_model

    return {url: read_model(url) for url in urls}


def _onnx_models(request: Request) -> list[OnnxModel]:
    given = (request.model, *request.settings.values())
    return [each for each in given if isinstance(each, OnnxModel)]


def load_models(
    request: Request, kind: DatasetKind, classes: SetClasses, read: Callable[[], ReadModels]
) -> LoadedModels:
    """Make all models of a request ready, and refuse what does not fit its config or the dataset.

    Args:
        request: what the user asks for.
        kind: kind of the dataset.
        classes: what is known of the set.
        read: returns what :func:`read_models` does.

    Raises:
        UsageError: a config that contradicts its model, a detector on ImageNet, a classifier on
            COCO, or no such predictor.
        InputError: a model cannot be read.
    """
    for each in _onnx_models(request):
        refuse_other_task(kind, each.config)
    models = read()

    def load(model: OnnxModel | Predictor) -> Loaded:
        if isinstance(model, Predictor):
            return LoadedPredictor(model, predictor_identity(model))
        return _fitted(model, models[model.url], request.batch_size, classes)

    settings = {name: load(model) for name, model in request.settings.items()}
    return LoadedModels(load(request.model), settings)


def _fitted(
    given: OnnxModel, model: onnx.ModelProto, wanted: int, classes: SetClasses
) -> LoadedOnnx:
    from sysnoise.pipelines.evaluation.fitting_configs import other_configs
    from sysnoise.pipelines.evaluation.model_check import fit_model

    try:
        fitted = fit_model(given.config, model, classes)
    except UsageError as error:
        advice = other_configs(given.config, model, classes.common)
        lines = [f"{given.url!r}: {error}", *filter(None, [advice])]
        raise UsageError("\n".join(lines)) from error
    sha256 = hashlib.sha256(fitted.model.SerializeToString(deterministic=True)).hexdigest()
    return LoadedOnnx(fitted.model, fitted.config, sha256, fitted.images or wanted)


@dataclass(frozen=True)
class OnnxBase:
    """An ONNX model that noises are put into.

    Attributes:
        model: the model that was given.
        calibration: yields input tensors of the baseline's images, one image each.
        input_shape: shape of the input for one image.
    """

    model: onnx.ModelProto
    calibration: Callable[[], Iterator[NDArray[Any]]]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class Models:
    """The models of an evaluation, and what they are made from.

    Attributes:
        output: the folder of predictions, which also holds the models.
        url: absolute URL of that folder.
        document: the document of the evaluation, which names the models.
        loaded: what was given.
        onnx: the given model as noises are put into it; None for a predictor.
        kind: kind of the dataset.
        image_bytes: the largest number of bytes of an image of the set.
        largest_label: the largest label that occurs in the set.
        batch_size: number of images per batch, where the model leaves that open.
        provider: what runs ONNX models.
    """

    output: Root
    url: str
    document: Document
    loaded: LoadedModels
    onnx: OnnxBase | None
    kind: DatasetKind
    image_bytes: int
    largest_label: int
    batch_size: int
    provider: Provider


@dataclass(frozen=True)
class Runnable:
    """A model that can be run.

    Attributes:
        inference: what runs over the images.
        batch_size: number of images per batch.
    """

    inference: Inference
    batch_size: int


def runnable(models: Models, noises: Sequence[str]) -> Runnable | None:
    """Return the model with noises inside; it is made unless an earlier run made it.

    Args:
        models: the models of the evaluation.
        noises: methods of noises inside the model; none for the model as it was given.

    Returns:
        None where the noises change nothing.

    Raises:
        ModelNoiseError: a noise cannot be put into this model.
        InputError: the images of a calibration cannot be read.
        OutputError: the model cannot be written, or the folder has predictions of another one.
    """
    name = "+".join(noises) or _PLAIN
    given = models.loaded.settings.keys() & {*noises}
    if given and len(noises) > 1:
        raise ModelNoiseError(
            f"{min(given)} is a model of its own, into which no other noise can be put: {name}"
        )
    loaded = models.loaded.settings[noises[0]] if given else models.loaded.base
    if isinstance(loaded, LoadedPredictor):
        if noises and not given:
            raise ModelNoiseError(f"noises inside of a predictor are settings of its own: {name}")
        return _predictor(models, name, loaded)
    return _onnx(models, name, loaded, () if given else noises)


def _predictor(models: Models, name: str, loaded: LoadedPredictor) -> Runnable:
    document = loaded.identity.document
    entry = {"sha256": loaded.identity.sha256, "noises": [], "predictor": document}
    _record_given(models, name, entry)
    inference = PredictorInference(
        loaded.predictor, models.kind, document, models.image_bytes, models.largest_label
    )
    return Runnable(inference, models.batch_size)


def _onnx(models: Models, name: str, loaded: LoadedOnnx, noises: Sequence[str]) -> Runnable | None:
    from sysnoise.pipelines.evaluation.onnx_inference import OnnxInference
    from sysnoise.pipelines.evaluation.runtime import onnx_identity

    inside = tuple(each for each in noises if each not in PROVIDER_NOISES)
    provider = next((PROVIDER_NOISES[each] for each in noises if each not in inside), None)
    graph = name if provider is None else "+".join(inside) or _PLAIN
    path = f"{MODELS}/{graph}.onnx"
    sha256 = _noisy(models, graph, inside, path) if inside else _given(models, graph, loaded, path)
    if sha256 is None or provider == models.provider:
        return None
    if provider is not None:
        _record_provider(models, name, path, sha256, provider)
    by = provider or models.provider
    inference = OnnxInference(models.url, path, sha256, loaded.config, onnx_identity(by), by)
    return Runnable(inference, loaded.batch_size)


def _record_provider(models: Models, name: str, path: str, sha256: str, provider: Provider) -> None:
    """Record a model that another provider runs, once it has been seen to load it."""
    from sysnoise.pipelines.evaluation.runtime import load_model, onnx_identity

    entry = {"sha256": sha256, "noises": [], "runtime": onnx_identity(provider)}
    if name not in models.document[MODELS]:
        try:
            load_model(models.output, path, sha256, provider)
        except InputError as error:
            raise ModelNoiseError(str(error)) from error
    _record_given(models, name, entry)


def _given(models: Models, name: str, loaded: LoadedOnnx, path: str) -> str:
    """Write a model as it was given, and return its sha256."""
    entry: dict[str, Any] = {"sha256": loaded.sha256, "noises": []}
    if isinstance(models.loaded.base, LoadedPredictor) and models.provider != CPU:
        from sysnoise.pipelines.evaluation.runtime import onnx_identity

        entry["runtime"] = onnx_identity(models.provider)  # The document has it for a base alone.
    _record_given(models, name, entry)
    if _sha256_at(models.output, path) != loaded.sha256:
        write_file(models.output, path, loaded.model.SerializeToString(deterministic=True))
    return loaded.sha256


def _noisy(models: Models, name: str, noises: Sequence[str], path: str) -> str | None:
    """Write the base with noises inside, and return its sha256; None where nothing changes."""
    from sysnoise.pipelines.evaluation.noisy_models import noisy_model
    from sysnoise.transforms.model.noises import model_noise_identity

    identities = [model_noise_identity(noise) for noise in noises]
    known = models.document[MODELS].get(name)
    if known is not None and not known["noises"]:
        raise _others(models, name)
    if known is not None and known["sha256"] == _sha256_at(models.output, path):
        made: str | None = known["sha256"]
        return made
    if models.onnx is None:
        raise ValueError(f"{name}: there is no ONNX model to put it into")
    model = noisy_model(models.onnx, noises)
    sha256 = None
    if model is not None:
        data = model.SerializeToString(deterministic=True)
        write_file(models.output, path, data)
        sha256 = hashlib.sha256(data).hexdigest()
    _record(models, name, {"sha256": sha256, "noises": identities})
    return sha256


def _sha256_at(output: Root, path: str) -> str | None:
    from sysnoise.pipelines.evaluation.runtime import MODEL_BYTES

    data = read_if_there(output, path, MODEL_BYTES)
    return None if data is None else hashlib.sha256(data).hexdigest()


def _record_given(models: Models, name: str, entry: Mapping[str, Any]) -> None:
    """Add a given model to the document; refuse another one of its name."""
    known = models.document[MODELS].get(name)
    if known is None:
        _record(models, name, entry)
    elif known != entry:
        raise _others(models, name)


def _record(models: Models, name: str, entry: Mapping[str, Any]) -> None:
    models.document[MODELS][name] = entry
    write_document(models.output, models.document)


def _others(models: Models, name: str) -> OutputError:
    return OutputError(
        f"{models.output.url!r} has predictions of another model for {name}; give other "
        "--predictions, or remove it"
    )
