"""COCO's ground truths of a set, made from the table of sources and the placements of its samples.

``sysnoise generate`` writes them, and ``sysnoise verify`` compares them with what it finds.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from sysnoise.manifests.layout import GROUND_TRUTHS, SOURCES
from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.readers.sources import BATCH_ROWS
from sysnoise.pipelines.storage.reading import open_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.targets import map_annotation


def ground_truth_parts(
    plan: Plan, root: Root, placements: Sequence[Placement | None], kind: str
) -> Iterator[str]:
    """Yield a COCO ground truth without the rejects, in parts of one JSON text.

    Args:
        plan: the plan of the set.
        root: the root of the set, which has the table of sources.
        placements: the placement of each image in one geometry, in key order; None for rejects.
        kind: ``original`` or ``rescaled``, in the pixels of that geometry.
    """
    map_image, map_objects = _MAPS[kind]
    yield _json({**plan.coco, "images": []}).removesuffix("]}")
    yield from _separated(
        _mapped(
            functools.partial(_named_image, map_image, f"{key}.{plan.image_format}"),
            *(key, image, placement),
        )
        for key, image, placement in _accepted_sources(root, placements, "image")
    )
    yield '],"annotations":['
    yield from _separated(
        _mapped(map_objects, key, objects, placement)[1:-1]  # The list's brackets are left out.
        for key, objects, placement in _accepted_sources(root, placements, "annotations")
    )
    yield "]}"


def _accepted_sources(
    root: Root, placements: Sequence[Placement | None], column: str
) -> Iterator[tuple[str, str, Placement]]:
    """Yield key, a column and the placement of all samples except rejects."""
    with open_file(root, SOURCES) as opened:
        batches = pq.ParquetFile(opened).iter_batches(BATCH_ROWS, columns=["key", column])
        sources = (row for batch in batches for row in batch.to_pylist())
        for source, placement in zip(sources, placements, strict=True):
            if placement is not None:
                yield source["key"], source[column], placement


def _mapped(map_text: MapText, key: str, text: str, placement: Placement) -> str:
    """Map a text of the table of sources, which may come from anybody.

    Raises:
        OutputError: it is not what the table holds.
    """
    try:
        return map_text(text, placement)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise OutputError(
            f"{SOURCES}: the row of {key!r} is not one of COCO's: {type(error).__name__}: {error}"
        ) from error


def _separated(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts that are not empty, with commas between them."""
    separator = ""
    for text in filter(None, texts):
        yield separator + text
        separator = ","


def _named_image(map_image: MapText, name: str, image: str, placement: Placement) -> str:
    return map_image(_json(json.loads(image) | {"file_name": name}), placement)


def _unchanged(text: str, placement: Placement) -> str:
    return text


def _resized(image: str, placement: Placement) -> str:
    size = {"width": placement.output.width, "height": placement.output.height}
    return _json(json.loads(image) | size)


def _rescaled(objects: str, placement: Placement) -> str:
    return _json([map_annotation(each, placement) for each in json.loads(objects)])


MapText = Callable[[str, Placement], str]

_MAPS: dict[str, tuple[MapText, MapText]] = dict(
    zip(GROUND_TRUTHS, ((_unchanged, _unchanged), (_resized, _rescaled)), strict=True)
)
"""How the JSON texts of an image and of its annotations are mapped, by kind of ground truth."""


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
