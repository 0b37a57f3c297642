"""Tar files that do not end, that claim too much, or that hold less than they unpack to."""

from __future__ import annotations

import io
import tarfile

import pytest

from sysnoise.manifests.tar_files import MAX_EXTENDED_HEADER, read_tar


def member(name: str, data: bytes = b"", **fields: object) -> bytes:
    """A member, whose header's size need not be that of the data."""
    info = tarfile.TarInfo(name)
    for field, value in {"size": len(data), **fields}.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def records(text: bytes) -> bytes:
    return member("pax", text, type=tarfile.XHDTYPE)


def names(data: bytes) -> list[str]:
    return [info.name for _, info in read_tar(io.BytesIO(data))]


END = bytes(1024)
SPARSE_1_0 = (
    b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    b"30 GNU.sparse.name=00000.JPEG\n37 GNU.sparse.realsize=999999999999\n"
)
LONG_NAME = member("long", b"x" * 200 + b"\x00", type=tarfile.GNUTYPE_LONGNAME)

HOSTILE = {
    "negative size": (member("a", size=-512) + member("b") + END, "unexpected end of data"),
    "negative size of a second member": (
        member("a", b"1") + member("b", size=-2048) + END,
        "unexpected end of data in the member 'b' of -2048 bytes",
    ),
    "negative size in a record": (
        member("a", b"1") + records(b"14 size=-2048\n") + member("b") + END,
        "of -2048 bytes",
    ),
    "larger than the file": (member("a", b"1", size=2**40) + END, "of 1099511627776 bytes"),
    "sparse": (member("a", bytes(512), type=tarfile.GNUTYPE_SPARSE) + END, "'a' is sparse"),
    "sparse by records": (records(SPARSE_1_0) + member("a", b"0\n") + END, "sparse"),
    "long header": (
        records(b"9" * (MAX_EXTENDED_HEADER + 1)) + member("a") + END,
        f"an extended header has {MAX_EXTENDED_HEADER + 1} bytes",
    ),
    "no end": (member("a", b"1"), "at byte 1024, where the two blocks of zeros"),
    "half an end": (member("a", b"1") + bytes(512), "at byte 1536, where the two blocks of zeros"),
    "cut in a header": (
        member("a", b"1") + member("b")[:300],
        "the header at byte 1024 is damaged",
    ),
    "cut in an empty header": (member("a", b"1") + bytes(100), "at byte 1124, where the two"),
    "damaged header": (
        member("a", b"1") + b"x" * 512 + member("c", b"3") + END,
        "the header at byte 1024 is damaged",
    ),
    "zeros in the place of a header": (
        member("a", b"1") + bytes(512) + member("c", b"3") + END,
        "it goes on after its end at byte 1024",
    ),
    "two in one": ((member("a", b"1") + END) * 2, "several tar files in one"),
    "something far behind": (member("a") + bytes(2**21) + b"1", "it goes on after its end"),
    "number without an end": (
        records(b"9" * 8000) * 300 + member("a") + END,
        "an extended header has a number of more than 100 digits",
    ),
    "nested headers": (LONG_NAME * 2000 + member("a") + END, "a header is damaged"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_tar_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(tarfile.TarError, match=message):
        names(data)


@pytest.mark.parametrize("padding", [0, 512, 10240 - 1024, 3 * 2**20])
def test_a_tar_file_may_end_in_more_zeros(padding: int) -> None:
    assert names(member("a", b"1") + member("b") + END + bytes(padding)) == ["a", "b"]
    assert names(END + bytes(padding)) == []


def test_ordinary_members_are_read() -> None:
    opened = io.BytesIO()
    contents = {"a/b.JPEG": b"1" * 600, "é" * 90: b"", "x" * 300: b"3", "link": None}
    with tarfile.open(fileobj=opened, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data or b""), 1.5
            info.type = tarfile.SYMTYPE if data is None else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(data or b""))
    opened.seek(0)
    found = {}
    for tar, info in read_tar(opened):
        content = tar.extractfile(info) if info.isreg() else None
        found[info.name] = content and content.read()
    assert found == contents
