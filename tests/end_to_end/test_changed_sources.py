"""Source images that change while a set is made, or between two runs of the command."""

from __future__ import annotations

import io
import os
import shutil
import signal
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.disturbed import SHARDS, Ended, generating, receipts, small_run, wait_for
from tests.end_to_end.reading import tree

Pack = Callable[[dict[str, bytes], Path], Path]


def other(files: dict[str, bytes]) -> dict[str, bytes]:
    """Each name with the image of the next one, at the same length: JPEG ends at its marker."""
    length = max(map(len, files.values()))
    data = [each.ljust(length, b"\0") for each in files.values()]
    return dict(zip(files, [*data[1:], data[0]], strict=True))


def same_length(files: dict[str, bytes]) -> dict[str, bytes]:
    length = max(map(len, files.values()))
    return {name: data.ljust(length, b"\0") for name, data in files.items()}


def folder(files: dict[str, bytes], place: Path) -> Path:
    place.mkdir()
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def tar(files: dict[str, bytes], place: Path) -> Path:
    path = place.with_suffix(".tar")
    with tarfile.open(path, "w") as opened:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return path


def zipped(files: dict[str, bytes], place: Path) -> Path:
    path = place.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in files.items():
            opened.writestr(zipfile.ZipInfo(name), data)
    return path


def parquet(files: dict[str, bytes], place: Path) -> Path:
    path = place.with_suffix(".parquet")
    images = [{"bytes": data, "path": name} for name, data in files.items()]
    labels = pa.array([65] * len(files), pa.int64())
    pq.write_table(pa.table({"image": images, "label": labels}), path, compression="none")
    return path


@pytest.fixture
def files(imagenet_source: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((imagenet_source / "images").iterdir())}


def replace(old: Path, new: Path) -> None:
    """Put a file or folder in the place of another, as a download that is repeated does."""
    if old.is_dir():
        old.rename(old.with_name("moved-away"))
    new.rename(old)


def rewrite(old: Path, new: Path) -> None:
    """Write the content of files into the existing ones."""
    for path in sorted(old.iterdir()) if old.is_dir() else [old]:
        path.write_bytes((new / path.name if old.is_dir() else new).read_bytes())


def disturbed(options: Options, output: Path, change: Callable[[], None]) -> Ended:
    """Run the command, and change the sources when the first shards are there."""
    started = generating(options)
    wait_for(lambda: len(receipts(output)) >= 1)
    started.kill_all(signal.SIGSTOP)
    change()
    started.kill_all(signal.SIGCONT)
    return started.end()


@pytest.mark.parametrize(
    ("pack", "change"),
    [
        (folder, replace),
        pytest.param(folder, rewrite, marks=pytest.mark.slow),
        (tar, replace),
        pytest.param(zipped, replace, marks=pytest.mark.slow),
        pytest.param(parquet, rewrite, marks=pytest.mark.slow),
    ],
)
def test_sources_that_change_meanwhile_stop_the_run(
    pack: Pack, change: Callable[[Path, Path], None], files: dict[str, bytes], tmp_path: Path
) -> None:
    images = pack(same_length(files), tmp_path / "images")
    (tmp_path / "new").mkdir()
    changed = pack(other(files), tmp_path / "new" / "images")
    assert not images.is_file() or images.stat().st_size == changed.stat().st_size
    labels = tmp_path / "val.txt"
    labels.write_text("".join(f"{name} 65\n" for name in files), "utf-8")
    output = tmp_path / "out"
    options = small_run(tmp_path, output) | {
        "images": images,
        "label-file": None if pack is parquet else labels,
        "workers": "1",
    }
    ended = disturbed(options, output, lambda: change(images, changed))
    assert ended.code == 1
    assert "changed while the run went on" in ended.message
    assert "planned as" in ended.message
    assert ", now " in ended.message
    assert not (output / "manifest.json").exists()
    before = receipts(output)
    assert 1 <= len(before) < SHARDS

    rerun = generate("imagenet", options)
    assert (rerun.code, rerun.lacks("not those that finished shards", "sha256")) == (1, [])
    assert receipts(output) == before


def test_lengths_that_change_are_a_changed_source_and_no_rejects(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    images = tar(files, tmp_path / "images")
    (tmp_path / "val.txt").write_text("".join(f"{name} 65\n" for name in files), "utf-8")
    output = tmp_path / "out"
    options = small_run(tmp_path, output) | {"images": images, "workers": "1"}
    halves = {name: data[: len(data) // 2] for name, data in files.items()}
    ended = disturbed(options, output, lambda: replace(images, tar(halves, tmp_path / "halves")))
    assert ended.code == 1
    assert "changed while the run went on" in ended.message
    assert not (output / "manifest.json").exists()
    again = generate("imagenet", options, "--overwrite")
    assert (again.code, again.lacks("samples made so far, of 18 in all,", "decode-failed: ")) == (
        1,
        [],
    )


def test_sources_that_were_copied_may_go_on(
    imagenet_source: Path, small_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Their times differ, so their bytes are compared."""
    images = tmp_path / "images"
    shutil.copytree(imagenet_source / "images", images)
    output = tmp_path / "out"
    options = small_run(imagenet_source, output) | {"images": images, "workers": "1"}
    disturbed_options = options | {"shard-range": "0:2"}
    assert generate("imagenet", disturbed_options).code == 0
    for path in images.iterdir():
        os.utime(path, (1, 1))
    done = generate("imagenet", options)
    assert done.code == 0, done.error
    assert "their bytes are compared" in caplog.text
    assert tree(output) == tree(small_set)


def test_a_sample_that_was_accepted_must_keep_its_source(
    imagenet_source: Path, tmp_path: Path
) -> None:
    """Rejects may be replaced by whole files, and nothing else."""
    images = tmp_path / "images"
    shutil.copytree(imagenet_source / "images", images)
    names = sorted(path.name for path in images.iterdir())
    whole = (images / names[0]).read_bytes()
    (images / names[0]).write_bytes(b"not an image")
    output = tmp_path / "out"
    options = small_run(imagenet_source, output) | {"images": images, "workers": "1"}
    assert generate("imagenet", options).code == 0
    (images / names[0]).write_bytes(whole)
    shutil.copy(images / names[3], images / names[1])
    refused = generate("imagenet", options, "--retry-rejects")
    assert (refused.code, refused.lacks(f"the source '{names[1]}'", "an earlier run")) == (1, [])
    shutil.copy(imagenet_source / "images" / names[1], images / names[1])
    assert generate("imagenet", options, "--retry-rejects").code == 0
    assert command("verify", str(output), "--regenerate=18", f"--images={images}").code == 0
