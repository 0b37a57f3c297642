"""Idle worker processes, which the next step of the same job uses again.

Some runners set up a step again for every shard, but a worker process takes a second to start,
which is as long as a small shard takes.
"""

from __future__ import annotations

import threading

from sysnoise.pipelines.workers.job import ShardJob
from sysnoise.pipelines.workers.process import ShardProcess

IDLE_SECONDS = 20.0
"""Seconds after which an idle process is ended, so that none stays behind when a run is over."""

_idle: dict[ShardProcess, tuple[ShardJob, threading.Timer]] = {}
_changing = threading.Lock()


def acquire_process(job: ShardJob) -> ShardProcess:
    """Return an idle process of a job, or start a new one."""
    with _changing:
        for process, (own_job, timer) in _idle.items():
            if own_job == job:
                timer.cancel()
                del _idle[process]
                return process
    return ShardProcess(job)


def release_process(job: ShardJob, process: ShardProcess) -> None:
    """Keep a process of a job for the next :func:`acquire_process`, for a limited time."""
    timer = threading.Timer(IDLE_SECONDS, _close_idle, [process])
    timer.daemon = True
    with _changing:
        _idle[process] = job, timer
    timer.start()


def _close_idle(process: ShardProcess) -> None:
    with _changing:
        if _idle.pop(process, None) is None:
            return  # It was acquired at the last moment.
    process.close()
