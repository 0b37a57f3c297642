"""Servers that answer some requests with what no server should send: a finding or a refusal."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenacity import wait_none

from sysnoise.manifests import web
from sysnoise.pipelines.storage import retries
from tests.end_to_end.commands import Outcome, command
from tests.servers import hostile_server
from tests.shared import SharedFolders
from tests.slow.hostile import CASES, Verdicts, fuzzed, hostile_sets, readers

pytestmark = pytest.mark.slow

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""

Change = Callable[[Answer], Answer | bytes]
"""Changes an answer, or returns all bytes that are sent instead."""

LENGTHS = ("0", "1", "-5", "x", "1e3", str(10**13), str(2**63), "9" * 400, "")
REDIRECTS = ("/manifest.json", "/", "file:///etc/passwd", "http://127.0.0.1:1/", "//", "data:,x")
RAW = (
    b"",
    b"\r\n\r\n",
    b"HTTP/9.9 abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 10**5 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nxxxxxxxxx",
    bytes(range(256)) * 4,
)


def with_header(name: str, value: str) -> Change:
    return lambda answer: (answer[0], {**answer[1], name: value}, answer[2])


def with_body(change: Callable[[bytes], bytes]) -> Change:
    return lambda answer: (answer[0], answer[1], change(answer[2]))


def with_length(change: Callable[[bytes], bytes]) -> Change:
    """Change a body, and say its length."""

    def changed(answer: Answer) -> Answer:
        body = change(answer[2])
        return answer[0], {**answer[1], "Content-Length": str(len(body))}, body

    return changed


def flip(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[place % len(changed)] ^= 1 << place % 8
    return bytes(changed)


changes: st.SearchStrategy[Change] = st.one_of(
    st.sampled_from(RAW).map(lambda data: lambda answer: data),
    st.integers(100, 599).map(lambda status: lambda answer: (status, *answer[1:])),
    st.sampled_from(LENGTHS).map(lambda length: with_header("Content-Length", length)),
    st.sampled_from(["gzip", "deflate", "br", "x"]).map(
        lambda name: with_header("Content-Encoding", name)
    ),
    st.just(with_header("Content-Range", "bytes 5-1/*")),
    st.sampled_from(REDIRECTS).map(
        lambda place: lambda answer: (302, {**answer[1], "Location": place}, b"")
    ),
    st.integers(0, 10**6).map(lambda place: with_length(lambda data: flip(data, place))),
    st.integers(1, 10**6).map(lambda size: with_length(lambda data: data[: -(size % 977)])),
    st.integers(1, 10**6).map(lambda size: with_body(lambda data: data[: len(data) // 2])),
    st.integers(1, 10**6).map(lambda size: with_body(lambda data: data + b"x" * size)),
    st.just(with_length(lambda data: gzip.compress(bytes(10**6)))),
    st.just(with_length(lambda data: b"")),
    st.just(with_length(lambda data: b"[" * 100_000)),
)


def honest(folder: Path, request: BaseHTTPRequestHandler) -> Answer:
    """What a server of files answers, parts of files included (RFC 9110, 14)."""
    path = folder / request.path.strip("/")
    if not path.is_file():
        return 404, {"Content-Length": "0"}, b""
    data = path.read_bytes()
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if span is None:
        return 200, {"Content-Length": str(len(data)), "Accept-Ranges": "bytes"}, data
    start, stop = int(span[1]), int(span[2] or len(data)) + 1
    if start >= len(data):
        return 416, {"Content-Length": "0", "Content-Range": f"bytes */{len(data)}"}, b""
    part = data[start:stop]
    place = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
    return 206, {"Content-Length": str(len(part)), "Content-Range": place}, part


def reply(request: BaseHTTPRequestHandler, answer: Answer | bytes) -> None:
    if isinstance(answer, bytes):
        request.wfile.write(answer)
        request.close_connection = True
        return
    status, headers, body = answer
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def test_servers(shared: SharedFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "wait_exponential_jitter", wait_none)
    monkeypatch.setattr(web, "WINDOW_SECONDS", 0.5)
    base, verdicts = hostile_sets(shared), Verdicts(tmp_path)
    copy = verdicts.work / "copy"
    state: dict[str, Any] = {}

    def answer(request: BaseHTTPRequestHandler) -> None:
        number = state["number"] = state["number"] + 1
        found: Answer | bytes = honest(base / state["name"], request)
        if number in state["changed"] or state["always"]:
            found = state["change"](found)
        reply(request, found)

    with hostile_server(answer) as server:
        commands: dict[str, Callable[[], Outcome]] = {
            "fetch": lambda: command("fetch", server.url, str(copy)),
            **readers(base, server.url, verdicts.work),
        }
        del commands["finish"]  # It takes no set on the web.

        @settings(fuzzed, max_examples=2 * CASES)
        @given(
            st.sampled_from(["imagenet-set", "coco-set"]),
            st.sampled_from(sorted(commands)),
            changes,
            st.sets(st.integers(1, 12), min_size=1, max_size=3),
            st.integers(0, 9),
        )
        def check(name: str, chosen: str, change: Change, changed: set[int], often: int) -> None:
            shutil.rmtree(verdicts.work, ignore_errors=True)
            verdicts.work.mkdir()
            state.update(name=name, change=change, changed=changed, always=often == 0, number=0)
            verdicts.add(chosen, commands[chosen])
            if chosen == "fetch" and verdicts.last.code == 0:
                assert command("verify", str(copy), "--pixels").code == 0

        check()
