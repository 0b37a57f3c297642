"""Long texts come back from their file, by rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.pipelines.errors import CommandError
from sysnoise.pipelines.readers.text_column import TextColumn

TEXTS = ["first", "", "Zürich", "x" * 100_000, "last"]


@pytest.fixture
def column() -> TextColumn:
    return TextColumn(text.encode() for text in TEXTS)


@pytest.mark.parametrize("rows", [(0, 5), (0, 1), (1, 4), (4, 5), (2, 2), (5, 5)], ids=str)
def test_rows_are_read_in_any_order(column: TextColumn, rows: tuple[int, int]) -> None:
    column.read(3, 5)
    assert column.read(*rows).to_pylist() == TEXTS[slice(*rows)]


def test_a_folder_that_takes_no_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(CommandError, match=f"'{tmp_path}/gone'.*No such file.*TMPDIR"):
        TextColumn([b"text"])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = open_files()
    column = TextColumn([b"text"])
    assert open_files() == before + 1
    assert list(tmp_path.iterdir()) == []
    del column
    assert open_files() == before
