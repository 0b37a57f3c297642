"""The sources of a finished set, where they are now."""

from __future__ import annotations

from sysnoise.pipelines.readers.imagenet import IMAGES_OPTION, KAGGLE_CLASSES, kaggle_folder
from sysnoise.pipelines.storage.root import exists, open_root


def source_url(images: str, split: str) -> str:
    """Return the URL that the locations in the table of sources start from.

    Args:
        images: what the set was made from, as it was given then, wherever that is now.
        split: the set's split.

    Raises:
        InputError: there is nothing at ``images``.
    """
    root = open_root(images, *IMAGES_OPTION)
    is_kaggle = exists(root, KAGGLE_CLASSES)
    return root.child(kaggle_folder(split)) if is_kaggle else root.url
