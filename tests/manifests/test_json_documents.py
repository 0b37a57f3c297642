"""JSON that cannot be read, or that something behind the reader could not work with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sysnoise.manifests.json_documents import MAX_DEPTH, DocumentError, parse_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is not JSON"),
    "not UTF-8": (b'"\xff"', "it is not JSON"),
    "UTF-16": ('"a"'.encode("utf-16"), "it is not JSON"),
    "half of a pair as bytes": (b'"\xed\xa0\x80"', "it is not JSON"),
    "half of a pair": (b'{"a": "\\ud800"}', "half of a surrogate pair"),
    "half of a pair as a name": (b'{"\\uDC00": 1}', "half of a surrogate pair"),
    "endless lists": (b"[" * 100_000, "nested too deeply"),
    "endless mappings": (b'{"a":' * 100_000, "nested too deeply"),
    "one level too many": (nested(MAX_DEPTH + 1), "nested too deeply"),
    "70 bits": (str(2**70).encode(), "does not fit into 64 bits"),
    "64 bits without a sign": (str(2**63).encode(), "does not fit into 64 bits"),
    "400 digits": (b"9" * 400, "does not fit into 64 bits"),
    "5,000 digits": (b"9" * 5000, "does not fit into 64 bits"),
    "infinite fraction": (b"1e400", "does not fit into 64 bits"),
    "infinity": (b"[Infinity]", "not a JSON number"),
    "not a number": (b"[NaN]", "not a JSON number"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_nothing_can_work_with_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        parse_json(data)
    assert len(str(caught.value)) < 200


def test_what_is_allowed_is_parsed_as_by_json() -> None:
    document = [2**63 - 1, -(2**63), 0.1, 1e308, "\U0001f600", {"a": [None, True, {}]}]
    data = json.dumps(document).encode()
    assert parse_json(data) == document
    assert parse_json(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))
    flat = json.dumps([[]] * 1000).encode()
    assert parse_json(flat) == [[]] * 1000


FIRST_USES = """
import sys
import threading

import msgspec

from sysnoise.manifests.json_documents import as_document


def new_type():
    class Inner(msgspec.Struct, frozen=True):
        number: int

    class Outer(msgspec.Struct, frozen=True):
        rows: tuple[Inner, ...]

    return Outer


sys.setswitchinterval(1e-6)
for _ in range(300):
    kind, barrier = new_type(), threading.Barrier(4)

    def convert():
        barrier.wait()
        as_document({"rows": [{"number": 1}]}, kind)

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_use_a_type_for_the_first_time_at_once() -> None:
    """The threads of a run read receipts, and msgspec alone would end their process."""
    done = subprocess.run([sys.executable, "-c", FIRST_USES], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
