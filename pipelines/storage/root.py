"""A folder or file that a user named, opened through fsspec, and what is there."""

from __future__ import annotations

import dataclasses
import posixpath
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import fsspec
from fsspec.implementations.local import make_path_posix
from fsspec.implementations.zip import ZipFileSystem

from sysnoise.manifests.bounded import is_local_fs, is_web_fs, open_url
from sysnoise.manifests.web import NO_RANGES
from sysnoise.pipelines.errors import InputError, OutputError
from sysnoise.pipelines.storage.retries import with_retries

ARCHIVE_EXTENSIONS = (".tar", ".zip", ".parquet")
"""The extensions by which a file on the web is known to be no folder."""

BUCKETS = {"s3", "gs"}
"""The protocols whose paths begin with the name of a bucket."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Root:
    """A folder or file that a user named, opened.

    Attributes:
        url: the path or URL as it was given.
        fs: the file system.
        path: the path in that file system.
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


def last_name(url: str) -> str:
    """Return the name of the file or folder at a path or fsspec URL, without a signature."""
    path = url.partition("?")[0] if "://" in url else url
    return posixpath.basename(path.rstrip("/"))


def open_root(url: str, option: str = "", expected: str = "") -> Root:
    """Open a folder or file.

    A ``.zip`` file is opened as the folder of its members.

    Args:
        url: path or fsspec URL.
        option: the option that it was given by, which the message on its absence names.
        expected: what the option takes.

    Raises:
        InputError: it does not exist, or is a zip file with something before its first member.
    """
    if url.endswith(".zip") and not url.startswith("zip://"):
        url = f"zip://::{url}"
    root = connect(url)
    try:
        found = root.path == "" or exists(root)
    except OSError as error:
        raise InputError(f"opening {url!r}: {explained(error)}") from error
    if not found:
        text = f"{url!r} does not exist"
        raise InputError(f"{option}: {text}; expected {expected}" if option else text)
    if isinstance(root.fs, ZipFileSystem):
        _refuse_damaged_zip(root)
    return root


def _refuse_damaged_zip(root: Root) -> None:
    """Refuse a zip file that would be read without some of its members.

    Only the list at the end of the file is read: before its first member, there may be another zip
    file, and fsspec lists nothing where a name is empty.
    """
    if not all(each.filename for each in root.fs.zip.infolist()):
        raise InputError(f"{root.url!r} has a member without a name: it is damaged")
    first = min((each.header_offset for each in root.fs.zip.infolist()), default=0)
    if first:
        raise InputError(
            f"{root.url!r} has {first} bytes before its first member: it is two archives in one, "
            "or damaged; unpack it and pack it again"
        )


def connect(url: str) -> Root:
    """Open a folder or file without looking for it: on the web, a folder may have no page.

    Raises:
        InputError: no such kind of file system, or its library is missing.
    """
    try:
        return with_retries(f"opening {url!r}", lambda: connect_without_retries(url))
    except OSError as error:
        raise InputError(f"opening {url!r}: {explained(error)}") from error


def connect_without_retries(url: str, **options: object) -> Root:
    """Open a folder or file as :func:`connect` does, in one attempt; ``options`` are fsspec's."""
    fs, path = open_url(url, **options)
    if "s3" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol):
        # Its retries, and those of botocore below, would multiply with ours and say nothing.
        fs.retries = 1
        fs.config_kwargs.setdefault("retries", {"total_max_attempts": 1})
        fs.max_concurrency = 1  # For parts of a file; whole files are uploaded in parallel.
    return Root(url, fs, path)


def explained(error: OSError) -> str:
    """Return an error's message, or what to do where a web server sends only whole files.

    fsspec has no exception class for that.
    """
    if any(text in str(error) for text in ("support range requests", "seek streaming HTTP file")):
        return NO_RANGES
    return str(error)


def call_with_retries(root: Root, work: str, relative: str, call: Callable[[], Answer]) -> Answer:
    """Make a call to the file system of a root, with retries where it is not the local one."""
    if is_local(root):
        return call()
    return with_retries(f"{work} {root.child(relative)!r}", call)


def exists(root: Root, relative: str = "") -> bool:
    """Whether there is a file or folder, at the root or below it.

    Raises:
        OSError: this cannot be determined.
    """
    if is_local(root):
        return bool(root.fs.exists(root.join(relative)))
    return _kind(root, relative) is not None


def is_file(root: Root) -> bool:
    """Whether a root that exists is a file; on the web, whether its name ends like an archive's.

    Raises:
        OSError: this cannot be determined.
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
        info = call_with_retries(root, "looking for", relative, lambda: root.fs.info(path))
    except FileNotFoundError:
        return None
    return str(info["type"])


def open_output(url: str) -> Root:
    """Open the folder that a set is written to; it need not exist.

    Raises:
        OutputError: no such kind of file system, one that cannot be written, or its library is
            missing.
    """
    if "::" in url:
        raise OutputError(
            f"the output {url!r} is a chain of file systems ('::'), which can only be read; give "
            "another path"
        )
    root = open_growing(url)
    if is_http(root):
        raise OutputError(f"the output {url!r} is on the web, which can only be read; give another")
    return root


def refuse_missing_bucket(root: Root) -> None:
    """Refuse a folder in a bucket that does not exist; other file systems have no buckets.

    Raises:
        OutputError: there is no such bucket.
    """
    if not _protocols(root) & BUCKETS:
        return
    bucket = root.path.partition("/")[0]
    place = f"{root.url.partition('://')[0]}://{bucket}"
    try:
        call_with_retries(root, "looking for", "", lambda: root.fs.info(bucket))
    except FileNotFoundError as error:
        raise OutputError(
            f"the bucket {place!r} of {root.url!r} does not exist; make it, or give another place"
        ) from error
    except OSError:  # Who may write to a bucket need not be allowed to list it.
        return


def open_growing(url: str) -> Root:
    """Open a folder that other processes may be writing, of which no listing is kept.

    Raises:
        OutputError: no such kind of file system, or its library is missing.
    """
    try:
        root = with_retries(
            f"opening {url!r}", lambda: connect_without_retries(url, use_listings_cache=False)
        )
    except OSError as error:
        raise OutputError(f"opening the output {url!r}: {error}") from error
    return dataclasses.replace(root, path=root.path.rstrip("/"))


def _protocols(root: Root) -> set[str]:
    protocol = root.fs.protocol
    return {protocol} if isinstance(protocol, str) else {*protocol}


def is_local(root: Root) -> bool:
    """Whether the root lies in the local file system."""
    return is_local_fs(root.fs)


def is_http(root: Root) -> bool:
    """Whether the root is a web page or file."""
    return is_web_fs(root.fs)


def absolute_url(url: str) -> str:
    """Return a URL that means the same in every working folder.

    In a chain, such as ``zip://::images.zip``, the last part is the file itself.
    """
    outer, separator, path = url.rpartition("::")
    return outer + separator + (path if "://" in path else make_path_posix(path))


def lies_inside(place: Root, folder: Root) -> bool:
    """Whether a path is a folder or lies below it, also through links; neither need exist."""
    if is_local(place) and is_local(folder):
        return Path(place.path).resolve().is_relative_to(Path(folder.path).resolve())
    below = f"{place.path.rstrip('/')}/".startswith(f"{folder.path.rstrip('/')}/")
    return below and type(place.fs) is type(folder.fs)


def is_process_memory(url: str) -> bool:
    """Whether a URL leads to the memory of one process, which others do not see."""
    return "memory://" in url
