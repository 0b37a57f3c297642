"""What a file of annotations is that is not COCO's instances, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ = (
    "read are COCO's instances and keypoints, LVIS, and lists of images without annotations "
    "(image_info_*.json), as .json, .json.gz or in a .zip"
)
"""What is read, for messages."""

_DOCUMENTS: Mapping[str, frozenset[str]] = {
    "labelme's annotation of one image; convert the folder with labelme2coco": frozenset(
        {"shapes", "imagePath"}
    ),
    "a project of the VGG Image Annotator (VIA); export COCO from it": frozenset(
        {"_via_img_metadata"}
    ),
    "videos, as of YouTube-VIS": frozenset({"videos"}),
    "a native export of FiftyOne; export COCODetectionDataset": frozenset({"samples"}),
    "labels of FiftyOne's image datasets; export COCODetectionDataset": frozenset(
        {"classes", "labels"}
    ),
    "questions of VQA": frozenset({"questions"}),
    "a GeoJSON document": frozenset({"features", "type"}),
    "an annotation of one image by Supervisely": frozenset({"objects", "size"}),
}
"""Names of members that tell a document that is no instances file, by what it is."""

_ENTRIES: Mapping[str, frozenset[str]] = {
    "detections, COCO's results": frozenset({"image_id", "category_id", "score"}),
    "generated captions, COCO's results": frozenset({"image_id", "caption"}),
    "tasks of Label Studio (its JSON); export COCO from it": frozenset({"data"}),
    "an export of Create ML": frozenset({"image", "annotations"}),
    "a list of images of OpenMMLab's middle format": frozenset({"filename", "ann"}),
    "labels of BDD100K or Scalabel": frozenset({"name", "labels"}),
    "COCO's annotations without their document": frozenset({"image_id", "category_id"}),
}
"""Names of members of the first entry of a document that is a list."""

_ANNOTATIONS: Mapping[str, frozenset[str]] = {
    "captions of COCO": frozenset({"caption"}),
    "panoptic annotations of COCO, whose masks are PNG files": frozenset({"segments_info"}),
    "answers of VQA": frozenset({"question_id"}),
}
"""Names of members of the first annotation that tell that these are no instances."""

_VIA_IMAGE = frozenset({"filename", "regions"})


def foreign_annotations(first: Any) -> str | None:
    """Return what annotations are, told by the first; None where they may be instances."""
    return None if not isinstance(first, dict) else _told_by(_ANNOTATIONS, first)


def foreign_list(first: Any) -> str:
    """Return what a document is that is a list, told by its first entry."""
    found = _told_by(_ENTRIES, first) if isinstance(first, dict) else None
    return found or "a list"


def foreign_document(members: Mapping[str, Any]) -> str | None:
    """Return what a document without a list of images is; None where nothing tells."""
    first = next(iter(members.values()), None)
    if isinstance(first, dict) and first.keys() >= _VIA_IMAGE:
        return "annotations of the VGG Image Annotator (VIA); export COCO from it"
    return _told_by(_DOCUMENTS, members)


def _told_by(kinds: Mapping[str, frozenset[str]], found: Mapping[str, Any]) -> str | None:
    return next((kind for kind, names in kinds.items() if names <= found.keys()), None)
