"""COCO annotations, mapped to the pixels of a resized image.

Width and height have separate factors, because integer output sizes make them unequal. Boxes and
polygon points are scaled and shifted, and areas are scaled by the product of the factors. A mask in
run-length encoding is resampled by nearest neighbor at pixel centers.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from sysnoise.transforms.geometry import Placement


class Rle(TypedDict):
    """A mask in COCO's run-length encoding.

    Attributes:
        size: height and width of the mask in pixels.
        counts: run lengths down the columns, zeros first: a list, or pycocotools' compressed text.
    """

    size: list[int]
    counts: list[int] | str


Segmentation = list[list[float]] | Rle
"""Outlines, each a list of ``x, y, x, y, ...`` in pixels, or a mask."""


class Annotation(TypedDict, total=False):
    """One object of the ``annotations`` list of a COCO instances file, as far as it is read here.

    Attributes:
        bbox: left and upper edge, width and height in pixels.
        area: the area of the object in square pixels.
        segmentation: the pixels of the object.
        keypoints: x, y and visibility of each point.
    """

    bbox: list[float]
    area: float
    segmentation: Segmentation
    keypoints: list[float]


FARTHEST = 1e6
"""The largest coordinate in pixels, because pycocotools follows outlines pixel by pixel."""


MAX_QUOTED = 80
"""Characters of a value that a message quotes."""

MAX_SHIFT = 30
"""Lowest bit of the last group of a run length; pycocotools' run lengths have 32 bits."""


def normalized_annotation(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation in which what tools write differently is written in one way.

    ``iscrowd`` as true, false, 1.0 or 0.0 becomes 1 or 0. A field that is read here and is null is
    left out. All else stays, also what is malformed.
    """
    crowd = annotation.get("iscrowd")
    if type(crowd) is not int and isinstance(crowd, bool | float) and crowd in (0, 1):
        annotation = annotation | {"iscrowd": int(crowd)}
    if None in annotation.values():
        return {
            name: value
            for name, value in annotation.items()
            if value is not None or name not in _CHECKS
        }
    return annotation


def annotation_problems(annotation: Mapping[str, object]) -> list[str]:
    """Describe what is malformed in those fields of an annotation that are read here.

    Fields may be missing, boxes may have no area, and segmentations may be empty. A mask must fill
    its own size, which need not be that of the image: :func:`mask_size` tells it.

    Args:
        annotation: the annotation, in pixels of the source image, normalized.
    """
    return [
        f"{name}: expected {what}, found {repr(annotation[name])[:MAX_QUOTED]}"
        for name, (what, holds) in _CHECKS.items()
        if name in annotation and not holds(annotation[name])
    ]


def mask_size(annotation: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return height and width of an annotation's run-length encoding; None for outlines."""
    segmentation = annotation.get("segmentation")
    return tuple(segmentation["size"]) if isinstance(segmentation, Mapping) else None


def outline_reach(annotation: Mapping[str, Any]) -> float:
    """Return the largest coordinate of an annotation's outlines, in pixels, without its sign."""
    segmentation = annotation.get("segmentation")
    outlines = segmentation if isinstance(segmentation, list) else []
    return max((max(map(abs, flat), default=0.0) for flat in outlines), default=0.0)


def _are_numbers(values: Any, largest: float) -> bool:
    return (
        isinstance(values, list)
        and {int, float}.issuperset(map(type, values))
        and all(map(functools.partial(operator.ge, largest), map(abs, values)))
    )


def _is_segmentation(segmentation: Any) -> bool:
    if isinstance(segmentation, Mapping):
        return _is_rle(segmentation.get("size"), segmentation.get("counts"))
    return isinstance(segmentation, list) and all(
        _are_numbers(flat, FARTHEST) and len(flat) % 2 == 0 for flat in segmentation
    )


def _is_rle(size: Any, counts: Any) -> bool:
    """Whether run lengths fill a size, given as height and width."""
    if not _are_counts(size) or len(size) != 2:
        return False
    pixels = size[0] * size[1]
    if isinstance(counts, str):
        counts = _parse_counts(counts)
    # Only the first run may be empty.
    return _are_counts(counts) and len(counts) <= pixels + 1 and sum(counts) == pixels


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bbox": ("four numbers", lambda box: _are_numbers(box, FARTHEST) and len(box) == 4),
    "area": ("a number", lambda area: _are_numbers([area], FARTHEST**2)),
    "iscrowd": ("0 or 1", lambda crowd: type(crowd) is int and crowd in (0, 1)),
    "keypoints": (
        "x, y and visibility of each point",
        lambda points: _are_numbers(points, FARTHEST) and len(points) % 3 == 0,
    ),
    "segmentation": (
        "outlines as lists of x, y, or run lengths that fill a size",
        _is_segmentation,
    ),
}
"""What is expected of each field that is read here, in words and as a function."""


def _parse_counts(text: str) -> list[int]:
    """Return the run lengths of a compressed text (pycocotools, ``rleFrString``).

    Numbers are signed and in groups of five bits, the lowest group first. From the fourth on, they
    are differences from the run length two places before. A text that ends within a number, or has
    other characters or longer numbers than pycocotools writes, gives a run length of -1.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > MAX_SHIFT:
            return [-1]
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts if shift == 0 else [-1]


def map_annotation(annotation: Annotation, placement: Placement) -> Annotation:
    """Return a copy of the annotation with its geometry in output pixels.

    Ids, ``iscrowd``, the category and any other field are not changed.

    Args:
        annotation: the annotation, in pixels of the source image.
        placement: the placement of the image, which may scale and pad, but not crop.

    Raises:
        ValueError: the placement crops.
    """
    if placement.crops:
        raise ValueError("COCO annotations cannot be mapped through a crop")
    mapped = annotation.copy()
    if "bbox" in annotation:
        mapped["bbox"] = map_box(annotation["bbox"], placement)
    if "area" in annotation:
        mapped["area"] = annotation["area"] * placement.scale_x * placement.scale_y
    if "segmentation" in annotation:
        mapped["segmentation"] = map_segmentation(annotation["segmentation"], placement)
    if "keypoints" in annotation:
        mapped["keypoints"] = map_keypoints(annotation["keypoints"], placement)
    return mapped


def map_box(box: Sequence[float], placement: Placement) -> list[float]:
    """Map a box ``[x, y, width, height]`` in pixels."""
    corner = _map_points(box[:2], placement)
    return [*corner, box[2] * placement.scale_x, box[3] * placement.scale_y]


def unmap_boxes(boxes: NDArray[np.float64], placement: Placement) -> NDArray[np.float64]:
    """Map boxes from the output back to the source image: the inverse of :func:`map_box`.

    Args:
        boxes: x, y, width, height in output pixels, shape (boxes, 4).
        placement: the placement of the image.

    Returns:
        The boxes in source pixels, in the same form.
    """
    scale = np.array([placement.scale_x, placement.scale_y])
    shift = np.subtract(placement.crop, placement.pad)
    corners = (boxes[:, :2] + shift) / scale + placement.region[:2]
    return np.hstack([corners, boxes[:, 2:] / scale])


def map_keypoints(keypoints: Sequence[float], placement: Placement) -> list[float]:
    """Map ``x, y, visibility, ...``; points of visibility 0 are not labeled and stay at 0, 0."""
    mapped: list[float] = []
    for x, y, visibility in zip(*(iter(keypoints),) * 3, strict=True):
        point = _map_points([x, y], placement) if visibility else [x, y]
        mapped += [*point, visibility]
    return mapped


def map_segmentation(segmentation: Segmentation, placement: Placement) -> Segmentation:
    """Map polygons (lists of ``x, y, x, y, ...``) or a run-length encoding.

    A run-length encoding keeps its form: ``counts`` stays a list or a text.
    """
    if isinstance(segmentation, Mapping):
        return map_rle(segmentation, placement)
    return [_map_points(flat, placement) for flat in segmentation]


def map_rle(rle: Rle, placement: Placement) -> Rle:
    """Resample a run-length encoded mask to the size of the output."""
    mask = decode_rle(rle)
    height, width = mask.shape
    output, pad, resized = placement.output, placement.pad, placement.resized
    rows = _sources(output.height, pad.y, resized.height, height)
    columns = _sources(output.width, pad.x, resized.width, width)
    # Transposed, because run lengths go down the columns. Row and column -1 are the padding.
    framed = np.pad(mask.T, ((0, 1), (0, 1)))
    resampled = framed.take(rows, axis=1).take(columns, axis=0).T
    size = [output.height, output.width]
    if isinstance(rle["counts"], list):
        return {"size": size, "counts": _run_lengths(resampled)}
    return {"size": size, "counts": _compressed(resampled)}


def rle_string(segmentation: Segmentation, height: int, width: int) -> str:
    """Return any COCO segmentation as one compressed run-length text, as pycocotools writes it.

    Args:
        segmentation: polygons, or a run-length encoding of the image's size.
        height: the height of the image in pixels.
        width: the width of the image in pixels.
    """
    if isinstance(segmentation, Mapping):
        return _compressed(decode_rle(segmentation))
    polygons = [flat for flat in segmentation if len(flat) >= 6]
    if not polygons:
        return _compressed(np.zeros((height, width), np.uint8))
    merged = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return str(merged["counts"].decode("ascii"))


def decode_rle(rle: Rle) -> NDArray[np.uint8]:
    """Return the mask of a run-length encoding, compressed or not: 0 or 1, shape (H, W)."""
    height, width = rle["size"]
    if isinstance(rle["counts"], list):
        rle = coco_mask.frPyObjects(rle, height, width)
    return np.asarray(coco_mask.decode(rle), np.uint8)


def encode_rle(mask: NDArray[np.uint8]) -> Rle:
    """Return the compressed run lengths of a mask of 0 and 1, shape (H, W)."""
    return {"size": list(mask.shape), "counts": _compressed(mask)}


def _map_points(flat: Sequence[float], placement: Placement) -> list[float]:
    """Map ``x, y, x, y, ...``; outlines are too short for NumPy to be faster."""
    region, pad, crop = placement.region, placement.pad, placement.crop
    scale_x, shift_x = placement.scale_x, pad.x - crop.x
    scale_y, shift_y = placement.scale_y, pad.y - crop.y
    mapped = [0.0] * len(flat)
    mapped[0::2] = [(x - region.x) * scale_x + shift_x for x in flat[0::2]]
    mapped[1::2] = [(y - region.y) * scale_y + shift_y for y in flat[1::2]]
    return mapped


def _sources(length: int, offset: int, resized: int, source_length: int) -> NDArray[np.int64]:
    """Return the source index of each output index, or -1 outside of the image.

    The center of an output pixel is divided by resized / source_length in integer arithmetic,
    because in floating point a center on a border could be rounded to either side.
    """
    centers = 2 * (np.arange(length) - offset) + 1
    indices = centers * source_length // (2 * resized)
    return np.where((indices >= 0) & (indices < source_length), indices, -1)


def _compressed(mask: NDArray[np.uint8]) -> str:
    return str(coco_mask.encode(np.asfortranarray(mask))["counts"].decode("ascii"))


def _run_lengths(mask: NDArray[np.uint8]) -> list[int]:
    """Return column-major run lengths that start with the zeros: COCO's uncompressed form."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    lengths = np.diff(edges).tolist()
    return [0, *lengths] if flat[0] else lengths
