"""ImageNet in tar files: the published ones, WebDatasets, and class folders in a tar."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.access import TarMember, tar_members
from sysnoise.pipelines.readers.classes import WNID
from sysnoise.pipelines.readers.found import FoundImages
from sysnoise.pipelines.storage.listing import IMAGE_EXTENSIONS
from sysnoise.pipelines.storage.root import Root

MAX_LABEL_BYTES = 100
"""Length of a ``.cls`` member of a WebDataset, which holds a number or a name."""


@dataclass(frozen=True)
class _Tar:
    """The members of a tar file that matter here.

    Attributes:
        file: path of the tar file, below the root.
        images: the members that are named like images.
        labels: name and content of each ``.cls`` member.
        others: names of the other members.
    """

    file: str
    images: list[TarMember] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read_tars(root: Root, files: Sequence[str], label_file: str | None) -> FoundImages:
    """Find the images of tar files; no image is read.

    The images of a tar file that is called like a wnid, or lies in another one, are in a folder of
    its name, as if it had been unpacked.

    Args:
        root: what the user named.
        files: paths of the tar files below it.
        label_file: the label file, which decides before the ``.cls`` members of a WebDataset.

    Raises:
        InputError: a tar file cannot be read or is damaged, or a sample of a WebDataset lacks its
            image or label, or has one twice.
    """
    tars = [_read_tar(root, file) for file in files]
    if label_file or not any(tar.labels for tar in tars):
        found = _found((tar.file, image) for tar in tars for image in tar.images)
        return dataclasses.replace(found, left_out=[name for tar in tars for name in tar.others])
    problems: list[str] = []
    samples = [
        (tar.file, *sample)
        for tar in tars
        for sample in _samples(tar, root.join(tar.file), problems)
    ]
    if problems:
        raise InputError(
            f"{len(problems)} sample(s) lack the image or the .cls member, or have one twice; a "
            "sample's name ends at its first dot, and a tar of images alone needs --label-file:\n"
            f"{lines_of(problems)}"
        )
    return _found(((file, image) for file, image, _ in samples), [each for *_, each in samples])


def _read_tar(root: Root, file: str) -> _Tar:
    tar, stem = _Tar(file), posixpath.splitext(posixpath.basename(root.join(file)))[0]
    for member in tar_members(root, file, f"{stem}/" if WNID.fullmatch(stem) else ""):
        if member.name.lower().endswith(IMAGE_EXTENSIONS):
            tar.images.append(member)
        elif member.name.lower().endswith(".cls"):
            place = f"{root.join(file)}: {member.name}"
            if member.size > MAX_LABEL_BYTES:
                raise InputError(f"{place}: expected a class number, found {member.size} bytes")
            tar.labels.append((member.name, _class_in(member.read(), place)))
        else:
            tar.others.append(member.name)
    return tar


def _class_in(data: bytes, place: str) -> str:
    """Return a class number, without zeros at its start, or a wnid."""
    text = data.decode("utf-8", "replace").strip()
    if WNID.fullmatch(text):
        return text
    try:
        return str(int(text))
    except ValueError as error:
        raise InputError(f"{place}: expected a class number, found {data[:40]!r}") from error


def _samples(tar: _Tar, place: str, problems: list[str]) -> list[tuple[TarMember, str]]:
    """Return image and class of each sample of a WebDataset, and add what is wrong."""
    images: dict[str, TarMember] = {}
    labels: dict[str, str] = {}
    for member in tar.images:
        key, extension = _key_and_extension(member.name)
        if key in images:
            problems.append(f"{place}: {member.name} is there twice")
        if f".{extension}" in IMAGE_EXTENSIONS:
            images[key] = member
    for name, value in tar.labels:
        key, extension = _key_and_extension(name)
        if key in labels:
            problems.append(f"{place}: {name} is there twice")
        if extension == "cls":
            labels[key] = value
    named = {_key_and_extension(name)[0] for name in _names(tar)}
    problems += [f"{place}: {key}" for key in sorted(named - (images.keys() & labels.keys()))]
    return [(image, labels[key]) for key, image in images.items() if key in labels]


def _names(tar: _Tar) -> Iterable[str]:
    yield from (image.name for image in tar.images)
    yield from (name for name, _ in tar.labels)


def _key_and_extension(name: str) -> tuple[str, str]:
    """Return the path up to the first dot of the file's name, and what follows in lower case."""
    folder, base = posixpath.split(name)
    stem, _, extension = base.partition(".")
    return posixpath.join(folder, stem), extension.lower()


def _found(
    images: Iterable[tuple[str, TarMember]], classes: list[str] | None = None
) -> FoundImages:
    names, files, offsets, sizes = [], [], [], []
    for file, member in images:
        names.append(member.name)
        files.append(file)
        offsets.append(member.offset)
        sizes.append(member.size)
    return FoundImages(names, {"file": files, "offset": offsets, "size": sizes}, classes)
