"""Images in which a detector's boxes change between the baseline and a setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import Noise, Setting
from sysnoise.manifests.tables import placement_of
from sysnoise.pipelines.report.box_crops import (
    Box,
    CropPair,
    WantedCrop,
    read_crops,
    region_around,
)
from sysnoise.pipelines.report.flips import chosen_flips, chosen_images, ordered_settings
from sysnoise.pipelines.report.gallery import read_images
from sysnoise.pipelines.scoring.matching import overlaps_of
from sysnoise.pipelines.scoring.records import DetectedBoxes
from sysnoise.pipelines.scoring.result_files import ResultDetections, Shape
from sysnoise.transforms.pixels import Pixels, Size

SAME_OVERLAP = 0.5
"""The intersection over union from which on two boxes of a category are of the same object."""
STILL_OVERLAP = 0.9
"""The intersection over union below which such a box has moved."""
PICTURE_SIDE = 320
"""The largest width and height of a picture, in pixels; larger images are reduced."""


class BoxChange(Enum):
    """What becomes of a box of the baseline in a setting, or how a box of the setting came."""

    VANISHED = "vanished"
    APPEARED = "appeared"
    MOVED = "moved"
    STAYED = "stayed"


@dataclass(frozen=True)
class ComparedBox:
    """An object as the baseline and a setting find it.

    Attributes:
        change: what changes.
        category: the id of its category.
        before, after: its box in the baseline, and in the setting; None where there is none.
        scores: the scores of these boxes, in that order.
    """

    change: BoxChange
    category: int
    before: Box | None
    after: Box | None
    scores: tuple[float, ...]


@dataclass(frozen=True)
class BoxFlip:
    """An image in which boxes vanish or appear in a setting.

    Attributes:
        model: the name of the model.
        setting: the setting.
        key: the key of the image.
        image_id: COCO's id of the image.
        boxes: the boxes of both settings; those that vanish or appear come first, then those that
            move.
    """

    model: str
    setting: Setting
    key: str
    image_id: int
    boxes: Sequence[ComparedBox]


@dataclass(frozen=True)
class BoxFlipSelection:
    """The flips of boxes that are shown.

    Attributes:
        baseline: the setting whose boxes the others are compared with.
        chosen: the flips, in the order in which they were chosen.
        counts: the number of images that flip, by model and setting, also where there are none.
        sizes: the width and height of each stored image, by its key.
        pictures: the baseline's images by key, reduced to :data:`PICTURE_SIDE`: uint8, shape
            (H, W, 3), RGB; those that are available.
        crops: of each chosen flip, the pixels around its first change, where there are any to
            compare.
    """

    baseline: Setting
    chosen: Sequence[BoxFlip]
    counts: Mapping[tuple[str, Setting], int]
    sizes: Mapping[str, Size]
    pictures: Mapping[str, Pixels]
    crops: Sequence[CropPair | None]


def select_box_flips(
    tables: SampleTables, detected: Mapping[str, DetectedBoxes]
) -> BoxFlipSelection:
    """Choose images in which boxes vanish or appear, as :func:`select_flips` chooses classes.

    Args:
        tables: the tables of samples of the set.
        detected: the boxes by model.

    Raises:
        SetError: a file is missing or damaged.
    """
    baseline = Setting(tables.found.baseline)
    detections = {m: _of_one_geometry(each, baseline) for m, each in detected.items()}
    settings = ordered_settings(detections, baseline)
    places = _places(tables)
    ids = sorted({image_id for each in detected.values() for image_id in each.image_ids})
    by_image = {
        (model, setting): _by_image(each)
        for model, boxes in detected.items()
        for setting, each in boxes.detections.items()
    }
    matrix = np.zeros((len(settings), len(ids)), bool)
    for row, (model, setting) in zip(matrix, settings, strict=True):
        before, after = by_image[model, baseline], by_image[model, setting]
        row[:] = [_flips(compare_boxes(before.get(each), after.get(each))) for each in ids]
    chosen = []
    for place, image in chosen_flips(matrix, chosen_images(matrix)):
        (model, setting), image_id = settings[place], ids[image]
        before, after = by_image[model, baseline], by_image[model, setting]
        compared = compare_boxes(before.get(image_id), after.get(image_id))
        boxes = sorted(compared, key=lambda each: list(BoxChange).index(each.change))
        chosen.append(BoxFlip(model, setting, places[image_id].key, image_id, boxes))
    counts = dict(zip(settings, matrix.sum(axis=1).tolist(), strict=True))
    shown = {flip.image_id: places[flip.image_id] for flip in chosen}
    return BoxFlipSelection(
        baseline,
        chosen,
        counts,
        {place.key: place.size for place in shown.values()},
        _read_pictures(tables, shown.values()),
        read_crops(tables.found, [_wanted_crop(flip, shown[flip.image_id]) for flip in chosen]),
    )


def _wanted_crop(flip: BoxFlip, place: _Place) -> WantedCrop:
    """Return the region around the first box that changes."""
    first = flip.boxes[0]
    box = next(each for each in (first.before, first.after) if each is not None)
    return WantedCrop(flip.setting, flip.key, place.shard, region_around(box, place.size))


def _of_one_geometry(detected: DetectedBoxes, baseline: Setting) -> dict[Setting, ResultDetections]:
    """Return the boxes of the settings whose images show the same as the baseline's."""
    return {
        setting: each
        for setting, each in detected.detections.items()
        if Noise.GEOMETRY not in setting.changes(baseline)
    }


@dataclass(frozen=True)
class _Place:
    """Where an image is: its key, its shard, and its size in the set."""

    key: str
    shard: int
    size: Size


def _places(tables: SampleTables) -> dict[int, _Place]:
    return {
        row["image_id"]: _Place(row["key"], shard, placement_of(row["geometry"]).output)
        for shard in range(tables.found.shards)
        for row in tables.rows(shard, ["key", "image_id", "geometry"])
    }


def _by_image(detections: ResultDetections) -> dict[int, ResultDetections]:
    order = np.argsort(detections.image_ids, kind="stable")
    ids, starts = np.unique(detections.image_ids[order], return_index=True)
    rows = np.split(order, starts)[1:]
    return {
        image_id: detections.chosen(each) for image_id, each in zip(ids.tolist(), rows, strict=True)
    }


def _flips(boxes: Sequence[ComparedBox]) -> bool:
    return any(each.change in (BoxChange.VANISHED, BoxChange.APPEARED) for each in boxes)


def compare_boxes(
    before: ResultDetections | None, after: ResultDetections | None
) -> list[ComparedBox]:
    """Compare the boxes of an image in two settings.

    Boxes of the same category that overlap by half or more are of one object; each is of at most
    one, and the pairs with the largest overlap come first.

    Args:
        before: the boxes of the image in the baseline; None for none.
        after: the boxes in the setting; None for none.

    Returns:
        The objects that both find, then what vanishes, then what appears.
    """
    first, second = _rows(before), _rows(after)
    overlaps = _overlaps(before, after)
    pairs = _pairs(overlaps)
    both = [
        ComparedBox(
            BoxChange.STAYED if overlaps[one, other] >= STILL_OVERLAP else BoxChange.MOVED,
            first[one][0],
            first[one][1],
            second[other][1],
            (first[one][2], second[other][2]),
        )
        for one, other in pairs
    ]
    lost = [row for place, row in enumerate(first) if place not in dict(pairs)]
    taken = {other for _, other in pairs}
    new = [row for place, row in enumerate(second) if place not in taken]
    return [
        *both,
        *(ComparedBox(BoxChange.VANISHED, name, box, None, (score,)) for name, box, score in lost),
        *(ComparedBox(BoxChange.APPEARED, name, None, box, (score,)) for name, box, score in new),
    ]


def _rows(detections: ResultDetections | None) -> list[tuple[int, Box, float]]:
    """Return category, box and score of each detection."""
    if detections is None:
        return []
    boxes = [tuple(box) for box in detections.shapes[Shape.BOX].tolist()]
    columns = (detections.category_ids.tolist(), boxes, detections.scores.tolist())
    return list(zip(*columns, strict=True))


def _overlaps(
    before: ResultDetections | None, after: ResultDetections | None
) -> NDArray[np.float64]:
    """Return the intersection over union of boxes of the same category; 0 for others."""
    if before is None or after is None:
        return np.zeros((0, 0))
    no_crowds = np.zeros(len(after.scores), bool)
    overlaps = overlaps_of(before.shapes[Shape.BOX], after.shapes[Shape.BOX], no_crowds)
    overlaps[before.category_ids[:, None] != after.category_ids] = 0
    return overlaps


def _pairs(overlaps: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the indices of boxes that are of one object, the largest overlap first."""
    remaining = overlaps.copy()
    pairs: list[tuple[int, int]] = []
    while remaining.size and remaining.max() >= SAME_OVERLAP:
        one, other = divmod(int(remaining.argmax()), remaining.shape[1])
        pairs.append((one, other))
        remaining[one], remaining[:, other] = 0, 0
    return pairs


def _read_pictures(tables: SampleTables, places: Iterable[_Place]) -> dict[str, Pixels]:
    """Return the baseline's pictures, where its images are available."""
    found = tables.found
    if found.baseline not in found.held:
        return {}
    by_shard: dict[int, list[str]] = {}
    for place in places:
        by_shard.setdefault(place.shard, []).append(place.key)
    return {
        key: reduced(pixels)
        for shard, keys in by_shard.items()
        for key, pixels in read_images(found, found.baseline, shard, keys).items()
    }


def reduced(pixels: Pixels) -> Pixels:
    """Return an image whose longer side has at most 320 pixels, uint8, shape (H, W, 3).

    Each of its pixels is the mean of those that it covers (Pillow's ``BOX``).
    """
    height, width, _ = pixels.shape
    factor = min(1.0, PICTURE_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
