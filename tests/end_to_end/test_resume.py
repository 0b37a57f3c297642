"""A run that finds an earlier one's output: what it keeps, makes again, refuses and removes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sysnoise.manifests.plan import plan_fingerprint
from sysnoise.pipelines.planning.plan import load_plan
from sysnoise.pipelines.planning.stamps import keep_stamps, take_stamps
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.storage.root import open_output
from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.disturbed import (
    SHARDS,
    assert_receipts_hold,
    generating,
    receipts,
    small_run,
    wait_for,
)
from tests.end_to_end.reading import manifest, tree

Stamps = dict[str, tuple[int, int]]


def stamps(folder: Path) -> Stamps:
    """Inode and time of change of every file: what writing it anew would change."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def written(before: Stamps, output: Path) -> set[str]:
    """The paths of the files that were written since."""
    return {path for path, stamp in stamps(output).items() if before.get(path) != stamp}


def shards_of(paths: set[str]) -> set[int]:
    """The shards that files belong to."""
    names = (path.rpartition("/")[2].removeprefix("val-") for path in paths if "-of-" in path)
    return {int(name[:5]) for name in names}


@pytest.fixture
def options(imagenet_source: Path, tmp_path: Path) -> Options:
    return small_run(imagenet_source, tmp_path / "out")


@pytest.fixture
def output(small_set: Path, tmp_path: Path) -> Path:
    """A copy of the finished set."""
    return shutil.copytree(small_set, tmp_path / "out")


def receipt(output: Path, shard: int) -> Path:
    return output / f"receipts/{shard:05d}-of-00006.json"


def tar(output: Path, shard: int) -> Path:
    return output / f"variants/ffmpeg/pillow-bilinear/rgb/val-{shard:05d}-of-00006.tar"


def of_another_plan(output: Path, shard: int) -> None:
    path = receipt(output, shard)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"fingerprint": "0" * 64}))


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


DAMAGES: dict[str, Callable[[Path, int], None]] = {
    "receipt missing": lambda output, shard: receipt(output, shard).unlink(),
    "receipt of another plan": of_another_plan,
    "receipt cut": lambda output, shard: cut(receipt(output, shard)),
    "shard missing": lambda output, shard: tar(output, shard).unlink(),
    "shard cut": lambda output, shard: cut(tar(output, shard)),
}


def test_damaged_shards_are_made_again_and_no_others(
    options: Options, output: Path, small_set: Path
) -> None:
    """One damage a shard; the last shard has none."""
    for shard, damage in enumerate(DAMAGES.values()):
        damage(output, shard)
    outcome = command("finish", str(output))
    assert outcome.code == 1
    assert outcome.lacks("5 of 6 shards", *(f"  {shard}:{shard + 1}\n" for shard in range(4))) == []
    before = stamps(output)
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)
    assert shards_of(written(before, output)) == set(range(SHARDS - 1))


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        ("SHA256SUMS", Path.unlink),
        ("manifest.json", Path.unlink),
        ("manifest.json", cut),
        ("files.parquet", Path.unlink),
        ("files.parquet", cut),
        ("rejects.parquet", Path.unlink),
        ("rejects.parquet", cut),
        ("sources.parquet", Path.unlink),
        ("sources.parquet", cut),
        ("README.md", Path.unlink),
        ("croissant.json", Path.unlink),
        ("grid.yaml", Path.unlink),
    ],
)
def test_files_that_no_shard_owns_are_written_again(
    path: str, damage: Callable[[Path], None], options: Options, output: Path, small_set: Path
) -> None:
    damage(output / path)
    before = stamps(output)
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)
    assert path in written(before, output)
    assert shards_of(written(before, output)) == set()


def test_annotations_are_written_again(coco_set: Path, coco_source: Path, tmp_path: Path) -> None:
    output = shutil.copytree(coco_set, tmp_path / "out")
    (output / "annotations/instances_demo.rescaled.json").unlink()
    before = stamps(output)
    outcome = command(
        "generate",
        "coco",
        f"--images={coco_source / 'images'}",
        f"--annotations={coco_source / 'instances_demo.json'}",
        f"--output={output}",
        "--grid=coco-published",
        "--format=both",
        "--samples-per-shard=7",
    )
    assert outcome.code == 0, outcome.error
    assert tree(output) == tree(coco_set)
    assert shards_of(written(before, output)) == set()


def test_a_finished_set_is_left_as_it_is(options: Options, output: Path) -> None:
    before = stamps(output)
    first = generate("imagenet", options)
    assert (first.code, "18 samples x 2 variants in 6 shards" in first.out) == (0, True)
    assert command("finish", str(output)).code == 0
    part = generate("imagenet", options, "--shard-range=0:2")
    assert (part.code, "shards 0:2 are done" in part.out) == (0, True)
    assert stamps(output) == before
    assert not (output / "_temporary").exists()


def test_what_killed_runs_leave_is_swept(options: Options, output: Path, small_set: Path) -> None:
    temporary = f"{'0' * 32}.tmp"
    (output / "_temporary/00001-of-00006.abc").mkdir(parents=True)
    for path in (
        "_temporary/00001-of-00006.abc/x.tar",
        "_temporary/lock",
        f"receipts/00002-of-00006.json.{temporary}",
        f"plan.json.{temporary}",
        f"rejects.parquet.{temporary}",
    ):
        (output / path).write_bytes(b"half")
    (output / "manifest.json").unlink()
    (output / "notes.tmp").write_text("a stranger's")
    others = shutil.copytree(output, output.parent / "others")
    assert generate("imagenet", options).code == 0
    assert command("finish", str(others)).code == 0
    for folder in (output, others):
        assert (folder / "notes.tmp").read_text() == "a stranger's"
        (folder / "notes.tmp").unlink()
        assert tree(folder) == tree(small_set)
        assert not (folder / "_temporary").exists()


def in_folder(source: Path, place: Path) -> None:
    shutil.copytree(source / "images", place)


def in_zip(source: Path, place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        for path in (source / "images").iterdir():
            archive.write(path, path.name)


def in_tar(source: Path, place: Path) -> None:
    with tarfile.open(place, "w") as archive:
        for path in (source / "images").iterdir():
            archive.add(path, path.name)


@pytest.mark.parametrize(
    ("name", "pack"), [("moved", in_folder), ("all.zip", in_zip), ("all.tar", in_tar)]
)
def test_sources_may_move_and_be_packed(
    name: str,
    pack: Callable[[Path, Path], None],
    options: Options,
    output: Path,
    small_set: Path,
    imagenet_source: Path,
    tmp_path: Path,
) -> None:
    """What says where images are is of the last run; everything else stays as it was."""
    pack(imagenet_source, tmp_path / name)
    for shard in (1, 4):
        receipt(output, shard).unlink()
    before = stamps(output)
    assert generate("imagenet", options | {"images": tmp_path / name}).code == 0
    assert shards_of(written(before, output)) == {1, 4}
    places = {"sources.parquet", "files.parquet", "SHA256SUMS", "manifest.json"}
    now, then = tree(output), tree(small_set)
    assert now.keys() == then.keys()
    changed = {path for path in now if now[path] != then[path]}
    assert changed == (places if name == "all.tar" else set())
    sums = (output / "SHA256SUMS").read_text("utf-8")
    assert f"{now['sources.parquet']}  sources.parquet" in sums


SMALLER_SHARDS = (
    "plan; give --samples-per-shard 3 to resume it, give another path, or --overwrite to remove it "
    "(there -> here):\n  samples_per_shard: 3 -> 5"
)


def relabeled(folder: Path, options: Options) -> Options:
    text = Path(str(options["label-file"])).read_text("utf-8")
    (folder / "other.txt").write_text(text.replace("coffee_00010.JPEG 967", "coffee_00010.JPEG 1"))
    return {"label-file": folder / "other.txt"}


def fewer(folder: Path, options: Options) -> Options:
    shutil.copytree(str(options["images"]), folder / "fewer")
    (folder / "fewer" / "coffee_00010.JPEG").rename(folder / "fewer" / "tea.JPEG")
    text = Path(str(options["label-file"])).read_text("utf-8")
    (folder / "fewer.txt").write_text(text.replace("coffee_00010", "tea"))
    return {"images": folder / "fewer", "label-file": folder / "fewer.txt"}


def regridded(folder: Path, options: Options) -> Options:
    text = Path(str(options["grid"])).read_text("utf-8")
    (folder / "other.yaml").write_text(text.replace("[rgb]", "[rgb, bgr]"))
    return {"grid": folder / "other.yaml"}


def of_another_library(folder: Path, options: Options) -> Options:
    """The plan as an older Pillow would have written it."""
    path = folder / "out" / "plan.json"
    document = json.loads(path.read_text("utf-8"))
    document["identities"]["decoders"]["pillow"]["build"]["version"] = "9.9.9"
    document["fingerprint"] = plan_fingerprint(document)
    path.write_text(json.dumps(document), "utf-8")
    return {}


def of_a_newer_version(folder: Path, options: Options) -> Options:
    path = folder / "out" / "plan.json"
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(document | {"version": 99, "shape": "unknown"}), "utf-8")
    return {}


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (relabeled, ["labels", "of the source images differ"]),
        (
            fewer,
            [
                "1 image(s) gone from the source: 'coffee_00010'\n",
                "1 image(s) new in the source: 'tea'\n",
            ],
        ),
        (regridded, ["grid.colors: ['rgb'] -> ['rgb', 'bgr']"]),
        (lambda folder, options: {"samples-per-shard": "5"}, [SMALLER_SHARDS]),
        (lambda folder, options: {"format": "parquet"}, ["formats: ['webdataset'] -> ['parquet']"]),
        (lambda folder, options: {"limit": "17"}, ["samples: 18 -> 17", "rocket_00018"]),
        (of_another_library, ["decoder pillow: build.version: 9.9.9 -> "]),
        (of_a_newer_version, ["expected a plan of version 1, found 99"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_another_plan_is_refused_with_what_differs(
    change: Callable[[Path, Options], Options],
    fragments: list[str],
    options: Options,
    output: Path,
    tmp_path: Path,
) -> None:
    changed = options | change(tmp_path, options)
    before = stamps(output)
    outcome = generate("imagenet", changed)
    assert outcome.code == 1
    assert outcome.lacks("--overwrite", *fragments) == [], outcome.error
    assert stamps(output) == before
    assert not (output / "_temporary").exists()


def test_overwrite_begins_anew_and_leaves_strangers(
    options: Options, output: Path, small_set: Path, tmp_path: Path
) -> None:
    for path in sorted(output.rglob("*.tar"))[:3]:
        path.write_bytes(bytes(path.stat().st_size))  # A plain rerun does not see that.
    (output / "variants/stray").write_text("of no run")
    (output / "notes.txt").write_text("a stranger's")
    of_a_newer_version(tmp_path, options)
    assert generate("imagenet", options, "--overwrite").code == 0
    for name, text in ("variants/stray", "of no run"), ("notes.txt", "a stranger's"):
        assert (output / name).read_text() == text
        (output / name).unlink()
    assert tree(output) == tree(small_set)


@pytest.mark.parametrize("existing", ["--overwrite", "--retry-rejects"])
@pytest.mark.parametrize("name", ["plan.json", "samples"])
def test_nothing_but_a_set_is_overwritten(
    name: str, existing: str, options: Options, tmp_path: Path
) -> None:
    """Others call files so, too."""
    (tmp_path / "out" / "samples").mkdir(parents=True)
    (tmp_path / "out" / "samples" / "mine").write_text("dear")
    if name == "plan.json":
        (tmp_path / "out" / name).write_text('{"resources": []}')
    before = stamps(tmp_path / "out")
    outcome = generate("imagenet", options, existing)
    assert outcome.code == 1
    said = {
        "plan.json": "holds a plan.json that is not a plan",
        "samples": "is not an empty folder, nor",
    }
    assert outcome.lacks(said[name]) == []
    assert stamps(tmp_path / "out") == before


def test_finish_takes_nothing_but_a_set(output: Path, tmp_path: Path) -> None:
    cut(output / "plan.json")
    broken = command("finish", str(output))
    damaged = "holds a plan.json that is not a plan or is damaged"
    assert (broken.code, broken.lacks(damaged)) == (1, [])
    nothing = command("finish", str(tmp_path / "none"))
    assert (nothing.code, nothing.lacks("/none' has no plan.json: nothing was")) == (1, [])
    assert not (tmp_path / "none").exists()


def test_overwrite_goes_with_no_range(options: Options, output: Path) -> None:
    before = stamps(output)
    outcome = generate("imagenet", options, "--overwrite", "--shard-range=0:2")
    assert (outcome.code, outcome.lacks("--overwrite removes the shards of all ranges")) == (2, [])
    assert stamps(output) == before


def test_rejects_are_tried_again(
    options: Options, imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    images = shutil.copytree(imagenet_source / "images", tmp_path / "images")
    cut(images / "coffee_00010.JPEG")
    damaged = options | {"images": images}
    assert generate("imagenet", damaged).code == 0
    output = tmp_path / "out"
    assert manifest(output)["counts"]["rejects"] == 1
    shutil.copy(imagenet_source / "images" / "coffee_00010.JPEG", images)
    before = stamps(output)
    assert generate("imagenet", damaged).code == 0
    assert stamps(output) == before
    assert generate("imagenet", damaged, "--retry-rejects").code == 0
    assert len(shards_of(written(before, output))) == 1
    assert tree(output) == tree(small_set)


def test_a_source_that_goes_during_the_run(
    options: Options, imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    """The image of the last shard goes between planning and reading, then all of them."""
    images = shutil.copytree(imagenet_source / "images", tmp_path / "images")
    moved = options | {"images": images}
    *_, last = sorted(images.iterdir())
    output = tmp_path / "out"
    started = generating(moved)
    wait_for(lambda: list((output / "stamps").glob("*.parquet")))
    size = last.stat().st_size
    last.unlink()
    ended = started.end()
    assert ended.code == 1
    assert "changed while the run went on" in ended.message
    assert f"{last.name}: planned as {size} bytes" in ended.message
    assert ended.message.endswith(", now missing\n")
    assert receipt(output, 5) not in receipts(output)
    assert_receipts_hold(output)
    shutil.rmtree(images)
    gone = generate("imagenet", moved)
    assert (gone.code, gone.lacks(f"'{images}' does not exist")) == (1, [])
    before, made = stamps(output), {int(path.name[:5]) for path in receipts(output)}
    assert generate("imagenet", options).code == 0
    assert shards_of(written(before, output)) == {*range(SHARDS)} - made
    assert tree(output) == tree(small_set)


def test_two_runs_do_not_work_on_one_output(
    options: Options, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    started = generating(options)
    wait_for((output / "plan.json").exists)
    started.kill_all(signal.SIGSTOP)
    for outcome in (
        generate("imagenet", options),
        generate("imagenet", options | {"samples-per-shard": "5"}, "--overwrite"),
        generate("imagenet", options, "--shard-range=4:"),
        command("finish", str(output)),
    ):
        assert outcome.code == 1
        assert outcome.lacks("another run is working on shards of") == []
    started.kill_all(signal.SIGCONT)
    assert started.end().code == 0
    assert tree(output) == tree(small_set)


@pytest.mark.slow
def test_ranges_make_a_set_together(options: Options, small_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    one = options | {"workers": "1"}
    first = generating(one, "--shard-range=:4")
    wait_for((output / "plan.json").exists)
    first.kill_all(signal.SIGSTOP)
    other = generating(one, "--shard-range=4:")
    overlapping = generate("imagenet", one, "--shard-range=3:5")
    assert (overlapping.code, overlapping.lacks("another run", "between 3 and 4")) == (1, [])
    early = command("finish", str(output))
    assert (early.code, early.lacks("another run is working")) == (1, [])
    first.kill_all(signal.SIGCONT)
    ends = first.end(), other.end()
    assert [(end.code, end.message) for end in ends] == [(0, ""), (0, "")]
    assert "shards :4 are done; when all are, run 'sysnoise finish" in ends[0].out
    assert not (output / "manifest.json").exists()
    receipt(output, 2).unlink()
    missing = command("finish", str(output))
    assert (missing.code, missing.lacks("1 of 6 shards", "  2:3\n")) == (1, [])
    assert generate("imagenet", one, "--shard-range=2:3").code == 0
    assert command("finish", str(output)).code == 0
    assert tree(output) == tree(small_set)


RUN_SHARD = """
import sys
from sysnoise.pipelines.workers.job import ShardJob, run_shard
for shard in range(6):
    print(run_shard(ShardJob(*sys.argv[1:]), shard, lambda *sample: None))
"""


def test_shards_made_twice_at_once_are_whole(
    imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    """As cluster engines do, which have no locks."""
    output = tmp_path / "out"
    output.mkdir()
    for name in ("plan.json", "sources.parquet"):
        shutil.copy(small_set / name, output / name)
    plan: dict[str, Any] = json.loads((output / "plan.json").read_text("utf-8"))
    source = read_imagenet(
        str(imagenet_source / "images"), str(imagenet_source / "val.txt"), None, "val"
    )
    root = open_output(str(output))
    path = keep_stamps(take_stamps(source), load_plan(root), root)
    arguments = [str(imagenet_source / "images"), str(output), plan["fingerprint"], path]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", RUN_SHARD, *arguments], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate()[0].split() for process in both] == [["None"] * SHARDS] * 2
    assert command("finish", str(output)).code == 0
    assert tree(output) == tree(small_set)
