"""Comparing finished sets; ``tests/slow`` compares two real environments."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.comparison.compare import SetComparison, compare, format_comparison
from sysnoise.transforms.difference import Difference
from tests.end_to_end.damage import edit_json, reseal, sign, truncate
from tests.end_to_end.reading import decode_image, digest, read_tars, shards

CHANGED = "pillow/pillow-nearest/rgb"


@pytest.fixture(scope="module")
def changed_set(tmp_path_factory: pytest.TempPathFactory, coco_set: Path) -> Path:
    """A copy in which one image of one variant has one brighter value, and its method a version."""
    folder = tmp_path_factory.mktemp("changed") / "set"
    shutil.copytree(coco_set, folder)
    key = next(iter(read_tars(coco_set, CHANGED)))
    brighter = brighten(read_tars(coco_set, CHANGED)[key]["png"])
    replace_member(folder / "variants" / CHANGED / "demo-00000-of-00003.tar", key, brighter)
    samples = folder / "samples" / "00000-of-00003.parquet"
    table = pq.read_table(samples)
    rows = table.to_pylist()
    rows[0][CHANGED.replace("/", "__")] = digest(decode_image(brighter))
    pq.write_table(pa.Table.from_pylist(rows, table.schema), samples)
    edit_manifest(folder, lambda text: text.replace('"NEAREST"', '"NEAREST (patched)"'))
    reseal(folder)
    return folder


def brighten(png: bytes) -> bytes:
    pixels = decode_image(png).astype(np.int16)
    pixels[0, 0, 0] += 7 if pixels[0, 0, 0] < 128 else -7
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def replace_member(path: Path, key: str, data: bytes) -> None:
    with tarfile.open(path) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        contents = [(member.name, file.read()) for member, file in members if file]
    with tarfile.open(path, "w") as tar:
        for name, content in contents:
            kept = data if name == f"{key}.png" else content
            info = tarfile.TarInfo(name)
            info.size = len(kept)
            tar.addfile(info, io.BytesIO(kept))


def edit_manifest(folder: Path, edit: Callable[[str], str]) -> None:
    path = folder / "manifest.json"
    path.write_text(edit(path.read_text("utf-8")), "utf-8")
    edit_json(path, sign)


def test_a_set_is_identical_with_itself(coco_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(coco_set), str(coco_set)]) == 0
    assert capsys.readouterr().out == (
        "18 samples, 2 variants in both sets\n"
        "no method's identity changed\n"
        "identical: every image of every variant has the same pixels\n"
    )


def test_a_changed_value_is_found_and_measured(coco_set: Path, changed_set: Path) -> None:
    result = compare(str(coco_set), str(changed_set))
    assert result.changes == {
        "resize pillow-nearest": ["options.resample: NEAREST -> NEAREST (patched)"]
    }
    difference = result.differences[CHANGED]
    assert (difference.images, difference.identical_images) == (18, 17)
    assert (difference.changed_pixels, difference.absolute_sum) == (1, 7)
    assert (difference.squared_sum, difference.maximum) == (49, 7)
    baseline = result.differences["pillow/pillow-bilinear/rgb"]
    assert (baseline.images, baseline.identical_images) == (18, 18)


def test_the_change_is_printed(
    coco_set: Path, changed_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(coco_set), str(changed_set)]) == 0
    printed = capsys.readouterr().out
    assert "changed: resize pillow-nearest\n" in printed
    assert "pillow/pillow-nearest/rgb     94.4%" in printed
    assert "identical: 1 other variant" in printed


def test_other_samples_are_refused(
    coco_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(coco_set, folder)
    content = json.loads((folder / "manifest.json").read_text())["source"]["content_sha256"]
    edit_manifest(folder, lambda text: text.replace(content, "0" * 64))
    assert main(["compare", str(coco_set), str(folder)]) == 1
    message = capsys.readouterr().err
    assert "do not hold the same samples" in message
    assert f"content_sha256: {content} and {'0' * 64}" in message


def test_an_unfinished_set_is_refused(
    coco_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(coco_set), str(tmp_path)]) == 1
    assert f"'{tmp_path}' is not a finished set" in capsys.readouterr().err


def test_without_pixels_the_digests_tell(
    coco_set: Path, changed_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(changed_set, folder, ignore=shutil.ignore_patterns("variants"))
    assert main(["compare", str(coco_set), str(folder)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^pillow/pillow-nearest/rgb +94\.4%( +-){4}$", printed, re.MULTILINE)
    assert "-: pixels not available: one of the sets does not hold these images" in printed
    assert "identical: 1 other variant" in printed


def test_damage_is_not_taken_for_pixels_that_are_not_at_hand(
    coco_set: Path, changed_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(changed_set, tmp_path / "set")
    first, *_ = shards(folder, CHANGED, "tar")
    truncate(first)
    assert main(["compare", str(coco_set), str(folder)]) == 1
    assert f"'{first.relative_to(folder)}' of '{folder}' is damaged" in capsys.readouterr().err


def test_other_shards_are_refused(
    coco_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(coco_set, folder)
    edit_manifest(
        folder, lambda text: text.replace('"samples_per_shard": 7', '"samples_per_shard": 8')
    )
    assert main(["compare", str(coco_set), str(folder)]) == 1
    assert "samples_per_shard: 7 and 8" in capsys.readouterr().err


def test_the_table_fits_a_terminal() -> None:
    variants = [f"simplejpeg-fastupsample/opencv-linear-exact/{color}" for color in ("rgb", "bgr")]
    changed = Difference(18, 17, 903168, 1, 7, 49, 7)
    result = SetComparison(18, {}, dict.fromkeys(variants, changed), [], [])
    whole = format_comparison(result)
    assert "changed pixels" in whole
    for width in (60, 80, 90):
        lines = format_comparison(result, width).splitlines()
        assert max(map(len, lines)) <= width < max(map(len, whole.splitlines()))
        (row,) = [line for line in lines if line.startswith("variant")]
        assert row.split()[:3] == ["variant", "identical", "mean"]
        assert ("changed" in row) == (width > 60)
