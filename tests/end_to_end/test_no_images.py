"""Sets without images through the command: all but the pixels is as in a set with images."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import mlcroissant
import numpy as np
import pytest
from PIL import Image

from sysnoise import open_set
from sysnoise.manifests.errors import NotHeldError
from sysnoise.manifests.manifest import validate_manifest
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import Options, Outcome, command, generate
from tests.end_to_end.damage import Rows, edit_parquet, flip_bit, reseal
from tests.end_to_end.reading import assert_sums_hold, digest, manifest, samples_table, tree

PILLOW = "pillow/pillow-bilinear/rgb"
SMALL = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""
LARGE = """
decoders: [opencv, pillow, ffmpeg]
resizes: [pillow-bilinear, opencv-linear]
colors: [rgb]
geometry: shorter256-crop224
"""


@pytest.fixture(scope="module")
def sources(
    imagenet_source: Path, coco_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Options]:
    """The options of a run of ImageNet, one of whose images is damaged, and of one of COCO."""
    folder = tmp_path_factory.mktemp("sources")
    images = shutil.copytree(imagenet_source / "images", folder / "images")
    damaged = min(images.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:100])
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    (folder / "large.yaml").write_text(LARGE, "utf-8")
    return {
        "imagenet": {
            "images": images,
            "label-file": imagenet_source / "val.txt",
            "grid": folder / "large.yaml",
            "samples-per-shard": "5",
        },
        "coco": {
            "images": coco_source / "images",
            "annotations": coco_source / "instances_demo.json",
            "grid": "coco-published",
            "samples-per-shard": "7",
        },
    }


def made(dataset: str, options: Options, output: Path, shards: str = "none") -> Path:
    done = generate(dataset, {**options, "output": output, "format": shards})
    assert done.code == 0, done.error
    return output


@pytest.fixture(scope="module", params=["imagenet", "coco"])
def pair(
    request: pytest.FixtureRequest,
    sources: dict[str, Options],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A set without images, and one of the same with images."""
    folder = tmp_path_factory.mktemp(request.param)
    options = sources[request.param]
    without = made(request.param, options, folder / "without")
    return without, made(request.param, options, folder / "with", "webdataset")


@pytest.fixture(scope="module")
def bare(sources: dict[str, Options], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of ImageNet without images."""
    return made("imagenet", sources["imagenet"], tmp_path_factory.mktemp("bare") / "set")


@pytest.fixture
def copy(bare: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bare, tmp_path / "copy")


def kept(document: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in left_out}


def test_all_but_the_images_is_as_in_a_set_with_images(pair: tuple[Path, Path]) -> None:
    found, wanted = map(tree, pair)
    shards = {path for path in wanted if path.startswith("variants/")}
    assert shards
    assert found.keys() == wanted.keys() - shards
    other = {path for path in found if found[path] != wanted[path]}
    index = {"manifest.json", "files.parquet", "SHA256SUMS", "plan.json"}
    receipts = {path for path in found if path.startswith("receipts/")}
    assert other == {*index, *receipts, "README.md", "croissant.json"}
    for path in receipts:
        one, two = (json.loads((each / path).read_text("utf-8")) for each in pair)
        assert kept(one, "fingerprint", "files") == kept(two, "fingerprint", "files")
        assert one["files"] == [row for row in two["files"] if row["variant"] is None]


def test_the_manifest_counts_no_images(pair: tuple[Path, Path]) -> None:
    found, wanted = map(manifest, pair)
    validate_manifest(found)
    assert found["formats"] == []
    stored = [path for path in pair[0].rglob("*") if path.is_file()]
    unnamed = ("manifest.json", "files.parquet", "SHA256SUMS", "README.md", "croissant.json")
    stored = [
        path
        for path in stored
        if path.name not in (*unnamed, "grid.yaml") and path.parent.name != "receipts"
    ]
    assert found["counts"] == {
        **wanted["counts"],
        "images": 0,
        "files": len(stored),
        "bytes": sum(path.stat().st_size for path in stored),
    }
    for one, two in zip(found["variants"], wanted["variants"], strict=True):
        assert one == {**two, "files": 0, "bytes": 0}
    differing = ("formats", "counts", "variants", "plan", "files", "checksum")
    assert kept(found, *differing) == kept(wanted, *differing)
    assert kept(found["plan"], "fingerprint") == kept(wanted["plan"], "fingerprint")
    assert_sums_hold(pair[0])


def cropped(pixels: Pixels) -> Pixels:
    top, left = (round((side - 224) / 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + 224, left : left + 224])


def resized(size: tuple[int, int]) -> tuple[int, int]:
    """The size whose shorter side is 256, as torchvision rounds it."""
    shorter, longer = sorted(size)
    scaled = int(256 * longer / shorter)
    return (scaled, 256) if size[0] > size[1] else (256, scaled)


def test_digests_are_those_of_the_libraries_pixels(bare: Path, sources: dict[str, Options]) -> None:
    rows = [row for row in samples_table(bare) if row["status"] == "ok"]
    assert len(rows) == 17
    for row in rows:
        data = (Path(str(sources["imagenet"]["images"])) / row["source_name"]).read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
        size = resized(image.size)
        by_pillow = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        assert digest(cropped(by_pillow)) == row["pillow__pillow-bilinear__rgb"]
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        rgb = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        by_opencv = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
        assert digest(cropped(by_opencv.astype(np.uint8))) == row["opencv__opencv-linear__rgb"]


def test_the_set_holds_no_images(bare: Path) -> None:
    found = open_set(str(bare))
    assert found.held == ()
    with pytest.raises(NotHeldError, match=f"has no images of '{PILLOW}'; .* no variant"):
        next(found.iterate(PILLOW))
    shown = command("status", str(bare)).out
    assert "manifest   written: it holds the images of 0 variants\n" in shown


def test_a_dry_run_tells_that_there_are_no_images(
    sources: dict[str, Options], bare: Path, tmp_path: Path
) -> None:
    options = {**sources["imagenet"], "output": tmp_path / "none", "format": "none"}
    shown = generate("imagenet", options, "--dry-run").out
    assert "images     none\n" in shown
    files = [path for path in bare.rglob("*") if path.is_file()]
    assert f"files      {len(files)}\n" in shown
    assert re.search(r"^size .*: samples [\d.]+ kB, receipts [\d.]+ kB$", shown, re.MULTILINE)


@pytest.mark.parametrize("option", ["--skip-duplicates", "--image-format=webp"])
def test_options_about_images_are_refused(
    option: str, sources: dict[str, Options], tmp_path: Path
) -> None:
    options = {**sources["imagenet"], "output": tmp_path / "none", "format": "none"}
    failed = generate("imagenet", options, option)
    told = f"--format none stores no images; leave out {option.partition('=')[0]}"
    assert (failed.code, failed.error) == (2, f"sysnoise: {told}\n")
    assert not (tmp_path / "none").exists()


def regenerated(folder: Path, options: Options) -> Outcome:
    return command("verify", str(folder), "--regenerate=18", f"--images={options['images']}")


def test_verify_finds_nothing_wrong(pair: tuple[Path, Path], sources: dict[str, Options]) -> None:
    assert command("verify", str(pair[0])).code == 0
    done = regenerated(pair[0], sources[manifest(pair[0])["dataset"]["kind"]])
    assert done.code == 0, done.out


def test_other_digests_are_found_by_making_samples_again(
    copy: Path, sources: dict[str, Options]
) -> None:
    samples = "samples/00001-of-00004.parquet"

    def change(rows: Rows) -> Rows:
        rows[1]["ffmpeg__opencv-linear__rgb"] = bytes(32)
        return rows

    edit_parquet(copy / samples, change)
    reseal(copy)
    assert command("verify", str(copy)).code == 0
    found = regenerated(copy, sources["imagenet"])
    assert found.code == 1
    assert "made again it has other pixels in 'ffmpeg/opencv-linear/rgb'" in found.out
    assert found.out.count(samples) == 1


def test_damage_is_found(copy: Path) -> None:
    flip_bit(copy / "samples" / "00001-of-00004.parquet")
    (copy / "samples" / "00002-of-00004.parquet").unlink()
    tar = copy / "variants" / PILLOW / "val-00000-of-00004.tar"
    tar.parent.mkdir(parents=True)
    tar.write_bytes(b"")
    found = command("verify", str(copy), "--json")
    assert found.code == 1
    problems = {each["path"]: each["message"] for each in json.loads(found.out)["problems"]}
    assert problems.pop("samples/00001-of-00004.parquet")
    assert problems == {
        "samples/00002-of-00004.parquet": "missing",
        tar.relative_to(copy).as_posix(): "is not a file of this set; delete or move it",
    }


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--pixels", "holds no images that --pixels could decode; --regenerate compares"),
        (f"--variant={PILLOW}", f"holds no images of '{PILLOW}'"),
    ],
)
def test_verify_refuses_to_look_at_images(option: str, told: str, bare: Path) -> None:
    failed = command("verify", str(bare), option)
    assert failed.code == 2
    assert told in failed.error


def test_a_broken_off_set_ends_the_same(
    copy: Path, bare: Path, sources: dict[str, Options]
) -> None:
    for path in ("manifest.json", "receipts/00001-of-00004.json", "receipts/00002-of-00004.json"):
        (copy / path).unlink()
    (copy / "samples" / "00003-of-00004.parquet").unlink()
    made("imagenet", sources["imagenet"], copy)
    assert tree(copy) == tree(bare)


@pytest.mark.parametrize("option", ["--overwrite", "--retry-rejects"])
def test_a_set_is_made_again(
    option: str, copy: Path, bare: Path, sources: dict[str, Options]
) -> None:
    assert manifest(bare)["counts"]["rejects"] == 1
    options = {**sources["imagenet"], "output": copy, "format": "none"}
    done = generate("imagenet", options, option)
    assert done.code == 0, done.error
    assert tree(copy) == tree(bare)


@pytest.mark.slow
def test_a_mended_reject_becomes_a_sample(
    copy: Path, sources: dict[str, Options], imagenet_source: Path, tmp_path: Path
) -> None:
    options = {**sources["imagenet"], "images": imagenet_source / "images"}
    done = generate("imagenet", {**options, "output": copy, "format": "none"}, "--retry-rejects")
    assert done.code == 0, done.error
    assert tree(copy) == tree(made("imagenet", options, tmp_path / "whole"))


@pytest.mark.slow
def test_a_grown_set_equals_one_made_whole(
    bare: Path, sources: dict[str, Options], tmp_path: Path
) -> None:
    options = sources["imagenet"]
    small = {**options, "grid": Path(str(options["grid"])).with_name("small.yaml")}
    made("imagenet", small, tmp_path / "grown")
    grown = {**options, "output": tmp_path / "grown", "format": "none"}
    done = generate("imagenet", grown, "--add-variants")
    assert done.code == 0, done.error
    assert tree(tmp_path / "grown") == tree(bare)


def test_images_are_not_added(copy: Path, bare: Path, sources: dict[str, Options]) -> None:
    options = {**sources["imagenet"], "output": copy, "format": "webdataset"}
    for others in ((), ("--add-variants",)):
        failed = generate("imagenet", options, *others)
        assert failed.code == 1
        assert "formats: [] -> ['webdataset']" in failed.error
    assert tree(copy) == tree(bare)


def test_copies_are_the_set(copy: Path, bare: Path, tmp_path: Path) -> None:
    for place, others in (("published", ()), ("recipe", ("--recipe-only",))):
        done = command("publish", str(copy), str(tmp_path / place), *others)
        assert done.code == 0, done.error
        assert tree(tmp_path / place) == tree(bare)
    assert command("fetch", str(tmp_path / "published"), str(tmp_path / "fetched")).code == 0
    assert tree(tmp_path / "fetched") == tree(bare)
    failed = command("fetch", str(copy), str(tmp_path / "one"), f"--variant={PILLOW}")
    assert (failed.code, failed.lacks(f"holds no images of '{PILLOW}'")) == (2, [])
    assert command("card", str(copy)).code == 0
    assert tree(copy) == tree(bare)


def test_report_and_croissant_describe_the_set(pair: tuple[Path, Path], tmp_path: Path) -> None:
    done = command("report", str(pair[0]), "-o", str(tmp_path / "page.html"))
    assert done.code == 0, done.error
    assert "There are no images here" in (tmp_path / "page.html").read_text("utf-8")
    described = mlcroissant.Dataset(str(pair[0] / "croissant.json"))
    assert [each.name for each in described.metadata.record_sets] == ["samples"]
    keys = [record["samples/key"].decode() for record in described.records("samples")]
    assert sorted(keys) == [row["key"] for row in samples_table(pair[0])]


def test_the_card_says_how_the_images_are_made(
    bare: Path,
    sources: dict[str, Options],
    imagenet_source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (bare / "README.md").read_text("utf-8")
    block = re.search(r"This set has no pixels.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    shutil.copy(bare / "grid.yaml", tmp_path)
    places = {"IMAGES": sources["imagenet"]["images"], "LABELS": imagenet_source / "val.txt"}
    places |= {"RECIPE": bare, "NEW": tmp_path / "new"}
    make, check = block[1].strip().splitlines()
    outcomes = [
        command(*(str(places.get(word, word)) for word in shlex.split(line)[1:]))
        for line in (make, check)
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert "identical: every image of every variant has the same pixels" in outcomes[1].out
    assert manifest(tmp_path / "new")["counts"]["images"] == 17 * 6
