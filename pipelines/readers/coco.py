"""COCO as published: ``instances_*.json`` with a folder or zip of images."""

from __future__ import annotations

import json
import posixpath
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from manifests.tables import DatasetKind
from pipelines.errors import InputError, listed
from pipelines.readers.sources import SourceSet, source_table
from pipelines.storage import Root, list_images, open_root, read_text
from transforms.targets import annotation_problems


def read_coco(images: str, annotations: str, split: str | None) -> SourceSet:
    """Find the images of a COCO split and their annotations; no image is read.

    Images without annotations stay in: a detection on one is a false positive.

    Args:
        images: folder or zip file of the images, path or fsspec URL.
        annotations: the ``instances_*.json``.
        split: name of the split; by default what follows ``instances_`` in the file's name.

    Raises:
        InputError: not an instances file, or images and annotations that do not match.
    """
    document = _parse(annotations)
    root = open_root(images)
    records = document["images"]
    _refuse_bad_records(annotations, document)
    by_image: dict[int, list[Any]] = defaultdict(list)
    for annotation in document["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    _refuse_bad_ids(annotations, document, by_image)
    _refuse_bad_annotations(annotations, document)
    files, warnings = _find_files(root, [record["file_name"] for record in records])
    table = source_table(
        [record["file_name"] for record in records],
        file=files,
        image=[_json(record) for record in records],
        annotations=[_json(by_image.get(record["id"], [])) for record in records],
    )
    header: dict[str, Any] = {
        key: document[key] for key in ("info", "licenses", "categories") if key in document
    }
    stem, _ = posixpath.splitext(posixpath.basename(annotations))
    return SourceSet(
        DatasetKind.COCO,
        split or stem.removeprefix("instances_"),
        root.url,
        table,
        coco=header,
        warnings=(*warnings, *_oddities(document)),
    )


def _parse(annotations: str) -> dict[str, Any]:
    try:
        document = json.loads(
            read_text(annotations, "annotations"), parse_constant=_refuse_constant
        )
    except ValueError as error:
        raise InputError(f"reading the annotations {annotations!r}: {error}") from error
    lists = ("images", "annotations", "categories")
    missing = [
        name
        for name in lists
        if not isinstance(document, dict) or not isinstance(document.get(name), list)
    ]
    if missing:
        raise InputError(
            f"{annotations!r} is not a COCO instances file: it has no list of {', '.join(missing)}"
        )
    return dict(document)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


FIELDS: dict[str, dict[str, type]] = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int},
}
"""Fields that every image and annotation must have."""


def _refuse_bad_records(annotations: str, document: dict[str, Any]) -> None:
    problems = [
        f"{part}[{index}]: {problem}"
        for part, fields in FIELDS.items()
        for index, record in enumerate(document[part])
        for problem in _field_problems(record, fields)
    ]
    if not document["images"]:
        problems.append("it holds no images")
    if problems:
        raise InputError(f"{annotations!r} is malformed:\n{listed(problems)}")


def _field_problems(record: Any, fields: dict[str, type]) -> list[str]:
    if not isinstance(record, dict):
        return [f"expected a mapping, found {record!r}"]
    return [
        f"{name}: expected {kind.__name__}, found {record.get(name)!r}"
        for name, kind in fields.items()
        if not isinstance(record.get(name), kind)
    ]


def _refuse_bad_ids(
    annotations: str, document: dict[str, Any], by_image: dict[int, list[Any]]
) -> None:
    images = [record["id"] for record in document["images"]]
    objects = [record["id"] for record in document["annotations"]]
    categories = {each.get("id") for each in document["categories"] if isinstance(each, dict)}
    problems = [
        f"annotation of image {image}, which is not listed" for image in by_image.keys() - images
    ]
    problems += [
        f"annotation {record['id']} of category {record['category_id']}, which is not listed"
        for record in document["annotations"]
        if record["category_id"] not in categories
    ]
    for kind, ids in (("image", images), ("annotation", objects)):
        if len(set(ids)) != len(ids):
            problems.append(f"{len(ids) - len(set(ids))} {kind} id(s) are listed twice")
    if problems:
        raise InputError(f"{annotations!r} contradicts itself:\n{listed(sorted(problems))}")


def _refuse_bad_annotations(annotations: str, document: dict[str, Any]) -> None:
    problems = [
        f"annotation {record['id']}: {problem}"
        for record, height, width in _with_sizes(document)
        for problem in annotation_problems(record, height, width)
    ]
    if problems:
        raise InputError(f"{annotations!r} is malformed:\n{listed(problems)}")


def _with_sizes(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yield each annotation with height and width of its image."""
    sizes = {record["id"]: (record["height"], record["width"]) for record in document["images"]}
    for record in document["annotations"]:
        yield record, *sizes[record["image_id"]]


def _oddities(document: dict[str, Any]) -> list[str]:
    """Return warnings of annotations that evaluators stumble over; they are kept as they are."""
    odd: dict[str, list[str]] = defaultdict(list)
    for record, height, width in _with_sizes(document):
        x, y, box_width, box_height = record.get("bbox", (0, 0, 1, 1))
        if not {"area", "iscrowd"} <= record.keys():
            odd["lack area or iscrowd, without which pycocotools fails"].append(str(record["id"]))
        if not (-box_width < x < width and -box_height < y < height):
            odd["have a box outside of the image"].append(str(record["id"]))
        if box_width <= 0 or box_height <= 0:
            odd["have a box without area"].append(str(record["id"]))
    return [
        f"{len(ids)} annotation(s) {what}; they are kept as they are:\n{listed(ids)}"
        for what, ids in odd.items()
    ]


def _find_files(root: Root, names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return where each file name stands below the root, by its path or else its base name."""
    found = list_images(root)
    paths = set(found)
    by_base: dict[str, list[str]] = defaultdict(list)
    for path in found:
        by_base[posixpath.basename(path)].append(path)
    matches = [[name] if name in paths else by_base[posixpath.basename(name)] for name in names]
    missing = [name for name, match in zip(names, matches, strict=True) if not match]
    if missing:
        raise InputError(
            f"{len(missing)} annotated image(s) are not in {root.url!r}:\n{listed(missing)}"
        )
    several = [
        f"{name}: {' and '.join(m)}" for name, m in zip(names, matches, strict=True) if m[1:]
    ]
    if several:
        raise InputError(
            f"{len(several)} file name(s) fit more than one image in {root.url!r}; "
            f"name the folder of the split:\n{listed(several)}"
        )
    files = [match[0] for match in matches]
    extra = len(paths - set(files))
    if not extra:
        return files, ()
    return files, (f"{extra} image(s) in {root.url!r} are not in the annotations and left out",)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
