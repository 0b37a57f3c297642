"""Strikes are counted by shard and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.shards.strikes import WorkStep, add_strike, read_strikes
from sysnoise.pipelines.storage.root import open_output


@pytest.mark.parametrize("scheme", ["local", "memory"])
def test_strikes_are_counted(scheme: str, tmp_path: Path) -> None:
    output = open_output(str(tmp_path) if scheme == "local" else f"memory://{tmp_path.name}")
    assert read_strikes(output, 3) == {}
    for key, step in (("a", WorkStep.READING), ("b", WorkStep.MAKING), ("a", WorkStep.READING)):
        add_strike(output, 3, key, step)
    add_strike(output, 3, "a", WorkStep.MAKING)
    assert read_strikes(output, 3) == {
        "a": {WorkStep.READING: 2, WorkStep.MAKING: 1},
        "b": {WorkStep.MAKING: 1},
    }
    assert read_strikes(output, 4) == {}


def test_a_strike_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "strikes").symlink_to("/proc")
    with pytest.raises(OutputError, match=r"writing '.*/strikes/00003\.json': "):
        add_strike(open_output(str(tmp_path)), 3, "a", WorkStep.MAKING)
