"""Checking one file of a set: its length and sha256, and a variant's samples and images.

A file is read once and never held whole; the checked columns of a Parquet shard are read again.
"""

from __future__ import annotations

import functools
import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.stored import decode_stored
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.storage.reading import open_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import (
    CheckedFile,
    FileProblem,
    FilesBySha256,
    unreadable_file,
)
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.errors import plain_message

BLOCK = 1 << 20
"""Number of bytes that are read at a time."""


class HashingReader:
    """Reads a file forward, and counts and hashes what passes.

    After :meth:`drain`, the file may be read in any order.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = 0
        self._digest = hashlib.sha256()
        self._is_drained = False

    def read(self, size: int = BLOCK) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        data = self.file.read(size)
        self.size += len(data)
        self._digest.update(data)
        return data

    def drain(self) -> None:
        """Read to the end; further calls do nothing."""
        while not self._is_drained:
            self._is_drained = not self.read()

    @property
    def sha256(self) -> str:
        """The sha256 of what was read, in hexadecimal."""
        return self._digest.hexdigest()


Scan = Callable[[HashingReader], list[str]]
"""Reads the content of a file, and returns what is wrong with it."""


@dataclass(frozen=True)
class Expected:
    """What a variant's file of a shard must hold.

    Attributes:
        table: path of the table of samples.
        keys: keys of the samples, in order.
        members: names of the members of a tar file, in order.
        image_format: format of the images.
        digests: pixel digest by key; None where images are not decoded.
    """

    table: str
    keys: Sequence[str]
    members: Sequence[str]
    image_format: str
    digests: Mapping[str, bytes] | None


@dataclass
class _Images:
    """The images of a file that were decoded.

    Attributes:
        expected: what the file must hold.
        changed: keys of the images that have other pixels.
        broken: messages on images that cannot be decoded.
    """

    expected: Expected
    changed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def compare_pixels(self, key: str, data: bytes, digests: Mapping[str, bytes]) -> None:
        """Compare the pixels of one image with the digest of its sample."""
        try:
            digest = pixel_digest(decode_stored(data, self.expected.image_format))
        except Exception as error:  # noqa: BLE001 - codecs raise whatever they like on damaged data.
            self.broken.append(f"the image of {key!r} cannot be decoded: {plain_message(error)}")
            return
        if digest != digests.get(key, digest):  # Other keys are reported elsewhere.
            self.changed.append(key)

    def messages(self) -> list[str]:
        if not self.changed:
            return self.broken
        what = f"{len(self.changed)} image(s) have other pixels than {self.expected.table} says"
        return [*self.broken, f"{what}: {quoted(self.changed)}"]


def check_file(
    root: Root, row: FileRow, files_by_sha256: FilesBySha256, scan: Scan | None = None
) -> CheckedFile:
    """Read a file of a set and compare it with its row of the files table.

    Args:
        root: the root of the set.
        row: the row of the file in the files table.
        files_by_sha256: rows of the stored files of the set, by the sha256 of their bytes.
        scan: checks the content; None where only the bytes are checked.
    """
    try:
        with open_file(root, row.path) as opened:
            reader = HashingReader(opened)
            messages = scan(reader) if scan else []
            reader.drain()
    except OSError as error:
        return unreadable_file(row.path, error)
    wrong = byte_messages(row.bytes, row.sha256, reader.size, reader.sha256)
    messages = other_file(row, reader.sha256, files_by_sha256) or [*wrong, *messages]
    problems = tuple(FileProblem(row.path, message) for message in messages)
    return CheckedFile(row.path, reader.size, reader.sha256, problems)


def other_file(row: FileRow, sha256: str, files_by_sha256: FilesBySha256) -> list[str]:
    """Return a message if a file has the bytes of another file of the set.

    Of several files, one of the same variant is preferred.
    """
    others = files_by_sha256.get(sha256, ())
    if sha256 == row.sha256 or not others:
        return []
    nearest = min(others, key=lambda other: other.variant != row.variant)
    return [f"holds the bytes of {nearest.path!r}"]


def byte_messages(size: int, sha256: str, found_size: int, found_sha256: str) -> list[str]:
    """Return a message if a file's length, or else its sha256, is not the expected one."""
    if found_size != size:
        return [f"has {found_size} bytes, expected {size}"]
    if found_sha256 != sha256:
        return [f"its sha256 is {found_sha256}, expected {sha256}"]
    return []


def shard_scan(row: FileRow, expected: Expected) -> Scan:
    """Return the scan of a variant's file: samples, order and, if asked for, pixels."""
    scan = _scan_tar if row.format == ShardFormat.WEBDATASET.value else _scan_parquet
    return functools.partial(scan, expected)


def _scan_tar(expected: Expected, reader: HashingReader) -> list[str]:
    names: list[str] = []
    images = _Images(expected)
    broken = []
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as tar:
            for member in tar:
                names.append(member.name)
                key, _, extension = member.name.partition(".")
                if expected.digests is not None and extension == expected.image_format:
                    images.compare_pixels(key, _member_data(tar, member), expected.digests)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        broken = [f"is damaged as a tar file: {error}"]
    found = _name_messages(expected.members, names, expected.table)
    return [*broken, *found, *images.messages()]


def _member_data(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = tar.extractfile(member)
    return b"" if opened is None else opened.read()


def _scan_parquet(expected: Expected, reader: HashingReader) -> list[str]:
    reader.drain()
    keys: list[str] = []
    misnamed = []
    images = _Images(expected)
    broken = []
    try:
        for row in _parquet_rows(reader.file, expected):
            key, image = str(row["key"]), row["image"]
            keys.append(key)
            if image["path"] != f"{key}.{expected.image_format}":
                misnamed.append(f"{key!r} names its image {image['path']!r}")
            if expected.digests is not None:
                images.compare_pixels(key, image["bytes"], expected.digests)
    except (pa.ArrowException, OSError, KeyError, TypeError) as error:
        broken = [f"cannot be read as Parquet: {error!r}"]
    found = _name_messages(expected.keys, keys, expected.table)
    return [*broken, *found, *misnamed, *images.messages()]


def _parquet_rows(file: IO[bytes], expected: Expected) -> Iterator[dict[str, Any]]:
    """Yield keys and image names and, if they are decoded, images; one row group at a time."""
    columns = ["key", "image.path", *([] if expected.digests is None else ["image.bytes"])]
    opened = pq.ParquetFile(file)
    for group in range(opened.num_row_groups):
        yield from opened.read_row_group(group, columns=columns, use_threads=False).to_pylist()


def _name_messages(expected: Sequence[str], found: Sequence[str], table: str) -> list[str]:
    """Compare the names of a file's members, or its keys, with those that it must hold."""
    if list(expected) == list(found):
        return []
    known, held = (dict.fromkeys(map(_key, names)) for names in (expected, found))
    absent = [key for key in known if key not in held]
    foreign = [key for key in held if key not in known]
    missing = _without(expected, {*found}, held)
    surplus = _without(found, {*expected}, known)
    messages = [
        f"{text}: {quoted(names)}"
        for text, names in (
            (f"lacks {len(absent)} of {len(known)} samples", absent),
            (f"holds {len(foreign)} sample(s) that {table} does not accept", foreign),
            ("lacks members", missing),
            ("holds members that do not belong there", surplus),
        )
        if names
    ]
    return messages or [_order_message(expected, found)]


def _key(name: str) -> str:
    return name.partition(".")[0]


def _without(names: Sequence[str], others: set[str], keys: Mapping[str, None]) -> list[str]:
    """Return the names that the others lack, of samples that both have."""
    return [name for name in names if name not in others and _key(name) in keys]


def _order_message(expected: Sequence[str], found: Sequence[str]) -> str:
    pairs = enumerate(zip_longest(expected, found))
    place, (wanted, there) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
    return f"its entry {place} is {there!r}, expected {wanted!r}"
