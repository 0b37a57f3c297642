"""Writing a set: files appear whole or not at all, and unfinished ones can be removed."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sysnoise.manifests.layout import TEMPORARY
from sysnoise.pipelines.errors import UsageError, unwritable
from sysnoise.pipelines.storage.hashed_file import HashedFile
from sysnoise.pipelines.storage.listing import is_unfinished
from sysnoise.pipelines.storage.root import (
    Root,
    call_with_retries,
    connect,
    is_local,
    lies_inside,
    open_output,
)

_UPLOADS = 8
"""Number of files that are uploaded in parallel; at 25 MB per shard file, a worker holds 200 MB."""


@contextlib.contextmanager
def working_folder(root: Root, owner: str) -> Iterator[str]:
    """Give an empty local folder for files to be committed to ``root``, and remove it afterwards.

    For a local root the folder lies in it, so that a commit is a rename within one file system.

    Args:
        root: where the files will be committed.
        owner: what the files belong to; :func:`sweep` finds by it what a killed process left.
    """
    parent = None
    if is_local(root):
        parent = root.join(TEMPORARY)
        make_folder(Path(parent))
    folder = tempfile.mkdtemp(prefix=f"{owner}.", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit_files(files: Sequence[tuple[str, str]], root: Root) -> None:
    """Move finished local files to their places, where each appears whole or not at all.

    Their content must have been synced. Local ones are renamed, and then their folders are synced,
    so that one commit of the file system's journal holds all names; a remote one becomes visible
    when its upload is complete.

    Args:
        files: for each file, its local path and the path below the root that it is moved to.
        root: the root of the set.

    Raises:
        OSError: a file cannot be moved; others may have been.
        OutputError: a file cannot be uploaded; others may have been.
    """
    if is_local(root):
        targets = [Path(root.join(relative)) for _, relative in files]
        for (local_path, _), target in zip(files, targets, strict=True):
            make_folder(target.parent)
            os.replace(local_path, target)
        for folder in dict.fromkeys(target.parent for target in targets):
            _sync_folder(folder)
        return
    with ThreadPoolExecutor(_UPLOADS) as pool:
        for _ in pool.map(lambda file: _upload(root, *file), files):
            pass  # Raises the first error, and then starts no further upload.


def _upload(root: Root, local_path: str, relative: str) -> None:
    target = root.join(relative)
    try:
        call_with_retries(root, "writing", relative, lambda: root.fs.put_file(local_path, target))
    except OSError as error:
        raise unwritable(f"writing {root.child(relative)!r}", error) from error
    os.unlink(local_path)


def write_file(root: Root, relative: str, data: bytes) -> None:
    """Write a small file that appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    target = root.join(relative)
    try:
        if is_local(root):
            make_folder(Path(target).parent)
            temporary = f"{target}.{uuid.uuid4().hex}.tmp"
            try:
                _write_synced(temporary, data)
                _rename(temporary, target)
            finally:
                with contextlib.suppress(FileNotFoundError):  # It has been renamed.
                    os.unlink(temporary)
        else:
            call_with_retries(root, "writing", relative, lambda: root.fs.pipe_file(target, data))
    except OSError as error:
        raise unwritable(f"writing {root.child(relative)!r}", error) from error


def write_path(url: str, data: bytes) -> None:
    """Write a file that a user named, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    folder, name = posixpath.split(url)
    write_file(open_output(folder or "."), name, data)


def refuse_inside(url: str, path: str) -> None:
    """Refuse a file or folder inside a local set, which holds only its own files.

    Raises:
        UsageError: it lies in the set.
    """
    found, place = connect(url), connect(path)
    if is_local(found) and is_local(place) and lies_inside(place, found):
        raise UsageError(f"{path!r} lies in the set {url!r}; give a place outside of it")


def refuse_mixture(images: str, output: str) -> None:
    """Refuse an output among source images, and images in the output: a rerun would read its own.

    Raises:
        UsageError: one of them lies in the other.
    """
    source, target = connect(images), open_output(output)
    if lies_inside(target, source):
        raise UsageError(
            f"the output {output!r} lies in the folder of the images, {images!r}, where a later "
            "run would take its files for images; give a path outside of it"
        )
    if lies_inside(source, target):
        raise UsageError(
            f"the images {images!r} lie in the output {output!r}, which holds only files of the "
            "set; give another output"
        )


def _write_synced(path: str, data: bytes) -> None:
    with open(path, "xb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _rename(local_path: str, target: str) -> None:
    """Replace the target and sync its folder, so that the name survives a crash."""
    os.replace(local_path, target)
    _sync_folder(Path(target).parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and sync the folder that each new one lies in."""
    if not path.is_dir():
        make_folder(path.parent)
        with contextlib.suppress(FileExistsError):  # Another process made it, or it is no folder.
            path.mkdir()
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Have the names in a folder survive a crash, where the system opens folders: not Windows."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def new_file(root: Root, relative: str) -> Iterator[HashedFile]:
    """Give a file to write in parts; it appears whole at the end, or not at all after an error.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with working_folder(root, "set") as folder:
            file = HashedFile(os.path.join(folder, posixpath.basename(relative)))
            try:
                yield file
            finally:
                file.close()
            commit_files([(file.path, relative)], root)
    except OSError as error:
        raise unwritable(f"writing {root.child(relative)!r}", error) from error


def remove_folder(root: Root, relative: str) -> None:
    """Remove a folder of a set with all that is in it, if it is there.

    Raises:
        OutputError: it cannot be removed.
    """
    path = root.join(relative)
    _remove(root, relative, lambda: root.fs.rm(path, recursive=True))


def remove_file(root: Root, relative: str) -> None:
    """Remove a file of a set, if it is there.

    Raises:
        OutputError: it cannot be removed.
    """
    path = root.join(relative)
    _remove(root, relative, lambda: root.fs.rm_file(path))


def remove_files(root: Root, relatives: Sequence[str]) -> None:
    """Remove files of a set that are there; object stores remove many in one request.

    Raises:
        OutputError: one cannot be removed.
    """
    if is_local(root):
        for relative in relatives:
            remove_file(root, relative)
    elif relatives:
        paths = [root.join(relative) for relative in relatives]
        _remove(root, posixpath.commonpath(relatives), lambda: root.fs.rm(paths))


def remove_empty_folders(root: Root, relative: str) -> None:
    """Remove the empty ones of a local folder and those below it; others stay."""
    if is_local(root):
        for folder, _, _ in os.walk(root.join(relative), topdown=False):
            with contextlib.suppress(OSError):  # It is not empty, or not ours to remove.
                Path(folder).rmdir()


def _remove(root: Root, relative: str, call: Callable[[], object]) -> None:
    try:
        call_with_retries(root, "removing", relative, call)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwritable(f"removing {root.child(relative)!r}", error) from error


def sweep(root: Root, is_owned: Callable[[str], bool]) -> None:
    """Remove what killed processes left unfinished in a local set.

    Elsewhere nothing is left: an interrupted upload never becomes visible.

    Args:
        root: the root of the set.
        is_owned: returns whether to remove the files of an owner. Owners are named as in
            :func:`working_folder`; the owner of a single file is its name up to the first dot.

    Raises:
        OutputError: something cannot be removed.
    """
    if not is_local(root):
        return
    folder = Path(root.path)
    for working in folder.glob(f"{TEMPORARY}/*.*"):
        if is_owned(working.name.partition(".")[0]):
            remove_folder(root, f"{TEMPORARY}/{working.name}")
    for file in (*folder.glob("*.tmp"), *folder.glob("*/*.tmp")):
        if is_unfinished(file.name) and is_owned(file.name.partition(".")[0]):
            remove_file(root, file.relative_to(folder).as_posix())
