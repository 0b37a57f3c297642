"""Real servers on loopback, which can be told to fail: S3 (moto's) and files over HTTP."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

BUCKET = "bucket"
FOR_EVER = 10**6
FLIPPED = -1
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclass
class Fault:
    """An answer that the next requests of a kind get.

    Attributes:
        request: pattern in ``METHOD /path?query``.
        status: of the answer; 0 for a body that is cut off (only over HTTP); ``FLIPPED`` for a
            body in which one bit is another, on its way up (S3) or down (HTTP).
        times: number of requests that get it.
    """

    request: str
    status: int
    times: int = FOR_EVER


@dataclass
class Server:
    """A running server.

    Attributes:
        url: of its root.
        faults: what it fails at.
        requests: ``METHOD /path?query`` of each request so far.
        seconds: that it waits before each answer.
    """

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def seen(self, pattern: str) -> list[str]:
        """Return the requests that match."""
        return [request for request in self.requests if re.search(pattern, request)]

    def take(self, request: str) -> int | None:
        """Note a request and return the status that it is to fail with, if any."""
        self.requests.append(request)
        if self.seconds:
            time.sleep(self.seconds)
        for fault in self.faults:
            if fault.times and re.search(fault.request, request):
                fault.times -= 1
                return fault.status
        return None


def flipped(data: bytes) -> bytes:
    """Return the bytes with one bit in the middle flipped."""
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)


@contextlib.contextmanager
def s3_server() -> Iterator[Server]:
    """Serve an empty S3 bucket."""
    moto: Any = DomainDispatcherApplication(create_backend_app)
    server = Server()

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Any:
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        status = server.take(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{query}")
        if status is None:
            return moto(environ, start)
        if status == FLIPPED:
            size = int(environ["CONTENT_LENGTH"])
            environ["wsgi.input"] = io.BytesIO(flipped(environ["wsgi.input"].read(size)))
            return moto(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(f"{status} {CODES[status]}", [("Content-Type", "application/xml")])
        return [f"<Error><Code>{CODES[status]}</Code><Message>told to</Message></Error>".encode()]

    running = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=MotoRequestHandler)
    server.url = f"http://127.0.0.1:{running.server_port}"
    with _serving(running.serve_forever, running.shutdown):
        s3_client(server).create_bucket(Bucket=BUCKET)
        yield server


def s3_variables(server: Server) -> dict[str, str]:
    """Return the environment variables with which clients find the server."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def s3_client(server: Server) -> Any:
    """Return another client than the project's."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


def s3_objects(server: Server, prefix: str) -> dict[str, bytes]:
    """Return the objects below a prefix, by their path below it."""
    client = s3_client(server)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {
        key.removeprefix(f"{prefix}/"): client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Python's own server of files: it lists folders and sends files as a whole."""

    def __init__(self, *arguments: Any, state: Server, **options: Any) -> None:
        self.state = state
        super().__init__(*arguments, **options)

    def do_HEAD(self) -> None:
        if not self._fail():
            super().do_HEAD()

    def do_GET(self) -> None:
        if not self._fail():
            super().do_GET()

    def _fail(self) -> bool:
        status = self.state.take(f"{self.command} {self.path}")
        if status == FLIPPED:
            data = flipped(Path(self.translate_path(self.path)).read_bytes())
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        elif status == 0:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"cut off")
        elif status is not None:
            self.send_error(status)
        return status is not None

    def log_message(self, *arguments: Any) -> None:
        pass


class _RangeHandler(_Handler):
    """The same with parts of files (RFC 9110, 14), as web servers of data sets have them."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None or not path.is_file():
            super().do_GET()
        elif not self._fail():
            start, stop = int(wanted[1]), int(wanted[2]) + 1
            data = path.read_bytes()
            self.send_response(206)
            self.send_header("Content-Length", str(len(data[start:stop])))
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(data[start:stop])


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
"""Answers a request as it likes."""


class _HostileHandler(http.server.BaseHTTPRequestHandler):
    """A server whose answers a test writes itself."""

    def __init__(self, *arguments: Any, state: Server, answer: Answer, **options: Any) -> None:
        self.state, self.answer = state, answer
        super().__init__(*arguments, **options)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.state.take(f"{self.command} {self.path}" + (f" {span}" if span else ""))
        self.answer(self)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def hostile_server(answer: Answer) -> Iterator[Server]:
    """Serve whatever a function answers; the log has the ranges that were asked for."""
    server = Server()
    made = functools.partial(_HostileHandler, state=server, answer=answer)
    with _HTTPServer(("127.0.0.1", 0), made) as running:
        server.url = f"http://127.0.0.1:{running.server_port}"
        with _serving(running.serve_forever, running.shutdown):
            yield server


def send(
    request: http.server.BaseHTTPRequestHandler, body: Iterable[bytes], **headers: object
) -> None:
    """Answer with a body in pieces, and with headers, whose names have ``_`` for ``-``."""
    request.send_response(200)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    if request.command != "HEAD":
        for piece in body:
            request.wfile.write(piece)


class _HTTPServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # Some answers have no end.

    def handle_error(self, *arguments: Any) -> None:
        """Say nothing: clients leave in the middle of an answer when they know enough."""


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[Server]:
    """Serve a folder over HTTP, with parts of files."""
    with _http_server(folder, _RangeHandler) as server:
        yield server


@contextlib.contextmanager
def plain_http_server(folder: Path) -> Iterator[Server]:
    """Serve a folder over HTTP, only whole files."""
    with _http_server(folder, _Handler) as server:
        yield server


@contextlib.contextmanager
def _http_server(folder: Path, handler: type[_Handler]) -> Iterator[Server]:
    server = Server()
    made = functools.partial(handler, directory=str(folder), state=server)
    with _HTTPServer(("127.0.0.1", 0), made) as running:
        server.url = f"http://127.0.0.1:{running.server_port}"
        with _serving(running.serve_forever, running.shutdown):
            yield server


@contextlib.contextmanager
def _serving(serve: Callable[[], None], shut_down: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        shut_down()
        thread.join()
