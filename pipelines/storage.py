"""Files and folders through fsspec: opening, listing, and writing whole or not at all."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem, make_path_posix

from manifests.layout import TEMPORARY
from pipelines.errors import InputError, OutputError

_UNFINISHED = ".tmp"
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
    return [name for name in list_files(root) if name.lower().endswith(IMAGE_EXTENSIONS)]


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


def absolute_url(url: str) -> str:
    """Return a URL that means the same in every working folder.

    Of a chain, such as ``zip://::images.zip``, the last part is the file itself.
    """
    outer, separator, path = url.rpartition("::")
    return outer + separator + (path if "://" in path else make_path_posix(path))


def is_process_memory(url: str) -> bool:
    """Whether a URL leads to the memory of one process, which others do not see."""
    return "memory://" in url


@contextlib.contextmanager
def working_folder(root: Root, owner: str) -> Iterator[str]:
    """Give an empty local folder for files to be committed to ``root``, and remove it afterwards.

    For a local root it stands inside, so that a commit is a rename in one file system.

    Args:
        root: where the files will be committed.
        owner: what the files belong to; :func:`sweep` finds by it what a killed process left.
    """
    parent = None
    if is_local(root):
        parent = root.join(TEMPORARY)
        os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f"{owner}.", dir=parent)
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
        _make_folder(Path(target).parent)
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
            _make_folder(Path(target).parent)
            temporary = f"{target}.{uuid.uuid4().hex}{_UNFINISHED}"
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
    _sync_folder(Path(target).parent)


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, and sync the folder that each new one stands in."""
    if not path.is_dir():
        _make_folder(path.parent)
        with contextlib.suppress(FileExistsError):  # Another process made it, or it is no folder.
            path.mkdir()
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
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
    return sorted(f"{relative}/{name}" for name in names if not name.endswith(_UNFINISHED))


def remove_folder(root: Root, relative: str) -> None:
    """Remove a folder of a set with all that is in it, if it is there."""
    path = root.join(relative)
    if root.fs.exists(path):
        root.fs.rm(path, recursive=True)


def remove_file(root: Root, relative: str) -> None:
    """Remove a file of a set, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        root.fs.rm_file(root.join(relative))


def sweep(root: Root, is_owned: Callable[[str], bool]) -> None:
    """Remove what killed processes left unfinished in a local set.

    Elsewhere nothing is left: an upload that was broken off never becomes visible.

    Args:
        root: of the set.
        is_owned: whether to remove what belongs to an owner, as :func:`working_folder` names it;
            of a single file that is its name up to the first dot.
    """
    if not is_local(root):
        return
    folder = Path(root.path)
    for working in folder.glob(f"{TEMPORARY}/*.*"):
        if is_owned(working.name.partition(".")[0]):
            shutil.rmtree(working)
    for pattern in (f"*{_UNFINISHED}", f"*/*{_UNFINISHED}"):
        for file in folder.glob(pattern):
            if is_owned(file.name.partition(".")[0]):
                file.unlink()


def file_sizes(root: Root) -> dict[str, int]:
    """Return the length in bytes of every file of a set, by its path relative to the root."""
    root.fs.invalidate_cache(root.path)
    prefix = root.path.rstrip("/") + "/"
    found: dict[str, dict[str, Any]] = root.fs.find(root.path, detail=True)
    return {path.removeprefix(prefix): int(info["size"]) for path, info in found.items()}
