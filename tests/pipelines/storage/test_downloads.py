"""Downloads that go on where a connection broke, and read no byte more than a file has."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import fsspec
import pytest

from sysnoise.manifests.bounded import PIECE_BYTES
from sysnoise.pipelines.storage.downloads import PROGRESS_BYTES, download
from sysnoise.pipelines.storage.root import connect
from tests.servers import Server, hostile_server, send

DATA = random.Random(0).randbytes(5 * PROGRESS_BYTES // 2)
BREAKS = (PROGRESS_BYTES + 17, 2 * PROGRESS_BYTES + 40)
"""Where the connection breaks: some bytes behind a mebibyte, so that it is no multiple."""


def breaking(request: BaseHTTPRequestHandler) -> None:
    """Send parts of the file (RFC 9110, 14), and break off at some places."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["Range"])
    assert wanted is not None
    start, stop = int(wanted[1]), int(wanted[2]) + 1
    broken = next((place for place in BREAKS if start < place), stop)
    request.send_response(206)
    request.send_header("Content-Length", str(len(DATA[start:stop])))
    request.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(DATA)}")
    request.end_headers()
    request.wfile.write(DATA[start : min(stop, broken)])


def test_a_broken_download_goes_on_where_it_broke(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hostile_server(breaking) as server:
        assert download(connect(server.url), "a.tar", str(tmp_path / "a"), len(DATA))
    assert (tmp_path / "a").read_bytes() == DATA
    assert server.requests == [
        f"GET /a.tar bytes={start}-{len(DATA) - 1}" for start in (0, *BREAKS)
    ]
    assert [f"going on at byte {place}" in caplog.text for place in BREAKS] == [True, True]


def whole_files_only(broken: list[int]) -> contextlib.AbstractContextManager[Server]:
    """Serve only the whole file, and break off at some places first."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        cut = broken.pop(0) if broken else len(DATA)
        send(request, [DATA[:cut]], Content_Length=len(DATA))

    return hostile_server(answer)


def test_a_server_of_whole_files_starts_again(tmp_path: Path) -> None:
    with whole_files_only([PROGRESS_BYTES + 17]) as server:
        assert download(connect(server.url), "a.tar", str(tmp_path / "a"), len(DATA))
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_server_that_always_breaks_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with whole_files_only([10] * 100) as server:
        with pytest.raises(OSError, match=r"Response payload|payload"):
            download(connect(server.url), "a.tar", str(tmp_path / "a"), len(DATA))
        assert len(server.requests) < 12


@pytest.mark.parametrize("headers", [{}, {"Content_Length": 10**12}], ids=["none", "huge"])
def test_of_a_longer_file_only_its_length_is_read(headers: dict[str, int], tmp_path: Path) -> None:
    sent = 0

    def answer(request: BaseHTTPRequestHandler) -> None:
        def body() -> Iterator[bytes]:
            nonlocal sent
            while sent < 100 << 20:
                sent += 1 << 16
                yield bytes(1 << 16)

        send(request, body(), **headers)

    with hostile_server(answer) as server:
        assert not download(connect(server.url), "a.tar", str(tmp_path / "a"), 100_000)
    assert (tmp_path / "a").read_bytes() == bytes(100_000)
    assert sent < 100 << 20


def test_other_file_systems_are_read_in_pieces(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    data = DATA * 20
    assert len(data) > PIECE_BYTES
    memory.pipe_file("/set/a", data)
    root = connect("memory://set")
    assert not download(root, "a", str(tmp_path / "a"), len(data))
    assert (tmp_path / "a").read_bytes() == data
    assert not download(root, "a", str(tmp_path / "b"), len(data) - 1)
    assert (tmp_path / "b").stat().st_size == len(data) - 1
    (tmp_path / "local").write_bytes(data)
    assert not download(connect(str(tmp_path)), "local", str(tmp_path / "c"), 10)
    assert (tmp_path / "c").read_bytes() == data[:10]
