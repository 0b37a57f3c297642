"""Scoring boxes: COCO's average precision on the original ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

from sysnoise.manifests.json_documents import DocumentError, as_document
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import Setting
from sysnoise.manifests.tables import placement_of
from sysnoise.pipelines.errors import InputError, quoted
from sysnoise.pipelines.scoring.average_precision import mean_average_precision
from sysnoise.pipelines.scoring.coco_document import CocoDocument, CocoObject
from sysnoise.pipelines.scoring.files import grouped, refuse, setting_parser
from sysnoise.pipelines.scoring.matching import SortedObjects, category_matches
from sysnoise.pipelines.scoring.numbering import CategoryNumbering, numbering_of
from sysnoise.pipelines.scoring.records import Coverage, Figures, Intervals, Scored
from sysnoise.pipelines.scoring.result_files import (
    LARGEST_PIXEL,
    ImageNaming,
    ResultDetections,
    ResultFile,
    read_results,
)
from sysnoise.pipelines.scoring.statistics import RESAMPLES, Replicates, resamples
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.targets import unmap_boxes

METRICS = ("mAP", "AP50", "AP75", "AP-small", "AP-medium", "AP-large")
_LIBRARY_NAMES = ("AP_all", "AP_50", "AP_75", "AP_small", "AP_medium", "AP_large")
"""The names of the same metrics in faster-coco-eval."""
_MAX_COUNTS = 2**22
"""Number of detections times resamples that are held in memory at a time."""


@dataclass(frozen=True)
class GroundTruth:
    """The original ground truth of the images that a set holds.

    Attributes:
        placements: the placement of each image by its id, in the order of the ids.
        image_ids: the id of each image by its key.
        document: the objects of these images in COCO's format.
        notes: what was left out of the document.
    """

    placements: Mapping[int, Placement]
    image_ids: Mapping[str, int]
    document: CocoDocument
    notes: tuple[str, ...]

    def only(self, image_ids: Sequence[int]) -> GroundTruth:
        """Return the ground truth of some of the images."""
        kept = set(image_ids)
        objects = self.document["annotations"]
        document: CocoDocument = {
            "info": self.document["info"],
            "images": [each for each in self.document["images"] if each["id"] in kept],
            "categories": self.document["categories"],
            "annotations": [each for each in objects if each["image_id"] in kept],
        }
        placements = {each: self.placements[each] for each in image_ids}
        return GroundTruth(placements, self.image_ids, document, self.notes)


def read_ground_truth(tables: SampleTables) -> GroundTruth:
    """Read the geometry of the images that a set holds, and their objects.

    Raises:
        SetError: a file is missing or damaged.
        InputError: no object is there to be found.
    """
    found = tables.found
    placements: dict[int, Placement] = {}
    image_ids: dict[str, int] = {}
    for shard in range(found.shards):
        for row in tables.rows(shard, ["key", "image_id", "geometry"]):
            placements[row["image_id"]] = placement_of(row["geometry"])
            image_ids[row["key"]] = row["image_id"]
    document = _checked_annotations(found)
    of_set = [each for each in document["annotations"] if each["image_id"] in placements]
    boxed = [each for each in of_set if "bbox" in each]
    _refuse_without_objects(found, boxed)
    unboxed = len(of_set) - len(boxed)
    return GroundTruth(
        dict(sorted(placements.items())),
        image_ids,
        {
            "info": {},
            "images": [{"id": image_id} for image_id in sorted(placements)],
            "categories": document["categories"],
            # Ids are new and begin at 1, since evaluators take the id 0 for no object.
            "annotations": [_object(number, each) for number, each in enumerate(boxed, start=1)],
        },
        (f"objects without a box, which do not count: {unboxed}",) if unboxed else (),
    )


Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Pixel = Annotated[float, msgspec.Meta(ge=-LARGEST_PIXEL, le=LARGEST_PIXEL)]


class _ScoredObject(msgspec.Struct):
    """What is expected of an object of the stored ground truth."""

    image_id: Id
    category_id: Id
    bbox: tuple[Pixel, Pixel, Pixel, Pixel] | msgspec.UnsetType = msgspec.UNSET
    area: float | msgspec.UnsetType = msgspec.UNSET
    iscrowd: int | msgspec.UnsetType = msgspec.UNSET


class _ScoredCategory(msgspec.Struct):
    """What is expected of a category."""

    id: Id


class _ScoredDocument(msgspec.Struct):
    """What is expected of the stored ground truth."""

    categories: list[_ScoredCategory]
    annotations: list[_ScoredObject]


def _checked_annotations(found: FinishedSet) -> dict[str, Any]:
    document = found.annotations()
    try:
        as_document(document, _ScoredDocument)
    except DocumentError as error:
        raise InputError(f"the ground truth of {found.url!r}: {error}") from error
    return document


def _refuse_without_objects(
    found: FinishedSet, annotations: Sequence[Mapping[str, object]]
) -> None:
    if all(each.get("iscrowd") for each in annotations):
        raise InputError(
            f"{found.url!r} cannot be scored against: the images have no object with a box"
        )


def _object(number: int, annotation: Mapping[str, Any]) -> CocoObject:
    """Return what matters for matches of boxes; the default of an area is that of the box."""
    box = annotation["bbox"]
    return {
        "id": number,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": box,
        "area": annotation.get("area", box[2] * box[3]),
        "iscrowd": annotation.get("iscrowd", 0),
    }


def score_boxes(
    found: FinishedSet, truth: GroundTruth, url: str, coverage: Coverage, intervals: Intervals
) -> Scored:
    """Score a model's predictions.

    Args:
        found: the set.
        truth: the ground truth of the set.
        url: path or fsspec URL of the folder of COCO results, in pixels of the stored images.
        coverage: which images are scored.
        intervals: whether figures get intervals.

    Raises:
        InputError: the predictions cannot be read, or are not of this set.
    """
    files = list(read_results(url, truth.image_ids))
    numbering = _numbering(truth, url, files)
    detections = _by_setting(found, truth, url, coverage, files)
    if numbering is not CategoryNumbering.IDS:
        detections = {
            setting: _renumbered(truth, numbering, each) for setting, each in detections.items()
        }
    notes = [
        *truth.notes,
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
        _refuse_without_objects(found, truth.document["annotations"])
    figures = {setting: _figures(truth, each, intervals) for setting, each in detections.items()}
    return Scored(len(images), figures, tuple(notes))


def _numbering(truth: GroundTruth, url: str, files: Sequence[ResultFile]) -> CategoryNumbering:
    """Return how the files number categories, which is the same in all settings of a model."""
    used = {number for file in files for number in np.unique(file.detections.category_ids).tolist()}
    naming = max((file.naming for file in files), key=list(ImageNaming).index)
    try:
        return numbering_of([each["id"] for each in truth.document["categories"]], used, naming)
    except InputError as error:
        raise InputError(f"the predictions {url!r} cannot be scored: {error}") from error


def _numbering_notes(numbering: CategoryNumbering) -> Iterator[str]:
    if numbering is not CategoryNumbering.IDS:
        yield f"category_id is read as {numbering.value}, as Ultralytics writes it"


def _renumbered(
    truth: GroundTruth, numbering: CategoryNumbering, detections: ResultDetections
) -> ResultDetections:
    """Return detections with the set's ids of categories."""
    ids = numbering.ids([each["id"] for each in truth.document["categories"]])
    own = np.array([ids[number] for number in detections.category_ids.tolist()], np.int64)
    return dataclasses.replace(detections, category_ids=own)


def _by_setting(
    found: FinishedSet,
    truth: GroundTruth,
    url: str,
    coverage: Coverage,
    files: Sequence[ResultFile],
) -> dict[Setting, ResultDetections]:
    """Return the detections by setting.

    Raises:
        InputError: they are not of this set.
    """
    parse = setting_parser(found)
    baseline = Setting(found.baseline)
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
        if setting in detections:
            problems.append((setting.id, "two files are of this setting"))
        detections[setting] = each
    if baseline not in detections:
        problems.append((baseline.id, "the baseline setting is not among the predictions"))
    refuse(url, problems)
    return detections


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
    categories = [each["id"] for each in truth.document["categories"]]
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


def _figures(truth: GroundTruth, detections: ResultDetections, intervals: Intervals) -> Figures:
    ids = np.array(list(truth.placements))
    in_source = _in_source(truth, detections.chosen(np.isin(detections.image_ids, ids)))
    replicates = np.full(RESAMPLES, np.nan)
    if intervals is Intervals.BOOTSTRAP:
        replicates = _replicates(truth, in_source)
    return Figures(coco_metrics(truth.document, in_source), replicates)


def _in_source(truth: GroundTruth, detections: ResultDetections) -> ResultDetections:
    """Map boxes back into the source images, by the placement of each."""
    boxes = detections.boxes.copy()
    order = np.argsort(detections.image_ids, kind="stable")
    ids, starts = np.unique(detections.image_ids[order], return_index=True)
    for image_id, rows in zip(ids.tolist(), np.split(order, starts)[1:], strict=True):
        boxes[rows] = unmap_boxes(boxes[rows], truth.placements[image_id])
    return dataclasses.replace(detections, boxes=boxes)


def coco_metrics(document: CocoDocument, detections: ResultDetections) -> dict[str, float | None]:
    """Return COCO's metrics in percent by name; None where no object has the metric's size.

    Args:
        document: the ground truth, in pixels of the source images.
        detections: the detections, in the same pixels.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(dict(document))
    columns = (detections.image_ids, detections.category_ids, detections.boxes, detections.scores)
    results = [
        {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}
        for image_id, category_id, box, score in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    evaluation = COCOeval_faster(
        truth, truth.loadRes(results), "bbox", print_function=lambda *parts: None
    )
    evaluation.run()
    stats = evaluation.stats_as_dict
    values = {name: stats[theirs] for name, theirs in zip(METRICS, _LIBRARY_NAMES, strict=True)}
    return {name: None if value < 0 else 100 * value for name, value in values.items()}


def _replicates(truth: GroundTruth, detections: ResultDetections) -> Replicates:
    """Return the mAP on every resample of the images, in percent."""
    images = list(truth.placements)
    objects = SortedObjects.of(truth.document, images)
    categories = category_matches(objects, detections)
    longest = max(len(each.scores) for each in categories)
    size = max(1, _MAX_COUNTS // max(1, longest, len(images)))
    drawn = resamples(len(images), size)
    return np.concatenate([100 * mean_average_precision(categories, each) for each in drawn])
