"""COCO's ground truth of a set, for scoring: boxes in source pixels, masks in stored ones.

Boxes are mapped back to the source image exactly. Masks cannot be: to resize the masks that a model
finds would change them. They are compared where they were found, with the set's rescaled ground
truth, whose outlines are mapped exactly. Only areas, which tell small objects from large, are those
of the source image for both.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from pycocotools import mask as coco_mask

from sysnoise.manifests.json_documents import DocumentError, as_document
from sysnoise.manifests.layout import GROUND_TRUTHS, ground_truths
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tables import placement_of
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.coco_document import CocoDocument, CocoObject
from sysnoise.pipelines.scoring.result_files import LARGEST_PIXEL, Shape
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.targets import Rle, annotation_problems, mask_size, rle_string
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

ORIGINAL, RESCALED = GROUND_TRUTHS


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of the images that a set holds, or of some of them.

    Attributes:
        found: the set.
        placements: the placement of each image by its id, in the order of the ids.
        others: the same for the other geometries of the set, by name.
        geometry: the name of the geometry whose placements they are.
        image_ids: the id of each image by its key.
        boxes: the objects of these images with their boxes, in COCO's format.
        unboxed: the number of objects in these images that have no box.
    """

    found: FinishedSet
    placements: Mapping[int, Placement]
    image_ids: Mapping[str, int]
    boxes: CocoDocument
    unboxed: int
    others: Mapping[str, Mapping[int, Placement]]
    geometry: str = FIRST_GEOMETRY

    @property
    def categories(self) -> list[int]:
        """The ids of the categories."""
        return [each["id"] for each in self.boxes["categories"]]

    def by_geometry(self) -> dict[str, GroundTruth]:
        """Return the ground truth of the images in each geometry of the set, by its name."""
        others = {
            name: dataclasses.replace(self, placements=placements, geometry=name)
            for name, placements in self.others.items()
        }
        return {self.geometry: self, **others}

    @functools.cached_property
    def masks(self) -> CocoDocument:
        """The objects with their masks, in COCO's format.

        Raises:
            SetError: a file is missing or damaged.
            InputError: a mask is malformed.
        """
        masked = (
            _masked_object(self.found, pair, self.placements[pair[0]["image_id"]])
            for pair in self._pairs
            if _has_mask(pair[1])
        )
        return {
            "info": self.boxes["info"],
            "images": [
                {"id": image_id, "height": each.output.height, "width": each.output.width}
                for image_id, each in self.placements.items()
            ],
            "categories": self.boxes["categories"],
            "annotations": _numbered(masked),
        }

    @functools.cached_property
    def _pairs(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Each object of the images, in source pixels and in stored pixels."""
        names = ground_truths(self.others)
        rescaled = next(name for name, each in names.items() if each == (RESCALED, self.geometry))
        source, stored = (
            _checked_annotations(self.found, kind)["annotations"] for kind in (ORIGINAL, rescaled)
        )
        if list(map(_of, source)) != list(map(_of, stored)):
            raise InputError(
                f"{self.found.url!r} is damaged: its original and its rescaled ground truth have "
                "other objects; 'sysnoise verify' finds what else is"
            )
        pairs = zip(source, stored, strict=True)
        return [pair for pair in pairs if pair[0]["image_id"] in self.placements]

    def notes(self, shapes: Sequence[Shape]) -> Iterator[str]:
        """Yield what lacks one of these shapes; errors are those of :attr:`masks`."""
        objects = len(self.boxes["annotations"]) + self.unboxed
        for shape in shapes:
            left_out = objects - len(self.document(shape)["annotations"])
            if left_out:
                yield f"objects without a {_WORDS[shape]}, which do not count: {left_out}"

    def document(self, shape: Shape) -> CocoDocument:
        """Return the objects with their boxes or masks.

        Raises:
            InputError: none has one; other errors are those of :attr:`masks`.
        """
        document = self.boxes if shape is Shape.BOX else self.masks
        if not self.has(shape):
            raise InputError(
                f"{self.found.url!r} cannot be scored against: the images have no object with a "
                f"{_WORDS[shape]}"
            )
        return document

    def has(self, shape: Shape) -> bool:
        """Whether an object can be found by this shape; errors are those of :attr:`masks`."""
        document = self.boxes if shape is Shape.BOX else self.masks
        return not all(each["iscrowd"] for each in document["annotations"])

    def only(self, image_ids: Sequence[int]) -> GroundTruth:
        """Return the ground truth of some of the images."""
        kept = set(image_ids)
        boxes: CocoDocument = {
            "info": self.boxes["info"],
            "images": [each for each in self.boxes["images"] if each["id"] in kept],
            "categories": self.boxes["categories"],
            "annotations": [each for each in self.boxes["annotations"] if each["image_id"] in kept],
        }
        return dataclasses.replace(
            self,
            placements={each: self.placements[each] for each in image_ids},
            boxes=boxes,
            others={
                name: {each: placements[each] for each in image_ids}
                for name, placements in self.others.items()
            },
        )


def read_ground_truth(tables: SampleTables) -> GroundTruth:
    """Read the geometry of the images that a set holds, and their objects.

    Raises:
        SetError: a file is missing or damaged.
        InputError: the ground truth is malformed.
    """
    found = tables.found
    names = other_geometries(found.manifest["grid"])
    placements: dict[int, Placement] = {}
    others: dict[str, dict[int, Placement]] = {name: {} for name in names}
    image_ids: dict[str, int] = {}
    columns = ["key", "image_id", "geometry", "geometries"][: 3 + bool(names)]
    for shard in range(found.shards):
        for row in tables.rows(shard, columns):
            placements[row["image_id"]] = placement_of(row["geometry"])
            for name, placed in others.items():
                placed[row["image_id"]] = placement_of(row["geometries"][name])
            image_ids[row["key"]] = row["image_id"]
    document = _checked_annotations(found, ORIGINAL)
    of_set = [each for each in document["annotations"] if each["image_id"] in placements]
    boxed = [each for each in of_set if "bbox" in each]
    return GroundTruth(
        found,
        dict(sorted(placements.items())),
        image_ids,
        {
            "info": {},
            "images": [{"id": image_id} for image_id in sorted(placements)],
            "categories": document["categories"],
            "annotations": _numbered(map(_object, boxed)),
        },
        len(of_set) - len(boxed),
        {name: dict(sorted(placed.items())) for name, placed in others.items()},
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


def _checked_annotations(found: FinishedSet, kind: str) -> dict[str, Any]:
    document = found.annotations(kind)
    try:
        as_document(document, _ScoredDocument)
    except DocumentError as error:
        raise InputError(f"the {kind} ground truth of {found.url!r}: {error}") from error
    return document


def _of(annotation: Mapping[str, Any]) -> tuple[int, int]:
    """Return the ids of the image and of the category of an object."""
    return annotation["image_id"], annotation["category_id"]


def _numbered(objects: Iterable[CocoObject]) -> list[CocoObject]:
    """Return objects with new ids from 1 on, since evaluators take the id 0 for no object."""
    return [{**each, "id": number} for number, each in enumerate(objects, start=1)]


def _object(annotation: Mapping[str, Any]) -> CocoObject:
    """Return what matters for matches of boxes; the default of an area is that of the box."""
    box = annotation["bbox"]
    return {
        "id": 0,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": box,
        "area": annotation.get("area", box[2] * box[3]),
        "iscrowd": annotation.get("iscrowd", 0),
    }


def _has_mask(annotation: Mapping[str, Any]) -> bool:
    """Whether an object has a mask, or an outline of three points or more."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        return any(isinstance(flat, list) and len(flat) >= 6 for flat in segmentation)
    return segmentation is not None


def _masked_object(
    found: FinishedSet, pair: tuple[Mapping[str, Any], Mapping[str, Any]], placement: Placement
) -> CocoObject:
    """Return what matters for matches of masks; the default of an area is that of the mask.

    Args:
        found: the set.
        pair: the object in pixels of the source image, and in those of the stored image.
        placement: the placement of the image.
    """
    source, stored = pair
    segmentation = stored["segmentation"]
    height, width = placement.output.height, placement.output.width
    problems = annotation_problems({"segmentation": segmentation})
    if problems or mask_size(stored) not in (None, (height, width)):
        raise InputError(
            f"the {RESCALED} ground truth of {found.url!r}, image {stored['image_id']}: "
            f"{'; '.join(problems) or 'a mask is not of the size of the image'}"
        )
    counts = rle_string(segmentation, height, width)
    mask: Rle = {"size": [height, width], "counts": counts}
    return {
        "id": 0,
        "image_id": stored["image_id"],
        "category_id": stored["category_id"],
        "bbox": list(stored.get("bbox", (0, 0, width, height))),
        "area": source.get("area", mask_area(mask, placement)),
        "iscrowd": stored.get("iscrowd", 0),
        "segmentation": mask,
    }


def mask_area(mask: Rle, placement: Placement) -> float:
    """Return the area of a mask of the stored image in square pixels of the source image."""
    return float(coco_mask.area(mask)) / (placement.scale_x * placement.scale_y)


_WORDS = {Shape.BOX: "box", Shape.MASK: "mask"}
"""The shapes in messages."""
