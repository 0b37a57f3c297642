"""Locks hold between processes, for ranges of shards, and end with their holder."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.root import open_output

HOLD = """
import sys
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.root import open_output

shards = range(*map(int, sys.argv[2:])) if sys.argv[2:] else None
with lock_shards(open_output(sys.argv[1]), shards):
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that holds a lock until it is told to end."""

    def __init__(self, folder: Path, *shards: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder), *map(str, shards)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def end(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def is_free(folder: Path, shards: range | None) -> bool:
    with contextlib.suppress(OutputError), lock_shards(open_output(str(folder)), shards):
        return True
    return False


def test_ranges_are_held_apart(tmp_path: Path) -> None:
    holder = Holder(tmp_path, 3, 6)
    assert [is_free(tmp_path, range(start, start + 1)) for start in range(2, 7)] == [
        *(True, False, False, False, True)
    ]
    with (
        pytest.raises(OutputError, match=r"is working on shards of '.*'; wait until it ends$"),
        lock_shards(open_output(str(tmp_path)), None),
    ):
        pass
    assert (tmp_path / "_temporary/lock").exists()  # Not removed by those who ended.
    holder.end()
    assert list(tmp_path.iterdir()) == []


def test_all_is_more_than_any_number(tmp_path: Path) -> None:
    holder = Holder(tmp_path)
    assert not is_free(tmp_path, range(10**9, 10**9 + 1))
    holder.end()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    Holder(tmp_path, 0, 4).kill()
    (tmp_path / "_temporary/00003-of-00004.abc").mkdir()
    assert is_free(tmp_path, range(4))
    assert [path.name for path in tmp_path.rglob("*")] == ["_temporary", "00003-of-00004.abc"]


def test_a_run_that_is_ending_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds all shards while it removes the file."""
    holder = Holder(tmp_path)
    monkeypatch.setattr(time, "sleep", lambda seconds: holder.end())
    assert is_free(tmp_path, range(1))


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    output = open_output(str(tmp_path / "file"))
    with (
        pytest.raises(OutputError, match=r"writing '.*/file/_temporary/lock': Not a directory"),
        lock_shards(output, None),
    ):
        pass


def test_memory_has_no_locks(tmp_path: Path) -> None:
    output = open_output(f"memory://{tmp_path.name}")
    with lock_shards(output, None), lock_shards(output, None):
        assert not output.fs.exists(output.path)
