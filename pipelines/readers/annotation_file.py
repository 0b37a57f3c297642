"""Finding and opening a file of annotations: alone, packed by gzip, or in a zip archive."""

from __future__ import annotations

import gzip
import io
import posixpath
import urllib.parse
import zlib
from contextlib import AbstractContextManager
from typing import Any

from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.pipelines.errors import InputError, lines_of, quoted
from sysnoise.pipelines.storage.listing import list_files, list_folder
from sysnoise.pipelines.storage.reading import STREAM_BYTES, kind_of_file, open_text
from sysnoise.pipelines.storage.root import Root, connect, is_local

_PREFIXES = ("instances_", "image_info_")
"""What stands before the split in the names of COCO's files."""

_EXTENSIONS = (".json", ".json.gz")
_GZIP = b"\x1f\x8b"


def open_annotations(url: str) -> AbstractContextManager[io.TextIOWrapper]:
    """Open a document of annotations as text; one that is packed by gzip is unpacked.

    Args:
        url: path or fsspec URL, from :func:`find_annotations`.

    Raises:
        InputError: as :func:`open_text`; or it is damaged, cut off or unpacks to more than
            :data:`STREAM_BYTES`.
    """
    return open_text(url, "file of annotations", unpacked)


def find_annotations(url: str, split: str | None) -> str:
    """Return the URL of the document of annotations that a user means.

    Args:
        url: path or fsspec URL of the document, or of a zip archive that holds it.
        split: the split that the user asks for. It chooses among several documents of an archive,
            by their names or their folders; a single document is taken whatever its name.

    Raises:
        InputError: it is a folder, or no or several documents of an archive can be meant.
    """
    if _path_of(url).lower().endswith(".zip"):
        return _member(f"zip://::{url}", url, split)
    if url.startswith("zip://::"):
        return _member(url, url, split)
    root = connect(url)
    if is_local(root) and root.fs.isdir(root.path):
        found = [name for name in list_folder(root, "") if _is_document(name)]
        raise InputError(
            f"the file of annotations {url!r} is a folder; give one of its files"
            + (f": {quoted(found)}" if found else "")
        )
    return url


def split_of(url: str) -> str:
    """Return the split that a document's name tells: what follows ``instances_`` in it.

    In a chain of file systems, such as ``zip://instances_val.json::all.zip``, the name is that of
    the document itself.
    """
    name = posixpath.basename(_path_of(url)).removesuffix(".gz")
    stem, _ = posixpath.splitext(name)
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    return stem


def _path_of(url: str) -> str:
    """Return the path of the innermost file of a URL, without a query."""
    first = url.split("::")[0]
    is_web = first.startswith(("http://", "https://"))
    return urllib.parse.urlsplit(first).path if is_web else first


def _is_document(name: str) -> bool:
    return name.lower().endswith(_EXTENSIONS)


def _member(chain: str, url: str, split: str | None) -> str:
    """Return the URL of the document in an archive, whose root has the URL ``chain``."""
    root = _open_archive(chain, url)
    names = list_files(root)
    documents = [name for name in names if _is_document(name)]
    if not documents:
        raise InputError(
            f"the archive {url!r} holds no annotations, no .json or .json.gz file, but "
            f"{len(names)} other file(s): {quoted(names)}"
        )
    prefixed = [name for name in documents if posixpath.basename(name).startswith(_PREFIXES[0])]
    candidates = prefixed or documents
    if len(candidates) > 1 and split is not None:
        candidates = [name for name in documents if _is_of(name, split)]
    if len(candidates) == 1:
        return root.child(candidates[0])
    problem = "several files" if candidates else f"no file of the split {split!r}"
    raise InputError(
        f"the archive {url!r} holds {problem}; choose one of these by --split:\n"
        f"{lines_of([f'{name}: {split_of(name)}' for name in candidates or documents])}"
    )


def _is_of(name: str, split: str) -> bool:
    """Whether a document in an archive is of a split, as its name or one of its folders says."""
    return split_of(name) == split or split in name.split("/")[:-1]


def _open_archive(chain: str, url: str) -> Root:
    try:
        return connect(chain)
    except InputError as error:
        found = _what_begins(chain.removeprefix("zip://::"))
        if found is None:
            raise InputError(f"the file of annotations {url!r} does not exist") from error
        raise InputError(
            f"opening the file of annotations {url!r}: expected a zip archive, found "
            f"{found.replace('a zip archive', 'one that is damaged or cut off')}"
        ) from error


def _what_begins(url: str) -> str | None:
    """Return what a file is that is no whole archive; None where there is none."""
    try:
        return kind_of_file(connect(url), "") or "another kind of file"
    except FileNotFoundError:
        return None
    except (OSError, InputError) as error:
        return f"what cannot be read: {error}"


def unpacked(binary: io.BufferedReader) -> io.BufferedReader:
    """Return a reader of what gzip packed; the reader itself where its content is not packed."""
    is_packed = binary.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
    return io.BufferedReader(_Unpacked(binary)) if is_packed else binary


class _Unpacked(io.RawIOBase):
    """A gzip file, read as what it holds, up to a limit."""

    def __init__(self, binary: io.BufferedReader) -> None:
        self._packed = gzip.GzipFile(fileobj=binary)
        self._length = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._packed.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(f"the gzip file is damaged or cut off: {error}") from error
        self._length += len(data)
        if self._length > STREAM_BYTES:
            raise FileTooLargeError(STREAM_BYTES)
        buffer[: len(data)] = data
        return len(data)
