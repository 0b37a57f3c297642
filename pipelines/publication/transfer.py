"""``sysnoise publish`` and ``sysnoise fetch``: a finished set, or a part of it, somewhere else.

Every file is hashed where it arrives. The plan is copied first, so that an interrupted copy is
recognized, and the manifest last. Files that have arrived are kept when the copy is continued.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sysnoise.manifests import layout
from sysnoise.manifests.bounded import DOCUMENT_BYTES, IrregularFileError, open_regular
from sysnoise.manifests.croissant import publication_of
from sysnoise.manifests.errors import PartError
from sysnoise.manifests.files import FileRow, needed_files
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import DocumentError, json_bytes
from sysnoise.manifests.junk import is_junk
from sysnoise.manifests.layout import receipt_path, shard_name
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.part import held_variants, part_document
from sysnoise.manifests.publication import Publication, is_bucket
from sysnoise.manifests.secrets import without_secrets
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.beam.progress import count_found, progress_bar
from sysnoise.pipelines.errors import (
    RESUME_COPYING,
    DamageError,
    InputError,
    OutputError,
    UsageError,
    lines_of,
    unwritable,
)
from sysnoise.pipelines.publication.card import write_card
from sysnoise.pipelines.storage.commit import (
    commit_files,
    remove_file,
    sweep,
    working_folder,
    write_file,
)
from sysnoise.pipelines.storage.downloads import download
from sysnoise.pipelines.storage.listing import file_sizes, list_folder
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.reading import read_file, read_if_there, read_in_parallel
from sysnoise.pipelines.storage.root import (
    Root,
    connect,
    is_local,
    lies_inside,
    open_output,
    refuse_missing_bucket,
)
from sysnoise.pipelines.verification.checked_file import MISSING, FileProblem
from sysnoise.pipelines.verification.index import read_index, read_set_plan
from sysnoise.pipelines.verification.sums import parse_sums, set_size
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.quantities import counted, size_text

_OWNER = "copy"
"""The owner of the temporary files of a copy."""

_CARD_HINT = "'sysnoise card' writes card and sums again"
_UNWRITABLE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class TransferResult:
    """The result of a copy.

    Attributes:
        url: path or fsspec URL of the target.
        held: ids of the variants whose images the target holds.
        baseline: id of the set's baseline.
        files: number of all files of the target's set.
        bytes: total length of these files.
        copied: number of these files that were copied, because they were not there already; card,
            sums and manifest are written anew.
    """

    url: str
    held: tuple[str, ...]
    baseline: str
    files: int
    bytes: int
    copied: int

    def summary(self) -> str:
        """Return one line for the terminal."""
        lacks = self.held and self.baseline not in self.held
        note = ""
        if lacks:
            note = (
                f", not of the baseline {self.baseline}, which the others are compared with: the "
                f"same command with '--variant {self.baseline}' adds it"
            )
        return (
            f"{without_secrets(self.url)}: {counted(self.files, 'file')}, "
            f"{size_text(self.bytes)}, {self.copied:,} of them copied; it holds the images of "
            f"{counted(len(self.held), 'variant')}{note}"
        )


@dataclass(frozen=True)
class _File:
    """A file to be copied; ``bytes`` is None where its length is not known."""

    path: str
    bytes: int | None
    sha256: str

    @property
    def longest(self) -> int:
        """Number of bytes after which nothing of it is read."""
        return DOCUMENT_BYTES if self.bytes is None else self.bytes


@dataclass(frozen=True)
class _Index:
    """What a set says about itself: manifest, files table, held variants, sums and publication."""

    manifest: Manifest
    rows: Sequence[FileRow]
    held: tuple[str, ...]
    sums: Mapping[str, str]
    publication: Publication


@dataclass(frozen=True)
class _RunningCopy:
    """A copy that is running.

    Attributes:
        source: the root of the set.
        target: the root of the copy.
        folder: a local folder for files that are not in their place yet.
        sizes: length in bytes of every file of the target, by path.
    """

    source: Root
    target: Root
    folder: str
    sizes: Mapping[str, int]


def transfer(source_url: str, target_url: str, variants: Sequence[str] | None) -> TransferResult:
    """Copy a finished set, with the images of some variants.

    Files of the same set that the target already holds stay.

    Args:
        source_url: path or fsspec URL of the set.
        target_url: a new or empty folder, or one with a copy of the set.
        variants: ids of the variants; empty to copy all except the images; None for all variants.

    Raises:
        InputError: there is no finished set, or it cannot be read.
        UsageError: the set does not hold the variants, or the target lies in the set.
        OutputError: the target holds something else, or cannot be written.
        DamageError: files arrived with other bytes than the set says, or are missing.
    """
    source = connect(source_url)
    index = _read_index(source)
    chosen = _chosen_variants(index, source, variants)
    target = open_target(source, target_url)
    _variants_before(target, index.manifest, chosen)
    with lock_shards(target, None):
        before = _variants_before(target, index.manifest, chosen)  # Another run may have ended.
        sweep(target, lambda owner: owner == _OWNER)
        files = list(_files_to_copy(source, index, chosen))
        copied = _copy_files(source, target, files)
        held = tuple(each for each in _ids(index.manifest) if each in {*chosen, *before})
        _complete(target, index, held)
    size = set_size(target)
    baseline = index.manifest["grid"]["baseline"]
    return TransferResult(target.url, held, baseline, size.files, size.bytes, copied)


def _ids(manifest: Manifest) -> list[str]:
    return [variant["id"] for variant in manifest["variants"]]


def _read_index(source: Root) -> _Index:
    manifest, rows = read_index(source)
    try:
        held = held_variants(manifest, read_if_there(source, layout.PART))
        sums = parse_sums(read_file(source, layout.SUMS))
        card = read_file(source, layout.CROISSANT)
    except (PartError, OSError) as error:
        raise InputError(
            f"the set {source.url!r} cannot be copied: {error}; {_CARD_HINT}"
        ) from error
    found, expected = hashlib.sha256(card).hexdigest(), sums.get(layout.CROISSANT)
    if found != expected:
        raise DamageError(
            f"{layout.CROISSANT} of {source.url!r} arrived with the sha256 {found}, expected "
            f"{expected}; {RESUME_COPYING}; "
            f"if this happens again, the set there is damaged: {_CARD_HINT}"
        )
    try:
        return _Index(manifest, rows, held, sums, publication_of(card))
    except ValueError as error:
        raise InputError(
            f"reading {source.child(layout.CROISSANT)!r}: {error}; {_CARD_HINT}"
        ) from error


def _chosen_variants(
    index: _Index, source: Root, variants: Sequence[str] | None
) -> tuple[str, ...]:
    if variants is None:
        return index.held
    ids = _ids(index.manifest)
    for variant in variants:
        if variant not in ids:
            raise UsageError(unknown_name("variant", variant, ids))
        if variant not in index.held:
            held = f"but those of {counted(len(index.held), 'variant')}:\n{lines_of(index.held)}"
            raise UsageError(
                f"{source.url!r} holds no images of {variant!r}, "
                f"{held if index.held else 'nor of any other variant: it is a recipe'}"
            )
    return tuple(variants)


def open_target(source: Root, target_url: str) -> Root:
    """Open the target of a copy.

    Raises:
        UsageError: it is the set or lies in it.
        OutputError: it cannot be written, or its bucket does not exist.
    """
    target = open_output(target_url)
    if lies_inside(target, source):
        raise UsageError(f"the target {target.url!r} is the set itself or lies in it; give another")
    refuse_missing_bucket(target)
    return target


def _variants_before(target: Root, manifest: Manifest, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the variants of this set that the target already holds.

    Raises:
        OutputError: the target holds something else.
        UsageError: the target holds images, and no variants are chosen.
    """
    try:
        found = list_folder(target, "")
        names = {name for name in found if not (name.startswith(".") or is_junk(name))}
        stored = _read_json_object(target, layout.MANIFEST)
        plan = _read_json_object(target, layout.PLAN)
        part = read_if_there(target, layout.PART)
    except (OSError, ValueError) as error:
        raise OutputError(f"reading the target {target.url!r}: {error}") from error
    is_set = stored is not None and stored.get("checksum") == manifest["checksum"]
    is_begun = plan is not None and plan.get("fingerprint") == manifest["plan"]["fingerprint"]
    if not is_set and (stored is not None or (names - {layout.TEMPORARY} and not is_begun)):
        raise OutputError(
            f"the target {target.url!r} holds another set, or other files; give another path, or "
            "empty it first"
        )
    try:
        # A copy that was interrupted while it was completed has part.json, but no manifest.
        before = held_variants(manifest, part) if is_set or part is not None else ()
    except PartError:  # The file is written again.
        before = ()
    if before and not chosen:
        raise UsageError(
            f"the target {target.url!r} holds images of {counted(len(before), 'variant')}, so it "
            "cannot be a copy without any; give another path, or empty it first"
        )
    return before


def _read_json_object(root: Root, path: str) -> Mapping[str, object] | None:
    data = read_if_there(root, path)
    document = None if data is None else json.loads(data)
    return document if document is None or isinstance(document, dict) else {}


def _files_to_copy(source: Root, index: _Index, chosen: Sequence[str]) -> Iterator[_File]:
    """Yield the files of a copy, the plan first, without the card and the manifest."""
    needed = needed_files(index.rows, chosen)
    for row in sorted(needed, key=lambda row: (row.path != layout.PLAN, row.path)):
        yield _File(row.path, row.bytes, row.sha256)
    table = index.manifest["files"]
    yield _File(layout.FILES, table["bytes"], table["sha256"])
    shards = index.manifest["counts"]["shards"]
    if shards > len(index.sums):  # Before as many names are made.
        raise InputError(f"{source.child(layout.SUMS)!r} lacks receipts of {shards} shards")
    receipts = [receipt_path(shard_name(shard, shards)) for shard in range(shards)]
    missing = [path for path in receipts if path not in index.sums]
    if missing:
        raise InputError(
            f"{source.child(layout.SUMS)!r} lacks {counted(len(missing), 'receipt')}:\n"
            f"{lines_of(missing)}"
        )
    yield from (_File(path, None, index.sums[path]) for path in receipts)
    if index.publication.picture is not None and chosen:
        if layout.PICTURE not in index.sums:
            raise InputError(
                f"{source.child(layout.SUMS)!r} lacks {layout.PICTURE}, which the card shows; "
                f"{_CARD_HINT}"
            )
        yield _File(layout.PICTURE, None, index.sums[layout.PICTURE])


def _copy_files(source: Root, target: Root, files: Sequence[_File]) -> int:
    """Copy the files that the target lacks or has with other bytes; return their number."""
    size = sum(file.bytes or 0 for file in files)
    sizes = file_sizes(target)
    _refuse_larger_than_disk(target, [file for file in files if file.path not in sizes])
    problems, copied = [], 0
    with working_folder(target, _OWNER) as folder, progress_bar("copy", size, "B") as bar:
        copy_file = functools.partial(_copy_file, _RunningCopy(source, target, folder, sizes))
        results = chain([copy_file(files[0])], read_in_parallel(copy_file, files[1:]))
        for file, result in zip(files, results, strict=True):
            if result is False:
                count_found(bar, file.bytes or 0)
            else:
                bar.update(file.bytes or 0)
            if isinstance(result, FileProblem):
                problems.append(f"{result.path}: {result.message}")
            copied += result is True
    if problems:
        raise DamageError(
            f"{len(problems)} of {len(files)} files did not arrive from {source.url!r}:\n"
            f"{lines_of(problems)}\n{RESUME_COPYING}; if this happens again, the set there is "
            "damaged"
        )
    return copied


def _refuse_larger_than_disk(target: Root, files: Sequence[_File]) -> None:
    """Refuse files that a local target has no room for, before the first byte is written."""
    if not is_local(target):
        return
    place = Path(target.path)
    while not place.exists():
        place = place.parent
    needed, free = sum(file.bytes or 0 for file in files), shutil.disk_usage(place).free
    if needed > free:
        raise OutputError(
            f"the target {target.url!r} lacks files of {needed} bytes in all, and its disk has "
            f"{free} bytes left; make room, or choose fewer variants with --variant"
        )


def _copy_file(copy: _RunningCopy, file: _File) -> FileProblem | bool:
    """Copy a file if the target lacks it; return whether it was copied, or why it could not be."""
    if _is_there(copy, file):
        return False
    local = _local_name(copy)
    try:
        is_pieced = download(copy.source, file.path, local, file.longest)
        found = _sha256_of(local)
        if is_pieced and found != file.sha256:  # Of two states of the file?
            download(copy.source, file.path, local, file.longest)
            found = _sha256_of(local)
    except FileNotFoundError:
        return FileProblem(file.path, MISSING)
    except IrregularFileError as error:
        return FileProblem(file.path, str(error))
    except OSError as error:
        if error.errno in _UNWRITABLE_ERRNOS:
            raise _unwritable(copy, file, error) from error
        raise InputError(
            f"reading {copy.source.child(file.path)!r}: {error}; {RESUME_COPYING}"
        ) from error
    message = _mismatch(found, file) or _move_into_place(copy, file, local)
    return True if message is None else FileProblem(file.path, message)


def _move_into_place(copy: _RunningCopy, file: _File, local: str) -> str | None:
    """Move a file to its place; return what is wrong with it there, or None."""
    try:
        commit_files([(local, file.path)], copy.target)
    except OSError as error:
        raise _unwritable(copy, file, error) from error
    return None if is_local(copy.target) else _read_back(copy, file)


def _unwritable(copy: _RunningCopy, file: _File, error: OSError) -> OutputError:
    place = copy.target.child(file.path)
    return unwritable(f"writing {place!r}", error)


def _is_there(copy: _RunningCopy, file: _File) -> bool:
    """Whether the target has a file with its bytes."""
    found = copy.sizes.get(file.path)
    if found is None or file.bytes not in (None, found):
        return False
    try:
        return _sha256_at(copy, file) == file.sha256
    except OSError:  # The file is copied again, which shows what is wrong with the target.
        return False


def _read_back(copy: _RunningCopy, file: _File) -> str | None:
    """Return what is wrong with an uploaded file, which is then removed, or None."""
    try:
        message = _mismatch(_sha256_at(copy, file), file)
    except OSError as error:  # S3 compares a checksum of its own.
        message = f"arrived, but cannot be read back: {error}"
    if message is not None:
        remove_file(copy.target, file.path)
    return message


def _mismatch(sha256: str, file: _File) -> str | None:
    if sha256 == file.sha256:
        return None
    return f"arrived with the sha256 {sha256}, expected {file.sha256}"


def _local_name(copy: _RunningCopy) -> str:
    return os.path.join(copy.folder, uuid.uuid4().hex)


def _sha256_at(copy: _RunningCopy, file: _File) -> str:
    """Return the sha256 of a file of the target; a remote one is read back whole."""
    if is_local(copy.target):
        return _sha256_of(copy.target.join(file.path))
    local = _local_name(copy)
    download(copy.target, file.path, local, file.longest)
    try:
        return _sha256_of(local)
    finally:
        os.unlink(local)


def _sha256_of(path: str) -> str:
    with open_regular(path) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _complete(target: Root, index: _Index, held: Sequence[str]) -> None:
    """Write the card of the copy, the list of variants that it holds, and the manifest.

    ``part.json`` is written first, so that the next run can continue one that is interrupted here.
    If the copy has become whole, that file is removed at the end.
    """
    manifest = index.manifest
    write_file(target, layout.PART, json_bytes(part_document(manifest, held)))
    remove_file(target, layout.MANIFEST)
    files = parse_parquet(read_file(target, layout.FILES))
    try:
        plan = read_set_plan(read_file(target, layout.PLAN), manifest)
    except DocumentError as error:
        raise InputError(f"reading {layout.PLAN} of the set: {error}") from error
    publication = _publication_there(target, index.publication, held)
    write_card(target, HeldSet(manifest, plan, files, held), publication)
    write_file(target, layout.MANIFEST, json_bytes(manifest))
    if len(held) == len(held_variants(manifest, None)):
        remove_file(target, layout.PART)


def _publication_there(target: Root, publication: Publication, held: Sequence[str]) -> Publication:
    """Return what the card of a copy says of its publication.

    A copy without images has no picture either: it would show what may not be redistributed. One in
    a bucket is published there, unless the publisher has named another place.
    """
    picture = publication.picture if held else None
    place = without_secrets(target.url)
    url = publication.url or (place if is_bucket(place) else None)
    return dataclasses.replace(publication, picture=picture, url=url)
