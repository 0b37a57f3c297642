"""Variants in memory are the straight-line calls of the libraries, and bad arguments are named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sysnoise import AppliedVariant, Grid, apply, apply_all, load_grid, map_box
from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.colors import convert
from sysnoise.transforms.fanout import decode_all, fan_out
from sysnoise.transforms.geometry import PRESETS, Geometry, Native
from sysnoise.transforms.grid import ColorStage
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import RESIZES
from tests.transforms import plain
from tests.transforms.plain import saved

PILLOW = tuple(name for name in RESIZES if name.startswith("pillow-"))
GEOMETRIES = {name: each for name, each in PRESETS.items() if not isinstance(each, Native)}


def grid_of(geometry: Geometry, **settings: Any) -> Grid:
    """Two decoders and Pillow's resizes, unless told otherwise."""
    return Grid(
        **{
            "name": "test",
            "decoders": ("pillow", "opencv"),
            "resizes": PILLOW,
            "colors": ("rgb", "nv12-bt601"),
            "geometry": geometry,
        }
        | settings
    )


GRID = grid_of(PRESETS["shorter256-crop224"])


@pytest.fixture(scope="module")
def photograph(photos: dict[str, Pixels]) -> bytes:
    """451 x 300 pixels."""
    return jpeg_bytes(photos["chelsea"], "420")


def modes(photos: dict[str, Pixels]) -> Iterator[tuple[str, bytes]]:
    image = Image.fromarray(photos["coffee"][:220, :330])
    yield "gray JPEG", saved(image.convert("L"), "JPEG")
    yield "CMYK JPEG", saved(image.convert("CMYK"), "JPEG")
    yield "progressive JPEG", saved(image, "JPEG", progressive=True)
    yield "palette PNG", saved(image.convert("P"), "PNG")
    yield "PNG with alpha", saved(image.convert("RGBA"), "PNG")
    yield "lossless WebP", saved(image, "WEBP", lossless=True)


@pytest.mark.parametrize("resize", PILLOW)
def test_pillow_alone_gives_what_its_own_calls_give(resize: str, photos: dict[str, Pixels]) -> None:
    for mode, data in modes(photos):
        found = apply(GRID, f"pillow/{resize}/rgb", data)
        whole = plain.RESIZES[resize](plain.DECODERS["pillow"](data), (384, 256))
        np.testing.assert_array_equal(found, whole[16:240, 80:304], mode, strict=True)
        assert found.flags.c_contiguous


@pytest.mark.parametrize("stage", ColorStage)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_gives_the_pixels_of_the_fan_out(
    name: str, stage: ColorStage, photograph: bytes
) -> None:
    """The fan-out shares arrays and cuts strips; a single variant stays in Pillow's memory."""
    resizes = ("pillow-bilinear", "pillow-nearest", "pillow-lanczos")
    grid = grid_of(GEOMETRIES[name], resizes=resizes, color_stage=stage, seed=2)
    decoded = decode_all(grid, EncodedImage(photograph), "key")
    for rendering in fan_out(grid, decoded, "key"):
        for position in rendering.variants:
            variant = grid.variants[position].id
            found = apply(grid, variant, photograph, "key")
            np.testing.assert_array_equal(found, rendering.pixels, variant, strict=True)


def test_slugs_and_the_names_of_the_paper_are_taken(photograph: bytes) -> None:
    expected = apply(GRID, "pillow/pillow-bicubic/rgb", photograph)
    for name in ("pillow__pillow-bicubic__rgb", "pil/pil-cubic/rgb", "pil__pil-cubic__rgb"):
        np.testing.assert_array_equal(apply(GRID, name, photograph), expected)


def test_a_variant_of_another_grid_is_refused(photograph: bytes) -> None:
    for name in ("pillow/pillow-box/bgr", "pillow__pillow-box__bgr"):
        with pytest.raises(ValueError, match=f"unknown variant '{name}'"):
            apply(GRID, name, photograph)


def test_a_key_is_asked_for_where_regions_are_random(photograph: bytes) -> None:
    grid = load_grid("imagenet-train")
    message = "grid 'imagenet-train': the geometry 'random-resized-crop' is drawn from the sample's"
    with pytest.raises(ValueError, match=message):
        apply(grid, grid.baseline.id, photograph)
    with pytest.raises(ValueError, match=message):
        apply_all(grid, photograph)
    one, other = (apply(grid, grid.baseline.id, photograph, key=key) for key in ("one", "other"))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("val/one.JPEG", r"the path 'val/one\.JPEG'; read the file"),
        (Path("val/one.JPEG"), r"the path 'val/one\.JPEG'; read the file"),
        (np.zeros((3, 4, 3), np.uint8), r"an array of uint8 of shape \(3, 4, 3\)"),
        (Image.new("RGB", (4, 3)), "an object of the type Image"),
        (None, "an object of the type NoneType"),
    ],
    ids=["text", "path", "array", "image", "nothing"],
)
def test_what_is_no_file_is_named(given: Any, found: str) -> None:
    for call in (lambda: apply(GRID, GRID.baseline.id, given), lambda: apply_all(GRID, given)):
        with pytest.raises(TypeError, match=f"expected the bytes of an image file, found {found}"):
            call()


def test_opencv_has_one_thread(photograph: bytes) -> None:
    before = cv2.getNumThreads()
    try:
        for call in (
            lambda: apply(GRID, GRID.baseline.id, photograph),
            lambda: made_of(photograph),
        ):
            cv2.setNumThreads(2)
            call()
            assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def made_of(data: bytes) -> dict[str, AppliedVariant]:
    return apply_all(GRID, data)


@pytest.mark.parametrize("resize", ["pillow-box", "none"])
def test_a_damaged_file_has_the_error_of_its_decoder(resize: str, photograph: bytes) -> None:
    geometry = PRESETS["native" if resize == "none" else "shorter256-crop224"]
    baseline = GRID.baseline.parse(f"pillow/{resize}/rgb")
    grid = grid_of(geometry, resizes=(resize,), baseline=baseline)
    cut = photograph[:1000]
    for decoder in grid.decoders:
        with pytest.raises(DecodeError, match=rf"^{decoder}: ") as raised:
            apply(grid, f"{decoder}/{resize}/rgb", cut)
        with pytest.raises(DecodeError) as expected:
            decode(decoder, EncodedImage(cut))
        assert str(raised.value) == str(expected.value)
    with pytest.raises(DecodeError, match=r"^pillow: .*; opencv: "):
        apply_all(grid, cut)
    with pytest.raises(DecodeError, match="pillow: not a file of a kind that is read"):
        apply(grid, f"pillow/{resize}/rgb", b"text")


def test_every_variant_comes_with_digest_and_placement(photograph: bytes) -> None:
    made = made_of(photograph)
    assert list(made) == [variant.id for variant in GRID.variants]
    for variant, each in made.items():
        np.testing.assert_array_equal(each.pixels, apply(GRID, variant, photograph), strict=True)
        message = b"uint8 224 224 3\n" + each.pixels.tobytes()
        assert each.digest == hashlib.sha256(message).digest()
        # 451 x 300 to 384 x 256, less 80 columns and 16 rows on the left and top.
        assert each.placement.crop == (80, 16)
        box = map_box([100, 50, 40, 30], each.placement)
        scale = 384 / 451, 256 / 300
        expected = [100 * scale[0] - 80, 50 * scale[1] - 16, 40 * scale[0], 30 * scale[1]]
        assert box == pytest.approx(expected)
    one, other = (made[f"{decoder}/pillow-box/rgb"] for decoder in ("pillow", "opencv"))
    assert one.pixels is other.pixels
    assert repr(one) == f"<AppliedVariant: 224 x 224 pixels, digest {one.digest.hex()[:16]}>"


def test_a_turned_image_has_a_placement_of_its_own(photos: dict[str, Pixels]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(photos["coffee"]), "JPEG", exif=exif)
    grid = grid_of(PRESETS["coco-800x1333"], decoders=("pillow", "opencv-exif"))
    made = apply_all(grid, data)
    outputs = {name.split("/")[0]: each.placement.output for name, each in made.items()}
    assert outputs == {"pillow": (1200, 800), "opencv-exif": (800, 1200)}
    for each in made.values():
        assert each.pixels.shape == (*each.placement.output[::-1], 3)


def test_colors_after_the_resize_are_applied(photograph: bytes) -> None:
    grid = grid_of(PRESETS["squash224"], color_stage=ColorStage.AFTER_RESIZE)
    resized = plain.RESIZES["pillow-bicubic"](plain.DECODERS["pillow"](photograph), (224, 224))
    found = apply(grid, "pillow/pillow-bicubic/nv12-bt601", photograph)
    np.testing.assert_array_equal(found, convert("nv12-bt601", resized))
