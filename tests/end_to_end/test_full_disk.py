"""Outputs that cannot be written: what is said, that what was finished holds, and the rerun."""

from __future__ import annotations

import functools
import resource
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.commands import Options, generate
from tests.end_to_end.disturbed import Ended, assert_receipts_hold, generating, receipts, small_run
from tests.end_to_end.reading import tree


def limited(options: Options, longest: int) -> Ended:
    """Run with a limit of the length of files, which every user may set on every system."""
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (longest, longest))
    return generating(options, prepare=limit).end()


@pytest.fixture
def options(imagenet_source: Path, tmp_path: Path) -> Options:
    return small_run(imagenet_source, tmp_path / "out")


def test_a_shard_that_does_not_fit(options: Options, small_set: Path, tmp_path: Path) -> None:
    """The longest one; the others are kept."""
    output = tmp_path / "out"
    longest = max(path.stat().st_size for path in small_set.rglob("*.tar"))
    ended = limited(options, longest - 1)
    assert ended.code == 1
    assert ended.message.startswith("sysnoise: stopped with ")
    assert f"\n  writing '{output}': File too large; fix that and run the same" in ended.message
    assert ended.message.count("\n") == 2
    assert len(receipts(output)) < len(receipts(small_set))
    assert_receipts_hold(output)
    assert not list(output.rglob("*.tmp"))
    assert not list((output / "_temporary").glob("*-of-*"))
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


@pytest.mark.parametrize(
    "path",
    [
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("sources.parquet", "rejects.parquet")
        ),
        "files.parquet",
        pytest.param("croissant.json", marks=pytest.mark.slow),
    ],
)
def test_a_small_file_that_does_not_fit(
    path: str, options: Options, small_set: Path, tmp_path: Path
) -> None:
    """The first of a run, and those of its end."""
    output = tmp_path / "out"
    if path != "sources.parquet":
        shutil.copytree(small_set, output)
        for name in ("rejects.parquet", "files.parquet", "SHA256SUMS", "manifest.json"):
            (output / name).unlink()
    ended = limited(options, (small_set / path).stat().st_size - 1)
    assert ended.code == 1
    *_, last = ended.message.splitlines(keepends=True)  # Before it: what a resumed run found.
    assert last == (
        f"sysnoise: writing '{output / path}': File too large; fix that and run the same command "
        "again: finished shards are kept\n"
    )
    assert not list(output.rglob("*.tmp"))
    assert_receipts_hold(output)
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


def test_an_output_that_cannot_be_made(options: Options) -> None:
    """Not even root makes folders in /proc."""
    outcome = generate("imagenet", options | {"output": "/proc/set"})
    assert outcome.code == 1
    assert outcome.lacks("sysnoise: writing '/proc/set/_temporary/lock': ", "fix that") == []
