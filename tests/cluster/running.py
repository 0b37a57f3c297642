"""Running the command on an engine, and a decoder that breaks the worker there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHARDS = 16

BREAKING = """
import dataclasses, hashlib, os, sys

if "pipelines.worker" in sys.orig_argv:
    from transforms.decoders import DECODERS

    method = DECODERS["ffmpeg"]

    def break_on_one(data):
        if hashlib.sha256(data).hexdigest() == "{sha256}":
            {deed}
        return method.function(data)

    DECODERS["ffmpeg"] = dataclasses.replace(method, function=break_on_one)
"""
"""A sitecustomize module, which Python runs at its start."""


def command(source: Path | str, output: Path | str, *arguments: str) -> list[str]:
    """Return the command that makes a set of ``SHARDS`` shards, with further arguments."""
    return [
        *(sys.executable, "-m", "pipelines.cli", "generate", "imagenet"),
        f"--images={source}/images",
        f"--label-file={source}/val.txt",
        f"--output={output}",
        "--grid=imagenet-one-factor",
        "--samples-per-shard=4",
        *arguments,
    ]


def breaking(folder: Path, sha256: str, deed: str) -> dict[str, str]:
    """Return an environment in which the workers do something when they decode one image."""
    folder.mkdir()
    text = BREAKING.format(sha256=sha256, deed=deed)
    (folder / "sitecustomize.py").write_text(text, "utf-8")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}


def receipts(output: Path) -> list[Path]:
    """Return the receipts of an output: one for each shard that is done."""
    return sorted((output / "receipts").glob("*.json"))


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
