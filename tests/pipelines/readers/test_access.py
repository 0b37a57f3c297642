"""The bytes of source images are read where they lie."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers import access
from sysnoise.pipelines.readers.access import source_reader, tar_members
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.root import open_root
from sysnoise.transforms.pixels import Pixels
from tests.pipelines.readers.layouts import (
    Build,
    hugging_face,
    in_memory,
    published,
    published_tar,
    tar_bytes,
    webdataset_file,
    write_tar,
)


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_tar_members_are_its_regular_files(tar_format: int, tmp_path: Path) -> None:
    names = ["val/é.JPEG", f"{'long/' * 25}a.JPEG"]
    with tarfile.open(tmp_path / "x.tar", "w", format=tar_format) as tar:
        for kind, name in [(tarfile.DIRTYPE, "val"), (tarfile.SYMTYPE, "link.JPEG")]:
            member = tarfile.TarInfo(name)
            member.type = kind
            tar.addfile(member)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name.encode())
            tar.addfile(member, io.BytesIO(name.encode()))
    data = (tmp_path / "x.tar").read_bytes()
    found = {}
    for each in tar_members(open_root(str(tmp_path)), "x.tar"):
        found[each.name] = each.read()
        assert data[each.offset : each.offset + each.size] == found[each.name]
    assert found == {name: name.encode() for name in names}


def test_a_tar_of_tars_is_read_to_a_depth(tmp_path: Path) -> None:
    data = tar_bytes([("n01440764/x.JPEG", b"1"), ("y.JPEG", b"2")])
    for depth, expected in ((1, "n01440764/"), (2, "1/n01440764/")):
        data = tar_bytes([(f"{'n01440764' if depth == 1 else 1}.tar", data)])
        (tmp_path / "x.tar").write_bytes(data)
        found = {each.name: each for each in tar_members(open_root(str(tmp_path)), "x.tar")}
        assert list(found) == [f"{expected}x.JPEG", f"{expected}y.JPEG"]
        for member in found.values():
            assert data[member.offset : member.offset + member.size] in (b"1", b"2")
    (tmp_path / "x.tar").write_bytes(tar_bytes([("2.tar", data)]))
    with pytest.raises(InputError, match=r"in the member '2.tar'.*'n01440764.tar' is a tar"):
        list(tar_members(open_root(str(tmp_path)), "x.tar"))


@pytest.mark.parametrize("cut", [512, 600, 1024, 2048])
def test_a_damaged_tar_in_a_tar_is_refused(cut: int, tmp_path: Path) -> None:
    data = tar_bytes([("x.JPEG", b"1"), ("y.JPEG", b"2")])
    write_tar(tmp_path / "x.tar", [("n01440764.tar", data[:cut]), ("n01443537.tar", data)])
    with pytest.raises(InputError, match=r"x.tar.*in the member 'n01440764.tar'"):
        list(tar_members(open_root(str(tmp_path)), "x.tar"))


def test_junk_in_tars_is_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["./._a.JPEG", "./a.JPEG", "__MACOSX/val/b.JPEG", "val/.DS_Store", "val/b.JPEG"]
    write_tar(tmp_path / "x.tar", [(name, b"1") for name in names])
    found = [member.name for member in tar_members(open_root(str(tmp_path)), "x.tar")]
    assert found == ["./a.JPEG", "val/b.JPEG"]
    (record,) = caplog.records
    assert "3 file(s) or folder(s)" in record.getMessage()
    assert "x.tar" in record.getMessage()


@pytest.mark.parametrize("build", [published_tar, webdataset_file])
def test_members_of_tars_are_found_by_offset(
    build: Build, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    layout = build(tmp_path, published(photos))
    data = (tmp_path / layout.images).read_bytes()
    found = layout.read(str(tmp_path)).rows().to_pylist()
    slices = [data[row["offset"] : row["offset"] + row["size"]] for row in found]
    assert slices == [row[-1] for row in layout.rows]


def test_rows_of_parquet_are_read_in_any_order(photos: dict[str, Pixels], tmp_path: Path) -> None:
    layout = hugging_face(tmp_path, published(photos))
    found = layout.read(str(tmp_path))
    rows = [Source(**row) for row in found.rows().to_pylist()]
    read = source_reader(found.root)
    for order in ([4, 3, 2, 1, 0], [0, 3, 1, 4, 2, 2]):
        assert [read(rows[i]) for i in order] == [layout.rows[i][-1] for i in order]


def test_a_row_group_that_inflates_is_refused(
    photos: dict[str, Pixels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = hugging_face(tmp_path, published(photos))
    found = layout.read(str(tmp_path))
    monkeypatch.setattr(access, "ROW_GROUP_BYTES", 1000)
    with pytest.raises(InputError, match="the most that is read is 1000"):
        source_reader(found.root)(Source(**found.rows().to_pylist()[0]))


@pytest.mark.parametrize("place", [str, in_memory])
def test_vanished_image_is_an_os_error(place: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "a.JPEG").write_bytes(b"a")
    read = source_reader(place(tmp_path))
    assert read(Source("a", "a.JPEG", "a.JPEG")) == b"a"
    with pytest.raises(FileNotFoundError, match=r"b\.JPEG"):
        read(Source("b", "b.JPEG", "b.JPEG"))
