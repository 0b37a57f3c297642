"""Servers that send too much, too slowly or something else than they were asked for."""

from __future__ import annotations

import gzip
import itertools
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from sysnoise import open_set
from sysnoise.manifests import web
from sysnoise.manifests.bounded import DOCUMENT_BYTES, PIECE_BYTES, FileTooLargeError
from sysnoise.manifests.errors import SetError
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage import listing
from sysnoise.pipelines.storage.listing import list_files
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range, read_text
from sysnoise.pipelines.storage.root import connect, exists
from tests.servers import Answer, hostile_server, send

MOST = 1000
SENT = 50_000_000
"""Bytes after which a server of these tests gives up to be endless."""


class Counted:
    """Pieces of a body without an end, and how many bytes of it were taken."""

    def __init__(self) -> None:
        self.bytes = 0

    def pieces(self) -> Any:
        while self.bytes < SENT:
            self.bytes += 1 << 16
            yield b"x" * (1 << 16)


@pytest.mark.parametrize("headers", [{}, {"Content_Length": 10**13}], ids=["none", "huge"])
def test_of_an_endless_body_only_what_is_allowed_is_read(headers: dict[str, int]) -> None:
    body = Counted()
    with hostile_server(lambda request: send(request, body.pieces(), **headers)) as server:
        with pytest.raises(FileTooLargeError, match="longer than 1000 bytes"):
            read_file(connect(server.url), "plan.json", MOST)
        assert read_range(connect(server.url), "a.tar", 0, 10) == b"x" * 10
        assert body.bytes < SENT
        assert server.seen("plan.json") == ["GET /plan.json bytes=0-1000"]
        with pytest.raises(InputError, match=r"'http.*/val.txt': it is longer than "):
            read_text(f"{server.url}/val.txt", "label file", MOST)


def test_a_set_of_an_endless_server_is_not_opened() -> None:
    body = Counted()
    with (
        hostile_server(lambda request: send(request, body.pieces())) as server,
        pytest.raises(SetError, match=f"it is longer than {DOCUMENT_BYTES} bytes"),
    ):
        open_set(server.url)
    assert body.bytes < SENT


def test_a_body_that_inflates_is_refused() -> None:
    body = gzip.compress(bytes(10**7))

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, [body], Content_Encoding="gzip", Content_Length=len(body))

    with hostile_server(answer) as server:
        with pytest.raises(OSError, match="encoded as 'gzip'"):
            read_file(connect(server.url), "plan.json", MOST)
        with pytest.raises(InputError, match="encoded as 'gzip'"):
            list_files(connect(f"{server.url}/images"))


def test_a_file_itself_is_asked_for() -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.headers["Accept-Encoding"])
        send(request, [b"{}"], Content_Length=2)

    with hostile_server(answer) as server:
        assert read_file(connect(server.url), "plan.json", MOST) == b"{}"
        with open_file(connect(server.url), "plan.json") as opened:
            assert opened.read() == b"{}"
    assert set(asked) == {"identity"}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of a fraction of a second."""
    monkeypatch.setattr(web, "WINDOW_SECONDS", 0.3)


def drops(request: BaseHTTPRequestHandler) -> None:
    """A body of one byte now and then, each sooner than a timeout of silence could notice."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(200):
        request.wfile.write(b"x")
        time.sleep(0.1)


def dropped_headers(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n")
    for number in range(200):
        request.wfile.write(b"X-%d: x\r\n" % number)
        time.sleep(0.1)


def silence(request: BaseHTTPRequestHandler) -> None:
    time.sleep(20)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("answer", [drops, dropped_headers, silence])
def test_a_server_that_is_too_slow_is_given_up(answer: Answer) -> None:
    with hostile_server(answer) as server:
        root = connect(server.url)
        with pytest.raises(OSError, match=r"the server is too slow: .* 0 s of waiting"):
            read_file(root, "plan.json", MOST)
        assert len(server.seen("GET /plan.json")) == 2  # It is tried again once.
        with pytest.raises(InputError, match="the server is too slow"):
            list_files(root)


@pytest.mark.usefixtures("hurried")
def test_a_slow_reader_is_no_slow_server() -> None:
    """What the command does between two reads does not count."""
    length = 3 << 20
    with (
        hostile_server(lambda request: send(request, [bytes(length)])) as server,
        open_file(connect(server.url), "a") as opened,
    ):
        for _ in range(3):
            assert len(opened.read(1 << 20)) == 1 << 20
            time.sleep(0.4)


def page(links: list[str]) -> Callable[[BaseHTTPRequestHandler], None]:
    text = "".join(f'<a href="{link}">x</a>' for link in links).encode()
    return lambda request: send(request, [text], Content_Length=len(text))


def test_an_endless_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "ANSWER_BYTES", 1 << 20)
    body = Counted()
    with (
        hostile_server(lambda request: send(request, body.pieces())) as server,
        pytest.raises(InputError, match="longer than 1048576 bytes, the most that is held"),
    ):
        list_files(connect(server.url))
    assert body.bytes < SENT


def test_pages_that_link_on_and_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        hostile_server(page(["deeper/", "a.jpg"])) as server,
        pytest.raises(InputError, match="more than 16 folders deep"),
    ):
        list_files(connect(server.url))
    assert len(server.requests) <= listing.MAX_WEB_DEPTH + 3
    monkeypatch.setattr(listing, "MAX_PAGES", 20)
    numbers = itertools.count()

    def sideways(request: BaseHTTPRequestHandler) -> None:
        page([f"/{next(numbers)}/" for _ in range(3)])(request)

    with (
        hostile_server(sideways) as server,
        pytest.raises(InputError, match="more than 20 folders,"),
    ):
        list_files(connect(server.url))
    monkeypatch.setattr(listing, "MAX_PAGES_LENGTH", 40)
    with (
        hostile_server(page(["a.jpg", "b.jpg"])) as server,
        pytest.raises(InputError, match="more than 40 characters on its pages"),
    ):
        list_files(connect(server.url))


def test_a_page_of_open_tags_is_read_in_linear_time() -> None:
    text = b"<a " * 1_000_000 + b'<a href="x.jpg">'
    with hostile_server(lambda request: send(request, [text])) as server:
        assert list_files(connect(server.url)) == ["x.jpg"]


@pytest.mark.parametrize(
    ("links", "files"),
    [
        (["./", ".", "/", "../", "b.jpg", "//elsewhere/c.jpg", "?C=N;O=D"], ["b.jpg"]),
        (["a&amp;b.jpg", "c%20d.jpg", "/e.jpg", "http://[bad/"], ["a&b.jpg", "c d.jpg", "e.jpg"]),
    ],
)
def test_links_are_followed_as_browsers_do(links: list[str], files: list[str]) -> None:
    with hostile_server(page(links)) as server:
        assert list_files(connect(server.url)) == files


def test_a_server_that_cannot_be_asked_for_parts_is_named() -> None:
    with hostile_server(
        lambda request: send(request, [b"0123456789"], Content_Length=10)
    ) as server:
        root = connect(server.url)
        assert exists(root, "a.tar")
        assert read_range(root, "a.tar", 0, 4) == b"0123"
        with pytest.raises(OSError, match=r"/a.tar': the server sends only whole files"):
            read_range(root, "a.tar", 4, 4)
    assert [re.sub(".* ", "", each) for each in server.seen("GET")] == ["bytes=0-3", "bytes=4-7"]


def test_a_long_file_of_such_a_server_is_read_whole() -> None:
    length = 3 * PIECE_BYTES
    with hostile_server(lambda request: send(request, [bytes(length)])) as server:
        assert len(read_file(connect(server.url), "SHA256SUMS")) == length


def test_an_empty_file_has_no_parts() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if "Range" in request.headers:
            request.send_error(416)
        else:
            send(request, [], Content_Length=0)

    with hostile_server(answer) as server:
        assert read_file(connect(server.url), "empty", MOST) == b""
