"""Worker processes between two steps that use them.

Some runners set a step up anew for every shard, but a worker process takes a second to start, which
is as long as a small shard takes. So it is left here for the next step of the same job.
"""

from __future__ import annotations

import threading

from sysnoise.pipelines.workers.job import ShardJob
from sysnoise.pipelines.workers.process import ShardProcess

IDLE_SECONDS = 20.0
"""After which a process that nobody takes is ended: none stays behind when a run is over."""

_idle: dict[ShardProcess, tuple[ShardJob, threading.Timer]] = {}
_changing = threading.Lock()


def take_process(job: ShardJob) -> ShardProcess:
    """Return an idle process of a job, or else a new one."""
    with _changing:
        for process, (of, timer) in _idle.items():
            if of == job:
                timer.cancel()
                del _idle[process]
                return process
    return ShardProcess(job)


def leave_process(job: ShardJob, process: ShardProcess) -> None:
    """Keep a process of a job for the next :func:`take_process`, for a limited time."""
    timer = threading.Timer(IDLE_SECONDS, _close_idle, [process])
    timer.daemon = True
    with _changing:
        _idle[process] = job, timer
    timer.start()


def _close_idle(process: ShardProcess) -> None:
    with _changing:
        if _idle.pop(process, None) is None:
            return  # It was taken in the last moment.
    process.close()
