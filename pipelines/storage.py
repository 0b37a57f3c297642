"""Files and folders through fsspec: opening, listing, and writing whole or not at all."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from manifests.layout import TEMPORARY
from pipelines.errors import InputError, OutputError
from pipelines.writers.samples import HashedFile

IMAGE_EXTENSIONS = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif")


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
        """Return the URL of a file or folder below this root."""
        first, separator, rest = self.url.partition("::")
        joined = f"{first}{relative}" if first.endswith("/") else f"{first}/{relative}"
        return joined + separator + rest

    def join(self, relative: str) -> str:
        """Return the path of a file below this root; the root itself for an empty text."""
        return posixpath.join(self.path, relative) if relative else self.path


def open_root(url: str) -> Root:
    """Open a folder or file.

    A ``.zip`` file stands for the folder of its members.

    Raises:
        InputError: it does not exist.
    """
    if url.endswith(".zip") and not url.startswith("zip://"):
        url = f"zip://::{url}"
    try:
        fs, path = url_to_fs(url)
        exists = path == "" or fs.exists(path)
    except (OSError, ValueError, ImportError, zipfile.BadZipFile) as error:
        raise InputError(f"opening {url!r}: {error}") from error
    if not exists:
        raise InputError(f"{url!r} does not exist")
    return Root(url, fs, path)


def list_images(root: Root) -> list[str]:
    """Return the paths of all image files below a folder, relative to it, sorted."""
    return images_among(list_files(root))


def images_among(names: Iterable[str]) -> list[str]:
    """Return those names that are called like images."""
    return [name for name in names if name.lower().endswith(IMAGE_EXTENSIONS)]


def list_files(root: Root) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted."""
    prefix = root.path.rstrip("/") + "/" if root.path else ""
    return sorted(path.removeprefix(prefix) for path in _walk(root))


def _walk(root: Root) -> list[str]:
    if not is_local(root):
        return list(root.fs.find(root.path))
    # fsspec does not follow links to folders, and class folders often are links.
    folders = os.walk(root.path, followlinks=True, onerror=_refuse_unreadable)
    return [posixpath.join(folder, name) for folder, _, names in folders for name in names]


def _refuse_unreadable(error: OSError) -> None:
    raise InputError(f"listing {error.filename!r}: {error}") from error


def read_text(url: str, purpose: str) -> str:
    """Return the text of a small file.

    Args:
        url: path or fsspec URL.
        purpose: what the file is, for the message.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with fsspec.open(url, "rb") as opened:
            data: bytes = opened.read()
        return data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"reading the {purpose} {url!r}: {error}") from error


def open_output(url: str) -> Root:
    """Open the folder that a set is written to; it need not exist.

    Raises:
        OutputError: no such kind of file system, or its library is missing.
    """
    try:
        fs, path = url_to_fs(url)
    except (OSError, ValueError, ImportError) as error:
        raise OutputError(f"opening the output {url!r}: {error}") from error
    return Root(url, fs, path.rstrip("/"))


def is_local(root: Root) -> bool:
    """Whether the root lies in the local file system."""
    return isinstance(root.fs, LocalFileSystem)


@contextlib.contextmanager
def working_folder(root: Root) -> Iterator[str]:
    """Give an empty local folder for files to be committed to ``root``, and remove it afterwards.

    For a local root it stands inside, so that a commit is a rename in one file system.
    """
    parent = None
    if is_local(root):
        parent = root.join(TEMPORARY)
        os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit_file(local_path: str, root: Root, relative: str) -> None:
    """Move a finished local file to its place, where it appears whole or not at all.

    The file's content must have been synced. A local target is renamed into, and its folder synced;
    a remote one becomes visible when its upload is complete.
    """
    target = root.join(relative)
    if is_local(root):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _rename(local_path, target)
    else:
        root.fs.put_file(local_path, target)
        os.unlink(local_path)


def write_file(root: Root, relative: str, data: bytes) -> None:
    """Write a small file that appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    target = root.join(relative)
    try:
        if is_local(root):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            temporary = f"{target}.{uuid.uuid4().hex}.tmp"
            try:
                _write_synced(temporary, data)
                _rename(temporary, target)
            finally:
                with contextlib.suppress(FileNotFoundError):  # It has been renamed.
                    os.unlink(temporary)
        else:
            root.fs.pipe_file(target, data)
    except OSError as error:
        raise OutputError(
            f"writing {target!r}: {error}; give an --output that can be written"
        ) from error


def _write_synced(path: str, data: bytes) -> None:
    with open(path, "xb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _rename(local_path: str, target: str) -> None:
    """Replace the target and sync its folder, so that the name survives a crash."""
    os.replace(local_path, target)
    descriptor = os.open(os.path.dirname(target), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(root: Root, relative: str) -> bytes:
    """Return the content of a file of a set.

    Raises:
        OSError: it cannot be read.
    """
    return bytes(root.fs.cat_file(root.join(relative)))


def list_folder(root: Root, relative: str) -> list[str]:
    """Return the paths, relative to the root, of the whole files in a folder of a set, sorted."""
    path = root.join(relative)
    root.fs.invalidate_cache(path)
    try:
        found = root.fs.ls(path, detail=False)
    except FileNotFoundError:
        return []
    names = (posixpath.basename(name.rstrip("/")) for name in found)
    return sorted(f"{relative}/{name}" for name in names if not name.endswith(".tmp"))


def remove_folder(root: Root, relative: str) -> None:
    """Remove a folder of a set with all that is in it, if it is there."""
    path = root.join(relative)
    if root.fs.exists(path):
        root.fs.rm(path, recursive=True)


@contextlib.contextmanager
def new_file(root: Root, relative: str) -> Iterator[HashedFile]:
    """Give a file to write in parts; it appears whole at the end, or not at all after an error.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with working_folder(root) as folder:
            file = HashedFile(os.path.join(folder, posixpath.basename(relative)))
            try:
                yield file
            finally:
                file.close()
            commit_file(file.path, root, relative)
    except OSError as error:
        raise OutputError(
            f"writing {root.join(relative)!r}: {error}; give an --output that can be written"
        ) from error
