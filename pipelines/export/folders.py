"""Writing the files of several variants side by side; equal ones are hard links to one file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.stored import StoredSample
from sysnoise.pipelines.beam.progress import progress_bar
from sysnoise.pipelines.errors import UsageError

Folders = Mapping[str, Path]
"""The new folder of each variant, by its id."""

FilesOfSample = Callable[[StoredSample], Iterable[tuple[str, bytes]]]
"""A function that gives the files of a sample: the path below the folder, and the content."""

IMAGE_FORMATS = ("png", "webp")
"""The formats of stored images that the evaluators read, too."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,90}")
"""The keys that a set may have, which become names of files."""


class LinkedFiles:
    """The files of a shard in all variants, of which those with one path and content are links."""

    def __init__(self) -> None:
        """Begin without a file."""
        self._written: dict[tuple[str, bytes], Path] = {}

    def write(self, folder: Path, relative: str, data: bytes) -> None:
        """Write a new file, or link it to the one that another variant has.

        File systems without hard links, or with a limit of them, get another copy.

        Args:
            folder: the folder of the variant.
            relative: the path of the file below it.
            data: the content.

        Raises:
            FileExistsError: the file is there already.
            OSError: it cannot be written.
        """
        path = folder / relative
        first = self._written.setdefault((relative, hashlib.sha256(data).digest()), path)
        if first == path or not _link(path, first):
            with path.open("xb") as opened:
                opened.write(data)


def _link(path: Path, first: Path) -> bool:
    """Make a hard link to a file; return whether that is possible here."""
    try:
        path.hardlink_to(first)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def shards_of(found: FinishedSet) -> Iterator[int]:
    """Yield the numbers of the shards, with a progress bar on a terminal."""
    with progress_bar("export", found.shards, " shards") as bar:
        for shard in range(found.shards):
            yield shard
            bar.update()


def write_samples(found: FinishedSet, folders: Folders, files_of: FilesOfSample) -> None:
    """Write the files of all samples into the folders of their variants.

    Args:
        found: the set.
        folders: the folders, with those below them that the files go into.
        files_of: gives the files of a sample.

    Raises:
        SetError: a shard is missing or damaged, or a sample is not what it must be.
        OSError: a file cannot be written.
    """
    for shard in shards_of(found):
        files = LinkedFiles()
        for variant, folder in folders.items():
            for sample in found.checked_samples(variant, shard):
                if not _KEY.fullmatch(sample.key):
                    raise damaged(found, sample.key, "it is no key, whose letters are A-Za-z0-9_-")
                try:
                    for relative, data in files_of(sample):
                        files.write(folder, relative, data)
                except FileExistsError as error:
                    raise damaged(found, sample.key, "it comes twice") from error


def damaged(found: FinishedSet, key: str, problem: str) -> SetError:
    """Return the error for a sample that is not what it must be."""
    return SetError(
        f"exporting {found.url!r}: the sample {key!r} is damaged: {problem}; 'sysnoise verify' "
        "finds what else is"
    )


def refuse_other_images(found: FinishedSet) -> None:
    """Refuse a set whose images are stored in a format that the evaluators do not read.

    Raises:
        UsageError: they are.
    """
    if found.image_format not in IMAGE_FORMATS:
        raise UsageError(
            f"the images of {found.url!r} are {found.image_format}, which such evaluators do not "
            f"read; generate the set with --image-format {' or '.join(IMAGE_FORMATS)}"
        )
