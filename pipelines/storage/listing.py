"""Listing the files of a folder, on any file system."""

from __future__ import annotations

import contextlib
import html
import logging
import os
import posixpath
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sysnoise.manifests.junk import is_junk
from sysnoise.pipelines.errors import InputError, quoted
from sysnoise.pipelines.storage.retries import with_retries
from sysnoise.pipelines.storage.root import Root, call_with_retries, is_http, is_local

_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""The end of a file's name while :func:`write_file` writes it."""


MAX_DEPTH = 64
"""Number of folders in each other that are listed on a local disk; ImageNet has six."""

MAX_FOLDERS = 200_000
"""Number of folders that are listed on a local disk; ImageNet-21k has 22 thousand."""

MAX_PAGES = 10_000
"""Number of folders that are listed on a web server; ImageNet has two thousand."""

MAX_WEB_DEPTH = 16
"""Number of folders in each other that are listed on a web server."""

MAX_PAGES_LENGTH = 256 << 20
"""Number of characters on all pages of a web server: 1.3 million files take 200 million."""

_ANCHOR = re.compile(r"<a\b[^<>]*", re.IGNORECASE)
_REFERENCE = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)

IMAGE_EXTENSIONS = (
    ".jpeg",
    ".jpg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
)
"""The extensions, in lower case, of the files that count as images."""


def list_images(root: Root) -> list[str]:
    """Return the paths of all image files below a folder, relative to it, sorted."""
    return images_among(list_files(root))


def images_among(names: Iterable[str]) -> list[str]:
    """Return the names that end like those of images."""
    return [name for name in names if name.lower().endswith(IMAGE_EXTENSIONS)]


def list_files(root: Root) -> list[str]:
    """Return the paths of all files below a folder that a user put there, relative to it, sorted.

    Junk, as :func:`sysnoise.manifests.junk.is_junk` knows it, is left out and counted in a warning;
    a folder of junk counts as one.

    Raises:
        InputError: they cannot be listed.
    """
    junk: list[str] = []

    def is_wanted(path: str) -> bool:
        if is_junk(path):
            junk.append(path)
            return False
        return True

    found = _list_wanted(root, is_wanted)
    warn_of_junk(root.url, junk)
    return found


def list_all_files(root: Root) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted.

    Objects that stand for folders are none; all other junk is there.

    Raises:
        InputError: they cannot be listed.
    """
    return _list_wanted(root, lambda path: path != "" and not path.endswith("/"))


def warn_of_junk(url: str, junk: Sequence[str]) -> None:
    """Log a warning of the junk that was left out of a folder or archive, if there was any."""
    if junk:
        logging.getLogger(__name__).warning(
            "%d file(s) or folder(s) in %r that systems leave there are left out: %s",
            *(len(junk), url, quoted(sorted(junk))),
        )


def _list_wanted(root: Root, is_wanted: Callable[[str], bool]) -> list[str]:
    prefix = root.path.rstrip("/") + "/" if root.path else ""
    try:
        if is_local(root):
            return sorted(path.removeprefix(prefix) for path in _local_paths(root, is_wanted))
        if is_http(root):
            return sorted(filter(is_wanted, _linked_files(root)))
        found = call_with_retries(root, "listing", "", lambda: root.fs.find(root.path))
        return sorted(filter(is_wanted, (path.removeprefix(prefix) for path in found)))
    except OSError as error:
        raise InputError(f"listing {root.url!r}: {error}") from error


def _local_paths(root: Root, is_wanted: Callable[[str], bool]) -> list[str]:
    # fsspec does not follow links to folders, and class folders often are links.
    left_out: list[str] = []
    found = list(_files_below(root.path, is_wanted, left_out))
    if left_out:
        logging.getLogger(__name__).warning(
            "%d device(s), FIFO(s) or socket(s) in %r are left out: %s",
            *(len(left_out), root.url, quoted(left_out)),
        )
    return found


def _files_below(top: str, is_wanted: Callable[[str], bool], left_out: list[str]) -> Iterator[str]:
    """Yield the paths of the files below a local folder, through links, but not in circles.

    Args:
        top: the folder.
        is_wanted: whether a file or folder of some name is yielded, or looked into.
        left_out: gets the paths of what is neither a file nor a folder.
    """
    folders: list[tuple[str, tuple[_Identity, ...]]] = [(top, ())]
    for folder, above in folders:  # It grows by the folders that are found.
        identity, entries = _look_into(folder)
        if identity in above:
            continue
        for entry in entries:
            if not is_wanted(entry.name):
                continue
            path = posixpath.join(folder, entry.name)  # As fsspec has it, on Windows too.
            if entry.is_dir():
                folders.append((path, (*above, identity)))
            elif entry.is_file() or not os.path.exists(path):
                yield path  # A link to nothing is missed when it is read.
            else:
                left_out.append(path)
        if len(above) == MAX_DEPTH:
            raise InputError(f"{folder!r} lies {MAX_DEPTH} folders deep, the most that are listed")
        if len(folders) > MAX_FOLDERS:
            raise InputError(
                f"{top!r} has more than {MAX_FOLDERS} folders, the most that are listed; do links "
                "lead to them on several ways?"
            )


_Identity = tuple[int, int]
"""Device and inode of a folder."""


def _look_into(folder: str) -> tuple[_Identity, list[os.DirEntry[str]]]:
    try:
        place = os.stat(folder)
        with os.scandir(folder) as entries:
            return (place.st_dev, place.st_ino), list(entries)
    except OSError as error:
        raise InputError(f"listing {error.filename!r}: {error}") from error


def _linked_files(root: Root) -> list[str]:
    """Return the files that the pages of a web server link to, by path relative to the root.

    fsspec's own ``find`` would leave out a folder whose page cannot be loaded.
    """
    pages, names = [root.path.rstrip("/") + "/"], set[str]()
    known, length = set(pages), 0
    for page in pages:  # It grows by the folders that are found.
        text = _load_page(root, page)
        length += len(text)
        for link in _links(page, text):
            path = link.removeprefix(pages[0])
            if path == link or not path or {"?", "#"} & set(path):
                continue  # It leads out, to the folder itself, or to the page in another order.
            if not path.endswith("/"):
                names.add(urllib.parse.unquote(path))
            elif link not in known:
                pages.append(link)
                known.add(link)
        _refuse_endless(root, pages, length)
    if not names:
        raise InputError(
            f"{root.url!r} lists no files: a folder on the web needs a page that links to its "
            "files; give an archive (.tar, .zip), or download the folder"
        )
    return list(names)


def _load_page(root: Root, page: str) -> str:
    data: bytes = with_retries(f"listing {page!r}", lambda: root.fs.cat_file(page))
    return data.decode("utf-8", errors="ignore")


def _links(page: str, text: str) -> Iterator[str]:
    """Yield the absolute URLs that a page links to."""
    for tag in _ANCHOR.finditer(text):
        reference = _REFERENCE.search(tag[0])
        if reference is not None:
            target = html.unescape(reference[1] or reference[2] or reference[3] or "")
            with contextlib.suppress(ValueError):  # It is no URL at all.
                yield urllib.parse.urljoin(page, target)


def _refuse_endless(root: Root, pages: Sequence[str], length: int) -> None:
    """Refuse pages that link on and on."""
    depth = pages[-1].count("/") - pages[0].count("/")
    for found, most, what in (
        (len(pages), MAX_PAGES, "folders"),
        (depth, MAX_WEB_DEPTH, "folders deep"),
        (length, MAX_PAGES_LENGTH, "characters on its pages"),
    ):
        if found > most:
            raise InputError(
                f"{root.url!r} has more than {most} {what}, the most that are listed; give an "
                "archive (.tar, .zip), or download the folder"
            )


def list_folder(root: Root, relative: str) -> list[str]:
    """Return the paths, relative to the root, of the finished files of a folder, sorted."""
    path = root.join(relative)
    try:
        found = call_with_retries(root, "listing", relative, lambda: root.fs.ls(path, detail=False))
    except FileNotFoundError:
        return []
    # An object store may hold an object that stands for the folder itself.
    below = (name.rstrip("/") for name in found if name.rstrip("/") != path.rstrip("/"))
    names = map(posixpath.basename, below)
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
