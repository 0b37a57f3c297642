"""A small run in processes of its own that tests disturb, and what is left of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.commands import Options

GRID = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""
KEYS_BY_SHARD = 3
SHARDS = 6
"""Of 18 photographs."""

BREAKING = """
import ctypes, dataclasses, hashlib, os, sys

if "sysnoise.pipelines.workers.worker" in sys.orig_argv:
    from sysnoise.transforms.codecs.decoders import DECODERS

    method = DECODERS["ffmpeg"]

    def break_on_one(data, *arguments, **options):
        if hashlib.sha256(data).hexdigest() == "{sha256}":
            {deed}
        return method.function(data, *arguments, **options)

    DECODERS["ffmpeg"] = dataclasses.replace(method, function=break_on_one)
"""
"""A sitecustomize module, which Python runs at its start: one image breaks the worker."""


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit code, negative for a signal; standard output and error."""

    code: int
    out: str
    error: str

    @property
    def message(self) -> str:
        """Standard error without the progress and the warning about the labels."""
        lines = self.error.splitlines(keepends=True)
        return "".join(
            line for line in lines if not line.startswith(("shards ", "sysnoise: warning: cannot"))
        )


def small_run(source: Path, output: Path) -> Options:
    """Options of a run over 18 photographs in six shards; its grid lies beside the output."""
    grid = output.parent / "grid.yaml"
    grid.write_text(GRID, "utf-8")
    return {
        "images": source / "images",
        "label-file": source / "val.txt",
        "grid": grid,
        "output": output,
        "samples-per-shard": str(KEYS_BY_SHARD),
        "workers": "2",
    }


class Started:
    """A command in a session of its own, whose processes can be told from all others."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sysnoise.pipelines.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=prepare,
        )
        self.pid = self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def kill_all(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to all its processes, as a terminal does."""
        os.killpg(self.pid, number)

    def end(self, seconds: float = 120) -> Ended:
        """Wait for the end of the command and of all who write to its standard error."""
        out, error = self._process.communicate(timeout=seconds)
        return Ended(self._process.returncode, out, error)

    def processes(self) -> dict[int, str]:
        """The processes of the session that run: their command lines by their ids."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text("utf-8")
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, _, _, session = stat.rpartition(")")[2].split()[:4]
            if int(session) == self.pid and state not in "ZX":
                found[int(folder.name)] = line
        return found

    def is_gone(self) -> bool:
        """Whether no process of the session runs; a dying one closes its standard error first."""
        return not self.processes()

    def workers(self) -> list[int]:
        """The ids of its workers that run."""
        return [
            pid
            for pid, line in self.processes().items()
            if "sysnoise.pipelines.workers.worker" in line
        ]


def generating(
    options: Options,
    *others: str,
    environment: dict[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Started:
    """Start ``sysnoise generate imagenet``."""
    named = (f"--{name}={value}" for name, value in options.items() if value is not None)
    return Started(
        "generate", "imagenet", *named, *others, environment=environment, prepare=prepare
    )


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def receipts(output: Path) -> list[Path]:
    """The receipts of an output."""
    return sorted((output / "receipts").glob("*.json"))


def assert_receipts_hold(output: Path) -> None:
    """Check that all files that receipts name are there and are what these say."""
    for receipt in receipts(output):
        for row in json.loads(receipt.read_text("utf-8"))["files"]:
            data = (output / row["path"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (row["bytes"], row["sha256"])


def phase(output: Path) -> str:
    """How far a run has come, by what is there."""
    if (output / "manifest.json").exists():
        return "manifest"
    if (output / "rejects.parquet").exists():
        return "tables"
    if (output / "plan.json").exists():
        return f"{len(receipts(output))} receipts"
    return "no plan"


def breaking(folder: Path, sha256: str, deed: str) -> dict[str, str]:
    """Return an environment in which the workers do something when they decode one image."""
    folder.mkdir()
    text = BREAKING.format(sha256=sha256, deed=deed)
    (folder / "sitecustomize.py").write_text(text, "utf-8")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}
