"""Mutated JPEGs: no crash, no hang, no unpaired sample.

The files are judged in a child process, which a codec may bring down without taking the file along
that did it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from sysnoise.transforms.codecs.jpeg import segments
from sysnoise.transforms.pixels import Pixels
from tests.slow.judging import serve
from tests.transforms.plain import saved

pytestmark = pytest.mark.slow

CASES = 1000
"""Mutated files of each kind."""

HANG = 60.0
"""Seconds after which a file counts as one that hangs."""

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "4:2:0": ("RGB", {"subsampling": "4:2:0"}),
    "4:2:2 with restarts": ("RGB", {"subsampling": "4:2:2", "restart_marker_blocks": 3}),
    "progressive": ("RGB", {"subsampling": "4:4:4", "progressive": True}),
    "gray": ("L", {"optimize": True}),
    "CMYK": ("CMYK", {"subsampling": "4:2:0"}),
}

START_OF_FRAME = (0xC0, 0xC1, 0xC2)

Mutate = Callable[[st.DrawFn, bytes, bytes], bytes]
"""Changes a file, with another one at hand to take parts of."""


class Child:
    """A process that judges files, and is replaced when one brings it down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def stop(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()

    def judge(self, data: bytes) -> str:
        """The verdict, or how the process ended; a file without a good one is saved."""
        try:
            self._connection.send_bytes(data)
            if self._connection.poll(HANG):
                verdict: str = self._connection.recv()
            else:
                verdict = "hangs"
        except (EOFError, OSError):
            self._process.join()
            verdict = f"crashes, exit code {self._process.exitcode}"
        if verdict in ("made", "rejected"):
            return verdict
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:16]}.jpg"
        path.write_bytes(data)
        self.stop()
        self._start()
        return f"{path}: {verdict}"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    process = Child(tmp_path_factory.mktemp("mutated"))
    yield process
    process.stop()


def flip_bit(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    place = draw(places(data))
    return data[:place] + bytes([data[place] ^ 1 << draw(st.integers(0, 7))]) + data[place + 1 :]


def cut(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    start = draw(places(data))
    return data[:start] + data[start + draw(st.integers(1, 200)) :]


def cut_off(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    return data[: draw(places(data))]


def insert(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    place = draw(places(data))
    marker = st.integers(0, 255).map(lambda code: bytes([0xFF, code]))
    return data[:place] + draw(st.binary(min_size=1, max_size=20) | marker) + data[place:]


def duplicate_segment(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """A segment again, before another one."""
    start, end = draw(spans(data))
    place, _ = draw(spans(data))
    return data[:place] + data[start:end] + data[place:]


def drop_segment(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    start, end = draw(spans(data))
    return data[:start] + data[end:]


def take_segment(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """A segment of the other file in the place of one of this file."""
    start, end = draw(spans(data))
    other_start, other_end = draw(spans(other))
    return data[:start] + other[other_start:other_end] + data[end:]


def splice(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    return data[: draw(places(data))] + other[draw(places(other)) :]


def change_header(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """A byte of a segment: of quantization or Huffman tables, of the frame, of the scan."""
    start, end = draw(spans(data))
    return replaced(data, start + draw(st.integers(2, end - start)), draw(st.integers(0, 255)))


def change_size(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """Height or width of the frame."""
    start, _ = draw(spans(data, *START_OF_FRAME))
    place = start + draw(st.sampled_from([5, 7]))
    size = draw(st.sampled_from([0, 1, 7, 8, 9, 100, 121, 160, 161, 1000, 65500, 65535]))
    return replaced(replaced(data, place, size >> 8), place + 1, size & 255)


def change_sampling(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """The sampling factors of a component."""
    start, _ = draw(spans(data, *START_OF_FRAME))
    place = start + 11 + 3 * draw(st.integers(0, 3))
    factors = [0x11, 0x12, 0x21, 0x22, 0x41, 0x14, 0x42, 0x31, 0x44, 0x00, 0x10, 0xFF]
    return replaced(data, place, draw(st.sampled_from(factors)))


def change_process(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """The kind of JPEG that the frame claims."""
    start, _ = draw(spans(data, *START_OF_FRAME))
    return replaced(data, start + 1, draw(st.integers(0xC0, 0xCF)))


def change_orientation(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """An EXIF block with any orientation, damaged or not."""
    tags = Image.Exif()
    tags[0x0112] = draw(st.integers(0, 9))
    block = bytearray(tags.tobytes())
    for place in draw(st.lists(st.integers(6, len(block) - 1), max_size=2)):
        block[place] = draw(st.integers(0, 255))
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


MUTATIONS: tuple[Mutate, ...] = (
    flip_bit,
    cut,
    cut_off,
    insert,
    duplicate_segment,
    drop_segment,
    take_segment,
    splice,
    change_header,
    change_size,
    change_sampling,
    change_process,
    change_orientation,
)


def replaced(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


def places(data: bytes) -> st.SearchStrategy[int]:
    """A position in the file, as often in its header as behind it."""
    last = max(0, len(data) - 1)
    header = min(last, max((segment.offset for segment in segments(data)), default=0))
    return st.integers(0, header) | st.integers(header, last)


def spans(data: bytes, *markers: int) -> st.SearchStrategy[tuple[int, int]]:
    """Start and end of a segment of the header, of certain markers if there are such."""
    found = list(segments(data))
    fitting = [each for each in found if each.marker in markers] or found
    ends = [(each.offset, each.offset + 4 + len(each.payload)) for each in fitting]
    return st.sampled_from(ends or [(0, 4)])


@st.composite
def mutated(draw: st.DrawFn, data: bytes, other: bytes) -> bytes:
    """A file after one to three mutations."""
    for mutate in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
        if data:
            data = mutate(draw, data, other)
    return data


@pytest.fixture(scope="module")
def originals(photos: dict[str, Pixels]) -> dict[str, bytes]:
    """A part of a photograph in each kind of JPEG."""
    return {
        kind: saved(Image.fromarray(photo[100:221, 150:311]).convert(mode), "JPEG", **options)
        for photo, (kind, (mode, options)) in zip(photos.values(), KINDS.items(), strict=False)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_made_or_rejected(
    kind: str, originals: dict[str, bytes], child: Child
) -> None:
    data = originals[kind]
    assert child.judge(data) == "made"
    others = st.sampled_from([each for each in originals.values() if each is not data])
    verdicts: Counter[str] = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,  # The child has one.
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(others.flatmap(lambda other: mutated(data, other)))
    def check(case: bytes) -> None:
        verdict = child.judge(case)
        verdicts[verdict] += 1
        assert verdict in ("made", "rejected")

    check()
    assert verdicts.keys() == {"made", "rejected"}
    assert verdicts.total() >= CASES
