"""What is printed and logged on standard output and standard error."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.errors import unwritable
from sysnoise.transforms.text import encodable, printable


class ClosedPipeError(BrokenPipeError):
    """Nobody reads any more what is printed, as with ``| head``."""


class PrintableStream:
    """A stream of text that escapes what a terminal would obey or lacks, whoever prints it.

    Names of files, keys and classes come from others, and reach a terminal on many ways: tables,
    messages, warnings of libraries, tracebacks. A carriage return at the start of what is written
    is that of a progress bar.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        """Write a text as :func:`printable` and :func:`encodable` return it.

        Raises:
            ClosedPipeError: nobody reads it; further texts are lost without an error.
            OutputError: the system refuses it.
        """
        start = "\r" if text.startswith("\r") else ""
        shown = encodable(printable(text.removeprefix(start)), self._stream.encoding)
        with self._refusals():
            return self._stream.write(start + shown)

    def flush(self) -> None:
        """Hand on what was written; errors are those of :meth:`write`."""
        with self._refusals():
            self._stream.flush()

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            self._go_nowhere()
            raise ClosedPipeError(error.errno, error.strerror) from error
        except OSError as error:
            self._go_nowhere()
            raise unwritable(f"printing to {self._name}", error) from error

    def _go_nowhere(self) -> None:
        """Lead the stream to nothing: Python would try to write the rest when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    """Make standard output and standard error such streams while the body runs."""
    out: Any = PrintableStream(_opened(sys.stdout, 1), "standard output")
    error: Any = PrintableStream(_opened(sys.stderr, 2), "standard error")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        yield


def _opened(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return a standard stream, or one to nothing where the shell closed it (``>&-``).

    Otherwise the next file that is opened, which may be one of the set, would be printed to.
    """
    if stream is not None:
        return stream
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.set_inheritable(descriptor, True)
    if nowhere != descriptor:
        os.close(nowhere)
    return open(descriptor, "w", encoding="utf-8", closefd=False)


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
