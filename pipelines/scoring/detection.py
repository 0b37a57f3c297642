"""Scoring boxes and masks: COCO's average precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.errors import InputError, quoted
from sysnoise.pipelines.scoring.average_precision import mean_average_precision
from sysnoise.pipelines.scoring.files import grouped, refuse, setting_parser
from sysnoise.pipelines.scoring.ground_truth import GroundTruth, mask_area
from sysnoise.pipelines.scoring.matching import SortedObjects, category_matches
from sysnoise.pipelines.scoring.numbering import CategoryNumbering, numbering_of
from sysnoise.pipelines.scoring.records import (
    Coverage,
    DetectedBoxes,
    Figures,
    Intervals,
    Scored,
)
from sysnoise.pipelines.scoring.result_files import (
    ImageNaming,
    ResultDetections,
    ResultFile,
    Shape,
    read_results,
    shape_array,
)
from sysnoise.pipelines.scoring.statistics import RESAMPLES, Replicates, resamples
from sysnoise.transforms.targets import Rle, rle_string, unmap_boxes
from sysnoise.transforms.variant_ids import variant_names

_NAMES = ("mAP", "AP50", "AP75", "AP-small", "AP-medium", "AP-large")
METRICS = {
    Shape.BOX: _NAMES,
    Shape.MASK: tuple(f"mask {name}" for name in _NAMES),
}
"""The names of the metrics; the first that a model has is the table's own."""
_LIBRARY_NAMES = ("AP_all", "AP_50", "AP_75", "AP_small", "AP_medium", "AP_large")
"""The names of the same metrics in faster-coco-eval."""
_LIBRARY_TYPES = {Shape.BOX: "bbox", Shape.MASK: "segm"}
"""What the library calls the shapes."""
SURE_SCORE = 0.3
"""The score from which on a detector counts as sure of a box, where single boxes are shown."""
_MAX_COUNTS = 2**22
"""Number of detections times resamples that are held in memory at a time."""


def score_detections(
    truth: GroundTruth, trained: str, url: str, coverage: Coverage, intervals: Intervals
) -> Scored:
    """Score a model's predictions.

    Args:
        truth: the ground truth of the set.
        trained: id of the variant that the others are compared with.
        url: path or fsspec URL of the folder of COCO results, in pixels of the stored images.
        coverage: which images are scored.
        intervals: whether figures get intervals.

    Raises:
        InputError: the predictions cannot be read, or are not of this set.
    """
    files = list(read_results(url, truth.image_ids))
    numbering = _numbering(truth, url, files)
    detections = {
        setting: _renumbered(truth, numbering, each)
        for setting, each in _by_setting(truth, trained, url, coverage, files).items()
    }
    found = _shapes(detections.values())
    # Boxes tell of a model that gives masks too, where the set has boxes alone.
    shapes = tuple(each for each in found if each is found[0] or truth.has(each))
    notes = [
        *truth.notes(shapes),
        *(
            ["the objects have no masks: those of detections do not count"]
            if len(shapes) < len(found)
            else []
        ),
        *_numbering_notes(numbering),
        *_foreign_category_notes(truth, detections),
        *grouped(_empty_image_remarks(truth, detections)),
    ]
    images = list(truth.placements)
    if coverage is Coverage.COMMON:
        common = set.intersection(*({*each.image_ids.tolist()} for each in detections.values()))
        images = [image_id for image_id in truth.placements if image_id in common]
        if not images:
            raise InputError(f"the predictions {url!r} have no image for all settings in common")
        notes.append(f"{len(images)} of {len(truth.placements)} images are scored")
        truth = truth.only(images)
    truths = truth.by_geometry()
    figures = {
        setting: _figures(truths[_geometry_of(setting)], each, shapes, intervals)
        for setting, each in detections.items()
    }
    predicted = _sure_boxes(images, detections) if shapes[0] is Shape.BOX else None
    return Scored(len(images), figures, tuple(notes), predicted)


def _sure_boxes(
    images: Sequence[int], detections: Mapping[Setting, ResultDetections]
) -> DetectedBoxes:
    """Return the boxes that a detector is sure of in some images, without their masks."""
    sure = {}
    for setting, each in detections.items():
        boxes = dataclasses.replace(each, shapes={Shape.BOX: each.shapes[Shape.BOX]})
        are_shown = np.isin(each.image_ids, images) & (each.scores >= SURE_SCORE)
        sure[setting] = boxes.chosen(are_shown)
    return DetectedBoxes(images, sure)


def _numbering(truth: GroundTruth, url: str, files: Sequence[ResultFile]) -> CategoryNumbering:
    """Return how the files number categories, which is the same in all settings of a model."""
    used = {number for file in files for number in np.unique(file.detections.category_ids).tolist()}
    naming = max((file.naming for file in files), key=list(ImageNaming).index)
    try:
        return numbering_of(truth.categories, used, naming)
    except InputError as error:
        raise InputError(f"the predictions {url!r} cannot be scored: {error}") from error


def _numbering_notes(numbering: CategoryNumbering) -> Iterator[str]:
    if numbering is not CategoryNumbering.IDS:
        yield f"category_id is read as {numbering.value}, as Ultralytics writes it"


def _renumbered(
    truth: GroundTruth, numbering: CategoryNumbering, detections: ResultDetections
) -> ResultDetections:
    """Return detections with the set's ids of categories, where they have other numbers."""
    if numbering is CategoryNumbering.IDS:
        return detections
    ids = numbering.ids(truth.categories)
    own = np.array([ids[number] for number in detections.category_ids.tolist()], np.int64)
    return dataclasses.replace(detections, category_ids=own)


def _shapes(detections: Iterable[ResultDetections]) -> tuple[Shape, ...]:
    """Return what a model finds, the table's own first: boxes, where it finds them."""
    found = {shape for each in detections if len(each.scores) for shape in each.shapes}
    return tuple(shape for shape in Shape if shape in found) or (Shape.BOX,)


def _by_setting(
    truth: GroundTruth, trained: str, url: str, coverage: Coverage, files: Sequence[ResultFile]
) -> dict[Setting, ResultDetections]:
    """Return the detections by setting.

    Raises:
        InputError: they are not of this set.
    """
    parse = setting_parser(truth.found)
    baseline = Setting(trained)
    own, truths = _shapes(file.detections for file in files)[0], truth.by_geometry()
    detections: dict[Setting, ResultDetections] = {}
    problems: list[tuple[str, str]] = []
    for file in files:
        each = file.detections
        try:
            setting = parse(file.setting)
        except ValueError as error:
            problems.append((file.setting, str(error)))
            continue
        foreign = sorted({*each.image_ids.tolist()} - truth.placements.keys())
        if foreign and coverage is Coverage.WHOLE:
            text = f"images that are not in the set ({len(foreign)}): {_ids(foreign)}"
            problems.append((setting.id, text))
        if own not in each.shapes:
            problems.append((setting.id, f"no {own.value}, which other settings have"))
        wrong = list(_wrong_sizes(truths[_geometry_of(setting)], each))
        if wrong:
            text = f"masks that are not of their image's size ({len(wrong)}): {wrong[0]}"
            problems.append((setting.id, text))
        if setting in detections:
            problems.append((setting.id, "two files are of this setting"))
        detections[setting] = each
    if baseline not in detections:
        problems.append((baseline.id, "the baseline setting is not among the predictions"))
    refuse(url, problems)
    return detections


def _geometry_of(setting: Setting) -> str:
    return variant_names(setting.variant)["geometry"]


def _wrong_sizes(truth: GroundTruth, detections: ResultDetections) -> Iterator[str]:
    """Yield what is wrong with masks that are not of the size of their stored image."""
    masks = detections.shapes.get(Shape.MASK, np.empty(0, object))
    for image_id, mask in zip(detections.image_ids.tolist(), masks.tolist(), strict=False):
        placement = truth.placements.get(image_id)
        if placement is not None and mask["size"] != [*placement.output[::-1]]:
            height, width = mask["size"]
            yield (
                f"image {image_id} has {placement.output.width} x {placement.output.height} "
                f"pixels, the mask {width} x {height}"
            )


def _empty_image_remarks(
    truth: GroundTruth, detections: Mapping[Setting, ResultDetections]
) -> Iterator[tuple[str, str]]:
    """Yield remarks on images without detections, which may be missing."""
    for setting, each in detections.items():
        empty = sorted(truth.placements.keys() - {*each.image_ids.tolist()})
        if empty:
            yield setting.id, f"images without detections ({len(empty)}): {_ids(empty)}"


def _foreign_category_notes(
    truth: GroundTruth, detections: Mapping[Setting, ResultDetections]
) -> Iterator[str]:
    """Yield a note on detections of categories that the set does not have, if there are any."""
    categories = truth.categories
    foreign = [
        ids[~np.isin(ids, categories)]
        for ids in (each.category_ids for each in detections.values())
    ]
    largest = max(map(len, foreign))
    if largest:
        yield (
            f"detections of categories that the set does not have, which do not count: up to "
            f"{largest} in a setting, of {_ids(np.unique(np.concatenate(foreign)).tolist())}"
        )


def _ids(ids: Sequence[int]) -> str:
    return quoted([str(each) for each in ids])


def _figures(
    truth: GroundTruth,
    detections: ResultDetections,
    shapes: Sequence[Shape],
    intervals: Intervals,
) -> Figures:
    """Return the metrics of a setting for all shapes, and the first one's mAP on resamples."""
    ids = np.array(list(truth.placements))
    held = detections.chosen(np.isin(detections.image_ids, ids))
    compared = dataclasses.replace(
        held,
        shapes={shape: _COMPARED[shape](truth, held) for shape in shapes if shape in held.shapes},
    )
    metrics: dict[str, float | None] = {}
    for shape in shapes:
        metrics |= dict.fromkeys(METRICS[shape])
        if shape in compared.shapes:
            values = coco_metrics(truth, compared, shape)
            metrics |= zip(METRICS[shape], values, strict=True)
    replicates = np.full(RESAMPLES, np.nan)
    if intervals is Intervals.BOOTSTRAP:
        replicates = _replicates(truth, compared, shapes[0])
    return Figures(metrics, replicates)


def _boxes_in_source(truth: GroundTruth, detections: ResultDetections) -> NDArray[Any]:
    """Map boxes back into the source images, by the placement of each."""
    boxes = detections.shapes[Shape.BOX].copy()
    order = np.argsort(detections.image_ids, kind="stable")
    ids, starts = np.unique(detections.image_ids[order], return_index=True)
    for image_id, rows in zip(ids.tolist(), np.split(order, starts)[1:], strict=True):
        boxes[rows] = unmap_boxes(boxes[rows], truth.placements[image_id])
    return boxes


def _compressed_masks(truth: GroundTruth, detections: ResultDetections) -> NDArray[Any]:
    """Return masks as pycocotools and others take them, with their run lengths as text."""
    return shape_array(Shape.MASK, list(map(_compressed, detections.shapes[Shape.MASK])))


def _compressed(mask: Rle) -> Rle:
    if isinstance(mask["counts"], str):
        return mask
    return {"size": mask["size"], "counts": rle_string(mask, *mask["size"])}


_COMPARED: Mapping[Shape, Callable[[GroundTruth, ResultDetections], NDArray[Any]]] = {
    Shape.BOX: _boxes_in_source,
    Shape.MASK: _compressed_masks,
}
"""How the shapes of detections become comparable with those of the ground truth."""


def coco_metrics(
    truth: GroundTruth, detections: ResultDetections, shape: Shape
) -> list[float | None]:
    """Return COCO's metrics of a shape in percent; None where no object has the metric's size.

    Args:
        truth: the ground truth.
        detections: the detections, in the pixels of the ground truth of this shape.
        shape: what is compared.

    Returns:
        The metrics, in the order of their names in :data:`METRICS`.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    document = COCO(dict(truth.document(shape)))
    columns = (detections.image_ids, detections.category_ids, detections.scores)
    results = [
        {"image_id": image_id, "category_id": category_id, "score": score, shape.value: value}
        for image_id, category_id, score, value in zip(
            *(column.tolist() for column in (*columns, detections.shapes[shape])), strict=True
        )
    ]
    found = document.loadRes(results)
    if shape is Shape.MASK:  # The library gives masks the area that they have in the stored image.
        for each in found.dataset["annotations"]:
            each["area"] = mask_area(each["segmentation"], truth.placements[each["image_id"]])
    evaluation = COCOeval_faster(
        document, found, _LIBRARY_TYPES[shape], print_function=lambda *parts: None
    )
    evaluation.run()
    stats = evaluation.stats_as_dict
    values = [stats[name] for name in _LIBRARY_NAMES]
    return [None if value < 0 else 100 * value for value in values]


def _replicates(truth: GroundTruth, detections: ResultDetections, shape: Shape) -> Replicates:
    """Return the mAP on every resample of the images, in percent."""
    images = list(truth.placements)
    objects = SortedObjects.of(truth.document(shape), images, shape)
    categories = category_matches(objects, detections)
    longest = max(len(each.scores) for each in categories)
    size = max(1, _MAX_COUNTS // max(1, longest, len(images)))
    drawn = resamples(len(images), size)
    return np.concatenate([100 * mean_average_precision(categories, each) for each in drawn])
