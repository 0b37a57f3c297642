"""The sources of a finished set, where they are now."""

from __future__ import annotations

import os

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.imagenet import KAGGLE_CLASSES, kaggle_folder
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.root import exists, is_local, open_root


def source_url(images: str, split: str) -> str:
    """Return the URL that the locations in the table of sources start from.

    Args:
        images: what the set was made from, as it was given then, wherever that is now.
        split: the set's split.

    Raises:
        InputError: there is nothing at ``images``.
    """
    root = open_root(images)
    is_kaggle = exists(root, KAGGLE_CLASSES)
    return root.child(kaggle_folder(split)) if is_kaggle else root.url


def relocated_reader(url: str) -> ReadSource:
    """Return a function that reads the bytes of a source image of a finished set.

    A finished set may come from anybody, so that a path in it must not lead to other files of its
    reader, not even through a link in the folder of the images.

    Args:
        url: what :func:`source_url` returns.
    """
    root, read = open_root(url), source_reader(url)
    if not is_local(root):
        return read
    base = os.path.realpath(root.path)

    def read_inside(source: Source) -> bytes:
        place = os.path.realpath(root.join(source.file))
        if os.path.commonpath((base, place)) != base:
            raise InputError(
                f"{source.file!r} leads out of {url!r} through a link; give the folder that holds "
                "the images themselves"
            )
        return read(source)

    return read_inside
