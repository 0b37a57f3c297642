"""Ending a command that Ctrl-C or SIGTERM asks to end, whatever it is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

STANDARD_ERROR = 2
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 3.0
"""Seconds that a command has to end by itself; with those that a model takes to see a signal, it
ends within five."""


@contextlib.contextmanager
def ending_in_time(message: str) -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C and SIGTERM while the body runs, and then end in any case.

    Python acts on a signal between two steps of its main thread, and at its end waits for all other
    threads. A model can keep both waiting forever. Where the process is still there after the
    grace, it prints the message and ends; what it was writing is temporary, and the system releases
    its locks.

    Args:
        message: the line that is printed then.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    reading, writing = socket.socketpair()  # Windows hands signals on to nothing else.
    writing.setblocking(False)
    left = threading.Event()
    threading.Thread(target=_watch, args=(reading, message, left), daemon=True).start()
    before = {number: signal.signal(number, interrupt) for number in INTERRUPTS}
    fd_before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(fd_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        writing.close()  # Ends the thread, unless a signal has come.


def _watch(reading: socket.socket, message: str, left: threading.Event) -> None:
    """Wait for the numbers of signals, which the system writes as they come, or for the end."""
    with reading:
        while number := reading.recv(1):
            if number[0] in INTERRUPTS:
                time.sleep(GRACE_SECONDS)
                if not left.is_set():  # Else the command has said it.
                    os.write(STANDARD_ERROR, f"{message}\n".encode())  # Its buffer may be locked.
                os._exit(1)
