"""Setting up what is logged on standard error."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

from sysnoise.manifests.secrets import without_secrets


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
