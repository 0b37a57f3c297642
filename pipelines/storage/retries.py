"""Calls to remote file systems, made again after errors that can pass; each retry is told."""

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
_NOT_FOUND = 404
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}
_PASSING_ERRNOS = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_PASSING_CLASSES = {
    "ConnectionError",  # Python's, botocore's and that of requests
    "TimeoutError",
    "HTTPClientError",  # botocore: closed connections, timeouts of reading
    "ResponseParserError",  # botocore: an answer under load that is no XML
    "ClientConnectionError",  # aiohttp
    "ClientPayloadError",  # aiohttp: a body that was cut off
    "IncompleteRead",
    "IncompleteReadError",
}
"""By name, since none of these libraries need be installed."""

Answer = TypeVar("Answer")


def with_retries(work: str, call: Callable[[], Answer]) -> Answer:
    """Make a call to a file system, after errors that can pass up to five times.

    The waits between are about 1, 2, 4 and 8 seconds, each with up to a second more by chance.

    Args:
        work: what is being done, to which URL, for the log.
        call: may be made again after it failed.

    Raises:
        OSError: what the last call raised; an error of a library's own kind is the cause of one.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(),
        retry=retry_if_exception(can_pass),
        before_sleep=lambda state: _tell(work, state),
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


def can_pass(error: BaseException) -> bool:
    """Whether an error may be gone at the next try: of the connection, or of a busy server."""
    return any(
        _status(each) in _PASSING_STATUSES
        or getattr(each, "errno", None) in _PASSING_ERRNOS
        or not _PASSING_CLASSES.isdisjoint(kind.__name__ for kind in type(each).__mro__)
        for each in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it; file systems translate the errors of their libraries."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error stands for, as aiohttp, gcsfs and botocore tell it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


def _is_missing(error: FileNotFoundError) -> bool:
    """Whether the file is missing; of any failure fsspec says so, where the file is on the web."""
    *_, root = _causes(error)
    return _status(root) in (None, _NOT_FOUND) and not can_pass(error)


def _reason(error: BaseException) -> str:
    *_, root = _causes(error)
    return str(root) or type(root).__name__


def _tell(work: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logging.getLogger(__name__).warning(
        "%s failed (attempt %d of %d): %s; trying again in %.0f s",
        work,
        state.attempt_number,
        ATTEMPTS,
        _reason(error) if error else "",
        state.upcoming_sleep,
    )
