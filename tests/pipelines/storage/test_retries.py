"""Errors that can pass are met with patience, others at once; against servers that fail."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path

import aiohttp
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from multidict import CIMultiDict, CIMultiDictProxy
from s3fs.errors import translate_boto_error
from yarl import URL

from sysnoise.pipelines.errors import InputError, OutputError
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.retries import ATTEMPTS, is_transient, with_retries
from sysnoise.pipelines.storage.root import open_output, open_root
from tests.servers import Fault, Server, http_server


def s3_error(code: str, status: int) -> Exception:
    """What s3fs makes of an answer."""
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = translate_boto_error(ClientError(response, "PutObject"))
    return error


def http_error(status: int) -> Exception:
    url = URL("http://host/")
    request = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(request, (), status=status)


@pytest.mark.parametrize(
    "error",
    [
        s3_error("SlowDown", 503),
        s3_error("InternalError", 500),
        s3_error("TooManyRequests", 429),
        s3_error("RequestTimeout", 400),
        EndpointConnectionError(endpoint_url="http://host"),
        http_error(503),
        http_error(429),
        aiohttp.ClientPayloadError("cut off"),
        aiohttp.ServerDisconnectedError(),
        TimeoutError(),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        OSError(errno.ENETUNREACH, "no network"),
    ],
    ids=repr,
)
def test_transient_errors(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        s3_error("NoSuchKey", 404),
        s3_error("AccessDenied", 403),
        s3_error("NotImplemented", 501),
        NoCredentialsError(),
        http_error(403),
        FileNotFoundError(errno.ENOENT, "missing"),
        PermissionError(errno.EACCES, "denied"),
        OSError(errno.ENOSPC, "full"),
        ValueError("bad data"),
    ],
    ids=repr,
)
def test_what_cannot_pass(error: Exception) -> None:
    assert not is_transient(error)


def test_retries_are_told_with_url_error_and_attempt(
    s3: Server, caplog: pytest.LogCaptureFixture
) -> None:
    output = open_output("s3://bucket/told")
    write_file(output, "a.json", b"{}")
    s3.faults.append(Fault("GET .*a.json", 503, 2))
    assert read_file(output, "a.json") == b"{}"
    told = [
        record for record in caplog.records if record.name == "sysnoise.pipelines.storage.retries"
    ]
    assert [record.levelno for record in told] == [logging.WARNING] * 2
    for attempt, record in enumerate(told, start=1):
        assert record.getMessage().startswith(
            f"reading 's3://bucket/told/a.json' failed (attempt {attempt} of {ATTEMPTS}): "
        )
        assert "SlowDown" in record.getMessage()
    assert len(s3.seen("GET .*a.json")) == 3


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which are not waited for."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_patience_ends_after_five_attempts_with_longer_and_longer_waits(
    s3: Server, waits: list[float]
) -> None:
    output = open_output("s3://bucket/bounded")
    s3.faults.append(Fault("PUT .*a.json", 503))
    with pytest.raises(OutputError, match=r"writing 's3://bucket/bounded/a.json': .*told to"):
        write_file(output, "a.json", b"{}")
    assert len(s3.seen("PUT .*a.json")) == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1
    assert all(2**i <= wait <= 2**i + 1 for i, wait in enumerate(waits))


@pytest.mark.parametrize(("status", "kind"), [(403, PermissionError), (404, FileNotFoundError)])
def test_answers_that_stay_are_not_asked_for_again(
    status: int, kind: type[OSError], s3: Server
) -> None:
    s3.faults += [Fault("GET .*a.json", status)] if status == 403 else []
    with pytest.raises(kind):
        read_file(open_output("s3://bucket/final"), "a.json")
    assert len(s3.seen("GET .*a.json")) == 1


@pytest.mark.parametrize("status", [503, 0], ids=["busy", "cut off"])
def test_a_web_server_that_fails_once_is_asked_again(
    status: int, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"image")
    with http_server(tmp_path) as server:
        root = open_root(f"{server.url}/")
        server.faults.append(Fault("GET /a.jpg", status, 1))
        assert read_file(root, "a.jpg") == b"image"
        assert len(server.seen("GET /a.jpg")) == 2
        assert len(waits) == 1


def test_a_web_server_that_is_gone_is_not_a_missing_file(
    tmp_path: Path, waits: list[float]
) -> None:
    with http_server(tmp_path) as server:
        url = f"{server.url}/val.tar"
    with pytest.raises(InputError, match=r"opening 'http://.*/val.tar': .*Connect call failed"):
        open_root(url)
    assert len(waits) == ATTEMPTS - 1


def test_errors_of_other_kinds_become_os_errors_with_their_cause() -> None:
    def fail() -> None:
        raise NoCredentialsError

    with pytest.raises(OSError, match="Unable to locate credentials") as caught:
        with_retries("reading 's3://bucket/a'", fail)
    assert isinstance(caught.value.__cause__, NoCredentialsError)
