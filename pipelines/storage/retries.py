"""Calls to remote file systems, repeated after transient errors; each retry is logged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

ATTEMPTS = 5
"""Number of attempts at a call, the first included."""

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
    random jitter.

    Args:
        work: what is being done, to which URL, for the log.
        call: the call, which may be repeated after it failed.

    Raises:
        OSError: the last attempt failed; an error of another class is the cause of the OSError.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(),
        retry=retry_if_exception(is_transient),
        before_sleep=lambda state: _log_retry(work, state),
        reraise=True,
    )
    try:
        return retrying(call)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not _is_missing(error):
            raise OSError(_reason(error)) from error
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


def is_transient(error: BaseException) -> bool:
    """Whether an error of the connection, or of a busy server, may be gone at the next attempt."""
    return any(
        _status(each) in _TRANSIENT_STATUSES
        or getattr(each, "errno", None) in _TRANSIENT_ERRNOS
        or not _TRANSIENT_CLASSES.isdisjoint(kind.__name__ for kind in type(each).__mro__)
        for each in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it; file systems translate the errors of their libraries."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an error of aiohttp, gcsfs or botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


def _is_missing(error: FileNotFoundError) -> bool:
    """Whether the file is missing: on the web, fsspec reports any failure as a missing file."""
    *_, root = _causes(error)
    return _status(root) in (None, _NOT_FOUND) and not is_transient(error)


def _reason(error: BaseException) -> str:
    *_, root = _causes(error)
    return str(root) or type(root).__name__


def _log_retry(work: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logging.getLogger(__name__).warning(
        "%s failed (attempt %d of %d): %s; trying again in %.0f s",
        work,
        state.attempt_number,
        ATTEMPTS,
        _reason(error) if error else "",
        state.upcoming_sleep,
    )
