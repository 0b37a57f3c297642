"""Calls to remote file systems, repeated after transient errors; each retry is logged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from sysnoise.manifests.secrets import without_secrets
from sysnoise.manifests.web import RefusedAnswerError, causes, http_status

ATTEMPTS = 5
"""Number of attempts at a call, the first included."""

SILENT_ATTEMPTS = 2
"""The same where nothing came in time: each attempt waits for long, and more would not help."""

_NOT_FOUND = 404
_TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}
_TRANSIENT_ERRNOS = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_TRANSIENT_CLASSES = {
    "ConnectionError",  # Python's, botocore's and that of requests
    "TimeoutError",
    "HTTPClientError",  # botocore: closed connections, timeouts of reading
    "ResponseParserError",  # botocore: an answer under load that is no XML
    "ClientConnectionError",  # aiohttp
    "ClientPayloadError",  # aiohttp: a body that was cut off
    "IncompleteRead",
    "IncompleteReadError",
}
"""Names of exception classes, since none of these libraries need be installed."""

Answer = TypeVar("Answer")


def with_retries(work: str, call: Callable[[], Answer]) -> Answer:
    """Call a file system, and repeat the call after transient errors, up to five times in all.

    The waits between the attempts are about 1, 2, 4 and 8 seconds, each with up to a second of
    random jitter. Where a server is silent or too slow, the second attempt is the last.

    Args:
        work: what is being done, to which URL, for the log.
        call: the call, which may be repeated after it failed.

    Raises:
        OSError: the last attempt failed; an error of another class is the cause of the OSError.
    """
    retrying = Retrying(
        stop=lambda state: state.attempt_number >= _attempts(state),
        wait=wait_exponential_jitter(),
        retry=retry_if_exception(is_transient),
        before_sleep=lambda state: _log_retry(work, state),
        reraise=True,
    )
    try:
        return retrying(call)
    except OSError as error:
        if not str(error) or (isinstance(error, FileNotFoundError) and not _is_missing(error)):
            raise OSError(_reason(error)) from error
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


def is_transient(error: BaseException) -> bool:
    """Whether an error of the connection, or of a busy server, may be gone at the next attempt."""
    return any(
        http_status(each) in _TRANSIENT_STATUSES
        or getattr(each, "errno", None) in _TRANSIENT_ERRNOS
        or not _TRANSIENT_CLASSES.isdisjoint(kind.__name__ for kind in type(each).__mro__)
        for each in causes(error)
    )


def _is_missing(error: FileNotFoundError) -> bool:
    """Whether the file is missing: on the web, fsspec reports any failure as a missing file."""
    *_, root = causes(error)
    if isinstance(root, RefusedAnswerError):
        return False
    return http_status(root) in (None, _NOT_FOUND) and not is_transient(error)


def _reason(error: BaseException) -> str:
    *_, root = causes(error)
    return str(root) or type(root).__name__


def _attempts(state: RetryCallState) -> int:
    error = state.outcome.exception() if state.outcome else None
    is_silent = error and any(isinstance(each, TimeoutError) for each in causes(error))
    return SILENT_ATTEMPTS if is_silent else ATTEMPTS


def _log_retry(work: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logging.getLogger(__name__).warning(
        "%s failed (attempt %d of %d): %s; trying again in %.0f s",
        without_secrets(work),
        state.attempt_number,
        _attempts(state),
        without_secrets(_reason(error) if error else ""),
        state.upcoming_sleep,
    )
