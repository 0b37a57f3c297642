"""A worker that says nothing for long is named once, and whether it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sysnoise.pipelines.shards.strikes import WorkStep
from sysnoise.pipelines.workers import watch
from sysnoise.pipelines.workers.watch import watched
from tests.end_to_end.disturbed import wait_for


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.2)


def test_a_stopped_worker_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with watched(worker.pid, 3) as last:
            last.hear("cat", WorkStep.MAKING)
            os.kill(worker.pid, signal.SIGSTOP)
            wait_for(lambda: caplog.records)
            time.sleep(0.5)
        (record,) = caplog.records
        assert record.getMessage() == (
            f"shard 3: worker {worker.pid} has said nothing for 0 s while making sample 'cat'; "
            f"it is stopped, and goes on after 'kill -CONT {worker.pid}'"
        )
    finally:
        worker.kill()
        worker.wait()


def test_a_slow_worker_is_named_without_blame(caplog: pytest.LogCaptureFixture) -> None:
    with watched(os.getpid(), 3):
        wait_for(lambda: caplog.records)
    assert "outside of its samples; a large image or a slow source" in caplog.text


def test_a_worker_that_answers_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    with watched(os.getpid(), 3) as last:
        for _ in range(10):
            time.sleep(0.05)
            last.hear("cat", WorkStep.READING)
    time.sleep(0.5)
    assert caplog.records == []
