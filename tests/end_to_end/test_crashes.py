"""Workers that die, and commands that are stopped: what is said, what is left, and the rerun."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import RESUME_WITHOUT_OVERWRITE
from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.disturbed import (
    KEYS_BY_SHARD,
    SHARDS,
    Ended,
    breaking,
    generating,
    receipts,
    small_run,
    wait_for,
)
from tests.end_to_end.reading import assert_sums_hold, read_tars, samples_table, tree

VICTIM = "coffee_00010"
INTERRUPTED = f"sysnoise: interrupted; {RESUME_WITHOUT_OVERWRITE}\n"
VARIANTS = ("pillow/pillow-bilinear/rgb", "ffmpeg/pillow-bilinear/rgb")


def keys(source: Path) -> list[str]:
    """The keys of the photographs, in order, which says in which shard each stands."""
    return sorted(path.stem for path in (source / "images").iterdir())


@pytest.fixture
def options(imagenet_source: Path, tmp_path: Path) -> Options:
    return small_run(imagenet_source, tmp_path / "out")


@pytest.mark.parametrize(
    ("deed", "death"),
    [
        pytest.param("os._exit(3)", "ended with exit code 3", marks=pytest.mark.slow),
        ("ctypes.string_at(0)", "was killed by signal 11 (Segmentation fault)"),
    ],
)
def test_a_decoder_that_crashes_costs_one_sample(
    deed: str, death: str, options: Options, imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    data = (imagenet_source / "images" / f"{VICTIM}.JPEG").read_bytes()
    environment = breaking(tmp_path / "break", hashlib.sha256(data).hexdigest(), deed)
    shard = keys(imagenet_source).index(VICTIM) // KEYS_BY_SHARD
    for _ in range(2):
        broken = generating(options, environment=environment)
        ended = broken.end()
        assert ended.code == 1
        assert f"shard {shard}: the worker {death} while making sample '{VICTIM}'" in ended.error
        # The other worker may have made all other shards meanwhile.
        assert re.search("stopped with . of 6 shards done|1 of 6 shards failed", ended.error)
        wait_for(broken.is_gone, seconds=5)
        assert not (tmp_path / "out" / "manifest.json").exists()
    last = generating(options, environment=environment).end()
    assert last.code == 0, last.error
    assert "17 samples x 2 variants in 6 shards, 1 rejected" in last.out
    output = tmp_path / "out"
    (reject,) = pq.read_table(output / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"], reject["shard"]) == (VICTIM, "crashed", shard)
    rest = [key for key in keys(imagenet_source) if key != VICTIM]
    assert [list(read_tars(output, variant)) for variant in VARIANTS] == [rest, rest]
    rows = samples_table(output)
    assert [row["key"] for row in rows if row["status"] == "rejected"] == [VICTIM]
    assert_sums_hold(output)

    assert generate("imagenet", options, "--retry-rejects").code == 0
    assert tree(output) == tree(small_set)


READING_KILLS = """
import os, sys

if "sysnoise.pipelines.workers.worker" in sys.orig_argv:
    from sysnoise.pipelines.storage import reading

    read_file = reading.read_file

    def die_of_one(root, relative, *arguments):
        if relative == "{name}":
            os._exit(3)
        return read_file(root, relative, *arguments)

    reading.read_file = die_of_one
"""


@pytest.mark.slow
def test_a_sample_whose_reading_kills_workers_is_rejected(
    options: Options, imagenet_source: Path, tmp_path: Path
) -> None:
    """As a read from a bad disk or a memory-mapped archive does."""
    (tmp_path / "break").mkdir()
    text = READING_KILLS.format(name=f"{VICTIM}.JPEG")
    (tmp_path / "break" / "sitecustomize.py").write_text(text, "utf-8")
    path = os.pathsep.join([str(tmp_path / "break"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path}
    for _ in range(2):
        ended = generating(options, environment=environment).end()
        assert ended.code == 1
        assert f"ended with exit code 3 while reading sample '{VICTIM}'" in ended.error
    last = generating(options, environment=environment).end()
    assert last.code == 0, last.error
    assert "17 samples x 2 variants in 6 shards, 1 rejected" in last.out
    (row,) = (row for row in samples_table(tmp_path / "out") if row["status"] == "rejected")
    assert (row["key"], row["source_sha256"]) == (VICTIM, None)
    (reject,) = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == (VICTIM, "crashed")
    assert command("verify", str(tmp_path / "out"), "--pixels").code == 0
    images = f"--images={imagenet_source / 'images'}"
    assert command("verify", str(tmp_path / "out"), "--regenerate=18", images).code == 0


def test_a_killed_worker_is_told_and_counted(
    options: Options, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    started = generating(options)
    wait_for(lambda: len(receipts(output)) >= 1)
    os.kill(started.workers()[0], signal.SIGKILL)
    ended = started.end(seconds=15)
    assert ended.code == 1
    assert "the worker was killed by signal 9 (Killed)" in ended.error
    assert "use fewer --workers" in ended.error
    wait_for(started.is_gone, seconds=5)
    strikes = [path.read_text("utf-8") for path in output.glob("strikes/*")]
    assert all(": 1" in text for text in strikes)
    assert len(strikes) == len(re.findall("while (?:making|reading) sample", ended.error))
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


def test_workers_do_not_outlive_a_killed_command_nor_strike(
    options: Options, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    started = generating(options)
    wait_for(lambda: len(receipts(output)) >= 1)
    started.kill()
    ended = started.end(seconds=15)  # The end of the workers, too.
    assert ended.code == -signal.SIGKILL
    assert ended.message == ""
    wait_for(started.is_gone, seconds=5)
    assert not (output / "strikes").exists()
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


def interrupt(options: Options, output: Path, number: signal.Signals, done: int) -> Ended:
    """Send a signal to all processes of a run that has started workers, or made some shards."""
    before = len(receipts(output))
    started = generating(options)
    wait_for(lambda: len(receipts(output)) >= before + done if done else started.workers())
    started.kill_all(number)
    ended = started.end(seconds=15)
    wait_for(started.is_gone, seconds=5)
    return ended


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_ends_with_one_line_and_goes_on(
    number: signal.Signals, options: Options, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    for done in (0, 1):
        ended = interrupt(options, output, number, done)
        assert (ended.code, ended.message) == (1, INTERRUPTED)
    assert not (output / "strikes").exists()
    assert len(receipts(output)) < SHARDS
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


def test_a_worker_that_does_not_start_is_told(options: Options, tmp_path: Path) -> None:
    (tmp_path / "break").mkdir()
    worker = "sysnoise.pipelines.workers.worker"
    text = f"import sys\nif '{worker}' in sys.orig_argv:\n    sys.modules['pyarrow'] = None\n"
    (tmp_path / "break" / "sitecustomize.py").write_text(text, "utf-8")
    path = os.pathsep.join([str(tmp_path / "break"), os.environ.get("PYTHONPATH", "")])
    # Of two workers, the last words can come out mixed.
    alone = {**options, "workers": "1"}
    ended = generating(alone, environment={"PYTHONPATH": path}).end()
    assert ended.code == 1
    assert "ModuleNotFoundError: import of pyarrow halted" in ended.error
    assert "stopped with 0 of 6 shards done:\n  shard " in ended.error
    assert "the worker ended with exit code 1 outside of its samples" in ended.error
    assert not (tmp_path / "out" / "strikes").exists()
