"""Worker processes between two steps: kept for the same job, and not for ever."""

from __future__ import annotations

import pytest

from sysnoise.pipelines.workers import pool
from sysnoise.pipelines.workers.job import ShardJob
from sysnoise.pipelines.workers.pool import acquire_process, release_process
from tests.end_to_end.disturbed import wait_for

JOB = ShardJob("source", "output", "plan", "stamps")


def test_a_process_is_kept_for_its_job() -> None:
    process = acquire_process(JOB)
    release_process(JOB, process)
    assert acquire_process(ShardJob("source", "output", "another plan", "stamps")) is not process
    assert acquire_process(JOB) is process
    assert acquire_process(JOB) is not process


def test_a_process_that_nobody_takes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.01)
    process = acquire_process(JOB)
    release_process(JOB, process)
    wait_for(lambda: process._stopped)
    assert acquire_process(JOB) is not process
    assert process.make(0) is None  # It makes nothing any more.
