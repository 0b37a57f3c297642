"""Files and folders through fsspec: opening, listing and reading, with retries."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import itertools
import os
import posixpath
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem, make_path_posix

from pipelines.errors import InputError, OutputError
from pipelines.retries import with_retries

_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""What :func:`pipelines.commit.write_file` appends to the name of a file until it is whole."""

_READ_AHEAD = 2**20
"""Bytes; the tables of a set are small, and S3's own 50 MB would be read anew for each shard."""
_READS = 16
"""Small files that are read side by side."""

IMAGE_EXTENSIONS = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif")
ARCHIVE_EXTENSIONS = (".tar", ".zip", ".parquet")
_WHOLE_FILES = "the server sends only whole files, no parts; download the file and give its path"

Answer = TypeVar("Answer")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Root:
    """A folder or file that a user named, opened.

    Attributes:
        url: as it was given.
        fs: its file system.
        path: its path there.
    """

    url: str
    fs: fsspec.AbstractFileSystem
    path: str

    def child(self, relative: str) -> str:
        """Return the URL of a file or folder below this root; its own for an empty text."""
        if not relative:
            return self.url
        first, separator, rest = self.url.partition("::")
        joined = f"{first}{relative}" if first.endswith("/") else f"{first}/{relative}"
        return joined + separator + rest

    def join(self, relative: str) -> str:
        """Return the path of a file below this root; the root itself for an empty text."""
        below = urllib.parse.quote(relative) if is_http(self) else relative
        return posixpath.join(self.path, below) if relative else self.path


def open_root(url: str) -> Root:
    """Open a folder or file.

    A ``.zip`` file stands for the folder of its members.

    Raises:
        InputError: it does not exist.
    """
    if url.endswith(".zip") and not url.startswith("zip://"):
        url = f"zip://::{url}"
    root = connect(url)
    try:
        found = root.path == "" or exists(root)
    except OSError as error:
        raise InputError(f"opening {url!r}: {_explained(error)}") from error
    if not found:
        raise InputError(f"{url!r} does not exist")
    return root


def connect(url: str) -> Root:
    """Open a folder or file without looking for it: on the web, a folder may have no page.

    Raises:
        InputError: no such kind of file system, or its library is missing.
    """
    try:
        return with_retries(f"opening {url!r}", lambda: _connect(url))
    except OSError as error:
        raise InputError(f"opening {url!r}: {_explained(error)}") from error


def _connect(url: str, **options: object) -> Root:
    fs, path = url_to_fs(url, **options)
    if _speaks(fs, "s3"):
        # Its retries, and those of botocore below, would multiply with ours and say nothing.
        fs.retries = 1
        fs.config_kwargs.setdefault("retries", {"total_max_attempts": 1})
        fs.max_concurrency = 1  # Parts of a file; whole files go up side by side.
    return Root(url, fs, path)


def _speaks(fs: fsspec.AbstractFileSystem, protocol: str) -> bool:
    return protocol in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _explained(error: OSError) -> str:
    """Say what to do where a web server sends only whole files; fsspec has no class for that."""
    if any(text in str(error) for text in ("support range requests", "seek streaming HTTP file")):
        return _WHOLE_FILES
    return str(error)


def reach(root: Root, work: str, relative: str, call: Callable[[], Answer]) -> Answer:
    """Make a call to the file system of a root, with retries where it is not the local one."""
    if is_local(root):
        return call()
    return with_retries(f"{work} {root.child(relative)!r}", call)


def exists(root: Root, relative: str = "") -> bool:
    """Whether there is a file or folder, at the root or below it.

    Raises:
        OSError: that cannot be told.
    """
    if is_local(root):
        return bool(root.fs.exists(root.join(relative)))
    return _kind(root, relative) is not None


def is_file(root: Root) -> bool:
    """Whether a root that exists is a file; on the web, where all are, one called like an archive.

    Raises:
        OSError: that cannot be told.
    """
    if is_http(root):
        return root.path.endswith(ARCHIVE_EXTENSIONS)
    return bool(root.fs.isfile(root.path)) if is_local(root) else _kind(root) == "file"


def _kind(root: Root, relative: str = "") -> str | None:
    """Return ``file`` or ``directory``; None where there is nothing.

    The file systems' own ``exists`` and ``isfile`` take any failure for an absence.
    """
    try:
        path = root.join(relative)
        info = reach(root, "looking for", relative, lambda: root.fs.info(path))
    except FileNotFoundError:
        return None
    return str(info["type"])


def list_images(root: Root) -> list[str]:
    """Return the paths of all image files below a folder, relative to it, sorted."""
    return images_among(list_files(root))


def images_among(names: Iterable[str]) -> list[str]:
    """Return those names that are called like images."""
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
        return sorted(path.removeprefix(prefix) for path in _walk(root))
    except OSError as error:
        raise InputError(f"listing {root.url!r}: {error}") from error


def _walk(root: Root) -> list[str]:
    if not is_local(root):
        return list(reach(root, "listing", "", lambda: root.fs.find(root.path)))
    # fsspec does not follow links to folders, and class folders often are links.
    folders = os.walk(root.path, followlinks=True, onerror=_refuse_unreadable)
    return [posixpath.join(folder, name) for folder, _, names in folders for name in names]


def _linked_files(root: Root) -> list[str]:
    """Return the files that the pages of a web server link to, by path relative to the root.

    fsspec's own walk would leave out a folder whose page cannot be had.
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


def read_text(url: str, purpose: str) -> str:
    """Return the text of a small file; arguments and errors as of :func:`open_text`."""
    with open_text(url, purpose) as opened:
        return opened.read()


@contextlib.contextmanager
def open_text(url: str, purpose: str) -> Iterator[io.TextIOWrapper]:
    """Open a file of UTF-8 text, with its line ends as they are.

    Args:
        url: path or fsspec URL.
        purpose: what the file is, for the message.

    Raises:
        InputError: it cannot be opened, or the body raises an OSError or ValueError.
    """
    try:
        root = with_retries(f"opening {url!r}", lambda: _connect(url))
        with io.TextIOWrapper(open_file(root, ""), encoding="utf-8-sig", newline="") as opened:
            yield opened
    except FileNotFoundError as error:
        raise InputError(f"the {purpose} {url!r} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"reading the {purpose} {url!r}: {error}") from error


def open_output(url: str) -> Root:
    """Open the folder that a set is written to; it need not exist.

    Raises:
        OutputError: no such kind of file system, one that cannot be written, or its library is
            missing.
    """
    try:
        # Other processes write here too, and a kept listing would not show it.
        root = with_retries(f"opening {url!r}", lambda: _connect(url, use_listings_cache=False))
    except OSError as error:
        raise OutputError(f"opening the output {url!r}: {error}") from error
    if is_http(root):
        raise OutputError(f"the output {url!r} is on the web, which is only read; give another")
    return dataclasses.replace(root, path=root.path.rstrip("/"))


def is_local(root: Root) -> bool:
    """Whether the root lies in the local file system."""
    return isinstance(root.fs, LocalFileSystem)


def is_http(root: Root) -> bool:
    """Whether the root is a web page or file."""
    return _speaks(root.fs, "http")


def absolute_url(url: str) -> str:
    """Return a URL that means the same in every working folder.

    Of a chain, such as ``zip://::images.zip``, the last part is the file itself.
    """
    outer, separator, path = url.rpartition("::")
    return outer + separator + (path if "://" in path else make_path_posix(path))


def is_process_memory(url: str) -> bool:
    """Whether a URL leads to the memory of one process, which others do not see."""
    return "memory://" in url


def read_file(root: Root, relative: str) -> bytes:
    """Return the content of a file of a set.

    Raises:
        OSError: it cannot be read.
    """
    path = root.join(relative)
    return bytes(reach(root, "reading", relative, lambda: root.fs.cat_file(path)))


def read_if_there(root: Root, relative: str) -> bytes | None:
    """Return the content of a file of a set; None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return read_file(root, relative)
    except FileNotFoundError:
        return None


def read_side_by_side(read: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield what a function reads for each item, in order.

    Some are read at a time, which helps with remote storage, and no more than these are held.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(_READS) as pool:
        while batch := list(itertools.islice(waiting, _READS)):
            yield from pool.map(read, batch)


def read_range(root: Root, relative: str, start: int, size: int) -> bytes:
    """Return some bytes of a file.

    Raises:
        OSError: they cannot be read, or the file ends before.
    """
    path = root.join(relative)
    data = bytes(
        reach(
            *(root, "reading", relative),
            lambda: root.fs.cat_file(path, start=start, end=start + size),
        )
    )
    if len(data) != size:
        found = f"expected {size} bytes from {start} on, found {len(data)}"
        raise OSError(f"{root.child(relative)!r}: {_WHOLE_FILES if len(data) > size else found}")
    return data


def open_file(root: Root, relative: str) -> io.BufferedReader:
    """Open a file to read parts of it.

    Raises:
        OSError: it cannot be opened.
    """
    path = root.join(relative)
    if is_local(root):
        return cast("io.BufferedReader", root.fs.open(path, "rb"))
    opened = reach(
        *(root, "opening", relative), lambda: root.fs.open(path, "rb", block_size=_READ_AHEAD)
    )
    return io.BufferedReader(_RemoteFile(opened, root, relative))


class _RemoteFile(io.RawIOBase):
    """A remote file opened for reading, with retries of each read."""

    def __init__(self, opened: BinaryIO, root: Root, relative: str) -> None:
        self._opened = opened
        self._root = root
        self._relative = relative

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._call(lambda: self._opened.seek(offset, whence))

    def tell(self) -> int:
        return self._opened.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._call(lambda: self._opened.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def _call(self, call: Callable[[], Answer]) -> Answer:
        try:
            return reach(self._root, "reading", self._relative, call)
        except OSError as error:
            raise OSError(_explained(error)) from error

    def close(self) -> None:
        self._opened.close()
        super().close()


def modified(root: Root, relative: str) -> float | None:
    """Return when a file was last written, in seconds of the epoch; None where that is not told.

    Raises:
        OSError: it is not there, or cannot be reached.
    """
    path = root.join(relative)
    try:
        time = reach(root, "looking for", relative, lambda: root.fs.modified(path))
    except NotImplementedError:
        return None
    except OSError as error:  # As which retries pass on errors of other kinds.
        if isinstance(error.__cause__, NotImplementedError):
            return None
        raise
    return float(time.timestamp())


def version_of(root: Root, relative: str) -> str:
    """Return a text that is another one when the file has been written anew."""
    path = root.join(relative)
    return str(reach(root, "looking for", relative, lambda: root.fs.ukey(path)))


def list_folder(root: Root, relative: str) -> list[str]:
    """Return the paths, relative to the root, of the whole files in a folder of a set, sorted."""
    path = root.join(relative)
    try:
        found = reach(root, "listing", relative, lambda: root.fs.ls(path, detail=False))
    except FileNotFoundError:
        return []
    names = (posixpath.basename(name.rstrip("/")) for name in found)
    return sorted(posixpath.join(relative, name) for name in names if not is_unfinished(name))


def is_unfinished(name: str) -> bool:
    """Whether a file's name is that of one that :func:`write_file` is writing, or was."""
    return _UNFINISHED.search(name) is not None


def file_sizes(root: Root) -> dict[str, int]:
    """Return the length in bytes of every file of a set, by its path relative to the root."""
    prefix = root.path.rstrip("/") + "/"
    found: dict[str, dict[str, Any]] = reach(
        root, "listing", "", lambda: root.fs.find(root.path, detail=True)
    )
    return {path.removeprefix(prefix): int(info["size"]) for path, info in found.items()}
