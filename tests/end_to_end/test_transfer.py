"""Publishing a set and fetching it: whole, in parts, broken off, damaged on the way."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from sysnoise import open_set
from sysnoise.pipelines.publication import transfer
from sysnoise.transforms.methods import install_line
from sysnoise.transforms.quantities import size_text
from tests.end_to_end.commands import command
from tests.end_to_end.damage import flip_bit
from tests.end_to_end.disturbed import Started, wait_for
from tests.end_to_end.reading import manifest, samples_table, tree
from tests.servers import FLIPPED, Fault, Server, flipped, http_server, s3_objects

PILLOW = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
CARD_AND_SUMS = {"README.md", "croissant.json", "SHA256SUMS"}
SHARD = f"variants/{FFMPEG}/val-00003-of-00006.tar"


@pytest.fixture
def served(small_set: Path) -> Iterator[Server]:
    """The small set on the web."""
    with http_server(small_set) as server:
        yield server


def of_variant(files: dict[str, str], variant_id: str) -> dict[str, str]:
    return {path: each for path, each in files.items() if path.startswith(f"variants/{variant_id}")}


def without(files: dict[str, str], paths: set[str]) -> dict[str, str]:
    return {path: each for path, each in files.items() if path not in paths}


def assert_sums_are_clean(folder: Path) -> None:
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    assert {line[66:] for line in lines} == tree(folder).keys() - {"SHA256SUMS", "manifest.json"}


def test_a_published_set_equals_the_set(small_set: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    done = command("publish", str(small_set), str(target))
    assert done.code == 0, done.error
    files = tree(small_set)
    assert tree(target) == files
    assert not (target / "_temporary").exists()
    copied = len(files.keys() - {"SHA256SUMS", "manifest.json", *CARD_AND_SUMS, "grid.yaml"})
    assert f"{copied} of them copied" in done.out
    again = command("publish", str(small_set), str(target))
    assert again.code == 0
    assert "0 of them copied" in again.out
    assert tree(target) == files


def test_all_commands_count_the_same_files(small_set: Path, tmp_path: Path) -> None:
    """All files that are there, and none that is not of the set."""
    there = len(tree(small_set))
    folder = shutil.copytree(small_set, tmp_path / "set")
    (folder / "notes.txt").write_text("mine", "utf-8")
    size = size_text(sum(path.stat().st_size for path in small_set.rglob("*") if path.is_file()))
    assert f" rejected, {size} in {there} files\n" in command("finish", str(folder)).out
    (folder / "notes.txt").unlink()
    for done in (
        command("publish", str(folder), str(tmp_path / "published")),
        command("fetch", str(tmp_path / "published"), str(tmp_path / "fetched")),
    ):
        assert f": {there} files, {size}, " in done.out
    verified = command("verify", str(tmp_path / "fetched"))
    assert verified.out.endswith(f"no problems in {there} files, {size}\n")


def test_a_set_goes_to_s3_and_comes_back(small_set: Path, s3: Server, tmp_path: Path) -> None:
    done = command("publish", str(small_set), "s3://bucket/published")
    assert done.code == 0, done.error
    objects = s3_objects(s3, "published")
    stored = {path: hashlib.sha256(data).hexdigest() for path, data in objects.items()}
    # Only the card is another one: it says where the copy is.
    assert without(stored, CARD_AND_SUMS) == without(tree(small_set), CARD_AND_SUMS)
    assert b"\nsysnoise fetch s3://bucket/published published\n" in objects["README.md"]
    assert json.loads(objects["croissant.json"])["url"] == "s3://bucket/published"
    assert s3.seen("^PUT")[-1].endswith("/published/manifest.json")
    done = command("fetch", "s3://bucket/published", str(tmp_path / "fetched"))
    assert done.code == 0, done.error
    assert tree(tmp_path / "fetched") == stored
    assert_sums_are_clean(tmp_path / "fetched")


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_does_not_exist_is_named_before_the_set_is_read(
    small_set: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(small_set, tmp_path / "damaged")
    flip_bit(damaged / SHARD)
    done = command("publish", str(damaged), "s3://nowhere/sets/noise")
    assert done.code == 1
    assert done.error == (
        "sysnoise: the bucket 's3://nowhere' of 's3://nowhere/sets/noise' does not exist; make it, "
        "or give another place\n"
    )


def test_a_library_that_is_missing_is_named_with_its_extra(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(loaded, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for arguments in (
        ("publish", str(small_set), "s3://bucket/noise"),
        ("fetch", "s3://bucket/noise", str(tmp_path / "fetched")),
        ("report", "s3://bucket/noise", f"--output={tmp_path / 'report.html'}"),
    ):
        done = command(*arguments)
        assert done.code == 1
        assert "s3fs" in done.error
        assert install_line("s3") in done.error


def test_a_set_goes_to_memory(small_set: Path) -> None:
    done = command("publish", str(small_set), "memory://published")
    assert done.code == 0, done.error
    memory = fsspec.filesystem("memory")
    found = {path.removeprefix("/published/"): memory.cat_file(path) for path in memory.find("/")}
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in found.items()}
    assert tree(small_set).items() <= digests.items()


def test_one_variant_is_fetched_and_another_added(
    served: Server, small_set: Path, tmp_path: Path
) -> None:
    whole, target = tree(small_set), tmp_path / "fetched"
    done = command("fetch", served.url, str(target), f"--variant={FFMPEG}")
    assert done.code == 0, done.error
    part = tree(target)
    assert served.seen(f"GET /variants/{PILLOW}") == []
    lacking = {*of_variant(whole, PILLOW)}
    assert without(part, CARD_AND_SUMS | {"part.json"}) == without(whole, lacking | CARD_AND_SUMS)
    document = json.loads((target / "part.json").read_text("utf-8"))
    assert document == {"manifest": manifest(small_set)["checksum"], "variants": [FFMPEG]}
    assert_sums_are_clean(target)
    assert "ffmpeg__pillow-bilinear__rgb" in (target / "README.md").read_text("utf-8")
    assert command("verify", "--pixels", str(target)).code == 0
    # The part is published on, but what it does not hold cannot be.
    refused = command("publish", str(target), str(tmp_path / "x"), f"--variant={PILLOW}")
    assert refused.code == 2
    assert f"{str(target)!r} holds no images of {PILLOW!r}" in refused.error
    assert command("publish", str(target), str(tmp_path / "again")).code == 0
    assert tree(tmp_path / "again") == part
    # The other variant makes the copy whole.
    served.requests.clear()
    done = command("fetch", served.url, str(target), f"--variant={PILLOW}")
    assert done.code == 0, done.error
    assert served.seen(f"GET /variants/{FFMPEG}") == []
    assert tree(target) == whole


def test_a_variant_that_is_stored_as_another_comes_with_its_bytes(
    imagenet_source: Path, tmp_path: Path
) -> None:
    """OpenCV decodes these photographs as Pillow does, so that only Pillow's files are stored."""
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow, opencv]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: shorter256-crop224\n",
        "utf-8",
    )
    done = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=4"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        *(f"--output={tmp_path / 'set'}", "--skip-duplicates", "--workers=1"),
    )
    assert done.code == 0, done.error
    opencv = "opencv/pillow-bilinear/rgb"
    assert of_variant(tree(tmp_path / "set"), opencv) == {}
    target = tmp_path / "opencv"
    done = command("publish", str(tmp_path / "set"), str(target), f"--variant={opencv}")
    assert done.code == 0, done.error
    assert of_variant(tree(target), PILLOW) == of_variant(tree(tmp_path / "set"), PILLOW)
    assert command("verify", "--pixels", str(target)).code == 0
    assert_sums_are_clean(target)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_is_broken_off_goes_on_where_it_was(
    number: signal.Signals, served: Server, small_set: Path, tmp_path: Path
) -> None:
    target = tmp_path / "fetched"
    served.seconds = 0.4
    started = Started("fetch", served.url, str(target))
    wait_for(lambda: len(list(target.glob("variants/**/*.tar"))) > 1)
    started.kill_all(number)
    ended = started.end()
    assert ended.code == (-9 if number == signal.SIGKILL else 1)
    said = "sysnoise: interrupted; run the same command again: files that have arrived are kept\n"
    assert ended.error == ("" if number == signal.SIGKILL else said)
    served.seconds = 0.0
    arrived = tree(target)
    assert "manifest.json" not in arrived
    finished = {path: each for path, each in arrived.items() if not path.startswith("_temporary")}
    assert finished.items() < tree(small_set).items()  # What is visible is whole.
    report = command("verify", str(target))
    assert report.code == 1
    assert "manifest.json: missing: this is not a finished set" in report.out
    served.requests.clear()
    done = command("fetch", served.url, str(target))
    assert done.code == 0, done.error
    assert tree(target) == tree(small_set)
    assert [path for path in finished if served.seen(f"GET /{path}$")] == []


@pytest.mark.parametrize("path", [SHARD, "receipts/00002-of-00006.json", "samples/00001"])
def test_a_bit_flipped_on_the_way_down_is_caught_and_named(
    path: str, served: Server, small_set: Path, tmp_path: Path
) -> None:
    target = tmp_path / "fetched"
    served.faults.append(Fault(f"GET /{path}", FLIPPED))
    failed = command("fetch", served.url, str(target))
    assert failed.code == 1
    files = tree(small_set)
    (name,) = (each for each in files if each.startswith(path))
    damaged = hashlib.sha256(flipped((small_set / name).read_bytes())).hexdigest()
    assert f"  {name}: arrived with the sha256 {damaged}, expected {files[name]}\n" in failed.error
    assert "run the same command again: files that have arrived are kept" in failed.error
    assert tree(target).items() < files.items()
    assert not {name, "manifest.json"} & tree(target).keys()
    served.faults.clear()
    assert command("fetch", served.url, str(target)).code == 0
    assert tree(target) == files


def test_a_bit_flipped_on_the_way_up_is_caught_and_named(small_set: Path, s3: Server) -> None:
    s3.faults.append(Fault(f"PUT .*{SHARD}", FLIPPED))
    failed = command("publish", str(small_set), "s3://bucket/flipped")
    assert failed.code == 1
    assert f"  {SHARD}: arrived, but cannot be read back: Expected checksum " in failed.error
    assert not {SHARD, "manifest.json"} & s3_objects(s3, "flipped").keys()
    s3.faults.clear()
    assert command("publish", str(small_set), "s3://bucket/flipped").code == 0
    assert s3_objects(s3, "flipped").keys() == tree(small_set).keys()


def test_a_changed_card_is_caught_and_named(served: Server, tmp_path: Path) -> None:
    served.faults.append(Fault("GET /croissant.json", FLIPPED))
    failed = command("fetch", served.url, str(tmp_path / "fetched"))
    assert failed.code == 1
    assert f"croissant.json of {served.url!r} arrived with the sha256 " in failed.error
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("before", [[f"--variant={PILLOW}"], []], ids=["part", "whole"])
@pytest.mark.parametrize(
    ("broken", "path"),
    [("write_file", "part.json"), ("write_card", None), ("write_file", "manifest.json")],
)
def test_a_copy_broken_off_while_it_is_completed_forgets_nothing(
    broken: str,
    path: str | None,
    before: list[str],
    small_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "copy"
    assert command("publish", str(small_set), str(target), *before).code == 0
    done = getattr(transfer, broken)

    def stop(*arguments: object) -> None:
        if path is None or path in arguments:
            raise KeyboardInterrupt
        done(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(transfer, broken, stop)
        assert command("publish", str(small_set), str(target), f"--variant={FFMPEG}").code == 1
    assert command("publish", str(small_set), str(target), f"--variant={FFMPEG}").code == 0
    assert command("verify", str(target)).code == 0
    assert open_set(str(target)).held == (PILLOW, FFMPEG)


def test_a_target_that_cannot_be_written_is_named(small_set: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    assert command("publish", str(small_set), str(target), "--recipe-only").code == 0
    (target / SHARD).mkdir(parents=True)
    failed = command("publish", str(small_set), str(target), f"--variant={FFMPEG}")
    assert failed.code == 1
    assert f"writing '{target}/{SHARD}': Is a directory; fix that and run the same" in failed.error


def test_a_set_that_does_not_fit_the_disk_is_not_begun(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_full(path: object) -> SimpleNamespace:
        return SimpleNamespace(free=1000)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    failed = command("fetch", served.url, str(tmp_path / "fetched"))
    assert failed.code == 1
    assert failed.lacks("lacks files of ", " and its disk has 1000 bytes left; make room") == []
    assert tree(tmp_path / "fetched") == {}
    assert served.seen("GET /variants") == []


def test_a_damaged_copy_is_mended(small_set: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    assert command("publish", str(small_set), str(target)).code == 0
    flip_bit(target / SHARD)
    done = command("publish", str(small_set), str(target))
    assert done.code == 0, done.error
    assert "1 of them copied" in done.out
    assert tree(target) == tree(small_set)


def test_a_damaged_set_is_not_published(small_set: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(small_set, tmp_path / "damaged")
    flip_bit(damaged / SHARD)
    failed = command("publish", str(damaged), str(tmp_path / "published"))
    assert failed.code == 1
    assert SHARD in failed.out
    assert failed.error.endswith("nothing was published\n")
    assert not (tmp_path / "published").exists()
    # Its sound variant can be.
    done = command("publish", str(damaged), str(tmp_path / "part"), f"--variant={PILLOW}")
    assert done.code == 0, done.error
    assert command("verify", str(tmp_path / "part")).code == 0


def test_junk_is_no_obstacle_in_an_empty_target(small_set: Path, tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "Thumbs.db").touch()
    done = command("fetch", str(small_set), str(tmp_path), f"--variant={PILLOW}")
    assert done.code == 0, done.error


def test_targets_that_hold_something_else_are_refused(
    small_set: Path, coco_set: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("mine", "utf-8")
    shutil.copytree(coco_set, tmp_path / "coco")
    shutil.copytree(coco_set, tmp_path / "begun")
    (tmp_path / "begun" / "manifest.json").unlink()
    for name in ("notes", "coco", "begun"):
        before = tree(tmp_path / name)
        failed = command("publish", str(small_set), str(tmp_path / name))
        assert failed.code == 1
        assert "holds another set, or other files; give another path" in failed.error
        assert tree(tmp_path / name) == before
    for inside in (small_set, small_set / "copy"):
        failed = command("publish", str(small_set), str(inside))
        assert failed.code == 2
        assert "is the set itself or lies in it" in failed.error


def test_a_copy_with_images_does_not_become_a_recipe(small_set: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    assert command("publish", str(small_set), str(target)).code == 0
    failed = command("publish", str(small_set), str(target), "--recipe-only")
    assert failed.code == 2
    assert "holds images of 2 variants" in failed.error
    assert tree(target) == tree(small_set)


def test_slugs_are_taken_and_a_missing_baseline_is_told(small_set: Path, tmp_path: Path) -> None:
    slug = FFMPEG.replace("/", "__")
    done = command("publish", str(small_set), str(tmp_path / "part"), f"--variant={slug}")
    assert done.code == 0, done.error
    assert f"1 variant, not of the baseline {PILLOW}, which" in done.out
    assert done.out.endswith(f"the same command with '--variant {PILLOW}' adds it\n")
    assert command("publish", str(small_set), str(tmp_path / "recipe"), "--recipe-only").code == 0
    refused = command("fetch", str(tmp_path / "recipe"), str(tmp_path / "x"), f"--variant={slug}")
    assert refused.code == 2
    assert "nor of any other variant: it is a recipe" in refused.error


def test_a_target_may_hold_hidden_files(small_set: Path, tmp_path: Path) -> None:
    target = tmp_path / "repository"
    target.mkdir()
    (target / ".gitattributes").write_text("*.tar filter=lfs\n", "utf-8")
    assert command("publish", str(small_set), str(target)).code == 0
    assert command("verify", str(target)).code == 0


def test_unknown_variants_and_sets_are_refused(small_set: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "copy")
    unknown = command("fetch", str(small_set), target, "--variant=pillow/none/rgb")
    assert unknown.code == 2
    assert "pillow/none/rgb" in unknown.error
    assert FFMPEG in unknown.error
    nothing = command("fetch", str(tmp_path), target)
    assert nothing.code == 1
    assert f"{str(tmp_path)!r} is not a finished set: it has no manifest.json" in nothing.error
    both = command("publish", str(small_set), target, "--recipe-only", f"--variant={PILLOW}")
    assert both.code == 2
    assert not Path(target).exists()


def test_a_set_with_an_edited_index_is_not_fetched(small_set: Path, tmp_path: Path) -> None:
    for path in ("manifest.json", "files.parquet"):
        edited = shutil.copytree(small_set, tmp_path / path.partition(".")[0])
        flip_bit(edited / path)
        failed = command("fetch", str(edited), str(tmp_path / "copy"))
        assert failed.code == 1
        assert f"  {path}: " in failed.error
        assert not (tmp_path / "copy").exists()


def make_again(recipe: Path, images: Path, labels: Path, output: Path) -> None:
    """Make the small set as somebody who has its recipe and the photographs."""
    done = command(
        *("generate", "imagenet", f"--images={images}", f"--label-file={labels}"),
        *(f"--grid={recipe / 'grid.yaml'}", "--samples-per-shard=3", f"--output={output}"),
    )
    assert done.code == 0, done.error


def test_a_recipe_is_made_again_and_proven_elsewhere(
    small_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe"
    done = command("publish", str(small_set), str(recipe), "--recipe-only")
    assert done.code == 0, done.error
    assert of_variant(tree(recipe), "") == {}
    assert_sums_are_clean(recipe)
    assert command("verify", str(recipe)).code == 0
    # A stranger has the recipe and the photographs.
    images = shutil.copytree(imagenet_source / "images", tmp_path / "elsewhere" / "photographs")
    labels = tmp_path / "elsewhere" / "val.txt"
    shutil.copy(imagenet_source / "val.txt", labels)
    again = tmp_path / "elsewhere" / "set"
    make_again(recipe, images, labels, again)
    proven = command("verify", "--pixels", str(again), f"--recipe={recipe}")
    assert proven.code == 0, proven.out
    assert tree(again) == tree(small_set)
    assert samples_table(again) == samples_table(recipe)


def test_a_recipe_is_filled_where_it_is(
    small_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe"
    assert command("publish", str(small_set), str(recipe), "--recipe-only").code == 0
    shown = command("status", str(recipe)).out
    assert "manifest   written: it holds the images of 0 variants\n" in shown
    images = imagenet_source / "images"
    sampled = command("verify", str(recipe), "--regenerate=4", f"--images={images}")
    assert sampled.code == 0, sampled.out
    make_again(recipe, images, imagenet_source / "val.txt", recipe)
    assert tree(recipe) == tree(small_set)


def test_a_set_that_differs_from_its_recipe_is_told(
    small_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe"
    assert command("publish", str(small_set), str(recipe), "--recipe-only").code == 0
    images = shutil.copytree(imagenet_source / "images", tmp_path / "images")
    first = min(images.iterdir())
    first.write_bytes(max(images.iterdir()).read_bytes())
    again = tmp_path / "set"
    make_again(recipe, images, imagenet_source / "val.txt", again)
    assert command("verify", str(again)).code == 0
    told = command("verify", str(again), f"--recipe={recipe}")
    assert told.code == 1
    others = {path for path, each in tree(again).items() if tree(small_set).get(path) != each}
    named = {line.partition(": ")[0] for line in told.out.splitlines() if "the recipe" in line}
    assert named == others - CARD_AND_SUMS - {"manifest.json", "files.parquet"} - {
        path for path in others if path.startswith("receipts/")
    }
    assert f"variants/{PILLOW}/val-00000-of-00006.tar" in named
    assert f"variants/{PILLOW}/val-00001-of-00006.tar" not in named
