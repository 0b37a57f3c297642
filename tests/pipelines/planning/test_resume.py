"""What an output holds: a set, a part of one, or something else; most stands in end_to_end/."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.planning import resume
from sysnoise.pipelines.planning.resume import refuse_foreign_output, remove_set
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.listing import file_sizes
from sysnoise.pipelines.storage.root import Root, exists, open_output

SET = (
    "manifest.json",
    "plan.json",
    "sources.parquet",
    "files.parquet",
    "receipts/00000-of-00001.json",
    "variants/a/b/c/val-00000-of-00001.tar",
)

PLAN = json.dumps({"version": 1, "fingerprint": "0" * 64, "split": "val", "shards": 1})


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(PLAN)


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


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"version": 4, "resources": {}}'),
        '{"version": 1, "fingerprint": "0", "split": "val", "shards": 1}',
        PLAN.replace('"shards": 1', '"shards": "all"'),
    ],
)
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

    def count(remove: Callable[[Root, object], None], root: Root, relative: object) -> None:
        nonlocal steps
        if steps == 0:
            raise Killed
        steps -= 1
        remove(root, relative)

    for name in ("remove_file", "remove_files"):
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


def test_junk_is_no_obstacle_in_an_empty_output(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".DS_Store").touch()
    refuse_foreign_output(open_output(str(tmp_path)))
    (tmp_path / "DS_Store").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        refuse_foreign_output(open_output(str(tmp_path)))


OWN = (
    *("samples/00002-of-00003.parquet", "receipts/00000-of-00003.json", "earlier/plan.json"),
    *("variants/a/b/c/val-00001-of-00003.tar", "variants/a/b/d/val-00001-of-00003.parquet"),
    *("failures/00002.json", "strikes/00000.json", "annotations/instances_val.original.json"),
    f"receipts/00000-of-00003.json.{'0' * 32}.tmp",
)
FOREIGN = (
    *("samples/photo.jpg", "samples/00000-of-00004.parquet", "samples/0-of-3.parquet"),
    *("samples/deep/00002-of-00003.parquet", "variants/readme", "variants/a/b/c/notes.tar"),
    *("variants/a/b/c/test-00001-of-00003.tar", "annotations/instances_val.json", "notes.txt"),
    *("failures/report.json", "earlier/draft.json", "receipts/2026.json"),
)


@pytest.mark.parametrize("scheme", ["local", "memory"])
def test_only_what_the_plan_names_is_removed(scheme: str, tmp_path: Path) -> None:
    url = str(tmp_path) if scheme == "local" else f"memory://{tmp_path.name}"
    output = open_output(url)
    own = ("plan.json", "sources.parquet", "manifest.json", *OWN)
    for path in (*own, *FOREIGN):
        write_file(output, path, PLAN.replace('"shards": 1', '"shards": 3').encode())
    remove_set(output)
    assert file_sizes(output).keys() == set(FOREIGN)
    assert not exists(output, "strikes")
