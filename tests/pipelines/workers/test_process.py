"""Worker processes: what becomes of a shard, and of a process that does not end well."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysnoise import load_grid
from sysnoise.pipelines.errors import RESUME_GENERATING
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan, write_plan
from sysnoise.pipelines.planning.stamps import keep_stamps, take_stamps
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.storage.root import open_output
from sysnoise.pipelines.workers.failures import FailureKind
from sysnoise.pipelines.workers.job import ShardJob
from sysnoise.pipelines.workers.process import ShardProcess


@pytest.fixture
def job(imagenet_source: Path, tmp_path: Path) -> ShardJob:
    """A planned run of 18 photographs in six shards."""
    images, labels = imagenet_source / "images", imagenet_source / "val.txt"
    source = read_imagenet(str(images), str(labels), None, "val")
    plan = make_plan(source, load_grid("coco-published"), PlanOptions(samples_per_shard=3))
    output = open_output(str(tmp_path))
    write_plan(plan, source, output)
    stamps = keep_stamps(take_stamps(source), plan, output)
    return ShardJob(source.root, str(tmp_path), plan.fingerprint, stamps)


@pytest.fixture
def worker(job: ShardJob) -> Iterator[ShardProcess]:
    process = ShardProcess(job)
    yield process
    process.close()


def pid(worker: ShardProcess) -> int:
    assert worker._process is not None
    return worker._process.pid


def receipts(folder: Path) -> list[str]:
    return sorted(path.name[:5] for path in (folder / "receipts").glob("*.json"))


def test_one_process_makes_many_shards_whatever_signals_come(
    worker: ShardProcess, tmp_path: Path
) -> None:
    """Terminals and schedulers send these to all processes of a run."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert worker.make(4) is None
    first = pid(worker)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(first, number)
    assert worker.make(1) is None
    assert pid(worker) == first
    assert receipts(tmp_path) == ["00001", "00004"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_samples_are_counted_as_they_are_made(worker: ShardProcess) -> None:
    """Each of three samples is announced twice, before it is read and before it is made."""
    counts: list[int] = []
    assert worker.make(2, counts.append) is None
    assert counts == [0, 0, 1, 1, 2, 2, 3]


def test_a_job_is_in_no_argument_and_no_text(
    job: ShardJob, worker: ShardProcess, tmp_path: Path
) -> None:
    """Everybody on a machine sees the arguments of a process, and URLs can hold passwords."""
    assert worker.make(0) is None
    arguments = Path(f"/proc/{pid(worker)}/cmdline").read_text("utf-8")
    assert arguments.split("\0")[1:4] == ["-P", "-m", "sysnoise.pipelines.workers.worker"]
    for text in (arguments, str(job)):
        assert job.source_root not in text
        assert str(tmp_path) not in text


def test_a_process_that_died_idle_is_replaced(worker: ShardProcess, tmp_path: Path) -> None:
    assert worker.make(0) is None
    first = pid(worker)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert worker.make(1) is None
    assert pid(worker) != first
    assert not (tmp_path / "strikes").exists()


def test_a_process_that_dies_before_its_samples_strikes_none(
    worker: ShardProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        failure = worker.make(1)
    assert failure is not None
    assert (failure.shard, failure.kind) == (1, FailureKind.CRASH)
    assert failure.message == (
        f"shard 1: the worker ended with exit code 1 outside of its samples; {RESUME_GENERATING}; "
        "fix what its last message names, if any"
    )
    assert worker.make(1) is None
    assert not (tmp_path / "strikes").exists()


def test_a_stopped_worker_makes_nothing(worker: ShardProcess, tmp_path: Path) -> None:
    worker.stop()
    assert worker.make(0) is None
    assert worker._process is None
    assert receipts(tmp_path) == []


def test_a_process_that_cannot_be_started_is_a_failure(
    worker: ShardProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    failure = worker.make(2)
    assert failure is not None
    assert failure.kind is FailureKind.CRASH
    assert failure.message.startswith("shard 2: starting a worker: ")
    assert "/nowhere/python" in failure.message


def test_errors_come_back(worker: ShardProcess, tmp_path: Path) -> None:
    (tmp_path / "plan.json").unlink()
    failure = worker.make(0)
    assert failure is not None
    assert failure.kind is FailureKind.OUTPUT
    assert failure.message.startswith(f"reading plan.json of {str(tmp_path)!r}: ")
