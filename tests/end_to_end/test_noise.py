"""What a set says of its noise, against NumPy on the stored images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sysnoise import load_grid
from sysnoise.manifests.reading import open_set
from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import command
from tests.end_to_end.reading import decode_image, manifest, read_tars, samples_table, tree

GRID = load_grid("imagenet-full")
BASELINE = GRID.baseline.id


def run(source: Path, output: Path, grid: str, *options: str) -> str:
    done = command(
        "generate",
        "imagenet",
        f"--images={source / 'images'}",
        f"--label-file={source / 'val.txt'}",
        f"--output={output}",
        f"--grid={grid}",
        *options,
    )
    assert done.code == 0, done.error
    return done.error


@pytest.fixture(scope="module")
def sets(
    full_set: Path, full_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """``imagenet-full`` whole, and by three workers without duplicates."""
    sparse = tmp_path_factory.mktemp("sparse") / "set"
    options = ("--samples-per-shard=2", "--skip-duplicates", "--workers=3")
    run(full_source, sparse, "imagenet-full", *options)
    return full_set, sparse


def test_statistics_are_those_of_numpy(sets: tuple[Path, Path]) -> None:
    whole, _ = sets
    rows = {row["key"]: row for row in samples_table(whole)}
    wanted = {key: decode_image(value["png"]) for key, value in read_tars(whole, BASELINE).items()}
    for variant in manifest(whole)["variants"]:
        found = {
            key: decode_image(value["png"])
            for key, value in read_tars(whole, variant["id"]).items()
        }
        errors = {key: found[key].astype(np.float64) - wanted[key] for key in wanted}
        assert_statistics(variant["difference"], list(errors.values()))
        for key, error in errors.items():
            stored = rows[key]["differences"][variant["slug"]]
            assert stored["absolute_sum"] == np.abs(error).sum()
            assert stored["squared_sum"] == (error**2).sum()
            assert stored["changed_pixels"] == (error != 0).any(axis=2).sum()
            assert stored["maximum"] == np.abs(error).max()


def assert_statistics(document: dict[str, Any], errors: list[np.ndarray[Any, Any]]) -> None:
    values = np.concatenate([error.ravel() for error in errors])
    changed = np.concatenate([(error != 0).any(axis=2).ravel() for error in errors])
    squared = float((values**2).mean())
    psnr = None if squared == 0 else pytest.approx(10 * math.log10(255**2 / squared), rel=1e-6)
    assert document["psnr"] == psnr
    assert document["mean"] == pytest.approx(np.abs(values).mean(), rel=1e-6)
    assert document["maximum"] == np.abs(values).max()
    assert document["changed_share"] == pytest.approx(changed.mean(), rel=1e-6)
    identical = np.mean([not error.any() for error in errors])
    assert document["identical_share"] == pytest.approx(identical, rel=1e-6)


def test_noise_of_an_axis_pools_its_variants(sets: tuple[Path, Path]) -> None:
    document = manifest(sets[0])
    differences = {variant["id"]: variant["difference"] for variant in document["variants"]}
    for place, axis in enumerate(("decoder", "resize", "color")):
        parts = BASELINE.split("/")
        members = [
            difference
            for variant_id, difference in differences.items()
            if variant_id != BASELINE
            and [p for i, p in enumerate(variant_id.split("/")) if i != place]
            == [p for i, p in enumerate(parts) if i != place]
        ]
        noise = document["noise"][axis]
        assert noise["variants"] == len(members) == (5, 10, 1)[place]
        for field in ("images", "pixels", "absolute_sum", "squared_sum", "changed_pixels"):
            assert noise[field] == sum(member[field] for member in members)
        assert noise["maximum"] == max(member["maximum"] for member in members)


def test_most_like_is_the_earlier_variant_with_most_equal_images(sets: tuple[Path, Path]) -> None:
    rows = samples_table(sets[0])
    variants = manifest(sets[0])["variants"]
    for place, variant in enumerate(variants):
        shares = [
            np.mean([row[variant["slug"]] == row[earlier["slug"]] for row in rows])
            for earlier in variants[:place]
        ]
        if not shares or max(shares) == 0:
            assert variant["most_like"] is None
            continue
        best = int(np.argmax(shares))
        assert variant["most_like"]["variant"] == variants[best]["id"]
        assert variant["most_like"]["share"] == pytest.approx(shares[best])


def test_statistics_do_not_depend_on_workers(sets: tuple[Path, Path]) -> None:
    whole, sparse = (manifest(folder) for folder in sets)
    assert whole["noise"] == sparse["noise"]
    for one, other in zip(whole["variants"], sparse["variants"], strict=True):
        assert (one["difference"], one["most_like"]) == (other["difference"], other["most_like"])


def test_skipped_duplicates_save_a_third_and_read_back_the_same(sets: tuple[Path, Path]) -> None:
    whole, sparse = sets
    files = dict(sizes(whole))
    stored = dict(sizes(sparse))
    assert sum(stored.values()) < 0.70 * sum(files.values())
    assert manifest(sparse)["counts"]["bytes"] < 0.70 * manifest(whole)["counts"]["bytes"]
    one, other = open_set(str(whole)), open_set(str(sparse))
    for variant_id in one.variants:
        for shard in range(one.shards):
            assert list(one.images(variant_id, shard)) == list(other.images(variant_id, shard))


def sizes(output: Path) -> Iterator[tuple[str, int]]:
    for path in (output / "variants").rglob("*.tar"):
        yield path.relative_to(output).as_posix(), path.stat().st_size


def test_sums_hold_without_the_skipped_files(sets: tuple[Path, Path]) -> None:
    _, sparse = sets
    lines = (sparse / "SHA256SUMS").read_text().splitlines()
    named = {line[66:]: line[:64] for line in lines}
    found = tree(sparse)
    assert named == {k: v for k, v in found.items() if k not in ("SHA256SUMS", "manifest.json")}


def test_an_axis_without_noise_ends_with_a_warning(
    tmp_path: Path, photos: dict[str, Pixels]
) -> None:
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    (source / "images" / "cat.JPEG").write_bytes(jpeg_bytes(photos["chelsea"], "420"))
    (source / "val.txt").write_text("cat.JPEG 282\n")
    grid = tmp_path / "null.yaml"
    grid.write_text(
        "decoders: [pillow, opencv, simplejpeg]\nresizes: [pillow-bilinear, opencv-linear]\n"
        "colors: [rgb]\ngeometry: shorter256-crop224\ncombine: one-factor\n"
    )
    stderr = run(source, tmp_path / "set", str(grid))
    assert "the decoder axis carries no noise: every image of its 2 variants" in stderr
    assert "resize axis" not in stderr
