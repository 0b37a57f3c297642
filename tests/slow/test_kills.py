"""Runs that are killed at random moments, and the reruns after them."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.commands import Options
from tests.end_to_end.disturbed import (
    SHARDS,
    assert_receipts_hold,
    generating,
    phase,
    receipts,
    small_run,
    wait_for,
)
from tests.end_to_end.reading import assert_sums_hold, tree

pytestmark = pytest.mark.slow

KILLS = 20
LATE_KILLS = 6
"""Of them, after the last receipt: the end of a run is short."""

LONGEST_END = 0.2
"""Seconds from the last receipt to the end of the command, about."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, imagenet_source: Path) -> tuple[Path, float]:
    """An undisturbed set, and how many seconds it took."""
    output = tmp_path_factory.mktemp("whole") / "out"
    begin = time.monotonic()
    ended = generating(small_run(imagenet_source, output)).end()
    assert ended.code == 0, ended.error
    assert_sums_hold(output)
    return output, time.monotonic() - begin


def killed(options: Options, output: Path, seconds: float, *others: str) -> bool:
    """Kill a run and all its workers after some seconds; whether it had not ended by then.

    Negative seconds count from the last receipt on.
    """
    started = generating(options, *others)
    if seconds < 0:
        wait_for(lambda: len(receipts(output)) == SHARDS or not started.is_running())
    time.sleep(abs(seconds))
    was_running = started.is_running()
    if was_running:
        started.kill_all()
    started.end()
    wait_for(started.is_gone, seconds=5)
    return was_running


def rerun(options: Options, output: Path, whole: Path) -> None:
    ended = generating(options).end()
    assert ended.code == 0, ended.error
    assert tree(output) == tree(whole)
    assert not (output / "_temporary").exists()


def test_a_run_killed_at_any_moment_goes_on_to_the_same_set(
    whole: tuple[Path, float],
    imagenet_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    options = small_run(imagenet_source, output)
    moments = random.Random(5)
    phases: Counter[str] = Counter()
    while phases.total() < KILLS:
        if phases.total() < KILLS - LATE_KILLS:
            seconds = whole[1] * moments.random()
        else:
            seconds = -LONGEST_END * moments.random()
        shutil.rmtree(output, ignore_errors=True)
        if not killed(options, output, seconds):
            continue
        phases[phase(output)] += 1
        assert_receipts_hold(output)
        assert not (output / "strikes").exists()
        rerun(options, output, whole[0])
    counts = ", ".join(f"{count} with {name}" for name, count in sorted(phases.items()))
    with capsys.disabled():
        print(f"\n{phases.total()} kills, {phases.total()} sets of the same bytes: {counts}")


def test_a_run_killed_again_and_again_gets_on(
    whole: tuple[Path, float], imagenet_source: Path, tmp_path: Path
) -> None:
    """Each run goes on where the one before it was killed."""
    output = tmp_path / "out"
    options = small_run(imagenet_source, output)
    moments = random.Random(6)
    for _ in range(6):
        killed(options, output, whole[1] * moments.uniform(0.3, 1))
    rerun(options, output, whole[0])


def test_an_overwrite_killed_at_any_moment_goes_on(
    whole: tuple[Path, float], imagenet_source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = small_run(imagenet_source, output)
    moments = random.Random(7)
    for _ in range(6):
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(whole[0], output)
        killed(options, output, whole[1] * moments.random(), "--overwrite")
        assert not (output / "manifest.json").exists() or tree(output) == tree(whole[0])
        rerun(options, output, whole[0])
