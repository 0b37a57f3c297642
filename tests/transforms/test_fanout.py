"""Fan-out: every variant equals its straight-line composition, and nothing is computed twice."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.codecs import encoded
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.codecs.sniff import ImageKind, sniff
from sysnoise.transforms.colors import COLORS, convert
from sysnoise.transforms.fanout import Decoded, Rendering, decode_all, fan_out
from sysnoise.transforms.geometry import PRESETS, KeepRatio, Placement, ShorterSide, Squash
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.online import apply
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.resizers import RESIZES
from sysnoise.transforms.variants import Combine, Variant
from tests.transforms import plain
from tests.transforms.plain import saved

DECODERS = (
    "pillow",
    "opencv",
    "simplejpeg",
    "simplejpeg-fastdct",
    "simplejpeg-fastupsample",
    "ffmpeg",
)
PLACE = ShorterSide.place
ELEVEN = tuple(name for name in plain.RESIZES if not name.endswith("-exact"))


def make_grid(**settings: Any) -> Grid:
    """Six decoders, eleven resizes, two colors, unless told otherwise."""
    return Grid(
        **{
            "name": "test",
            "decoders": DECODERS,
            "resizes": ELEVEN,
            "colors": ("rgb", "nv12-bt601"),
            "geometry": PRESETS["shorter256-crop224"],
        }
        | settings
    )


@pytest.fixture(scope="module", params=["444", "420"])
def small_jpeg(request: pytest.FixtureRequest, photos: dict[str, Pixels]) -> bytes:
    """451 x 300 pixels; with full chroma, fancy and fast upsampling are the same thing."""
    return jpeg_bytes(photos["chelsea"], request.param)


def shorter256_crop224(resize: str, pixels: Pixels) -> Pixels:
    """451 x 300 pixels to 384 x 256, less 80 columns and 16 rows on the left and top."""
    return plain.RESIZES[resize](pixels, (384, 256))[16:240, 80:304]


def rendered(grid: Grid, data: bytes, key: str = "key") -> list[Rendering]:
    decoded = decode_all(grid, EncodedImage(data), key)
    assert not decoded.errors
    return list(fan_out(grid, decoded, key))


def by_variant(renderings: list[Rendering]) -> Iterator[tuple[int, Pixels]]:
    """Position and pixels of every variant, after checking that each position occurs once."""
    pairs = [(position, each.pixels) for each in renderings for position in each.variants]
    assert sorted(position for position, _ in pairs) == list(range(len(pairs)))
    return iter(pairs)


@pytest.mark.parametrize("stage", ColorStage)
def test_variants_are_the_straight_line_composition(stage: ColorStage, small_jpeg: bytes) -> None:
    grid = make_grid(color_stage=stage)
    decoded = {name: plain.DECODERS[name](small_jpeg) for name in DECODERS}
    colored = {
        (name, color): convert(color, pixels)
        for name, pixels in decoded.items()
        for color in grid.colors
    }
    count = 0
    for position, pixels in by_variant(rendered(grid, small_jpeg)):
        variant = grid.variants[position]
        if stage is ColorStage.BEFORE_RESIZE:
            source = colored[variant.decoder, variant.color]
            expected = shorter256_crop224(variant.resize, source)
        else:
            resized = shorter256_crop224(variant.resize, decoded[variant.decoder])
            expected = convert(variant.color, resized)
        np.testing.assert_array_equal(pixels, expected, err_msg=variant.id, strict=True)
        assert pixels.flags.c_contiguous
        count += 1
    assert count == 6 * 11 * 2


@pytest.mark.parametrize("stage", ColorStage)
def test_variants_are_what_apply_gives(stage: ColorStage, small_jpeg: bytes) -> None:
    grid = make_grid(color_stage=stage)
    for position, pixels in by_variant(rendered(grid, small_jpeg)):
        variant_id = grid.variants[position].id
        applied = apply(grid, variant_id, small_jpeg, "key")
        np.testing.assert_array_equal(applied, pixels, err_msg=variant_id, strict=True)


def test_one_factor_grids_and_random_crops(small_jpeg: bytes) -> None:
    grid = make_grid(geometry=PRESETS["random-resized-crop224"], combine=Combine.ONE_FACTOR, seed=3)
    renderings = dict(by_variant(rendered(grid, small_jpeg, "some-key")))
    assert len(renderings) == 1 + 5 + 10 + 1
    for position, pixels in renderings.items():
        applied = apply(grid, grid.variants[position].id, small_jpeg, "some-key")
        np.testing.assert_array_equal(applied, pixels)
    placement = grid.place(Size(451, 300), "some-key")
    rows = slice(placement.region.y, placement.region.y + placement.region.height)
    columns = slice(placement.region.x, placement.region.x + placement.region.width)
    part = plain.DECODERS["pillow"](small_jpeg)[rows, columns].copy()
    baseline = renderings[grid.variants.index(grid.baseline)]
    np.testing.assert_array_equal(
        baseline, plain.RESIZES["pillow-bilinear"](part, (224, 224)), strict=True
    )
    elsewhere = dict(by_variant(rendered(grid, small_jpeg, "another-key")))
    assert not any(np.array_equal(pixels, elsewhere[n]) for n, pixels in renderings.items())


def test_digest_and_pixels_of_renderings(small_jpeg: bytes) -> None:
    for each in rendered(make_grid(), small_jpeg):
        message = b"uint8 224 224 3\n" + each.pixels.tobytes()
        assert each.digest == hashlib.sha256(message).digest()


def test_equal_decoders_share_one_array(small_jpeg: bytes) -> None:
    decoded = decode_all(make_grid(), EncodedImage(small_jpeg), "key")
    assert list(decoded.images) == list(DECODERS)
    assert decoded.errors == decoded.fallbacks == {}
    for one, other in itertools.combinations(decoded.images.values(), 2):
        assert (one is other) is np.array_equal(one, other)


def test_kind_and_placement_are_found_once(
    small_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sniffed: list[bytes] = []
    placed: list[tuple[Any, ...]] = []

    def counting_sniff(data: bytes) -> ImageKind:
        sniffed.append(data)
        return sniff(data)

    def counting_place(geometry: ShorterSide, *arguments: Any) -> Placement:
        placed.append(arguments)
        return PLACE(geometry, *arguments)

    monkeypatch.setattr(encoded, "sniff", counting_sniff)
    monkeypatch.setattr(ShorterSide, "place", counting_place)
    key = hashlib.sha256(small_jpeg).hexdigest()  # No other test has placed it.
    rendered(make_grid(), small_jpeg, key)
    assert sniffed == [small_jpeg]
    assert placed == [(Size(451, 300), 0, key)]


def test_decoders_that_fail_on_a_damaged_file(small_jpeg: bytes) -> None:
    half = len(small_jpeg) // 2
    decoded = decode_all(
        make_grid(), EncodedImage(small_jpeg[:half] + small_jpeg[half + 5000 :]), "key"
    )
    assert list(decoded.images) == ["pillow", "opencv"]
    assert list(decoded.errors) == [name for name in DECODERS if name not in decoded.images]
    assert decoded.fallbacks == {}
    for name, error in decoded.errors.items():
        assert str(error).startswith(f"{name}: ")


def test_unsupported_kinds_fall_back_to_the_baseline(photos: dict[str, Pixels]) -> None:
    data = saved(Image.fromarray(photos["chelsea"]), "PNG")
    grid = make_grid()
    decoded = decode_all(grid, EncodedImage(data), "key")
    assert decoded.errors == {}
    assert set(decoded.fallbacks) == set(DECODERS) - {"pillow", "opencv"}
    assert set(decoded.images) == set(DECODERS)
    for name, pixels in decoded.images.items():
        np.testing.assert_array_equal(pixels, photos["chelsea"])
        assert pixels is decoded.images["pillow"], name
    applied = apply(grid, "ffmpeg/opencv-area/rgb", data, "key")
    np.testing.assert_array_equal(applied, shorter256_crop224("opencv-area", photos["chelsea"]))


def test_kind_that_the_baseline_does_not_support(photos: dict[str, Pixels]) -> None:
    data = saved(Image.fromarray(photos["chelsea"]), "PNG")
    grid = make_grid(baseline=Variant("ffmpeg", "pillow-bilinear", "rgb"))
    decoded = decode_all(grid, EncodedImage(data), "key")
    assert list(decoded.images) == ["pillow", "opencv"]
    assert set(decoded.errors) == set(DECODERS) - {"pillow", "opencv"}
    assert decoded.fallbacks == {}
    with pytest.raises(DecodeError, match=r"^ffmpeg: not made for png$"):
        apply(grid, "simplejpeg/pillow-box/rgb", data, "key")


@pytest.mark.parametrize("stage", ColorStage)
def test_baseline_stands_in_the_first_rendering(stage: ColorStage, small_jpeg: bytes) -> None:
    baseline = Variant("ffmpeg", "opencv-area", "nv12-bt601")
    grid = make_grid(color_stage=stage, baseline=baseline)
    first = next(fan_out(grid, decode_all(grid, EncodedImage(small_jpeg), "key"), "key"))
    assert grid.variants.index(baseline) in first.variants


def test_turned_images_are_placed_by_their_own_size(photos: dict[str, Pixels]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(photos["coffee"]), "JPEG", exif=exif)
    grid = make_grid(
        decoders=("pillow", "opencv-exif"),
        resizes=("pillow-bilinear",),
        colors=("rgb",),
        geometry=KeepRatio(80, 133),
    )
    found = {grid.variants[n].decoder: pixels for n, pixels in by_variant(rendered(grid, data))}
    for name, size in {"pillow": (120, 80), "opencv-exif": (80, 120)}.items():
        decoded = plain.DECODERS[name](data)
        placement = grid.place(size_of(decoded), "key")
        assert placement.output == size
        expected = plain.RESIZES["pillow-bilinear"](decoded, size)
        np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_upright_images_are_turned_before_everything_else(
    kind: str, photos: dict[str, Pixels]
) -> None:
    """Those of a decoder that falls back and of one that turns them itself among them."""
    exif = Image.Exif()
    exif[0x0112] = 7
    data = saved(Image.fromarray(photos["coffee"]), kind, exif=exif)
    grid = make_grid(
        decoders=("pillow", "opencv-exif", "ffmpeg"),
        resizes=("pillow-bilinear",),
        colors=("rgb",),
        geometry=Squash(64, 48),
        orient=Orient.UPRIGHT,
    )
    for position, pixels in by_variant(rendered(grid, data)):
        variant = grid.variants[position]
        name = "pillow" if kind == "PNG" or variant.decoder != "ffmpeg" else "ffmpeg"
        turned = np.rot90(plain.DECODERS[name](data), 2).transpose(1, 0, 2)
        resized = plain.RESIZES["pillow-bilinear"](np.ascontiguousarray(turned), (64, 64))
        np.testing.assert_array_equal(pixels, resized[8:56, 8:56])
        np.testing.assert_array_equal(apply(grid, variant.id, data, "key"), pixels)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls of each resize and color function."""
    counter: Counter[str] = Counter()

    def count(methods: dict[str, Any], name: str) -> None:
        method = methods[name]

        def counted(*arguments: Any) -> Any:
            counter[name] += 1
            return method.function(*arguments)

        monkeypatch.setitem(methods, name, dataclasses.replace(method, function=counted))

    for methods, names in ((RESIZES, ELEVEN), (COLORS, ("rgb", "bgr"))):
        for name in names:
            count(methods, name)
    return counter


@pytest.mark.parametrize(
    ("stage", "gray", "converted", "resized"),
    [
        # Two distinct images; rgb and bgr make four of them, unless they are gray.
        (ColorStage.BEFORE_RESIZE, False, 2, 4),
        (ColorStage.BEFORE_RESIZE, True, 2, 2),
        # Two distinct images, and the two resizes make four of them.
        (ColorStage.AFTER_RESIZE, False, 4, 2),
        (ColorStage.AFTER_RESIZE, True, 4, 2),
    ],
)
def test_each_distinct_array_is_computed_once(
    stage: ColorStage,
    gray: bool,
    converted: int,
    resized: int,
    calls: Counter[str],
    photos: dict[str, Pixels],
) -> None:
    pixels = photos["chelsea"]
    data = jpeg_bytes(pixels[:, :, [1, 1, 1]] if gray else pixels, "444")
    grid = make_grid(
        # The first two give the same pixels where chroma is not subsampled.
        decoders=("simplejpeg", "simplejpeg-fastupsample", "simplejpeg-fastdct"),
        resizes=("pillow-bilinear", "opencv-nearest"),
        colors=("rgb", "bgr"),
        baseline=Variant("simplejpeg", "pillow-bilinear", "rgb"),
        color_stage=stage,
    )
    renderings = rendered(grid, data)
    assert calls == {
        "rgb": converted,
        "bgr": converted,
        "pillow-bilinear": resized,
        "opencv-nearest": resized,
    }
    assert len(list(by_variant(renderings))) == 12
    assert len({each.digest for each in renderings}) == (4 if gray else 8)


def test_resizes_that_agree_share_one_array(calls: Counter[str]) -> None:
    flat = np.full((300, 451, 3), (10, 120, 230), np.uint8)
    grid = make_grid(decoders=("pillow",), colors=("rgb",), color_stage=ColorStage.AFTER_RESIZE)
    renderings = list(
        fan_out(grid, Decoded({"pillow": flat}, {}, {}, [flat] * len(grid.variants)), "key")
    )
    assert [sorted(each.variants) for each in renderings] == [list(range(11))]
    np.testing.assert_array_equal(renderings[0].pixels, flat[:224, :224])
    assert calls == {"rgb": 1} | dict.fromkeys(ELEVEN, 1)
