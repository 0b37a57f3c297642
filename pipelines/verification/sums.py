"""``SHA256SUMS``: reading it, and comparing it byte for byte with what the set makes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sysnoise.manifests import layout
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.storage.listing import file_sizes
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root


@dataclass(frozen=True)
class SetSize:
    """The files of a finished set: their number and their length in bytes."""

    files: int
    bytes: int


_SUM = re.compile(rb"([0-9a-f]{64})  ([^\n]+)")


def parse_sums(data: bytes) -> dict[str, str]:
    """Return sha256 by path from the lines of ``SHA256SUMS`` that ``sha256sum`` reads.

    A path with two sums has none.
    """
    lines = {pair for pair in map(_parsed, data.split(b"\n")) if pair}
    counts = Counter(path for path, _ in lines)
    return {path: sha256 for path, sha256 in lines if counts[path] == 1}


def set_size(root: Root) -> SetSize:
    """Return the size of a finished set; files that are not its own do not count.

    Raises:
        OSError: the set cannot be read.
    """
    own = {*parse_sums(read_file(root, layout.SUMS)), layout.SUMS, layout.MANIFEST}
    sizes = [size for path, size in file_sizes(root).items() if path in own]
    return SetSize(len(sizes), sum(sizes))


def _parsed(line: bytes) -> tuple[str, str] | None:
    match = _SUM.fullmatch(line)
    return (match[2].decode("utf-8", "replace"), match[1].decode()) if match else None


def sums_messages(data: bytes, sums: Mapping[str, str | None]) -> Iterator[str]:
    """Compare ``SHA256SUMS`` with the sums that it must have, in the order of the paths.

    Args:
        data: the content of the file.
        sums: the sha256 that the file must give, by path; None where the part that is checked
            does not show it.
    """
    found = parse_sums(data)
    expected = {path: sums[path] or found.get(path) for path in sorted(sums)}
    if data == b"".join(f"{sha256}  {path}\n".encode() for path, sha256 in expected.items()):
        return
    messages = [*_line_messages(data, expected), *_sum_messages(data, expected)]
    yield from messages or ["has its lines in another order, or other ends of lines"]


def _line_messages(data: bytes, expected: Mapping[str, str | None]) -> Iterator[str]:
    lines = data.split(b"\n")
    named = Counter(pair[0] for pair in map(_parsed, lines) if pair)
    bad = [line.decode("utf-8", "replace") for line in lines[:-1] if not _SUM.fullmatch(line)]
    for text, names in (
        ("has lines that sha256sum does not read", bad),
        ("lacks", sorted(expected.keys() - named)),
        ("names files that are not of this set", sorted(named.keys() - expected.keys())),
        ("names files more than once", sorted(path for path in named if named[path] > 1)),
    ):
        if names:
            yield f"{text}: {quoted(names)}"
    if lines[-1]:
        yield "does not end with the end of a line"


def _sum_messages(data: bytes, expected: Mapping[str, str | None]) -> Iterator[str]:
    for path, sha256 in filter(None, map(_parsed, data.split(b"\n"))):
        if expected.get(path, sha256) not in (None, sha256):
            yield f"gives {path!r} the sha256 {sha256}, expected {expected[path]}"
