"""Listing the files of a folder, on any file system."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.retries import with_retries
from sysnoise.pipelines.storage.root import Root, call_with_retries, is_http, is_local

_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""The end of a file's name while :func:`write_file` writes it."""


IMAGE_EXTENSIONS = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif")
"""The extensions, in lower case, of the files that count as images."""


def list_images(root: Root) -> list[str]:
    """Return the paths of all image files below a folder, relative to it, sorted."""
    return images_among(list_files(root))


def images_among(names: Iterable[str]) -> list[str]:
    """Return the names that end like those of images."""
    return [name for name in names if name.lower().endswith(IMAGE_EXTENSIONS)]


def list_files(root: Root) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted.

    Raises:
        InputError: they cannot be listed.
    """
    prefix = root.path.rstrip("/") + "/" if root.path else ""
    try:
        if is_http(root):
            return sorted(_linked_files(root))
        return sorted(path.removeprefix(prefix) for path in _paths_below(root))
    except OSError as error:
        raise InputError(f"listing {root.url!r}: {error}") from error


def _paths_below(root: Root) -> list[str]:
    if not is_local(root):
        return list(call_with_retries(root, "listing", "", lambda: root.fs.find(root.path)))
    # fsspec does not follow links to folders, and class folders often are links.
    folders = os.walk(root.path, followlinks=True, onerror=_refuse_unreadable)
    return [posixpath.join(folder, name) for folder, _, names in folders for name in names]


def _linked_files(root: Root) -> list[str]:
    """Return the files that the pages of a web server link to, by path relative to the root.

    fsspec's own ``find`` would leave out a folder whose page cannot be loaded.
    """
    names, pages = [], [root.path.rstrip("/") + "/"]
    for page in pages:  # It grows by the folders that are found.
        list_page = functools.partial(root.fs.ls, page, detail=False)
        for link in with_retries(f"listing {page!r}", list_page):
            path = link.removeprefix(pages[0])
            if path == link or not path or {"?", "#"} & set(path):
                continue  # It leads out, to the folder itself, or to the page in another order.
            if not path.endswith("/"):
                names.append(urllib.parse.unquote(path))
            elif link not in pages and posixpath.basename(path[:-1]) not in (".", ".."):
                pages.append(link)
    if not names:
        raise InputError(
            f"{root.url!r} lists no files: a folder on the web needs a page that links to its "
            "files; give an archive (.tar, .zip), or download the folder"
        )
    return names


def _refuse_unreadable(error: OSError) -> None:
    raise InputError(f"listing {error.filename!r}: {error}") from error


def list_folder(root: Root, relative: str) -> list[str]:
    """Return the paths, relative to the root, of the finished files of a folder, sorted."""
    path = root.join(relative)
    try:
        found = call_with_retries(root, "listing", relative, lambda: root.fs.ls(path, detail=False))
    except FileNotFoundError:
        return []
    names = (posixpath.basename(name.rstrip("/")) for name in found)
    return sorted(posixpath.join(relative, name) for name in names if not is_unfinished(name))


def is_unfinished(name: str) -> bool:
    """Whether a file's name says that :func:`write_file` has not finished it."""
    return _UNFINISHED.search(name) is not None


def file_sizes(root: Root) -> dict[str, int]:
    """Return the length in bytes of every file of a set, by its path relative to the root."""
    prefix = root.path.rstrip("/") + "/"
    found: dict[str, dict[str, Any]] = call_with_retries(
        root, "listing", "", lambda: root.fs.find(root.path, detail=True)
    )
    return {path.removeprefix(prefix): int(info["size"]) for path, info in found.items()}
