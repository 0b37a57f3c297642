"""``evaluation.yaml``: what made a folder of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from sysnoise.manifests.changes import field_changes
from sysnoise.manifests.json_documents import JsonObject, as_document
from sysnoise.manifests.layout import LOCK
from sysnoise.pipelines.errors import OutputError, lines_of
from sysnoise.pipelines.scoring.evaluation_file import DOCUMENT
from sysnoise.pipelines.storage.commit import remove_folder, write_file
from sysnoise.pipelines.storage.listing import list_files
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root

VERSION = 1
"""Version of the steps from images to predictions; it changes when their predictions do."""
_MODELS, _NAMES = "models", "names"

Document = dict[str, Any]
"""Everything that predictions depend on. Under ``names`` there is what the user calls an ONNX model
and its config, which changes no prediction; under ``models`` one entry per model by the noises
inside it, to which a later run may add some."""


class _StoredModel(msgspec.Struct):
    """What is expected of a model's entry."""

    sha256: str | None
    noises: list[JsonObject]


class _Stored(msgspec.Struct):
    """What is expected of the document."""

    models: dict[str, _StoredModel]


def open_document(output: Root, wanted: Mapping[str, Any], names: Mapping[str, str]) -> Document:
    """Return the document of a folder of predictions, or a new one for an empty folder.

    Args:
        output: the folder.
        wanted: what the predictions of this run depend on.
        names: what the user calls model and config; none for a predictor. Those of the run that
            began the folder stay.

    Raises:
        OutputError: the folder holds something else, or predictions of another evaluation.
    """
    named = {_NAMES: {**names}} if names else {}
    data = read_if_there(output, DOCUMENT)
    if data is None:
        _refuse_foreign(output)
        return _begin(output, {**wanted, **named})
    try:
        document: Document = yaml.safe_load(data)
        as_document(document, _Stored)
        earlier = {name: value for name, value in document.items() if name not in (_MODELS, _NAMES)}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{output.child(DOCUMENT)!r} is damaged: {error!r}; give other --predictions"
        ) from error
    changes = field_changes(earlier, wanted)
    if changes and _has_predictions(output):
        raise OutputError(
            f"{output.url!r} holds the predictions of another evaluation; give other "
            f"--predictions, or remove it. What differs:\n{lines_of(changes)}"
        )
    if changes:  # That evaluation predicted nothing.
        return _begin(output, {**wanted, **named})
    return document


def _begin(output: Root, stated: Mapping[str, Any]) -> Document:
    remove_folder(output, _MODELS)
    document = {**stated, _MODELS: {}}
    write_document(output, document)
    return document


def _has_predictions(output: Root) -> bool:
    return any(
        path not in (DOCUMENT, LOCK) and not path.startswith(f"{_MODELS}/")
        for path in list_files(output)
    )


def write_document(output: Root, document: Document) -> None:
    """Write the document.

    Raises:
        OutputError: it cannot be written.
    """
    plain = json.loads(json.dumps(document))  # Without the references of YAML to shared parts.
    write_file(output, DOCUMENT, yaml.safe_dump(plain, sort_keys=False).encode())


def _refuse_foreign(output: Root) -> None:
    found = [path for path in list_files(output) if path != LOCK]
    if found:
        raise OutputError(
            f"{output.url!r} is not empty and holds no {DOCUMENT}: it has {found[0]!r}; give other "
            "--predictions"
        )
