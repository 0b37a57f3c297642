"""Full and read-only file systems, mounted for the purpose, which takes root."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.commands import Options
from tests.end_to_end.disturbed import Ended, assert_receipts_hold, generating, small_run
from tests.end_to_end.reading import tree

pytestmark = pytest.mark.slow

PAGE = 4096
TABLES = ("rejects.parquet", "files.parquet", "SHA256SUMS", "manifest.json")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def used(folder: Path) -> int:
    """Bytes of the pages that a file system in memory uses."""
    return shutil.disk_usage(folder).used


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, imagenet_source: Path) -> Path:
    output = tmp_path_factory.mktemp("whole") / "out"
    assert generating(small_run(imagenet_source, output)).end().code == 0
    return output


@pytest.fixture
def options(imagenet_source: Path, tmp_path: Path) -> Options:
    return small_run(imagenet_source, tmp_path / "out")


def assert_told(ended: Ended, reason: str) -> None:
    """One message of the command that says what to do."""
    assert ended.code == 1
    assert ended.message.count("sysnoise: ") == 1
    assert f": {reason}; fix that and run the same command again" in ended.message
    assert "Traceback" not in ended.error


@pytest.mark.parametrize("share", [0, 0.005, 0.02, 0.2, 0.4, 0.6, 0.8, 0.99])
def test_a_run_that_fills_the_disk_goes_on_with_more_room(
    share: float, options: Options, mounted: Path, whole: Path
) -> None:
    """The disk has room for a part of the set."""
    size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    remount(mounted, f"size={PAGE + int(share * size)}")
    output = mounted / "out"
    assert_told(generating(options | {"output": output}).end(), "No space left on device")
    assert_receipts_hold(output)
    assert not (output / "strikes").exists()
    assert not (output / "manifest.json").exists()
    remount(mounted, "size=64m")
    assert generating(options | {"output": output}).end().code == 0
    assert tree(output) == tree(whole)


def test_an_end_that_fills_the_disk_goes_on_with_more_room(
    options: Options, mounted: Path, whole: Path
) -> None:
    """Page after page, until the tables and the manifest fit."""
    output = mounted / "out"
    shutil.copytree(whole, output, ignore=shutil.ignore_patterns(*TABLES))
    full = used(mounted)
    told = 0
    for pages in range(20):
        remount(mounted, f"size={full + pages * PAGE}")
        ended = generating(options | {"output": output}).end()
        if ended.code == 0:
            break
        assert_told(ended, "No space left on device")
        assert_receipts_hold(output)
        assert not (output / "manifest.json").exists()
        told += 1
    assert told > len(TABLES)
    assert tree(output) == tree(whole)


def test_a_read_only_output_is_told_and_kept(options: Options, mounted: Path, whole: Path) -> None:
    output = mounted / "out"
    on_mount = options | {"output": output}
    assert generating(on_mount, "--shard-range=:3").end().code == 0
    before = tree(output)
    remount(mounted, "ro")
    assert_told(generating(on_mount).end(), "Read-only file system")
    assert_told(generating(on_mount, "--overwrite").end(), "Read-only file system")
    assert tree(output) == before
    remount(mounted, "rw")
    assert generating(on_mount).end().code == 0
    assert tree(output) == tree(whole)
