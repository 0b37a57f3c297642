"""Temporary folders: gone when they are closed, and when their process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sysnoise.pipelines.storage.temporary import TemporaryFolder, temporary_files
from tests.pages import ROOT

HOLD = """
import sys, time
from sysnoise.pipelines.storage.temporary import TemporaryFolder
folder = TemporaryFolder()
open(folder.path + "/file", "w").close()
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_killed_process_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    theirs = Path(holder.stdout.readline().strip())
    assert theirs.parent == tmp_path
    foreign = [tmp_path / "sysnoise-file", tmp_path / "others"]
    foreign[0].write_text("", "utf-8")
    foreign[1].mkdir()
    first = TemporaryFolder()
    assert (theirs / "file").exists()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    second = TemporaryFolder()
    assert not theirs.exists()
    assert sorted(tmp_path.iterdir()) == sorted([Path(first.path), Path(second.path), *foreign])
    first.close()
    second.close()
    second.close()
    assert sorted(tmp_path.iterdir()) == sorted(foreign)


def test_files_of_a_command_lie_in_its_folder(tmp_path: Path) -> None:
    with temporary_files():
        made = Path(tempfile.mkdtemp())
        assert made.parent.parent == tmp_path
        assert os.environ["TMPDIR"] == str(made.parent)
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == str(tmp_path)


def test_a_missing_folder_hinders_only_who_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with temporary_files():
        pass


def test_no_other_module_names_folders_like_those_that_are_removed() -> None:
    """They have no lock, so that another command would take them for stale while they are used."""
    named = [
        path
        for folder in ("transforms", "manifests", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
        if 'prefix="sysnoise-' in path.read_text("utf-8")
    ]
    assert named == []
