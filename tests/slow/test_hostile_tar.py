"""Tar files, of a set and as a source, whose headers are changed in every way."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.commands import command
from tests.shared import SharedFolders
from tests.slow.hostile import (
    Verdicts,
    files_of_sets,
    flipped,
    fuzz_sets,
    fuzzed,
    hostile_sets,
)

pytestmark = pytest.mark.slow

BLOCK = tarfile.BLOCKSIZE
TYPES = b"01234567xgLKSDVMNX\x00"
SIZES = [-1, -512, -1024, -(2**40), 0, 1, 511, 513, 2**20, 2**33, 2**62]
RECORDS = [
    b"14 size=-2048\n",
    b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n",
    b"19 GNU.sparse.map=1,\n",
    b"23 GNU.sparse.size=99\n",
    b"18 path=../../../x\n",
    b"99999 path=x\n",
    b"0 =\n",
    b"1" * 8000,
    b"1" * 9000,
    b"13 mtime=nan\n",
    b"21 hdrcharset=BINARY\n",
    b"11 path=\xff\n",
]


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")


def starts(data: bytes) -> list[int]:
    """Where the headers of an intact tar file begin."""
    found, place = [], 0
    while place + BLOCK <= len(data) and data[place]:
        found.append(place)
        place += BLOCK + -(-int(data[place + 124 : place + 135], 8) // BLOCK) * BLOCK
    return found


@st.composite
def tars(draw: st.DrawFn, data: bytes) -> bytes:
    """A tar file with a header changed, put in, doubled, cut off or left out."""
    place = draw(st.sampled_from(starts(data)))
    name = data[place : place + 100].rstrip(b"\x00").decode()
    change = draw(st.integers(0, 6))
    if change == 0:
        return flipped(draw, data[: place + BLOCK]) + data[place + BLOCK :]
    if change == 1:
        size, type_flag = draw(st.sampled_from(SIZES)), draw(st.sampled_from(TYPES))
        return data[:place] + header(name, size, bytes([type_flag])) + data[place + BLOCK :]
    if change == 2:
        text = draw(st.sampled_from(RECORDS))
        kind = draw(st.sampled_from([tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME]))
        extended = header("pax", len(text), kind) + text + bytes(-len(text) % BLOCK)
        times = draw(st.sampled_from([1, 2, 600]))
        return data[:place] + extended * times + data[place:]
    if change == 3:
        return data[:place] + data[place : place + BLOCK] * 2 + data[place + BLOCK :]
    if change == 4:
        return data[: place + draw(st.integers(0, 2 * BLOCK))]
    if change == 5:
        return data[:place] + data[place + BLOCK :]
    return data[:place] + draw(st.binary(max_size=2 * BLOCK)) + data[place:]


def test_shards_of_a_set(shared: SharedFolders, tmp_path: Path) -> None:
    base = hostile_sets(shared)

    def damage(data: st.DataObject, original: Path, target: Path) -> None:
        target.write_bytes(data.draw(tars(original.read_bytes())))

    fuzz_sets(base, tmp_path, files_of_sets(base, "*.tar"), damage)


def test_tars_as_sources(shared: SharedFolders, tmp_path: Path) -> None:
    base, verdicts = hostile_sets(shared), Verdicts(tmp_path)
    shard = next((base / "imagenet-set").rglob("*.tar"))
    target = verdicts.work / "source" / "val.tar"
    target.parent.mkdir()

    @fuzzed
    @given(tars(shard.read_bytes()))
    def check(data: bytes) -> None:
        target.write_bytes(data)
        verdicts.add(
            "generate --dry-run",
            lambda: command(
                *("generate", "imagenet", f"--images={target.parent}", "--dry-run", "--workers=1"),
                *("--grid=imagenet-one-factor", f"--output={verdicts.work / 'out'}", "--limit=1"),
            ),
        )

    check()
