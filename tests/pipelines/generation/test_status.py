"""``sysnoise status``, on shards of real photographs, with times worked out by hand."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from sysnoise import load_grid
from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.generation.status import describe_status, format_status
from sysnoise.pipelines.planning.plan import PlanOptions, load_plan, make_plan, write_plan
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.storage.root import open_output
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.pixels import Pixels
from tests.making import make_shards
from tests.odd_files.images import png_16_bit

GRID = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear, pillow-nearest]
colors: [rgb]
geometry: shorter256-crop224
combine: one-factor
"""
SHARDS = 7


@pytest.fixture(scope="module")
def images(
    imagenet_source: Path, photos: dict[str, Pixels], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Twenty images: 18 photographs, before them one that is none and one that is a PNG."""
    folder = tmp_path_factory.mktemp("status") / "images"
    shutil.copytree(imagenet_source / "images", folder)
    (folder / "a_broken.JPEG").write_bytes(b"not an image")
    (folder / "a_png.JPEG").write_bytes(png_16_bit(photos["coffee"]))
    return folder


def generated(images: Path, url: str, shards: Sequence[int]) -> None:
    """Plan seven shards, six of three samples and one of two, and make some of them."""
    names = [path.name for path in images.iterdir()]
    table = source_table(names, label=[0] * len(names))
    source = SourceSet(DatasetKind.IMAGENET, "val", str(images), table)
    plan = make_plan(
        source, parse_grid(GRID, "test.yaml", "test"), PlanOptions(samples_per_shard=3)
    )
    output = open_output(url)
    write_plan(plan, source, output)
    make_shards(plan, shards, source_reader(source.root), output)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All seven shards, not finished."""
    output = tmp_path_factory.mktemp("status") / "set"
    generated(images, str(output), range(SHARDS))
    return output


@pytest.fixture
def output(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to be changed."""
    return shutil.copytree(whole, tmp_path / "set")


def receipt(output: Path, shard: int) -> Path:
    return output / "receipts" / f"{shard:05d}-of-{SHARDS:05d}.json"


def stored_bytes(output: Path) -> int:
    folders = (output / "variants", output / "samples")
    return sum(
        path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()
    )


def test_all_shards_done(whole: Path) -> None:
    assert describe_status(str(whole)) == {
        "output": str(whole),
        "dataset": "imagenet",
        "split": "val",
        "grid": "test",
        "variants": 3,
        "held": 3,
        "finished": False,
        "shards": {"all": 7, "done": 7, "missing": []},
        "samples": {"all": 20, "done": 20},
        "rejects": {"decode-failed": 1},
        "fallbacks": {"ffmpeg": 1},
        "struck": 0,
        "bytes": stored_bytes(whole),
        "seconds_left": 0.0,
    }


def test_missing_shards_are_ranges_and_count_nothing(output: Path) -> None:
    before = describe_status(str(output))["bytes"]
    removed = [0, 2, 3, 6]
    gone = 0
    for shard in removed:
        files = json.loads(receipt(output, shard).read_text("utf-8"))["files"]
        gone += sum((output / file["path"]).stat().st_size for file in files)
        receipt(output, shard).unlink()
    found = describe_status(str(output))
    assert found["shards"] == {"all": 7, "done": 3, "missing": [(0, 0), (2, 3), (6, 6)]}
    assert found["samples"] == {"all": 20, "done": 9}
    assert found["rejects"] == found["fallbacks"] == {}
    assert found["bytes"] == before - gone
    assert "missing    0:1, 2:4, 6:7\n" in format_status(found)


def test_receipts_of_another_plan_do_not_count(output: Path) -> None:
    plan = json.loads((output / "plan.json").read_text("utf-8"))
    text = receipt(output, 1).read_text("utf-8").replace(plan["fingerprint"], "0" * 64)
    receipt(output, 1).write_text(text, "utf-8")
    assert describe_status(str(output))["shards"]["missing"] == [(1, 1)]


def test_files_that_are_left_out_as_duplicates_take_no_bytes(output: Path) -> None:
    document = json.loads(receipt(output, 1).read_text("utf-8"))
    before = describe_status(str(output))["bytes"]
    document["files"][1]["same_as"] = document["files"][0]["path"]
    receipt(output, 1).write_text(json.dumps(document), "utf-8")
    assert describe_status(str(output))["bytes"] == before - document["files"][1]["bytes"]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([1000, 1010, 1030, 1060], 8 * 60 / 9),
        ([1060, 1000, 1030, 1010], 8 * 60 / 9),  # Not in the order of their numbers.
        ([1000, 1010, 1030, 8230], 8 * 30 / 6),  # Two hours between two runs.
        ([1000, 1010, 9000], 11 * 10 / 3),
        ([1000, 1001, 1002, 1055], 8 * 55 / 9),  # 53 s is no pause, though 53 times the median.
        ([1000, 1100, 1200, 3100], 8 * 2100 / 9),  # Nor is 1900 s, 19 times the median.
        ([1000, 1100, 1200, 3300], 8 * 200 / 6),
        ([1000, 5000], 14 * 4000 / 3),
        ([1000], None),
        ([], None),
    ],
)
def test_time_left_follows_the_receipts(
    times: list[int], seconds: float | None, output: Path
) -> None:
    for shard, modified in enumerate(times):
        os.utime(receipt(output, shard), (modified, modified))
    for shard in range(len(times), SHARDS):
        receipt(output, shard).unlink()
    found = describe_status(str(output))["seconds_left"]
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_short_last_shard_counts_by_its_samples(output: Path) -> None:
    for shard in range(SHARDS):
        os.utime(receipt(output, shard), (1000 + 30 * shard, 1000 + 30 * shard))
    receipt(output, 6).unlink()
    assert describe_status(str(output))["seconds_left"] == pytest.approx(2 * 150 / 15)


def test_in_memory_it_is_the_same(images: Path, whole: Path, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}"
    generated(images, url, [1, 0, 4])
    found = describe_status(url)
    assert found["shards"] == {"all": 7, "done": 3, "missing": [(2, 3), (5, 6)]}
    assert found["rejects"] == {"decode-failed": 1}
    assert found["seconds_left"] is not None
    assert found["seconds_left"] > 0


def test_where_files_have_no_times_the_time_left_is_unknown(output: Path, tmp_path: Path) -> None:
    receipt(output, 5).unlink()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in output.rglob("*"):
            archive.write(path, path.relative_to(output))
    found = describe_status(f"zip://::{tmp_path / 'set.zip'}")
    assert found["shards"]["missing"] == [(5, 5)]
    assert found["seconds_left"] is None
    assert format_status(found).endswith("time left  unknown")


def test_samples_on_which_workers_died_are_counted(output: Path) -> None:
    (output / "strikes").mkdir()
    (output / "strikes" / "a.json").write_text(
        '{"coffee_00001": {"making": 1}, "cat_00002": {"reading": 2}}', "utf-8"
    )
    (output / "strikes" / "b.json").write_text('{"rocket_00003": {"making": 1}}', "utf-8")
    found = describe_status(str(output))
    assert found["struck"] == 3
    assert "struck     workers died on 3 samples\n" in format_status(found)


@pytest.mark.parametrize(
    "grid",
    [load_grid("imagenet-full"), load_grid("imagenet-one-factor"), load_grid("coco-published")],
    ids=lambda grid: grid.name,
)
def test_variants_are_counted_as_the_grid_has_them(grid: Grid, tmp_path: Path) -> None:
    table = source_table(["a.jpg"], label=[0])
    source = SourceSet(DatasetKind.IMAGENET, "val", "", table)
    write_plan(make_plan(source, grid, PlanOptions()), source, open_output(str(tmp_path)))
    found = describe_status(str(tmp_path))
    assert found["variants"] == len(load_plan(open_output(str(tmp_path))).grid.variants)
    assert found["shards"] == {"all": 1, "done": 0, "missing": [(0, 0)]}


@pytest.mark.parametrize("path", ["", "missing", "file"])
def test_what_is_no_output_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    told = (
        "does not exist$" if path == "missing" else r"not an output of generate: .* no plan\.json"
    )
    with pytest.raises(InputError, match=told):
        describe_status(str(tmp_path / path))


@pytest.mark.parametrize("path", ["plan.json", "receipts/00003-of-00007.json"])
@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_unreadable_file_is_named(path: str, text: str, output: Path) -> None:
    (output / path).write_text(text, "utf-8")
    with pytest.raises(InputError, match=f"reading {path} of '.*/set': (it is|[eE]xpected) "):
        describe_status(str(output))
