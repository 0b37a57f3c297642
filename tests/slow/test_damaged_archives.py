"""Archives of images, damaged in every way: all samples are found, or the archive is refused.

Flipped bits of an image or label are bits of other images and labels; nothing in these formats can
tell. They are never one sample less, except where two flipped bits rename a member and fit its
checksum; it is then named as left out.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.readers.sources import Source
from tests.pipelines.readers.layouts import tar_bytes
from tests.slow.hostile import CASES, flipped, fuzzed

pytestmark = pytest.mark.slow

WNIDS = ("n01440764", "n01443537", "n01484850", "n01491361")
IMAGES = [
    (f"{wnid}_{number}.JPEG", bytes([number + 1]) * 6000) for number, wnid in enumerate(WNIDS)
]
"""Longer than a damage: where the last member is zeros, nothing tells that it was there."""

LABELS = "".join(f"{name} {number}\n" for number, (name, _) in enumerate(IMAGES))


def published() -> bytes:
    return tar_bytes(IMAGES)


def tar_of_tars() -> bytes:
    return tar_bytes((f"{name[:9]}.tar", tar_bytes([(name, data)])) for name, data in IMAGES)


def webdataset() -> bytes:
    members = []
    for number, (name, data) in enumerate(IMAGES):
        members += [(name, data), (name.replace(".JPEG", ".cls"), str(number).encode())]
    return tar_bytes(members)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in IMAGES:
            archive.writestr(name, data)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    images = pa.array([{"bytes": data, "path": name} for name, data in IMAGES])
    table = pa.table({"image": images, "label": list(range(len(IMAGES)))})
    pq.write_table(table, buffer, row_group_size=2)
    return buffer.getvalue()


ARCHIVES: dict[str, tuple[Callable[[], bytes], str, bool]] = {
    "published": (published, "val.tar", True),
    "tar of tars": (tar_of_tars, "val.tar", False),
    "WebDataset": (webdataset, "val.tar", False),
    "zip": (zipped, "val.zip", True),
    "Parquet": (parquet, "val.parquet", False),
}
"""What makes an archive, its name, and whether it takes a label file."""


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """An archive that is cut, flipped, joined with another, or zeroed or doubled in a part."""
    place = draw(st.integers(0, len(data) - 1))
    how = draw(st.sampled_from(["cut", "flip", "join", "zero", "double", "leave out", "blocks"]))
    if how == "cut":
        return data[:place]
    if how == "flip":
        return flipped(draw, data)
    if how == "join":
        return draw(st.sampled_from([data + data, data + data[:place], data[place:] + data]))
    start = place - place % 512 if how == "blocks" else place
    length = draw(st.sampled_from([1, 16, 512, 1024, 4096]))
    part = data[start : start + length]
    middle = {"zero": bytes(len(part)), "double": part * 2, "leave out": b""}.get(
        how, draw(st.sampled_from([bytes(len(part)), b"", part * 2]))
    )
    return data[:start] + middle + data[start + length :]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_sample_is_lost(kind: str, tmp_path: Path) -> None:
    make, name, has_labels = ARCHIVES[kind]
    (tmp_path / "val.txt").write_text(LABELS, "utf-8")
    labels = str(tmp_path / "val.txt") if has_labels else None
    whole, outcomes = make(), Counter[str]()

    @settings(fuzzed, max_examples=2 * CASES // len(ARCHIVES))
    @given(damaged(whole))
    def check(data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        try:
            found = read_imagenet(str(tmp_path / name), labels, None, "val")
        except InputError:
            outcomes["refused"] += 1
            return
        is_said = any("not named like images" in warning for warning in found.warnings)
        assert len(found.table) >= len(IMAGES) or is_said
        read = source_reader(found.root)
        rows = [Source(**row) for row in found.rows().to_pylist()]
        try:
            images = [read(row) for row in rows]
        except Exception:  # noqa: BLE001 - A run ends with it, as "reading sample ...".
            outcomes["unreadable"] += 1
            return
        outcomes["read"] += 1
        assert all(isinstance(each, bytes) for each in images)

    check()
    assert outcomes["refused"]
