"""Reading over HTTP from servers that are not trusted: in bounded time and memory.

fsspec's file system makes the requests. This module gives it a client whose answers read no byte
more than the request asks for, are not decompressed, and are given up when they are too slow.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.asyn import sync

if TYPE_CHECKING:
    import aiohttp

WINDOW_SECONDS = 15.0
"""Seconds of waiting, for headers or for a body, after which a server must have sent something."""

WINDOW_BYTES = 15 << 10
"""Bytes of a body that must arrive in each such window: 1 KiB/s, a fourth of what GPRS had."""

ANSWER_BYTES = 64 << 20
"""Longest body, in bytes, that is held in memory: a page that lists 400,000 files has 60 MB."""

BLOCK_BYTES = 1 << 20
"""Number of bytes that are taken from a connection at a time."""

NO_RANGES = "the server sends only whole files, no parts; download the file and give its path"
"""What to do where a web server does not support range requests."""

_UNENCODED = ("", "identity")


class RefusedAnswerError(Exception):
    """An answer of a web server that is not read, or not further; trying again would not help."""


class NoRangesError(RefusedAnswerError):
    """A server sent a whole file where a later part of it was asked for."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(NO_RANGES)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it; file systems translate the errors of their libraries."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status of an error of aiohttp, gcsfs or botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(error, "code", None)
    return status if isinstance(status, int) else None


async def web_client(**options: Any) -> aiohttp.ClientSession:
    """Return the client of fsspec's HTTP file system.

    Args:
        options: those that fsspec gives to aiohttp, such as a user's ``client_kwargs``.
    """
    import aiohttp

    # No limit on the whole: files can be large. The response class has a floor on the speed.
    timeout = aiohttp.ClientTimeout(total=None, connect=WINDOW_SECONDS)
    headers = {**(options.pop("headers", None) or {}), "Accept-Encoding": "identity"}
    ours = {"timeout": timeout, "auto_decompress": False, "response_class": _response_class()}
    return aiohttp.ClientSession(headers=headers, **{**options, **ours})


@functools.cache
def _response_class() -> type[aiohttp.ClientResponse]:
    """Return the class of answers; aiohttp is imported only where something is on the web."""
    import aiohttp

    class BoundedResponse(aiohttp.ClientResponse):
        """An answer that is given up when it is too slow, too long or encoded."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            """Receive the headers."""
            try:
                await asyncio.wait_for(super().start(connection), WINDOW_SECONDS)
            except TimeoutError:
                raise _too_slow("no whole header") from None
            if 200 <= self.status < 300:
                self._refuse_unfit()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.request_info.headers.get("Range", ""))
            most = int(asked[2]) - int(asked[1]) + 1 if asked else None
            self.content: Any = _BoundedStream(self.content, most)
            return self

        def _refuse_unfit(self) -> None:
            encoding = self.headers.get("Content-Encoding", "")
            if encoding.lower() not in _UNENCODED:
                self.close()
                raise RefusedAnswerError(
                    f"the server sent the file encoded as {encoding!r}, although it was asked for "
                    "the file itself; download the file and give its path"
                )
            start = re.match(r"bytes=([1-9])", self.request_info.headers.get("Range", ""))
            if start and self.status == 200:
                self.close()
                raise NoRangesError

    return BoundedResponse


def _too_slow(found: str) -> TimeoutError:
    return TimeoutError(
        f"the server is too slow: {found} in {WINDOW_SECONDS:.0f} s of waiting, expected at least "
        f"{WINDOW_BYTES} bytes"
    )


class _BoundedStream:
    """The body of an answer.

    Args:
        stream: aiohttp's stream of the body.
        most: number of bytes that were asked for, after which the body ends; None for all.
    """

    def __init__(self, stream: Any, most: int | None) -> None:
        self._stream = stream
        self._left = most
        self._waited = 0.0
        self._arrived = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, as soon as some are there; by default all.

        Raises:
            TimeoutError: the server is too slow.
            RefusedAnswerError: all is more than :data:`ANSWER_BYTES`.
        """
        if size >= 0:
            return await self._some(size)
        data = bytearray()
        while block := await self._some(BLOCK_BYTES):
            data += block
            if len(data) > ANSWER_BYTES:
                raise RefusedAnswerError(
                    f"the answer is longer than {ANSWER_BYTES} bytes, the most that is held"
                )
        return bytes(data)

    async def _some(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        if size == 0:
            return b""
        block = await self._within_window(size)
        self._arrived += len(block)
        if self._left is not None:
            self._left -= len(block)
        return block

    async def _within_window(self, size: int) -> bytes:
        """Wait for bytes; only waiting counts, not what the caller does in between."""
        clock = asyncio.get_running_loop().time
        while True:
            start = clock()
            try:
                async with asyncio.timeout(max(0.0, WINDOW_SECONDS - self._waited)) as window:
                    block: bytes = await self._stream.read(size)
            except TimeoutError:
                if not window.expired():
                    raise
                if self._arrived < WINDOW_BYTES:
                    raise _too_slow(f"{self._arrived} bytes") from None
                self._waited, self._arrived = 0.0, 0
                continue
            self._waited += clock() - start
            return block


def append_from_web(fs: Any, path: str, opened: BinaryIO, part: tuple[int, int]) -> None:
    """Append a part of a file on the web to a local one, as its bytes arrive.

    Args:
        fs: fsspec's HTTP file system.
        path: URL of the file.
        opened: the local file.
        part: where the part begins and where it ends, at most.

    Raises:
        NoRangesError: the part does not begin at 0, and the server sends only whole files.
        OSError, RefusedAnswerError: the file cannot be read further.
    """
    start, stop = part
    if start < stop:
        sync(fs.loop, _append, fs, path, opened, {"Range": f"bytes={start}-{stop - 1}"})


async def _append(fs: Any, path: str, opened: BinaryIO, span: dict[str, str]) -> None:
    session = await fs.set_session()
    options = dict(fs.kwargs)
    options["headers"] = {**options.get("headers", {}), **span}
    async with session.get(fs.encode_url(path), **options) as answer:
        if answer.status == 404:
            raise FileNotFoundError(path)
        answer.raise_for_status()
        while block := await answer.content.read(BLOCK_BYTES):
            opened.write(block)
