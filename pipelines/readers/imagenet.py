"""ImageNet in the layouts in which people have it; ``docs/layouts.md`` lists them.

A layout is images with their places (:class:`FoundImages`), and what says their classes: a label
file, the archive itself, the folders, or the files' names. Labels are 0-based in wnid order.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.classes import (
    NUMBER,
    WNID,
    Classes,
    number_classes,
    read_classes,
)
from sysnoise.pipelines.readers.found import FoundImages
from sysnoise.pipelines.readers.labels import check_labels, label_images
from sysnoise.pipelines.readers.parquet import DEFAULT_COLUMN_NAMES, ColumnNames, read_parquet
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.readers.splits import (
    files_of_split,
    folders_of_split,
    split_of_folder,
)
from sysnoise.pipelines.readers.tars import read_tars
from sysnoise.pipelines.readers.unread import unread_formats
from sysnoise.pipelines.storage.listing import images_among, list_files
from sysnoise.pipelines.storage.root import Root, is_file, open_root

KAGGLE_CLASSES = "LOC_synset_mapping.txt"
"""The file by which Kaggle's folder is recognized."""

IMAGES_OPTION = ("--images", "a folder of images, or a .tar, .zip or .parquet file")
"""The option that names the images, and what it takes."""

READ = (
    "what is read: images in folders, zip or tar, WebDataset, and Parquet; docs/layouts.md has all "
    "layouts"
)

_WNID_IN_NAME = re.compile(r"_(n\d{8})\.[^.]*$")
"""The end of the names of validation images in Hugging Face's original archives."""

_WNID_FOLDER = re.compile(r"(n\d{8})(?![0-9A-Za-z])")
"""The start of a class folder's name, which may go on with the name of the class."""


def kaggle_folder(split: str) -> str:
    """Return the folder, below Kaggle's, that the locations of a split's images start from."""
    return f"ILSVRC/Data/CLS-LOC/{split}"


@dataclass(frozen=True)
class Wanted:
    """What the user asks for.

    Attributes:
        split: name of the split.
        label_file: path or fsspec URL of the label file, or none.
        classes: the class list, or none.
        columns: names of the columns of Parquet files.
    """

    split: str
    label_file: str | None
    classes: Classes
    columns: ColumnNames


def read_imagenet(
    images: str,
    label_file: str | None,
    class_list: str | None,
    split: str,
    columns: ColumnNames = DEFAULT_COLUMN_NAMES,
) -> SourceSet:
    """Find the images and labels of an ImageNet split; no image is read.

    Args:
        images: folder or file, path or fsspec URL.
        label_file: file of the images' classes, where the layout needs it: see
            :func:`sysnoise.pipelines.readers.labels.read_label_file`.
        class_list: file of the classes in label order: see
            :func:`sysnoise.pipelines.readers.classes.read_classes`.
        split: name of the split; of several folders or archives that are named by split, those of
            this one are read.
        columns: names of the columns of Parquet files.

    Raises:
        InputError: no layout is recognized, or labels are missing, superfluous or wrong.
    """
    root = open_root(images, *IMAGES_OPTION)
    classes = read_classes(class_list) if class_list else ()
    wanted = Wanted(split, label_file, classes, columns)
    if is_file(root):
        return _read_archives(root, [""], wanted)
    files = list_files(root)
    if KAGGLE_CLASSES in files:
        _refuse_superfluous(root, "--classes", class_list)
        return _read_kaggle(root, wanted)
    loose = _loose(files)
    archives, others = _archives_among(files)
    if loose.names and (label_file or not archives or _classes_in_names(loose.names, classes)):
        return _read_folder(root, loose, wanted)
    if archives:
        source = _read_archives(root, files_of_split(archives, split), wanted)
        notes = _left_out_warning(root, others, "archives of images like the others")
        return dataclasses.replace(source, warnings=(*notes, *source.warnings))
    raise InputError(f"{root.url!r} holds no images{_instead(files)}")


def _instead(files: Sequence[str]) -> str:
    """Say what files there are instead of images that are read."""
    unread = unread_formats(files)
    what = f", but formats that are not read:\n{lines_of(unread)}\n" if unread else "; "
    return f"{what}{READ}"


def _refuse_superfluous(root: Root, option: str, given: str | None) -> None:
    if given:
        raise InputError(
            f"{root.url!r} already holds what {option} gives; leave out {option} {given!r}"
        )


def _archives_among(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the archives of the folder itself or, where it has none, of its folders.

    Tar files and Parquet files are not read together: the fewer of them are the second list.
    """
    archives = [name for name in files if name.endswith((".parquet", ".tar"))]
    archives = [name for name in archives if "/" not in name] or archives
    tars = [name for name in archives if name.endswith(".tar")]
    tables = [name for name in archives if name.endswith(".parquet")]
    return (tars, tables) if len(tars) >= len(tables) else (tables, tars)


def _read_archives(root: Root, files: Sequence[str], wanted: Wanted) -> SourceSet:
    if root.join(files[0]).endswith(".parquet"):
        _refuse_superfluous(root, "--label-file", wanted.label_file)
        found, classes = read_parquet(root, files, wanted.columns)
        wanted = dataclasses.replace(wanted, classes=wanted.classes or classes)
        source = _labeled(root, found, wanted)
        return dataclasses.replace(source, image_column=wanted.columns.image)
    if not root.join(files[0]).endswith(".tar"):
        named = [posixpath.basename(root.path)]
        raise InputError(
            f"{root.url!r} is neither a folder nor a .tar, .zip or .parquet file{_instead(named)}"
        )
    return _labeled(root, read_tars(root, files, wanted.label_file), wanted)


def _read_folder(root: Root, loose: FoundImages, wanted: Wanted) -> SourceSet:
    found = _labeled(root, loose, wanted)
    warnings = list(found.warnings)
    other = split_of_folder(root.path)
    if other and not wanted.split.lower().startswith(other):
        warnings.append(
            f"the images are in a folder called {root.path.rstrip('/').rpartition('/')[2]!r}, and "
            f"the set is of the split {wanted.split!r}; if that is wrong, give --split"
        )
    return dataclasses.replace(found, warnings=tuple(warnings))


def _loose(files: Sequence[str]) -> FoundImages:
    """Return the files that are named like images, and which others there are."""
    names = images_among(files)
    left_out = sorted(set(files) - set(names)) if len(names) < len(files) else []
    return FoundImages(names, left_out=left_out)


def _left_out_warning(root: Root, left_out: Sequence[str], what: str) -> tuple[str, ...]:
    """Say which files are left out, because they are not what they should be."""
    if not left_out:
        return ()
    text = f"{len(left_out)} file(s) in {root.url!r} are not {what} and are left out"
    return (f"{text}:\n{lines_of(left_out)}",)


def _read_kaggle(root: Root, wanted: Wanted) -> SourceSet:
    classes = read_classes(root.child(KAGGLE_CLASSES))
    folder = open_root(root.child(kaggle_folder(wanted.split)))
    files = list_files(folder)
    labels = wanted.label_file
    if wanted.split == "train":
        _refuse_superfluous(root, "--label-file", labels)
    else:
        labels = labels or root.child("LOC_val_solution.csv")
    wanted = dataclasses.replace(wanted, classes=classes, label_file=labels)
    return _read_folder(folder, _loose(files), wanted)


def _labeled(root: Root, found: FoundImages, wanted: Wanted) -> SourceSet:
    """Keep the images of the split, and give each its label."""
    if not found.names:
        raise InputError(f"{root.url!r} holds no images")
    found, notes = _of_split(root, found, wanted.split)
    place = repr(root.url)
    if wanted.label_file:
        values = label_images(found.names, wanted.label_file, root.url)
    else:
        values = found.classes or _classes_in_names(found.names, wanted.classes) or []
    if not values:
        raise InputError(
            f"{place} is a folder of images without class folders (n01440764, ...); give the "
            "labels with --label-file, or the classes that the folders are named by with --classes"
        )
    labels, classes, numbering = number_classes(values, wanted.classes, place)
    unsure = check_labels(zip(found.names, labels, strict=True), classes)
    if not NUMBER.fullmatch(values[0]):
        unsure = ()  # Wnids and names of classes give the order of the labels.
    wnids = [classes[label].wnid if classes else None for label in labels]
    table = source_table(found.names, label=labels, wnid=wnids, **found.columns)
    others = (
        () if wanted.label_file else _left_out_warning(root, found.left_out, "named like images")
    )
    warnings = (*others, *notes, *numbering, *unsure)
    return SourceSet(
        DatasetKind.IMAGENET, wanted.split, root.url, table, classes, warnings=warnings
    )


def _of_split(root: Root, found: FoundImages, split: str) -> tuple[FoundImages, tuple[str, ...]]:
    """Keep the images in folders of the split; the paths in Parquet files are only names."""
    if "row" in found.columns:
        return found, ()
    folders = [name.rpartition("/")[0] for name in found.names]
    mine, notes = folders_of_split(set(folders), split, repr(root.url))
    return found.only([folder in mine for folder in folders]), notes


def _classes_in_names(names: Sequence[str], classes: Classes) -> list[str] | None:
    """Return the class that each path tells: its folder's, or a wnid at the end of the file's name.

    Folders tell classes where one of them is named by a wnid, all are numbers, or one is a class of
    the list. None where the paths tell nothing.
    """
    folders = [name.rpartition("/")[0] for name in names]
    by_folder = {folder: _class_of_folder(folder) for folder in set(folders)}
    listed = {info.name for info in classes}
    told = by_folder.values()
    if (
        any(WNID.fullmatch(each) for each in told)
        or all(NUMBER.fullmatch(each) for each in told)
        or not listed.isdisjoint(told)
    ):
        return [by_folder[folder] for folder in folders]
    suffixes = [_WNID_IN_NAME.search(name) for name in names]
    return [found[1] for found in suffixes if found] if all(suffixes) else None


def _class_of_folder(path: str) -> str:
    """Return the wnid that begins the name of the nearest folder; otherwise the last one's name."""
    for name in reversed(path.split("/")):
        found = _WNID_FOLDER.match(name)
        if found:
            return found[1]
    return posixpath.basename(path)
