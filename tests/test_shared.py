"""Folders that several tests read: built once, whoever asks, and watched for changes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.shared import SharedFolders


def test_a_folder_is_built_once_for_all_who_ask_at_the_same_time(tmp_path: Path) -> None:
    built: list[Path] = []
    together = threading.Barrier(3)

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "set.txt").write_text("whole", "utf-8")

    def ask() -> None:
        folders = SharedFolders(tmp_path / "shared")
        together.wait()
        assert (folders("set", build) / "set.txt").read_text("utf-8") == "whole"

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [tmp_path / "shared" / "set"]


def test_a_failed_attempt_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    folders = SharedFolders(tmp_path / "shared")

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half", "utf-8")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        folders("set", fail)
    assert list(folders("set", lambda folder: None).iterdir()) == []


def test_what_a_test_changes_is_named(tmp_path: Path) -> None:
    folders = SharedFolders(tmp_path / "shared")
    names = ("changed", "kept", "removed")
    folder = folders("set", lambda folder: [(folder / name).write_text("x") for name in names])
    assert folders.changed() == []
    (folder / "changed").write_text("other", "utf-8")
    (folder / "removed").unlink()
    (folder / "added").write_text("", "utf-8")
    assert folders.changed() == ["set/added", "set/changed", "set/removed"]
