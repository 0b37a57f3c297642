"""Predictions as files: one part per setting and shard, then one file per setting for ``score``.

A part appears whole or not at all, so that a rerun makes only what is missing.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sysnoise.manifests.layout import shard_name
from sysnoise.manifests.settings import Setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.config_values import Background
from sysnoise.pipelines.evaluation.records import ImageKey, Rows
from sysnoise.pipelines.scoring.statistics import top_classes
from sysnoise.pipelines.storage.commit import new_file, remove_folder, write_file
from sysnoise.pipelines.storage.listing import list_all_files
from sysnoise.pipelines.storage.reading import read_file, read_in_parallel
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.model.boxes import BoxOffset, Detections, Detector, detect
from sysnoise.transforms.targets import Rle

PARTS = "parts"
TOP = 5
"""Number of classes that are predicted for an image, the best first."""
BOX_DECIMALS = 3
"""Number of decimals of a box, in pixels."""
SCORE_DECIMALS = 6
"""Number of decimals of a score; the order of detections decides between equal ones."""

_CLASSES = pa.schema([pa.field("key", pa.string()), pa.field("top5", pa.list_(pa.int32()))])
_BOXES = pa.schema(
    [
        pa.field("image_id", pa.int64()),
        pa.field("category_id", pa.int32()),
        pa.field("bbox", pa.list_(pa.float64())),
        pa.field("score", pa.float64()),
    ]
)
_MASK = pa.field(
    "segmentation",
    pa.struct([pa.field("size", pa.list_(pa.int32())), pa.field("counts", pa.string())]),
)


class ModelError(Exception):
    """A model whose outputs are not what its config says."""


def part_path(slug: str, shard: int, shards: int) -> str:
    """Return the path of a setting's predictions of a shard."""
    return f"{PARTS}/{slug}/{shard_name(shard, shards)}.arrow"


def final_path(slug: str, kind: DatasetKind) -> str:
    """Return the path of all predictions of a setting."""
    return f"{slug}.{'parquet' if kind is DatasetKind.IMAGENET else 'json'}"


def predicted_rows(config: ModelConfig, key: ImageKey, outputs: Sequence[NDArray[Any]]) -> Rows:
    """Return what a model predicts for an image.

    Args:
        config: config of the model.
        key: key of the image.
        outputs: outputs for the image, in the order of ``config.outputs``.

    Raises:
        ModelError: the outputs are not what the config says.
    """
    task = config.task
    named = dict(zip(config.outputs, outputs, strict=True))
    try:
        if isinstance(task, Classifier):
            return {BoxOffset.NONE: [class_row(key, _top_classes(task, outputs[0]))]}
        offsets = {target.offset for target in key.of.targets}
        return {
            offset: _results(key, task, detect(named, task, key.placement, offset))
            for offset in offsets
        }
    except (ValueError, IndexError) as error:
        raise ModelError(f"on sample {key.key!r} of {key.of.variant!r}: {error}") from error


def _top_classes(classifier: Classifier, logits: NDArray[Any]) -> list[int]:
    background = classifier.background
    first, last = background is Background.FIRST, background is Background.LAST
    logits = logits.reshape(-1) if logits.shape[1:] == (1,) * (logits.ndim - 1) else logits
    if logits.ndim != 1 or len(logits) < first + last + TOP:
        raise ValueError(
            f"expected a number for each of {first + last + TOP} classes or more in output "
            f"{classifier.output!r}, found the shape {logits.shape}"
        )
    return best_classes(logits[first : len(logits) - last], f"output {classifier.output!r}")


def best_classes(scores: NDArray[Any], source: str) -> list[int]:
    """Return the best classes, the best first.

    Args:
        scores: one score per class, shape (classes,), at least as many as are returned.
        source: what they are, for the message.

    Raises:
        ValueError: some are not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError(f"{source} has numbers that are not finite")
    return list(map(int, top_classes(scores[np.newaxis], TOP)[0]))


def class_row(key: ImageKey, top5: Sequence[int]) -> dict[str, Any]:
    """Return the row of an image with its best classes."""
    return {"key": key.key, "top5": top5}


def _results(key: ImageKey, detector: Detector, found: Detections) -> list[dict[str, Any]]:
    categories = [detector.categories[label] for label in found.classes.tolist()]
    return result_rows(key.image_id, categories, found.boxes, found.scores, found.masks)


def result_rows(
    image_id: int | None,
    categories: Sequence[int],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    masks: Sequence[Rle] | None,
) -> list[dict[str, Any]]:
    """Return detections in COCO's results format, in their order.

    Args:
        image_id: COCO's id of the image.
        categories: COCO's ids of the categories, one per detection.
        boxes: x, y, width, height in pixels of the stored image, shape (n, 4).
        scores: the scores, shape (n,).
        masks: the masks in the stored image, one per detection; None for boxes alone.
    """
    rows: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": category,
            "bbox": [round(number, BOX_DECIMALS) for number in box],
            "score": round(score, SCORE_DECIMALS),
        }
        for category, box, score in zip(categories, boxes.tolist(), scores.tolist(), strict=True)
    ]
    if masks is not None:
        for row, mask in zip(rows, masks, strict=True):
            row[_MASK.name] = mask
    return rows


def write_part(
    output: Root,
    slug: str,
    shard: int,
    shards: int,
    rows: Sequence[Mapping[str, Any]],
    kind: DatasetKind,
) -> str:
    """Write the predictions of a setting for a shard, and return their path.

    Raises:
        OutputError: they cannot be written.
    """
    schema = _CLASSES if kind is DatasetKind.IMAGENET else _BOXES
    if any(_MASK.name in row for row in rows):
        schema = schema.append(_MASK)
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, schema) as writer:
        writer.write_table(pa.Table.from_pylist(list(rows), schema))
    path = part_path(slug, shard, shards)
    write_file(output, path, buffer.getvalue())
    return path


def join_parts(
    output: Root, setting: Setting, shards: Iterable[int], count: int, kind: DatasetKind
) -> None:
    """Write all predictions of a setting, in the order of the set.

    Args:
        output: the folder of predictions.
        setting: the setting.
        shards: numbers of the shards that hold images.
        count: number of shards of the set.
        kind: kind of the dataset.

    Raises:
        OutputError: they cannot be written.
    """
    paths = [part_path(setting.slug, shard, count) for shard in shards]
    read = functools.partial(read_file, output)
    parts = (pa.ipc.open_file(data).read_all() for data in read_in_parallel(read, paths))
    join = _join_classes if kind is DatasetKind.IMAGENET else _join_boxes
    join(output, final_path(setting.slug, kind), setting, parts)


def _join_classes(output: Root, path: str, setting: Setting, parts: Iterable[pa.Table]) -> None:
    name = pa.field("setting", pa.string())
    with (
        new_file(output, path) as file,
        pq.ParquetWriter(file, pa.schema([name, *_CLASSES]), compression="zstd") as writer,
    ):
        for part in parts:
            settings = pa.array([setting.id] * len(part), pa.string())
            writer.write_table(part.add_column(0, name, settings))


def _join_boxes(output: Root, path: str, setting: Setting, parts: Iterable[pa.Table]) -> None:
    with new_file(output, path) as file:
        between = b"[\n"
        for part in parts:
            for row in part.to_pylist():
                known = {name: value for name, value in row.items() if value is not None}
                file.write(between + json.dumps(known).encode())
                between = b",\n"
        file.write(b"[]\n" if between == b"[\n" else b"\n]\n")


def remove_parts(output: Root, kind: DatasetKind) -> None:
    """Remove the parts of settings that have been joined; those of others are still needed.

    Args:
        output: the folder of predictions.
        kind: kind of the dataset.

    Raises:
        OutputError: they cannot be removed.
    """
    present = set(list_all_files(output))
    slugs = {path.split("/")[1] for path in present if path.startswith(f"{PARTS}/")}
    joined = {slug for slug in slugs if final_path(slug, kind) in present}
    if joined == slugs:
        remove_folder(output, PARTS)
        return
    for slug in joined:
        remove_folder(output, f"{PARTS}/{slug}")
