"""Geometries: torchvision's and YOLO's formulas, the seeded crop, and rendering done by hand."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sysnoise.transforms.documents import geometry_document
from sysnoise.transforms.geometry import (
    PRESETS,
    RULES,
    CentralCrop,
    CentralSquare,
    Geometry,
    KeepRatio,
    Letterbox,
    Native,
    Offset,
    Placement,
    RandomResizedCrop,
    Region,
    ShorterSide,
    Squash,
    render,
)
from sysnoise.transforms.pixels import Pixels, Size

SIZES = [
    (500, 375),
    (375, 500),
    (1024, 683),
    (683, 1024),
    (451, 300),
    (640, 427),
    (256, 256),
    (255, 257),
    (224, 300),
    (3000, 50),
    (50, 3000),
    (1, 1),
]
KEYS = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 401)]
RANDOM = PRESETS["random-resized-crop224"]


def place(geometry: Geometry, size: tuple[int, int], seed: int = 0, key: str = "key") -> Placement:
    return geometry.place(Size(*size), seed, key)


def uncropped(size: tuple[int, int], resized: tuple[int, int], **changes: Any) -> Placement:
    """Placement of a whole image, every field written out."""
    placement = Placement(
        source=Size(*size),
        region=Region(0, 0, *size),
        resized=Size(*resized),
        output=Size(*resized),
        crop=Offset(0, 0),
        pad=Offset(0, 0),
        pad_value=0,
    )
    return dataclasses.replace(placement, **changes)


def torchvision_size(
    size: tuple[int, int], shorter: int, longer: int | None = None
) -> tuple[int, int]:
    """``_compute_resized_output_size`` of torchvision.transforms.functional."""
    w, h = size
    short, long = (w, h) if w <= h else (h, w)
    new_short, new_long = shorter, int(shorter * long / short)
    if longer is not None and new_long > longer:
        new_short, new_long = int(longer * new_short / new_long), longer
    return (new_short, new_long) if w <= h else (new_long, new_short)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("shorter", "crop"), [(256, 224), (232, 224), (64, 64)])
def test_shorter_side_is_torchvision_resize_and_center_crop(
    size: tuple[int, int], shorter: int, crop: int
) -> None:
    width, height = torchvision_size(size, shorter)
    assert place(ShorterSide(shorter, crop), size) == uncropped(
        size,
        (width, height),
        crop=(
            int(round((width - crop) / 2.0)),  # noqa: RUF046 - as torchvision writes it
            int(round((height - crop) / 2.0)),  # noqa: RUF046
        ),
        output=(crop, crop),
    )


@pytest.mark.parametrize(
    ("size", "resized", "origin"),
    [
        ((1024, 683), (383, 256), (80, 16)),  # 383.8 is truncated, and 79.5 rounded to even.
        ((683, 1024), (256, 383), (16, 80)),
        ((500, 375), (341, 256), (58, 16)),  # 58.5 too.
        ((256, 256), (256, 256), (16, 16)),
        ((2560, 256), (2560, 256), (1168, 16)),
    ],
)
def test_shorter_side_in_numbers(
    size: tuple[int, int], resized: tuple[int, int], origin: tuple[int, int]
) -> None:
    placement = place(PRESETS["shorter256-crop224"], size)
    assert placement.resized == resized
    assert placement.crop == origin


@pytest.mark.parametrize("size", SIZES)
def test_squash_ignores_the_aspect(size: tuple[int, int]) -> None:
    crop = {"crop": (16, 16), "output": (224, 224)}
    assert place(PRESETS["squash256-crop224"], size) == uncropped(size, (256, 256), **crop)


@pytest.mark.parametrize("size", SIZES)
def test_keep_ratio_is_torchvision_resize_with_max_size(size: tuple[int, int]) -> None:
    expected = uncropped(size, torchvision_size(size, 800, 1333))
    assert place(PRESETS["coco-800x1333"], size) == expected


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((640, 480), (1066, 800)),
        ((480, 640), (800, 1066)),
        ((640, 360), (1333, 749)),  # 1422 x 800 is truncated twice.
        ((800, 800), (800, 800)),
        ((1, 3000), (1, 1333)),  # Where torchvision would ask for a width of 0.
    ],
)
def test_keep_ratio_in_numbers(size: tuple[int, int], resized: tuple[int, int]) -> None:
    assert place(PRESETS["coco-800x1333"], size) == uncropped(size, resized)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("target", "pad"), [(640, 114), (333, 0)])
def test_letterbox_is_that_of_ultralytics(size: tuple[int, int], target: int, pad: int) -> None:
    ratio = min(target / size[1], target / size[0])
    width, height = max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
    expected = uncropped(
        size,
        (width, height),
        pad=(round((target - width) / 2 - 0.1), round((target - height) / 2 - 0.1)),
        pad_value=pad,
        output=(target, target),
    )
    assert place(Letterbox(target, pad), size) == expected


@pytest.mark.parametrize("size", SIZES)
def test_native_changes_nothing(size: tuple[int, int]) -> None:
    assert place(Native(), size) == uncropped(size, size)


def uniforms(seed: int, key: str) -> Iterator[float]:
    for draw in itertools.count():
        bits = hashlib.sha256(f"{seed}:{key}:{draw}".encode()).hexdigest()[:16]
        yield (int(bits, 16) // 2**11) / 2**53


def torchvision_region(
    size: tuple[int, int], geometry: RandomResizedCrop, draws: Iterator[float]
) -> tuple[int, int, int, int]:
    """``RandomResizedCrop.get_params`` of torchvision, as x, y, width, height."""
    width, height = size
    area = width * height
    smallest, largest = geometry.scale
    low, high = math.log(geometry.ratio[0]), math.log(geometry.ratio[1])
    for _ in range(geometry.tries):
        target_area = area * (smallest + next(draws) * (largest - smallest))
        aspect_ratio = math.exp(low + next(draws) * (high - low))
        w = round(math.sqrt(target_area * aspect_ratio))
        h = round(math.sqrt(target_area / aspect_ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = next(draws) * (width - w + 1), next(draws) * (height - h + 1)
            return math.floor(x), math.floor(y), w, h
    in_ratio = width / height
    if in_ratio < min(geometry.ratio):
        w, h = width, round(width / min(geometry.ratio))
    elif in_ratio > max(geometry.ratio):
        w, h = round(height * max(geometry.ratio)), height
    else:
        w, h = width, height
    return (width - w) // 2, (height - h) // 2, w, h


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [0, 7])
def test_random_crop_is_torchvision_with_draws_from_sha256(
    size: tuple[int, int], seed: int
) -> None:
    geometry = RandomResizedCrop(224)
    for key in KEYS[:50]:
        region = torchvision_region(size, geometry, uniforms(seed, key))
        expected = uncropped(size, (224, 224), region=region)
        assert place(geometry, size, seed, key) == expected


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256)])
def test_random_crops_are_inside_and_within_scale_and_ratio(size: tuple[int, int]) -> None:
    regions = [place(RANDOM, size, key=key).region for key in KEYS]
    shares = [width * height / (size[0] * size[1]) for _, _, width, height in regions]
    for x, y, width, height in regions:
        assert 0 <= x <= size[0] - width
        assert 0 <= y <= size[1] - height
        assert (width + 0.5) / (height - 0.5) >= 3 / 4
        assert (width - 0.5) / (height + 0.5) <= 4 / 3
    assert 0.078 < min(shares) < 0.12
    assert 0.9 < max(shares) <= 1


def test_random_crops_vary_with_key_and_seed_and_repeat() -> None:
    by_key = [place(RANDOM, (500, 375), key=key).region for key in KEYS]
    by_seed = [place(RANDOM, (500, 375), seed=seed).region for seed in range(len(KEYS))]
    assert len(set(by_key)) == len(set(by_seed)) == len(KEYS)
    assert by_key == [place(RANDOM, (500, 375), key=key).region for key in KEYS]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 10), (493, 0, 13, 10)),
        ((10, 1000), (0, 493, 10, 13)),
        ((1, 1000), (0, 499, 1, 1)),
    ],
)
def test_random_crop_of_an_extreme_image_is_central(
    size: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert {place(RANDOM, size, key=key).region for key in KEYS[:20]} == {expected}


def test_random_crop_that_never_fits_is_the_whole_image() -> None:
    geometry = RandomResizedCrop(8, scale=(1, 1), tries=2)
    regions = {place(geometry, (100, 100), key=key).region for key in KEYS[:20]}
    assert regions == {(0, 0, 100, 100)}


def bilinear(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def bilinear_part(
    pixels: Pixels, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Iterator[Pixels]:
    left, upper, right, lower = box
    yield bilinear(pixels, size)[upper:lower, left:right].copy()


def rendered(name: str, pixels: Pixels, key: str = "key") -> Pixels:
    placement = place(PRESETS[name], pixels.shape[1::-1], key=key)
    (output,) = render(pixels, placement, bilinear_part)
    assert output.flags.c_contiguous
    assert output.shape == (placement.output.height, placement.output.width, 3)
    return output


def test_render_by_hand(photos: dict[str, Pixels]) -> None:
    coffee = photos["coffee"]
    boxed = cv2.copyMakeBorder(
        bilinear(coffee, (640, 427)), 106, 107, 0, 0, cv2.BORDER_CONSTANT, value=(114,) * 3
    )
    by_hand = {
        "shorter256-crop224": bilinear(coffee, (384, 256))[16:240, 80:304],
        "squash256-crop224": bilinear(coffee, (256, 256))[16:240, 16:240],
        "coco-800x1333": bilinear(coffee, (1200, 800)),
        "squash300": bilinear(coffee, (300, 300)),
        "letterbox416": cv2.copyMakeBorder(
            bilinear(coffee, (416, 277)), 69, 70, 0, 0, cv2.BORDER_CONSTANT, value=(114,) * 3
        ),
        "letterbox640": boxed,
        "native": coffee,
    }
    for name, expected in by_hand.items():
        np.testing.assert_array_equal(rendered(name, coffee), expected, err_msg=name)


def test_render_pads_portraits_left_and_right(photos: dict[str, Pixels]) -> None:
    portrait = np.ascontiguousarray(photos["coffee"].transpose(1, 0, 2))
    output = rendered("letterbox640", portrait)
    np.testing.assert_array_equal(output[:, 106:533], bilinear(portrait, (427, 640)))
    assert set(np.unique(output[:, :106])) | set(np.unique(output[:, 533:])) == {114}


@pytest.mark.parametrize("key", KEYS[:5])
def test_render_slices_before_it_resizes(key: str, photos: dict[str, Pixels]) -> None:
    x, y, width, height = place(RANDOM, (600, 400), key=key).region
    part = photos["coffee"][y : y + height, x : x + width].copy()
    output = rendered("random-resized-crop224", photos["coffee"], key)
    np.testing.assert_array_equal(output, bilinear(part, (224, 224)))


@pytest.mark.parametrize("name", PRESETS)
def test_render_does_not_write_to_its_input(name: str, photos: dict[str, Pixels]) -> None:
    before = photos["coffee"].copy()
    rendered(name, photos["coffee"])
    np.testing.assert_array_equal(photos["coffee"], before)


def test_render_refuses_an_image_of_another_size(photos: dict[str, Pixels]) -> None:
    placement = place(PRESETS["letterbox640"], (400, 600))
    with pytest.raises(ValueError, match="is for 400 x 600 pixels, the image has 600 x 400"):
        next(render(photos["coffee"], placement, bilinear_part))


@pytest.mark.parametrize("name", PRESETS)
def test_points_stand_where_the_formula_says(name: str) -> None:
    """The edges of a white box are found within a pixel of where its corners are mapped to."""
    left, top, right, bottom = 240, 150, 420, 260
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    p = place(PRESETS[name], (600, 400), key=KEYS[2])
    white = np.argwhere(next(render(pixels, p, bilinear_part)).min(axis=2) > 127)
    corners = [
        (
            (x - p.region.x) * p.scale_x - p.crop.x + p.pad.x,
            (y - p.region.y) * p.scale_y - p.crop.y + p.pad.y,
        )
        for x, y in [(left, top), (right, bottom)]
    ]
    expected = [np.clip(corner, 0, p.output) for corner in corners]
    found = [white.min(axis=0)[::-1], white.max(axis=0)[::-1] + 1]
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize(
    ("geometry", "size", "crops"),
    [
        (ShorterSide(256, 224), (256, 256), True),
        (ShorterSide(256, 256), (300, 300), False),
        (ShorterSide(256, 256), (300, 302), True),
        (ShorterSide(256, 256), (302, 300), True),
        (Squash(256, 256), (300, 200), False),
        (RandomResizedCrop(224), (500, 375), True),
        (KeepRatio(800, 1333), (500, 375), False),
        (Letterbox(640), (500, 375), False),
        (Letterbox(640), (375, 500), False),
        (Native(), (500, 375), False),
    ],
)
def test_whether_a_placement_crops(geometry: Geometry, size: tuple[int, int], crops: bool) -> None:
    assert place(geometry, size).crops is crops


def test_scales_of_width_and_height_differ() -> None:
    placement = place(PRESETS["coco-800x1333"], (640, 480))
    assert (placement.scale_x, placement.scale_y) == (1066 / 640, 800 / 480)


@pytest.mark.parametrize(
    ("preset", "document"),
    [
        ("shorter256-crop224", {"rule": "shorter-side", "size": 256, "crop": 224}),
        ("squash256-crop224", {"rule": "squash", "size": 256, "crop": 224}),
        (
            "random-resized-crop224",
            {
                "rule": "random-resized-crop",
                "size": 224,
                "scale": [0.08, 1.0],
                "ratio": [3 / 4, 4 / 3],
                "tries": 10,
            },
        ),
        ("coco-800x1333", {"rule": "keep-ratio", "shorter": 800, "longer": 1333}),
        ("squash300", {"rule": "squash", "size": 300, "crop": 300}),
        ("letterbox416", {"rule": "letterbox", "size": 416, "pad": 114}),
        ("letterbox640", {"rule": "letterbox", "size": 640, "pad": 114}),
        ("native", {"rule": "native"}),
    ],
)
def test_presets_in_full(preset: str, document: dict[str, Any]) -> None:
    assert geometry_document(PRESETS[preset]) == document
    assert PRESETS[preset].problems() == []
    assert RULES[document["rule"]] is type(PRESETS[preset])


@pytest.mark.parametrize(
    ("geometry", "problems"),
    [
        (ShorterSide(224, 256), ["crop: 256 exceeds size 224"]),
        (Squash(224, 0), ["crop: expected at least 1, found 0"]),
        (KeepRatio(800, 799), ["shorter: 800 exceeds longer 799"]),
        (Letterbox(640, 256), ["pad: expected 0 to 255, found 256"]),
        (Letterbox(640, -1), ["pad: expected 0 to 255, found -1"]),
        (RandomResizedCrop(224, tries=0), ["tries: expected at least 1, found 0"]),
        (
            RandomResizedCrop(224, scale=(0.0, 0.5)),
            ["scale: expected 0 < low <= high, found [0.0, 0.5]"],
        ),
        (
            RandomResizedCrop(224, scale=(0.5, 1.5), ratio=(2.0, 1.0)),
            [
                "ratio: expected 0 < low <= high, found [2.0, 1.0]",
                "scale: a region cannot exceed the image, found 1.5",
            ],
        ),
    ],
)
def test_problems_name_the_parameter(geometry: Geometry, problems: list[str]) -> None:
    assert geometry.problems() == problems


@pytest.mark.parametrize("name", PRESETS)
def test_geometries_that_crop_say_so(name: str) -> None:
    """Of images of many shapes, one that crops cuts some, and another none."""
    sizes = [(640, 480), (480, 640), (500, 333), (301, 1200), (224, 224)]
    placements = [place(PRESETS[name], size) for size in sizes]
    assert PRESETS[name].crops is any(each.crops for each in placements)


ROUNDED: dict[str, Callable[[Fraction], int]] = {
    "truncate": math.floor,
    "round": round,
    "half-up": lambda length: math.floor(length + Fraction(1, 2)),
    "ceil": math.ceil,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("offset", ROUNDED)
@pytest.mark.parametrize("long_side", ROUNDED)
def test_lengths_are_rounded_as_named(size: tuple[int, int], long_side: str, offset: str) -> None:
    placement = place(ShorterSide(256, 224, long_side, offset), size)
    shorter = min(size)
    exact = [Fraction(256 * side, shorter) for side in size]
    resized = tuple(
        256 if side == shorter else ROUNDED[long_side](length)
        for side, length in zip(size, exact, strict=True)
    )
    assert placement.resized == resized
    assert placement.crop == tuple(ROUNDED[offset](Fraction(side - 224, 2)) for side in resized)


KEPT_RATIOS = [(640, 427), (1000, 400), (333, 800), (2000, 600), (625, 333), (603, 359)]


@pytest.mark.parametrize("size", KEPT_RATIOS)
@pytest.mark.parametrize("long_side", ROUNDED)
def test_keep_ratio_rounds_the_side_that_follows(size: tuple[int, int], long_side: str) -> None:
    placement = place(KeepRatio(800, 1333, long_side), size)
    short, long = sorted(size)
    longer = ROUNDED[long_side](Fraction(800 * long, short))
    shorter = 800
    if longer > 1333:
        ratio = Fraction(800, longer) if long_side == "truncate" else Fraction(short, long)
        longer, shorter = 1333, ROUNDED[long_side](1333 * ratio)
    assert placement.resized == ((longer, shorter) if size[0] > size[1] else (shorter, longer))


@pytest.mark.parametrize("size", KEPT_RATIOS)
def test_keep_ratio_is_that_of_detectron2_and_mmdetection(size: tuple[int, int]) -> None:
    scale = min(1333 / max(size), 800 / min(size))
    expected = tuple(int(side * scale + 0.5) for side in size)
    assert place(KeepRatio(800, 1333, "half-up"), size).resized == expected


@pytest.mark.parametrize("size", SIZES)
def test_central_crop_is_tensorflows(size: tuple[int, int]) -> None:
    """``tf.image.central_crop``: the start is truncated, and the rest follows from it."""
    width, height = size
    x, y = (int((side - side * 0.875) / 2) for side in size)
    placement = place(PRESETS["central-crop875-224"], size)
    assert placement.region == (x, y, width - 2 * x, height - 2 * y)
    assert (placement.resized, placement.output) == ((224, 224), (224, 224))


@pytest.mark.parametrize("size", SIZES)
def test_central_square_is_that_of_tensorflows_models(size: tuple[int, int]) -> None:
    """``_decode_and_center_crop`` of EfficientNet with a ``CROP_PADDING`` of 32."""
    width, height = size
    side = max(1, int(224 / (224 + 32) * min(height, width)))
    offset_height, offset_width = ((height - side) + 1) // 2, ((width - side) + 1) // 2
    placement = place(PRESETS["central-square224"], size)
    assert placement.region == (offset_width, offset_height, side, side)
    assert placement.output == (224, 224)
    whole = place(CentralSquare(224, padding=0, offset="truncate"), size)
    x, y = ((length - min(size)) // 2 for length in size)
    assert whole.region == (x, y, min(size), min(size))


def test_parameters_that_came_later_are_left_out_where_they_are_usual() -> None:
    assert geometry_document(ShorterSide(256, 224)) == {
        "rule": "shorter-side",
        "size": 256,
        "crop": 224,
    }
    assert geometry_document(ShorterSide(256, 224, "ceil"))["long_side"] == "ceil"
    assert geometry_document(KeepRatio(800, 1333)) == {
        "rule": "keep-ratio",
        "shorter": 800,
        "longer": 1333,
    }


@pytest.mark.parametrize(
    ("geometry", "problem"),
    [
        (
            ShorterSide(256, 224, "down"),
            "long_side: expected one of truncate, round, half-up, ",
        ),
        (ShorterSide(256, 224, offset="up"), "offset: expected one of"),
        (CentralCrop(224, 0.0), "fraction: expected more than 0 and at most 1, found 0.0"),
        (CentralSquare(224, -1), "padding: expected 0 to 65535, found -1"),
    ],
    ids=["long-side", "offset", "fraction", "padding"],
)
def test_wrong_roundings_and_fractions(geometry: Geometry, problem: str) -> None:
    (found,) = geometry.problems()
    assert found.startswith(problem)
