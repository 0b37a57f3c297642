"""COCO as published: ``instances_*.json`` with a folder or zip of images."""

from __future__ import annotations

import posixpath
import tempfile
from collections import defaultdict

from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.annotation_file import find_annotations, split_of
from sysnoise.pipelines.readers.instances import (
    annotations_column,
    oddities,
    read_instances,
)
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.storage.listing import list_images
from sysnoise.pipelines.storage.root import Root, open_root


def read_coco(images: str, annotations: str, split: str | None) -> SourceSet:
    """Find the images of a COCO split and their annotations; no image is read.

    Images without annotations stay in: a detection on one is a false positive.

    Args:
        images: folder or zip file of the images, path or fsspec URL.
        annotations: the ``instances_*.json`` file, or a zip archive that holds it.
        split: name of the split; by default what follows ``instances_`` in the file's name. It also
            chooses among several files in an archive.

    Raises:
        InputError: not an instances file, or images and annotations that do not match.
    """
    document = find_annotations(annotations, split)
    with tempfile.TemporaryFile() as file:
        instances = read_instances(document, file)
        root = open_root(images)
        odd = oddities(instances)
        records = {record.name: record for record in instances.images}
        names = [record.name for record in instances.images]
        files, warnings = _find_files(root, names)
        table = source_table(names, file=files, image=[each.text for each in instances.images])
        in_order = [records[name] for name in table["name"].to_pylist()]
        column = annotations_column(instances, in_order)
    place = table.schema.get_field_index("annotations")
    return SourceSet(
        DatasetKind.COCO,
        split or split_of(document),
        root.url,
        table.set_column(place, table.schema.field(place), column),
        coco=instances.header,
        warnings=(*warnings, *odd),
    )


def _find_files(root: Root, names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the path below the root of each file name, found by path or else by base name."""
    found = list_images(root)
    paths = set(found)
    by_base: dict[str, list[str]] = defaultdict(list)
    for path in found:
        by_base[posixpath.basename(path)].append(path)
    matches = [[name] if name in paths else by_base[posixpath.basename(name)] for name in names]
    missing = [name for name, match in zip(names, matches, strict=True) if not match]
    if missing:
        raise InputError(
            f"{len(missing)} annotated image(s) are not in {root.url!r}:\n{lines_of(missing)}"
        )
    several = [
        f"{name}: {' and '.join(m)}" for name, m in zip(names, matches, strict=True) if m[1:]
    ]
    if several:
        raise InputError(
            f"{len(several)} file name(s) match more than one image in {root.url!r}; "
            f"name the folder of the split:\n{lines_of(several)}"
        )
    files = [match[0] for match in matches]
    extra = len(paths - set(files))
    if not extra:
        return files, ()
    return files, (f"{extra} image(s) in {root.url!r} are not in the annotations and are left out",)
