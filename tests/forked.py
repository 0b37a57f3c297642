"""Worker processes that are forked from one that has imported everything.

A worker takes more than a second of processor time to start, nearly all of it for imports, and the
tests start hundreds. A forked one is a process of its own like any other: it can crash and be
killed. Tests of how a worker is started take :class:`tests.end_to_end.disturbed.Started`, or
``ShardProcess`` itself, which start real ones.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import pytest

from sysnoise.pipelines.workers import process, worker
from sysnoise.pipelines.workers.job import ShardJob, prepare_libraries

MESSAGE_BYTES = 2**20


class ForkedWorker:
    """What :class:`ShardProcess` uses of ``subprocess.Popen``, for a forked worker."""

    def __init__(self, job: ShardJob, folder: str) -> None:
        stdin, to_worker = os.pipe()
        from_worker, stdout = os.pipe()
        status, to_status = os.pipe()
        request = {
            "job": dataclasses.asdict(job),
            "environment": {**os.environ, "TMPDIR": folder},
            "folder": os.getcwd(),  # noqa: PTH109
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        given = [stdin, stdout, 2, to_status]
        socket.send_fds(_server(), [json.dumps(request).encode()], given)
        for descriptor in (stdin, stdout, to_status):
            os.close(descriptor)
        self.stdin = os.fdopen(to_worker, "w")
        self.stdout = os.fdopen(from_worker)
        self._status = os.fdopen(status)
        self._code: int | None = None
        self.pid = int(self._status.readline())

    def poll(self) -> int | None:
        if self._code is None and select.select([self._status], [], [], 0)[0]:
            return self.wait()
        return self._code

    def wait(self) -> int:
        if self._code is None:
            self._code = int(self._status.readline())
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """Have workers forked while the body works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_start_worker", ForkedWorker)
        yield


@functools.cache
def _server() -> socket.socket:
    """Start the process that forks; it ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = f"from tests.forked import serve; serve({theirs.fileno()})"
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd=os.path.dirname(os.path.dirname(__file__)),
        )

    def stop() -> None:
        ours.close()
        server.wait()

    atexit.register(stop)
    return ours


def serve(descriptor: int) -> None:
    """Fork workers until the other end of a socket is closed."""
    import av  # noqa: F401

    prepare_libraries()
    control = socket.socket(fileno=descriptor)
    watching: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
        watching -= {pid for pid in watching if os.waitpid(pid, os.WNOHANG if message else 0)[0]}
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _watch(json.loads(message), descriptors)
        watching.add(pid)
        for each in descriptors:
            os.close(each)


def _watch(request: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Fork a worker, and tell its process id and, in the end, its exit code."""
    *standard, status = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _work(request, standard)
    for each in standard:
        os.close(each)
    os.write(status, f"{pid}\n".encode())
    _, code = os.waitpid(pid, 0)
    os.write(status, f"{os.waitstatus_to_exitcode(code)}\n".encode())
    os._exit(0)


def _work(request: dict[str, Any], standard: Sequence[int]) -> NoReturn:
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    resource.setrlimit(resource.RLIMIT_NOFILE, request["files"])
    signal.pthread_sigmask(signal.SIG_BLOCK, process._COMMAND_SIGNALS)
    try:
        worker.main(ShardJob(**request["job"]))
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)
