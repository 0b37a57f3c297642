"""What an output holds: a set, a part of one, or something else; most stands in end_to_end/."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.planning import resume
from sysnoise.pipelines.planning.resume import refuse_foreign_output, remove_set
from sysnoise.pipelines.storage.root import Root, open_output

SET = (
    "manifest.json",
    "plan.json",
    "sources.parquet",
    "files.parquet",
    "receipts/00000-of-00001.json",
    "variants/a/b/c/val-00000-of-00001.tar",
)


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text('{"version": 1, "fingerprint": "0"}')


@pytest.mark.parametrize(
    "paths",
    [
        (),
        ("_temporary/lock",),
        ("sources.parquet", f"plan.json.{'0' * 32}.tmp"),
        SET,
        (*SET, "notes.txt"),
    ],
)
def test_sets_and_what_is_left_of_them_are_taken(paths: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *paths)
    refuse_foreign_output(open_output(str(tmp_path)))
    refuse_foreign_output(open_output(str(tmp_path / "none")))


@pytest.mark.parametrize("path", ["notes.txt", "notes.tmp", "samples/mine", "manifest.json"])
def test_other_folders_are_refused(path: str, tmp_path: Path) -> None:
    make(tmp_path, path)
    with pytest.raises(OutputError, match="not an empty folder, nor one that holds a set"):
        refuse_foreign_output(open_output(str(tmp_path)))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 4, "resources": {}}'])
def test_a_plan_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    make(tmp_path, *SET)
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(OutputError, match=r"holds a plan\.json that is not a plan"):
        refuse_foreign_output(open_output(str(tmp_path)))


class Killed(BaseException):
    pass


def test_a_removal_that_is_broken_off_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it is killed, nothing looks finished, and the next run takes the folder."""
    steps = 0

    def count(remove: Callable[[Root, str], None], root: Root, relative: str) -> None:
        nonlocal steps
        if steps == 0:
            raise Killed
        steps -= 1
        remove(root, relative)

    for name in ("remove_file", "remove_folder"):
        monkeypatch.setattr(resume, name, functools.partial(count, getattr(resume, name)))
    for allowed in range(1, 12):
        steps = allowed
        output = open_output(str(tmp_path / str(allowed)))
        make(Path(output.path), *SET)
        with pytest.raises(Killed):
            remove_set(output)
        assert not Path(output.join("manifest.json")).exists()
        refuse_foreign_output(output)
    steps = 100
    remove_set(output)
    assert [path for path in Path(output.path).rglob("*") if path.is_file()] == []
