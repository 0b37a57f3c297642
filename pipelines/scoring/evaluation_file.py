"""What ``evaluate`` says of its predictions in ``evaluation.yaml``, beside them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import yaml

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.json_documents import as_document
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import connect

DOCUMENT = "evaluation.yaml"
"""The name of the file."""


class StoredInput(msgspec.Struct):
    """The size of a model's input in pixels, and how images are fitted to it."""

    height: int
    width: int
    fit: str


class StoredConfig(msgspec.Struct):
    """What is read of the config of an ONNX model."""

    input: StoredInput


class StoredNames(msgspec.Struct):
    """The names of an ONNX model and of its config, as the user knows them."""

    model: str
    config: str


class StoredPredictor(msgspec.Struct):
    """What is read of a predictor: the name of its class."""

    name: str


class StoredEvaluation(msgspec.Struct):
    """What is read of the file; an ONNX model has a config, any other is a predictor."""

    config: StoredConfig | None = None
    names: StoredNames | None = None
    predictor: StoredPredictor | None = None

    @property
    def model_name(self) -> str | None:
        """What the model is called; None in files that do not say it."""
        if self.predictor is not None:
            return self.predictor.name
        return None if self.names is None else self.names.model


def stored_evaluation(predictions: str) -> StoredEvaluation | None:
    """Return what made predictions; None for those that ``evaluate`` did not write.

    Args:
        predictions: path or fsspec URL of the predictions.
    """
    try:
        data = read_if_there(connect(predictions), DOCUMENT)
        found = None if data is None else yaml.safe_load(data)
        return None if found is None else as_document(found, StoredEvaluation)
    except (OSError, InputError, SetError, yaml.YAMLError, ValueError, RecursionError):
        return None  # It is scored as any other file or folder.


def config_notes(evaluation: StoredEvaluation) -> Iterator[str]:
    """Yield a note on the config, which decides every figure, if there is one with a name."""
    if evaluation.names is not None:
        yield f"run with the config {evaluation.names.config!r}"
