"""Whether an evaluation resized the images of a set again, which blurs the set's own noise."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import yaml

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.json_documents import as_document
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import connect
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

DOCUMENT = "evaluation.yaml"
"""The file in which ``evaluate`` says what made its predictions."""
KEEPING_FITS = ("exact", "pad")
"""How images are fitted to a model without a resize."""


class _Input(msgspec.Struct):
    height: int
    width: int
    fit: str


class _Config(msgspec.Struct):
    input: _Input


class _Evaluation(msgspec.Struct):
    config: _Config


def resize_notes(tables: SampleTables, fit: str, width: int, height: int) -> Iterator[str]:
    """Yield a note if images are resized to a model's input, whose size they do not have.

    Args:
        tables: the set's tables of samples.
        fit: how images are fitted.
        width: width of the model's input in pixels.
        height: its height.
    """
    if fit in KEEPING_FITS:
        return
    names = (FIRST_GEOMETRY, *other_geometries(tables.found.manifest["grid"]))
    sizes = {name: tables.sizes(name) for name in names}
    others = {name: each.total() - each[width, height] for name, each in sizes.items()}
    resized = [name for name in names if others[name]]
    if resized:
        where = "" if resized == [FIRST_GEOMETRY] else f", in the geometries {', '.join(resized)}"
        count, total = max(others.values()), sizes[FIRST_GEOMETRY].total()
        yield (
            f"{count} of {total} images are resized a second time{where}, to the model's "
            f"{width} x {height} ({fit}), which hides the noise of the set's own resize; a set "
            "of that size, or a model of any size with 'fit: pad', needs no second resize"
        )


def stored_resize_notes(tables: SampleTables, predictions: str) -> Iterator[str]:
    """Yield the same for predictions that ``evaluate`` wrote; nothing for those of others."""
    try:
        data = read_if_there(connect(predictions), DOCUMENT)
        found = None if data is None else yaml.safe_load(data)
        evaluation = None if found is None else as_document(found, _Evaluation)
    except (OSError, InputError, SetError, yaml.YAMLError, ValueError, RecursionError):
        return  # It is scored as any other file or folder.
    if evaluation is not None:
        spec = evaluation.config.input
        yield from resize_notes(tables, spec.fit, spec.width, spec.height)
