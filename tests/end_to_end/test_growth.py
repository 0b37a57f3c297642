"""Growing a set through the command: it ends as if it had been made whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import command
from tests.end_to_end.reading import manifest, samples_table, tree

SMALL = """
decoders: [pillow, opencv]
resizes: [pillow-bilinear, opencv-linear]
colors: [rgb]
geometry: shorter256-crop224
"""
LARGE = """
decoders: [opencv, pillow, simplejpeg-fastdct, ffmpeg]
resizes: [opencv-area, pillow-bilinear, opencv-linear]
colors: [nv12-bt601, rgb]
geometry: shorter256-crop224
"""
WITH_EXIF = LARGE.replace("[opencv, pillow", "[opencv-exif, opencv, pillow")

UPSCALED = "{rule: shorter-side, size: 1024, crop: 1024}"

Generate = Callable[..., tuple[int, str]]


@pytest.fixture
def images(tmp_path: Path, photos: dict[str, Pixels]) -> Path:
    """Six photographs, one with a hole that Pillow and OpenCV do not mind."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, pixels in enumerate([*photos.values()][:6]):
        (folder / f"{number}.JPEG").write_bytes(jpeg_bytes(pixels, "420"))
    holed = folder / "1.JPEG"
    data = holed.read_bytes()
    holed.write_bytes(data[:20000] + data[20100:])
    (tmp_path / "val.txt").write_text("".join(f"{n}.JPEG {n}\n" for n in range(6)), "utf-8")
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "large.yaml").write_text(LARGE, "utf-8")
    (tmp_path / "exif.yaml").write_text(WITH_EXIF, "utf-8")
    for name, text in (("small", SMALL), ("large", LARGE)):  # With row groups of 2 and of 1.
        upscaled = text.replace("shorter256-crop224", UPSCALED)
        (tmp_path / f"{name}-upscaled.yaml").write_text(upscaled, "utf-8")
    return folder


@pytest.fixture
def generate(images: Path, tmp_path: Path) -> Generate:
    """Run the command: output, grid, other options -> exit code and error text."""

    def run(output: str, grid: str, *options: str) -> tuple[int, str]:
        done = command(
            "generate",
            "imagenet",
            f"--images={images}",
            f"--label-file={tmp_path / 'val.txt'}",
            f"--output={tmp_path / output}",
            f"--grid={tmp_path / f'{grid}.yaml'}",
            *("--samples-per-shard=2", "--workers=1"),
            *options,
        )
        return int(str(done.code)), done.error

    return run


@pytest.mark.parametrize("grid", ["large", pytest.param("exif", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--format=both",), marks=pytest.mark.slow),
        ("--format=parquet", "--skip-duplicates"),
    ],
)
def test_grown_set_equals_one_made_whole(
    grid: str, options: tuple[str, ...], generate: Generate, tmp_path: Path
) -> None:
    """Image 1 is a sample of the small grid and a reject of the large one."""
    assert generate("whole", grid, *options)[0] == 0
    assert generate("grown", "small", *options)[0] == 0
    assert [row["key"] for row in samples_table(tmp_path / "grown") if row["status"] != "ok"] == []
    code, error = generate("grown", grid, *options, "--add-variants")
    assert code == 0, error
    assert tree(tmp_path / "grown") == tree(tmp_path / "whole")
    assert manifest(tmp_path / "grown")["counts"]["rejects"] == 1


@pytest.mark.slow
def test_row_groups_that_shrink_are_written_anew(generate: Generate, tmp_path: Path) -> None:
    assert generate("whole", "large-upscaled", "--format=parquet")[0] == 0
    assert generate("grown", "small-upscaled", "--format=parquet")[0] == 0
    assert generate("grown", "large-upscaled", "--format=parquet", "--add-variants")[0] == 0
    assert tree(tmp_path / "grown") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_damaged_files_are_not_taken_over(generate: Generate, tmp_path: Path) -> None:
    """All files of the small grid are written anew, since the large one applies EXIF."""
    generate("whole", "exif")
    generate("grown", "small")
    path = tmp_path / "grown/variants/pillow/opencv-linear/rgb/val-00001-of-00003.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert generate("grown", "exif", "--add-variants")[0] == 0
    assert tree(tmp_path / "grown") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_files_that_cannot_change_are_left_alone(generate: Generate, tmp_path: Path) -> None:
    generate("set", "small")
    variants = tmp_path / "set" / "variants"
    before = {path: path.stat().st_ino for path in variants.rglob("*.tar")}
    assert generate("set", "large", "--add-variants")[0] == 0
    moved = [path.name for path in before if path.stat().st_ino != before[path]]
    assert set(moved) == {"val-00000-of-00003.tar"}  # Of image 1, now a reject.
    assert len(moved) == 4


@pytest.mark.slow
def test_growth_that_is_broken_off_goes_on(generate: Generate, tmp_path: Path) -> None:
    """Two shards are grown, the first is not: state that a killed run leaves."""
    generate("whole", "large")
    generate("grown", "small")
    assert generate("grown", "large", "--add-variants", "--shard-range=1:3")[0] == 0
    assert not (tmp_path / "grown" / "manifest.json").exists()
    code, error = generate("grown", "exif", "--add-variants")
    assert code == 1
    assert "is being grown to grid 'large'; let that run end first" in error
    (tmp_path / "grown/variants/opencv/opencv-linear/rgb/val-00000-of-00003.tar").unlink()
    grown = [
        path
        for folder in ("variants", "samples", "receipts")
        for shard in (1, 2)
        for path in (tmp_path / "grown" / folder).rglob(f"*0000{shard}-of*")
    ]
    before = {path: path.stat().st_ino for path in grown}
    assert generate("grown", "large")[0] == 0
    assert {path: path.stat().st_ino for path in grown} == before
    assert tree(tmp_path / "grown") == tree(tmp_path / "whole")


def test_only_larger_grids_of_the_same_images_are_taken(generate: Generate, tmp_path: Path) -> None:
    generate("set", "large")
    before = tree(tmp_path / "set")
    code, error = generate("set", "small", "--add-variants")
    assert code == 1
    assert "cannot be grown to grid 'small':\n  it lacks ffmpeg/opencv-area/nv12-bt601\n" in error
    code, error = generate("set", "exif", "--add-variants", "--limit=5", "--format=both")
    assert code == 1
    assert error.endswith(
        "cannot be grown to grid 'exif':\n"
        "  its source images, their labels or annotations are different\n"
        "  samples: 6 -> 5\n"
        "  formats: ['webdataset'] -> ['webdataset', 'parquet']\n"
    )
    assert tree(tmp_path / "set") == before
    code, error = generate("set", "small")
    assert code == 1
    assert "--overwrite to remove it" in error
    assert "--add-variants" not in error


def test_the_way_on_is_named(generate: Generate) -> None:
    generate("set", "small", "--limit=2")
    code, error = generate("set", "large", "--limit=2")
    assert code == 1
    assert (
        "--add-variants to grow that set, or --overwrite to remove it (there -> here):\n" in error
    )
    assert "grid.decoders: ['pillow', 'opencv'] -> ['opencv', 'pillow'," in error


def test_add_variants_of_a_finished_set_changes_nothing(generate: Generate, tmp_path: Path) -> None:
    generate("set", "small")
    before = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "set").rglob("*.*")}
    assert generate("set", "small", "--add-variants")[0] == 0
    assert {path: os.stat(path).st_mtime_ns for path in before} == before
