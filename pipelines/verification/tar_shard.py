"""Checking a WebDataset shard: every byte except those of the images follows from the samples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.shards.writers.webdataset import (
    member_header,
    padding,
    tar_end,
    with_size,
)
from sysnoise.pipelines.verification.checked_file import ContentError
from sysnoise.pipelines.verification.expected import Expected, Images, name_messages
from sysnoise.pipelines.verification.hashing import HashingReader

_BLOCK = 512

_FIELDS = {
    "name": (0, 100),
    "mode": (100, 108),
    "owner": (108, 124),
    "size": (124, 136),
    "time": (136, 148),
    "checksum": (148, 156),
    "type": (156, 157),
    "link": (157, 257),
    "format": (257, 265),
    "owner's name": (265, 329),
    "device": (329, 345),
    "prefix": (345, 512),
}
"""Where the fields of a header begin and end (POSIX.1-2017, pax, "ustar Interchange Format")."""

_SIZE = re.compile(rb"[0-7]{11}\0")
"""A size as the writer gives it: what else tar knows, such as negative sizes, is refused."""


@dataclass
class _Found:
    """What a tar file holds.

    Attributes:
        names: names of the members, in order.
        headers: what is wrong with the headers.
        changed: names of members that do not have the content that follows from the samples.
    """

    names: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def scan_tar(expected: Expected, reader: HashingReader) -> Iterator[str]:
    """Yield what is wrong with the members of a tar file, their headers, contents and images."""
    found, images = _Found(), Images(expected)
    damage = None
    try:
        _read_members(expected, reader, found, images)
    except ContentError as error:
        damage = f"is damaged as a tar file: {error}"
    yield from found.headers
    if found.changed:
        yield f"has other contents than {expected.table} gives: {quoted(found.changed)}"
    yield from name_messages(expected.members, found.names, expected.table)
    yield from images.messages()
    if damage is not None:
        yield damage


def _read_members(expected: Expected, reader: HashingReader, found: _Found, images: Images) -> None:
    while True:
        start = reader.size
        header = reader.read_exactly(_BLOCK, "a header")
        if not any(header):
            _read_end(reader, start)
            return
        name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
        if not _SIZE.fullmatch(header[124:136]):
            raise ContentError(f"the size of {name!r} is {header[124:136]!r}")
        size = int(header[124:135], 8)
        found.names.append(name)
        found.headers += _header_messages(expected, header, name, size)
        _read_content(expected, reader, name, size, found, images)


def _header_messages(expected: Expected, header: bytes, name: str, size: int) -> Iterator[str]:
    """Compare a header with the one that the writer makes for this name and size."""
    known = expected.headers.get(name)
    if known is None:
        known = member_header(name[:100].encode("ascii", "replace").decode(), 0)
    made = with_size(known, size)
    if header != made:
        fields = [each for each, (a, b) in _FIELDS.items() if header[a:b] != made[a:b]]
        yield f"the header of member {name!r} has another {', '.join(fields)} than a sample has"


def _read_content(
    expected: Expected,
    reader: HashingReader,
    name: str,
    size: int,
    found: _Found,
    images: Images,
) -> None:
    what = f"the content of {name!r}"
    content = expected.members.get(name)
    key, _, extension = name.partition(".")
    if content is not None and size == len(content):
        if reader.read_exactly(size, what) != content:
            found.changed.append(name)
    elif content is not None:
        found.changed.append(name)
        reader.skip(size, what)
    elif expected.digests is not None and extension == expected.image_format:
        images.compare_pixels(key, reader.read_exactly(size, what))
    else:
        reader.skip(size, what)
    zeros = padding(size)
    if reader.read_exactly(len(zeros), what) != zeros:
        raise ContentError(f"{what} is not followed by zeros")


def _read_end(reader: HashingReader, start: int) -> None:
    """Compare what follows the last member with the end that the writer makes."""
    rest = len(tar_end(start)) - _BLOCK
    if any(reader.read_exactly(rest, "its end")) or reader.read(1):
        raise ContentError("something follows its last member")
