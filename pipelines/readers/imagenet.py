"""ImageNet in the layouts in which people have it; labels 0-based in wnid order.

==========================  =====================================================================
layout                      recognized by
==========================  =====================================================================
flat folder                 images, and a label file of ``filename label``
class folders               sub-folders that are named by wnid
Kaggle                      ``LOC_synset_mapping.txt`` in the folder
published tar               a ``.tar`` without labels, and a label file
WebDataset                  ``.tar`` file or files with ``<key>.<image>`` and ``<key>.cls``
Hugging Face Parquet        ``.parquet`` file or files with ``image{bytes,path}`` and ``label``
==========================  =====================================================================
"""

from __future__ import annotations

import dataclasses
import io
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.json_documents import DocumentError, as_document, read_document
from sysnoise.manifests.plan import ClassInfo
from sysnoise.manifests.tables import DatasetKind, check_parquet, check_size
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.access import tar_members
from sysnoise.pipelines.readers.labels import (
    CLASS_COUNT,
    WNID,
    check_labels,
    read_classes,
    read_kaggle_solution,
    read_label_file,
)
from sysnoise.pipelines.readers.sources import SourceSet, sample_key, source_table
from sysnoise.pipelines.storage.listing import IMAGE_EXTENSIONS, images_among, list_files
from sysnoise.pipelines.storage.reading import open_file
from sysnoise.pipelines.storage.root import Root, is_file, open_root

Classes = tuple[ClassInfo, ...]

VALIDATION = ("val", "validation")
SPLITS = {"train", "test", *VALIDATION}
"""Words in the paths of files that hold one split."""

KAGGLE_CLASSES = "LOC_synset_mapping.txt"
"""The file by which Kaggle's folder is recognized."""


MAX_LABEL_BYTES = 100
"""Length of a ``.cls`` member of a WebDataset, which holds a number."""


PATH_TYPES = ("string", "large_string", "null")
"""Arrow's types of the paths of images; null where no image has one."""

BYTES_TYPES = ("binary", "large_binary")
"""Arrow's types of the bytes of images."""


def kaggle_folder(split: str) -> str:
    """Return the folder, below Kaggle's, that the locations of a split's images start from."""
    return f"ILSVRC/Data/CLS-LOC/{split}"


def read_imagenet(
    images: str, label_file: str | None, class_list: str | None, split: str
) -> SourceSet:
    """Find the images and labels of an ImageNet split; no image is read.

    Args:
        images: folder or file, path or fsspec URL.
        label_file: ``val.txt`` or Kaggle's ``LOC_val_solution.csv``, where the layout needs it.
        class_list: file with one line per class, in label order: ``wnid name``.
        split: name of the split; of several Parquet or tar files, those with this name in their
            path are read.

    Raises:
        InputError: no layout is recognized, or labels are missing, superfluous or wrong.
    """
    root = open_root(images)
    classes = read_classes(class_list) if class_list else ()
    if is_file(root):
        return _read_archives(root, [""], label_file, classes, split)
    files = list_files(root)
    if KAGGLE_CLASSES in files:
        _refuse_superfluous(root, "--classes", class_list)
        return _read_kaggle(root, label_file, split)
    archives = [name for name in files if name.endswith((".parquet", ".tar")) and "/" not in name]
    if not archives:
        archives = [name for name in files if name.endswith(".parquet")]
    if archives:
        return _read_archives(root, _files_of_split(archives, split), label_file, classes, split)
    if label_file:
        return _read_flat(root, files, label_file, classes, split)
    return _read_class_folders(root, files, classes, split)


def _refuse_superfluous(root: Root, option: str, given: str | None) -> None:
    if given:
        raise InputError(
            f"{root.url!r} already holds what {option} gives; leave out {option} {given!r}"
        )


def _files_of_split(archives: Sequence[str], split: str) -> list[str]:
    """Keep the files of the split, where files are named by split; ``val`` is also validation."""
    wanted = {split, *VALIDATION} if split in VALIDATION else {split}
    words = {name: set(re.split(r"[^a-z]+", name.lower())) for name in archives}
    mine = [name for name in archives if words[name] & wanted]
    if not mine and any(words[name] & SPLITS for name in archives):
        raise InputError(f"no file of split {split!r} (--split) among:\n{lines_of(archives)}")
    return mine or list(archives)


def _read_archives(
    root: Root, files: Sequence[str], label_file: str | None, classes: Classes, split: str
) -> SourceSet:
    if root.join(files[0]).endswith(".parquet"):
        _refuse_superfluous(root, "--label-file", label_file)
        return _read_parquet(root, files, classes, split)
    if not root.join(files[0]).endswith(".tar"):
        raise InputError(f"{root.url!r} is neither a folder nor a .tar, .zip or .parquet file")
    if label_file:
        return _read_published_tar(root, files, label_file, classes, split)
    return _read_webdataset(root, files, classes, split)


def _read_flat(
    root: Root, files: Sequence[str], label_file: str, classes: Classes, split: str
) -> SourceSet:
    names = images_among(files)
    _refuse_if_empty(root, names)
    labels = _match_labels(root, names, label_file, classes)
    return _source_set(root, names, labels, classes, split)


def _read_published_tar(
    root: Root, files: Sequence[str], label_file: str, classes: Classes, split: str
) -> SourceSet:
    names, tars, offsets, sizes = [], [], [], []
    for file in files:
        for member, _ in tar_members(root, file):
            if member.name.lower().endswith(IMAGE_EXTENSIONS):
                names.append(member.name)
                tars.append(file)
                offsets.append(member.offset_data)
                sizes.append(member.size)
    _refuse_if_empty(root, names)
    labels = _match_labels(root, names, label_file, classes)
    return _source_set(root, names, labels, classes, split, file=tars, offset=offsets, size=sizes)


def _read_kaggle(root: Root, label_file: str | None, split: str) -> SourceSet:
    classes = read_classes(root.child(KAGGLE_CLASSES))
    folder = open_root(root.child(kaggle_folder(split)))
    if split == "train":
        _refuse_superfluous(root, "--label-file", label_file)
        return _read_class_folders(folder, list_files(folder), classes, split)
    labels = label_file or root.child("LOC_val_solution.csv")
    return _read_flat(folder, list_files(folder), labels, classes, split)


def _match_labels(root: Root, names: Sequence[str], label_file: str, classes: Classes) -> list[int]:
    """Return the label of each image; every image must have one, and every label an image."""
    if label_file.partition("::")[0].endswith(".csv"):
        if not classes:
            raise InputError(
                f"{label_file!r} labels images by wnid; give the class list too "
                "(--classes LOC_synset_mapping.txt)"
            )
        by_name = read_kaggle_solution(label_file, classes)
        wanted = [posixpath.splitext(posixpath.basename(name))[0] for name in names]
    else:
        by_name = read_label_file(label_file)
        whole_paths = any("/" in name for name in by_name)
        wanted = [name if whole_paths else posixpath.basename(name) for name in names]
    unlabeled = [name for name, label in zip(names, wanted, strict=True) if label not in by_name]
    missing = sorted(by_name.keys() - set(wanted))
    problems = []
    if unlabeled:
        problems.append(f"{len(unlabeled)} image(s) without a label:\n{lines_of(unlabeled)}")
    if missing:
        problems.append(f"{len(missing)} label(s) without an image:\n{lines_of(missing)}")
    if problems:
        raise InputError(f"{root.url!r} and {label_file!r} do not match; " + "\n".join(problems))
    return [by_name[name] for name in wanted]


def _read_class_folders(
    root: Root, files: Sequence[str], classes: Classes, split: str
) -> SourceSet:
    names = images_among(files)
    _refuse_if_empty(root, names)
    others = sorted(set(files) - set(names))
    wnids = [sys.intern(name.rpartition("/")[0].rpartition("/")[2]) for name in names]
    folders = sorted(set(wnids))
    if not any(WNID.fullmatch(folder) for folder in folders):
        raise InputError(
            f"{root.url!r} is a folder of images without class folders (n01440764, ...); "
            "give the labels with --label-file"
        )
    if not classes and len(folders) != CLASS_COUNT:
        raise InputError(
            f"{root.url!r} has {len(folders)} class folders, not 1,000; in a subset, the position "
            "of a folder is not its label; give all classes in label order with --classes"
        )
    index = {info.wnid: label for label, info in enumerate(classes)}
    index = index or {folder: label for label, folder in enumerate(folders)}
    unknown = [folder for folder in folders if folder not in index]
    if unknown:
        raise InputError(f"class folders that the class list does not hold:\n{lines_of(unknown)}")
    classes = classes or tuple(ClassInfo(folder, None) for folder in folders)
    found = _source_set(root, names, [index[wnid] for wnid in wnids], classes, split)
    # The folders' names give the order of the labels, so the check's warning does not apply.
    return dataclasses.replace(found, warnings=_left_out_warning(root, others))


def _left_out_warning(root: Root, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    text = f"{len(others)} file(s) in {root.url!r} are not named like images and are left out"
    return (f"{text}:\n{lines_of(others)}",)


@dataclass
class _WebDatasetTar:
    """The samples of a WebDataset tar file.

    Attributes:
        keys: keys of the members that are an image or a label.
        images: name, offset and size in bytes of each image, by key.
        labels: class number of each sample, by key.
        repeated: names of the members whose key has such a member already.
    """

    keys: set[str] = field(default_factory=set)
    images: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def whole(self) -> set[str]:
        """Return the keys that have both an image and a label."""
        return self.images.keys() & self.labels.keys()

    def problems(self) -> list[str]:
        """Return what is wrong with its samples."""
        twice = [f"{name} is there twice" for name in self.repeated]
        return [*twice, *sorted(self.keys - self.whole())]


def _read_webdataset(root: Root, files: Sequence[str], classes: Classes, split: str) -> SourceSet:
    names, tars, offsets, sizes, labels, problems = [], [], [], [], [], []
    for file in files:
        tar = _read_webdataset_tar(root, file)
        problems += [f"{root.join(file)}: {problem}" for problem in tar.problems()]
        for key in tar.whole():
            name, offset, size = tar.images[key]
            names.append(name)
            tars.append(file)
            offsets.append(offset)
            sizes.append(size)
            labels.append(tar.labels[key])
    if problems:
        raise InputError(
            f"{len(problems)} sample(s) lack the image or the .cls member, or have one twice; a "
            "sample's name ends at its first dot, and a tar of images alone needs --label-file:\n"
            f"{lines_of(problems)}"
        )
    return _source_set(root, names, labels, classes, split, file=tars, offset=offsets, size=sizes)


def _read_webdataset_tar(root: Root, file: str) -> _WebDatasetTar:
    tar = _WebDatasetTar()
    for member, read in tar_members(root, file):
        folder, base = posixpath.split(member.name)
        stem, _, extension = base.partition(".")
        key = posixpath.join(folder, stem)
        if base.lower().endswith((*IMAGE_EXTENSIONS, ".cls")):
            tar.keys.add(key)
        if f".{extension.lower()}" in IMAGE_EXTENSIONS:
            if key in tar.images:
                tar.repeated.append(member.name)
            tar.images[key] = (member.name, member.offset_data, member.size)
        elif extension.lower() == "cls":
            if key in tar.labels:
                tar.repeated.append(member.name)
            place = f"{root.join(file)}: {member.name}"
            if member.size > MAX_LABEL_BYTES:
                raise InputError(f"{place}: expected a class number, found {member.size} bytes")
            tar.labels[key] = _class_number(read(), place)
    return tar


def _class_number(data: bytes, place: str) -> int:
    try:
        return int(data)
    except ValueError as error:
        raise InputError(f"{place}: expected a class number, found {data[:40]!r}") from error


def _read_parquet(root: Root, files: Sequence[str], classes: Classes, split: str) -> SourceSet:
    names: list[str] = []
    tables: list[str] = []
    rows: list[int] = []
    labels: list[int] = []
    for file in files:
        path = root.join(file)
        schema, paths, numbers = _read_parquet_labels(root, file)
        classes = classes or _hugging_face_classes(schema.metadata or {}, root.child(file))
        stem = sample_key(path)
        names += (name or f"{stem}-{row:06d}" for row, name in enumerate(paths))
        tables += [file] * len(paths)
        rows += range(len(paths))
        labels += numbers
    if None in labels or -1 in labels:
        raise InputError(f"{root.url!r} holds images without a label (a test split?)")
    return _source_set(root, names, labels, classes, split, file=tables, row=rows)


def _read_parquet_labels(root: Root, file: str) -> tuple[pa.Schema, list[str | None], list[Any]]:
    """Return the schema of a Parquet file, and the path and label of each row."""
    path = root.child(file)
    try:
        with open_file(root, file) as opened:
            length = opened.seek(0, io.SEEK_END)
            parquet = pq.ParquetFile(opened)
            check_parquet(parquet.metadata, length)
            schema = parquet.schema_arrow
            if not _has_images(schema):
                raise InputError(
                    f"{path!r}: expected columns image{{bytes,path}} and label (whole "
                    f"numbers), found {', '.join(f'{f.name}: {f.type}' for f in schema)}"
                )
            # As a dictionary, because a path that is repeated would take memory for each row.
            parquet = pq.ParquetFile(
                opened, metadata=parquet.metadata, read_dictionary=["image.path"]
            )
            read = parquet.read(columns=["image.path", "label"])
            check_size(read)
            paths = [(image or {}).get("path") for image in read["image"].to_pylist()]
            return schema, paths, read["label"].to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"reading the Parquet file {path!r}: {error}") from error


def _has_images(schema: pa.Schema) -> bool:
    """Whether there are the columns of Hugging Face's sets, once each and of their types."""
    places = [schema.get_field_index(name) for name in ("image", "label")]
    if -1 in places:  # There is none, or more than one.
        return False
    image, label = (schema.field(place).type for place in places)
    if not pa.types.is_struct(image) or not pa.types.is_integer(label):
        return False
    kinds = {field.name: str(field.type) for field in image}
    return kinds.get("path") in PATH_TYPES and kinds.get("bytes") in BYTES_TYPES


class _ClassNames(msgspec.Struct):
    """A feature of Hugging Face's description; ``names`` are a label's classes, in order."""

    names: list[str] | None = None


class _Info(msgspec.Struct):
    """What the description says; the feature called ``label`` may have names."""

    features: dict[str, Any] | None = None


class _Description(msgspec.Struct):
    """The ``huggingface`` entry in the metadata of a Parquet file's schema."""

    info: _Info | None = None


def _hugging_face_classes(metadata: Mapping[bytes, bytes], path: str) -> Classes:
    try:
        described = read_document(metadata.get(b"huggingface", b"{}"), _Description)
        features = (described.info and described.info.features) or {}
        label = as_document(features.get("label") or {}, _ClassNames)
    except DocumentError as error:
        raise InputError(f"the description by Hugging Face in {path!r}: {error}") from error
    return tuple(
        ClassInfo(name, None) if WNID.fullmatch(name) else ClassInfo(None, name)
        for name in label.names or ()
    )


def _refuse_if_empty(root: Root, names: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{root.url!r} holds no images")


def _source_set(
    root: Root,
    names: Sequence[str],
    labels: Sequence[int],
    classes: Classes,
    split: str,
    **columns: Iterable[object],
) -> SourceSet:
    _refuse_if_empty(root, names)
    warnings = check_labels(zip(names, labels, strict=True), classes)
    wnids = [classes[label].wnid if classes else None for label in labels]
    located = {column: list(values) for column, values in columns.items()}
    table = source_table(names, label=labels, wnid=wnids, **located)
    return SourceSet(DatasetKind.IMAGENET, split, root.url, table, classes, warnings=warnings)
