"""COCO as published: ``instances_*.json`` with a folder or zip of images."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator, Sequence

from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.annotation_file import find_annotations, split_of
from sysnoise.pipelines.readers.image_names import match_names
from sysnoise.pipelines.readers.instances import (
    annotation_texts,
    image_texts,
    oddities,
    read_instances,
)
from sysnoise.pipelines.readers.sources import SourceSet, outside_places, source_table
from sysnoise.pipelines.readers.text_column import TextColumn
from sysnoise.pipelines.storage.listing import images_among, list_files
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
        root = open_root(images, "--images", "a folder or a .zip file of images")
        odd = oddities(instances)
        written = [record.name for record in instances.images.records]
        files, warnings = _find_files(root, written)
        names = [
            name if name == file else name.replace("\\", "/")
            for name, file in zip(written, files, strict=True)
        ]
        table = source_table(names, file=files)
        positions = {name: position for position, name in enumerate(names)}
        in_order = [positions[name] for name in table["name"].to_pylist()]
        texts = {
            "image": TextColumn(image_texts(instances, in_order)),
            "annotations": TextColumn(annotation_texts(instances, in_order)),
        }
    return SourceSet(
        DatasetKind.COCO,
        split or split_of(document),
        root.url,
        table.drop_columns(list(texts)),
        coco=instances.header,
        warnings=(*warnings, *odd),
        texts=texts,
    )


def _find_files(root: Root, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the path below the root of the file of each name, and warnings.

    Raises:
        InputError: names without a file, or without just one; all of them.
    """
    paths = list_files(root)
    found = match_names(names, paths, root.path)
    found.elsewhere += _beside(root, found.moved)
    problems = {
        "annotated image(s) are not in {root}": found.missing,
        "file name(s) match more than one image in {root}; name the folder of the split": (
            found.several
        ),
        "annotated image(s) are not in {root}, but files of their base names are, in other folders "
        "than the annotations say; name the folder to which file names are relative": (
            found.elsewhere
        ),
        "image(s) in {root} belong to more than one file name": found.shared,
        "image(s) in {root} have names that lead out of it; rename them": outside_places(
            path for path in found.files if path
        ),
    }
    texts = [
        f"{len(places)} {what.format(root=repr(root.url))}:\n{lines_of(places)}"
        for what, places in problems.items()
        if places
    ]
    if texts:
        raise InputError("\n".join(texts))
    return found.files, [*_moved(root, found.moved), *_extra(root, paths, found.files)]


def _beside(root: Root, moved: Sequence[str]) -> Iterator[str]:
    """Yield the folders that names have above the root and that lie beside it: they are meant."""
    for folders in moved:
        last = posixpath.basename(folders)
        parent = posixpath.dirname(root.path.rstrip("/"))
        if parent and root.fs.exists(posixpath.join(parent, last)):
            yield f"all in {folders}: this folder lies beside {root.url!r}"


def _moved(root: Root, moved: Sequence[str]) -> Iterator[str]:
    for folders in moved:
        yield (
            f"file names in the annotations begin with {folders + '/'!r}, which is not the name of "
            f"the folder of {root.url!r}; their images are taken from it"
        )


def _extra(root: Root, paths: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    extra = len(set(images_among(paths)).difference(files))
    if extra:
        yield f"{extra} image(s) in {root.url!r} are not in the annotations and are left out"
