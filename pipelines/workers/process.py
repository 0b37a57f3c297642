"""Making shards in a process of their own, beside the one that Beam runs in.

A codec can crash, and the system can kill a process that needs too much memory. This way, only one
shard fails, on every runner; Beam's local runner would wait for a dead worker forever.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from sysnoise.manifests.json_documents import as_document
from sysnoise.pipelines.errors import RESUME_GENERATING, OutputError
from sysnoise.pipelines.shards.strikes import STRIKES_TO_REJECT, WorkStep, add_strike
from sysnoise.pipelines.storage.root import is_process_memory, open_output
from sysnoise.pipelines.storage.temporary import TemporaryFolder
from sysnoise.pipelines.workers.failures import Failure, FailureKind
from sysnoise.pipelines.workers.job import ShardJob, run_shard
from sysnoise.pipelines.workers.watch import Watch, watched

_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
}
"""Variables that keep glibc from returning each array to the system: 3 % of a worker's time.

Source: mallopt(3); other C libraries do not know these variables.
"""

_COMMAND_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM")
    if hasattr(signal, name)
)
"""Signals that terminals and schedulers send to all processes of a run at once.

The command ends its workers itself: a worker that died of a signal first would count as a crash.
"""

_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""The flag with which a process of Windows is not ended by the Ctrl-C of its terminal."""

_MEMORY_FILES = threading.Lock()
"""Held while a shard is made from or to ``memory://``: readers of a file there share a position.

Source: ``MemoryFileSystem._open`` of fsspec returns the stored file itself.
"""

OnDone = Callable[[int], None]
"""Called with the number of samples of a shard that are done."""


class ShardProcess:
    """A worker process; it is started for its first shard, and again for the next after a crash."""

    def __init__(self, job: ShardJob) -> None:
        """Store the job.

        With ``memory://`` files, which no other process sees, shards are made in this process.
        """
        self._job = job
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._folder = TemporaryFolder()
        self._changing = threading.RLock()  # Reentrant for the sake of signal handlers.

    def make(self, shard: int, on_done: OnDone = lambda done: None) -> Failure | None:
        """Make one shard; return why it could not be made, or None.

        The death of the process is a failure, and a strike against the sample that it worked on.
        After :meth:`stop`, nothing is made and None is returned.

        Args:
            shard: number of the shard.
            on_done: called while the shard is made.
        """
        if any(map(is_process_memory, (self._job.output_url, self._job.source_root))):
            with _MEMORY_FILES:
                return run_shard(self._job, shard, lambda done, sample, step: on_done(done))
        try:
            process = self._start()
        except OSError as error:
            message = f"shard {shard}: starting a worker: {error}; fix that and {RESUME_GENERATING}"
            return Failure(shard, FailureKind.CRASH, message)
        if process is None or process.stdin is None or process.stdout is None:
            return None
        with contextlib.suppress(OSError):  # The worker is gone, and gives no answer either.
            process.stdin.write(f"{shard}\n")
            process.stdin.flush()
        with watched(process.pid, shard) as watch:
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # The worker died while it wrote.
                if not line.startswith("{"):
                    continue  # A library printed this while it was loaded.
                answer = json.loads(line)
                if "failure" in answer:
                    failure = answer["failure"]
                    return None if failure is None else as_document(failure, Failure)
                watch.hear(answer["sample"], WorkStep(answer["step"]))
                on_done(answer["done"])
        return self._crashed(process, shard, watch)

    def stop(self) -> None:
        """Kill the process, if it runs, and make no more shards."""
        with self._changing:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Stop, and wait until the process is gone."""
        self.stop()
        process = self._process  # Another thread may drop it meanwhile.
        if process is not None:
            process.wait()
        self._folder.close()

    def _start(self) -> subprocess.Popen[str] | None:
        """Return the running process; None after :meth:`stop`.

        Raises:
            OSError: it cannot be started.
        """
        with self._changing:
            if self._stopped:
                return None
            if self._process is None or self._process.poll() is not None:
                self._process = _start_worker(self._job, self._folder.path)
            return self._process

    def _crashed(self, process: subprocess.Popen[str], shard: int, last: Watch) -> Failure | None:
        code = process.wait()
        with self._changing:
            self._process = None
            if self._stopped:
                return None
        message = _crash_message(shard, last, code)
        if last.sample is not None:
            try:
                add_strike(open_output(self._job.output_url), shard, last.sample, last.step)
            except (OutputError, OSError) as error:
                message = f"{message}. This death could not be counted: {error}"
        return Failure(shard, FailureKind.CRASH, message)


def _start_worker(job: ShardJob, folder: str) -> subprocess.Popen[str]:
    """Start a worker process that keeps its temporary files in a folder.

    The job is its first line of input: URLs can hold passwords, and everybody sees arguments.
    """
    # -P keeps the user's own modules out of the import path.
    command = [sys.executable, "-P", "-m", "sysnoise.pipelines.workers.worker"]
    with _blocked(_COMMAND_SIGNALS):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_KEEP_FREED_MEMORY, "TMPDIR": folder},
            creationflags=_OWN_GROUP,
        )
    if process.stdin is not None:  # The line is sent with the first shard's number.
        process.stdin.write(json.dumps(dataclasses.asdict(job)) + "\n")
    return process


@contextlib.contextmanager
def _blocked(signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Block signals in this thread, and permanently in the processes that it starts meanwhile.

    Windows cannot: its workers are in a group of their own.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _crash_message(shard: int, last: Watch, code: int) -> str:
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was killed by signal {-code} ({signal.strsignal(-code)})"
    if last.sample is None:
        work, remedy = "outside of its samples", "fix what its last message names, if any"
    else:
        work = last.work
        remedy = (
            f"a sample on which a worker dies {STRIKES_TO_REJECT} times is rejected as 'crashed'"
        )
    if code < 0 and -code == getattr(signal, "SIGKILL", None):
        remedy += "; if the system ran out of memory, use fewer --workers"
    return f"shard {shard}: the worker {how} {work}; {RESUME_GENERATING}; {remedy}"
