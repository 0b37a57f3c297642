"""What is printed and logged on standard output and standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from sysnoise.manifests.secrets import without_secrets
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

    Beam and the libraries of file systems warn of many things that do not concern a user. Secrets
    are cut, in tracebacks too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_WithoutSecrets("sysnoise: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    logging.getLogger("sysnoise").setLevel(logging.WARNING)
    sys.excepthook = _print_traceback
    threading.excepthook = _print_traceback_of_thread


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def _print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    print(without_secrets(text), end="", file=sys.stderr)


def _print_traceback_of_thread(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is not None and not isinstance(error, SystemExit):
        _print_traceback(type(error), error, arguments.exc_traceback)
