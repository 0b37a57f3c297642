"""What is printed and logged on standard output and standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from sysnoise.transforms.text import printable


class PrintableStream:
    """A stream of text that escapes what a terminal would obey, whoever prints it.

    Names of files, keys and classes come from others, and reach a terminal on many ways: tables,
    messages, warnings of libraries, tracebacks. A carriage return at the start of what is written
    is that of a progress bar.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text as :func:`printable` returns it."""
        start = "\r" if text.startswith("\r") else ""
        return self._stream.write(start + printable(text.removeprefix(start)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    """Make standard output and standard error such streams while the body runs."""
    out: Any = PrintableStream(sys.stdout)
    error: Any = PrintableStream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        yield


def set_up_logging() -> None:
    """Log the errors of all libraries, and the warnings of this project.

    Beam and the libraries of file systems warn of many things that do not concern a user.
    """
    logging.basicConfig(level=logging.ERROR, format="sysnoise: %(levelname)s: %(message)s")
    logging.getLogger("sysnoise").setLevel(logging.WARNING)
