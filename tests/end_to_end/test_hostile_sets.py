"""Servers without an end, over the whole command and in bounded memory."""

from __future__ import annotations

import functools
import resource
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.end_to_end.commands import command
from tests.end_to_end.disturbed import Started
from tests.servers import hostile_server, send

MEMORY = 3 << 29
"""Bytes of address space of a command; imports alone take half a GiB."""

LIMIT = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (MEMORY, MEMORY))


def endless(request: BaseHTTPRequestHandler) -> None:
    def zeros() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 20)

    send(request, zeros(), Content_Length=10**13)


@pytest.mark.parametrize(
    "arguments",
    [("fetch", "{url}", "{here}/copy"), ("verify", "{url}"), ("report", "{url}", "-o{here}/r")],
    ids=lambda arguments: arguments[0],
)
def test_a_set_without_an_end_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with hostile_server(endless) as server:
        places = {"url": server.url, "here": tmp_path}
        started = Started(*(each.format(**places) for each in arguments), prepare=LIMIT)
        ended = started.end()
    assert ended.code == 1
    assert " is longer than " in ended.out + ended.error
    assert "Traceback" not in ended.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["label-file", "images"])
def test_sources_without_an_end_are_refused(name: str, tmp_path: Path) -> None:
    options = {
        "images": str(tmp_path / "images"),
        "label-file": "/dev/zero",
        "grid": "coco-published",
        "output": str(tmp_path / "out"),
    }
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    if name == "images":
        options["images"] = "/dev/zero"
    done = command("generate", "imagenet", *(f"--{key}={value}" for key, value in options.items()))
    assert done.code == 1
    assert done.error.startswith("sysnoise: ")
    assert "'/dev/zero' is a character device, not a file" in done.error
    assert done.error.count("\n") == 1
