"""Commands for which the system has no more memory, threads or open files."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import resource
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.shortage import BEAM_BYTES, LIBRARIES_BYTES, MIB, shortage
from tests.end_to_end.disturbed import Started

FEW_THREADS = """
import sys, threading

start, left = threading._start_new_thread, [{threads}]

def starting(*arguments, **options):
    left[0] -= 1
    if left[0] < 0:
        raise RuntimeError("can't start new thread")
    return start(*arguments, **options)

if "sysnoise.pipelines.workers.worker" not in sys.orig_argv:
    threading._start_new_thread = starting
"""
"""A sitecustomize module, which Python runs at its start: the system starts so many threads."""


def chained(*errors: BaseException) -> BaseException:
    """Return the last error, raised while the one before was handled, and so on."""
    for before, after in itertools.pairwise(errors):
        after.__context__ = before
    return errors[-1]


@pytest.mark.parametrize(
    ("error", "of"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "processes or threads"),
        (ImportError("x.so: failed to map segment from shared object"), "memory"),
        (OSError(errno.EMFILE, "Too many open files"), "open files"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "processes or threads"),
        (chained(MemoryError(), AttributeError("x"), KeyError("y")), "memory"),
        (RuntimeError("another"), None),
        (ImportError("no module"), None),
        (OSError(errno.ENOENT, "No such file"), None),
        (chained(ValueError("x"), KeyError("y")), None),
    ],
)
def test_what_is_behind_an_error(error: BaseException, of: str | None) -> None:
    assert shortage(error) == of


def limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


@pytest.mark.parametrize(
    ("command", "needed"), [("verify", LIBRARIES_BYTES), ("evaluate", BEAM_BYTES)]
)
def test_too_small_an_address_space_is_refused(command: str, needed: int, tmp_path: Path) -> None:
    options = () if command == "verify" else ("--model=m.onnx", "--config=c.yaml")
    small = functools.partial(limit, resource.RLIMIT_AS, needed - MIB)
    ended = Started(command, str(tmp_path / "none"), *options, prepare=small).end()
    assert (ended.code, ended.out) == (1, "")
    assert ended.error == (
        f"sysnoise: the address space is limited to {needed // MIB - 1} MiB (ulimit -v), and this "
        f"command needs {needed // MIB} MiB\n"
    )


@pytest.mark.parametrize("threads", [1, 8])
def test_a_run_without_threads_ends_with_one_line(
    threads: int, imagenet_source: Path, tmp_path: Path
) -> None:
    """Beam's own threads would wait for those that did not start, forever."""
    (tmp_path / "site").mkdir()
    text = FEW_THREADS.format(threads=threads)
    (tmp_path / "site" / "sitecustomize.py").write_text(text, "utf-8")
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    ended = Started(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=1"),
        *(f"--label-file={imagenet_source / 'val.txt'}", "--grid=imagenet-one-factor"),
        *(f"--output={tmp_path / 'out'}", "--workers=1"),
        environment={"PYTHONPATH": path},
    ).end()
    assert ended.code == 1
    assert "Traceback" not in ended.error
    assert ended.error.splitlines()[-1].startswith(
        "sysnoise: the system has no more processes or threads for this process; give it more "
        "(ulimit -u), or fewer --workers; run the same command again"
    )
