"""COCO annotations: naive loops, and pycocotools as the second reader."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sysnoise.transforms.geometry import PRESETS, KeepRatio, Letterbox, Native, Placement
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.targets import (
    Rle,
    annotation_problems,
    decode_rle,
    map_annotation,
    map_box,
    map_rle,
    mask_size,
    normalized_annotation,
    rle_string,
    unmap_boxes,
)

Mask = NDArray[np.uint8]

KEEP_RATIO = PRESETS["coco-800x1333"].place(Size(640, 480), 0, "")  # To 1066 x 800.
LETTERBOX = PRESETS["letterbox640"].place(
    Size(600, 400), 0, ""
)  # To 640 x 427, 106 rows of padding.
PLACEMENTS = {
    "enlarged": KeepRatio(80, 133).place(Size(64, 48), 0, ""),
    "reduced": KeepRatio(20, 60).place(Size(45, 30), 0, ""),
    "portrait": KeepRatio(20, 33).place(Size(30, 45), 0, ""),
    "letterbox": Letterbox(64).place(Size(60, 41), 0, ""),
    "letterbox-portrait": Letterbox(63).place(Size(41, 60), 0, ""),
    "native": Native().place(Size(31, 17), 0, ""),
    "tiny": Letterbox(5).place(Size(1, 3), 0, ""),
}

COORDINATES = [10.5, 20.25, 110.5, 20.25, 110.5, 320.75, 12.0, 300.0]
POLYGONS: list[list[float]] = [COORDINATES, [1, 2, 3, 4, 5, 6]]


def annotation(**changes: Any) -> Any:
    return {
        "id": 900100,
        "image_id": 139,
        "category_id": 64,
        "iscrowd": 0,
        "bbox": [236.98, 142.51, 24.7, 69.5],
        "area": 531.8071,
        "segmentation": POLYGONS,
        "keypoints_like": {"note": "kept"},
    } | changes


def test_annotation_scales_by_width_and_height_separately() -> None:
    original = annotation()
    before = copy.deepcopy(original)
    mapped: Any = map_annotation(original, KEEP_RATIO)
    x, y = 1066 / 640, 800 / 480
    assert mapped["bbox"] == pytest.approx([236.98 * x, 142.51 * y, 24.7 * x, 69.5 * y])
    assert mapped["area"] == pytest.approx(531.8071 * x * y)
    for polygon, source in zip(mapped["segmentation"], POLYGONS, strict=True):
        assert polygon == pytest.approx([v * f for v, f in zip(source, itertools.cycle([x, y]))])
    changed = {name: mapped[name] for name in ("bbox", "area", "segmentation")}
    assert mapped == before | changed
    assert original == before


def test_annotation_shifts_with_the_padding() -> None:
    mapped: Any = map_annotation(annotation(), LETTERBOX)
    x, y = 640 / 600, 427 / 400
    assert mapped["bbox"] == pytest.approx([236.98 * x, 142.51 * y + 106, 24.7 * x, 69.5 * y])
    assert mapped["area"] == pytest.approx(531.8071 * x * y)
    assert mapped["segmentation"][1] == pytest.approx(
        [1 * x, 2 * y + 106, 3 * x, 4 * y + 106, 5 * x, 6 * y + 106]
    )


def test_annotation_without_geometry_stays() -> None:
    caption: Any = {"id": 1, "caption": "a cat"}
    assert map_annotation(caption, LETTERBOX) == {"id": 1, "caption": "a cat"}


@pytest.mark.parametrize(
    "preset", ["shorter256-crop224", "squash256-crop224", "random-resized-crop224"]
)
def test_crops_are_refused(preset: str) -> None:
    with pytest.raises(ValueError, match="cannot be mapped through a crop"):
        map_annotation(annotation(), PRESETS[preset].place(Size(640, 480), 0, "key"))


def run_lengths(mask: Mask) -> list[int]:
    """Uncompressed COCO form: down each column in turn, the first run is of zeros."""
    counts, value = [0], 0
    for pixel in mask.T.reshape(-1).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def from_run_lengths(rle: Rle) -> Mask:
    (height, width), counts = rle["size"], rle["counts"]
    assert isinstance(counts, list)
    flat = [value for value, n in zip(itertools.cycle([0, 1]), counts) for _ in range(n)]
    return np.array(flat, np.uint8).reshape(width, height).T


def resampled(mask: Mask, placement: Placement) -> Mask:
    """Each output pixel takes the source pixel in which its center lies, or zero in the padding."""
    output = np.zeros((placement.output.height, placement.output.width), np.uint8)
    for y, x in itertools.product(range(placement.resized.height), range(placement.resized.width)):
        row = (y + Fraction(1, 2)) * Fraction(placement.source.height, placement.resized.height)
        column = (x + Fraction(1, 2)) * Fraction(placement.source.width, placement.resized.width)
        value = mask[int(row), int(column)]
        output[placement.pad.y + y, placement.pad.x + x] = value
    return output


def masks(placement: Placement) -> list[Mask]:
    """Noise, blobs that touch the borders, nothing, and everything."""
    shape = (placement.source.height, placement.source.width)
    noise = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    blob = np.zeros(shape, np.uint8)
    blob[: shape[0] // 2 + 1, : shape[1] // 3 + 1] = 1
    blob[-1, -1] = 1
    return [noise, blob, np.zeros(shape, np.uint8), np.ones(shape, np.uint8)]


@pytest.mark.parametrize("name", PLACEMENTS)
def test_masks_take_the_nearest_pixel(name: str) -> None:
    placement = PLACEMENTS[name]
    for mask in masks(placement):
        expected = resampled(mask, placement)
        size = [placement.output.height, placement.output.width]
        uncompressed = map_rle({"size": list(mask.shape), "counts": run_lengths(mask)}, placement)
        assert uncompressed == {"size": size, "counts": run_lengths(expected)}
        np.testing.assert_array_equal(from_run_lengths(uncompressed), expected)
        compressed = map_rle(coco_mask.encode(np.asfortranarray(mask)), placement)
        assert (compressed["size"], type(compressed["counts"])) == (size, str)
        np.testing.assert_array_equal(coco_mask.decode(compressed), expected)


def test_crowd_annotation_keeps_its_form() -> None:
    mask = masks(PLACEMENTS["letterbox"])[0]
    rle: Rle = {"size": [41, 60], "counts": run_lengths(mask)}
    mapped: Any = map_annotation(annotation(iscrowd=1, segmentation=rle), PLACEMENTS["letterbox"])
    assert mapped["segmentation"] == map_rle(rle, PLACEMENTS["letterbox"])
    assert mapped["iscrowd"] == 1


def test_polygon_and_mask_of_a_box_agree_after_an_exact_doubling() -> None:
    placement = Letterbox(80).place(Size(40, 30), 0, "")  # To 80 x 60, 10 rows of padding.
    box = [[4, 6, 21, 6, 21, 17, 4, 17]]
    mask = np.zeros((30, 40), np.uint8)
    mask[6:17, 4:21] = 1
    polygons = map_annotation(annotation(segmentation=box), placement)["segmentation"]
    rle = map_rle({"size": [30, 40], "counts": run_lengths(mask)}, placement)
    assert rle_string(polygons, 80, 80) == rle_string(rle, 80, 80)
    assert from_run_lengths(rle)[22:44, 8:42].all()
    assert from_run_lengths(rle).sum() == 22 * 34


def test_decoding_a_run_length_encoding() -> None:
    for mask in masks(PLACEMENTS["portrait"]):
        compressed = coco_mask.encode(np.asfortranarray(mask))
        text: Rle = {"size": compressed["size"], "counts": compressed["counts"].decode()}
        uncompressed: Rle = {"size": list(mask.shape), "counts": run_lengths(mask)}
        for rle in (compressed, text, uncompressed):
            decoded = decode_rle(rle)
            np.testing.assert_array_equal(decoded, mask, strict=True)


def pycocotools_rle(segmentation: Any, height: int, width: int) -> str:
    """``COCO.annToRLE``, as evaluators read an annotation."""
    coco = COCO()
    coco.imgs = {1: {"id": 1, "height": height, "width": width}}
    counts = coco.annToRLE({"image_id": 1, "segmentation": segmentation})["counts"]
    return counts if isinstance(counts, str) else str(counts.decode())


def rle_forms(mask: Mask) -> Sequence[Rle]:
    compressed = coco_mask.encode(np.asfortranarray(mask))
    return [
        {"size": list(mask.shape), "counts": run_lengths(mask)},
        {"size": list(mask.shape), "counts": compressed["counts"].decode()},
    ]


@pytest.mark.parametrize(
    "segmentation",
    [
        [COORDINATES],
        [COORDINATES, [200.0, 10.0, 260.0, 15.0, 230.0, 90.0]],
        [[-5.0, -5.0, 50.0, -5.0, 50.0, 400.0, -5.0, 400.0]],
        *rle_forms(masks(Native().place(Size(300, 350), 0, ""))[0]),
    ],
)
def test_text_is_what_pycocotools_makes_of_any_segmentation(segmentation: Any) -> None:
    assert rle_string(segmentation, 350, 300) == pycocotools_rle(segmentation, 350, 300)


@pytest.mark.parametrize("segmentation", [[], [[1.0, 2.0, 3.0, 4.0]]])
def test_text_of_polygons_without_area_is_an_empty_mask(segmentation: Any) -> None:
    text = rle_string(segmentation, 5, 4)
    np.testing.assert_array_equal(
        coco_mask.decode({"size": [5, 4], "counts": text}), np.zeros((5, 4), np.uint8)
    )


def test_polygons_without_area_beside_others_are_passed_over() -> None:
    assert rle_string([[1.0, 2.0, 3.0, 4.0], COORDINATES], 350, 300) == rle_string(
        [COORDINATES], 350, 300
    )


def test_keypoints_are_mapped_where_they_are_labeled() -> None:
    mapped: Any = map_annotation(annotation(keypoints=[100, 50, 2, 0, 0, 0]), LETTERBOX)
    factor = 640 / 600
    expected = [100 * factor, 50 * (427 / 400) + 106, 2, 0, 0, 0]
    assert mapped["keypoints"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"iscrowd": True}, "iscrowd"),
        ({"iscrowd": "0"}, "iscrowd"),
        ({"area": None}, "area"),
        ({"area": "1"}, "area"),
        ({"area": float("inf")}, "area"),
        ({"bbox": [True, 2, 3, 4]}, "bbox"),
        ({"segmentation": {"size": [2.0, 2], "counts": "04"}}, "segmentation"),
        ({"segmentation": {"size": [2, 2], "counts": [0, True, 3]}}, "segmentation"),
        ({"segmentation": {"counts": "04"}}, "segmentation"),
        ({"segmentation": "04"}, "segmentation"),
        ({"keypoints": [1, 2]}, "keypoints"),
        ({"segmentation": {"size": [2, 2], "counts": "04P"}}, "segmentation"),
        ({"bbox": [1, 2, 3]}, "bbox"),
    ],
)
def test_malformed_fields_are_named(changes: dict[str, Any], field: str) -> None:
    (problem,) = annotation_problems(annotation(**{"segmentation": []} | changes))
    assert problem.startswith(f"{field}: expected ")
    assert problem.endswith(f", found {changes[field]!r}")


def test_whole_run_lengths_are_not_malformed() -> None:
    whole: Rle = {"size": [2, 2], "counts": "04"}
    assert decode_rle(whole).all()
    assert annotation_problems(annotation(segmentation=whole)) == []
    assert mask_size(annotation(segmentation=whole)) == (2, 2)
    assert mask_size(annotation()) is None


def test_what_tools_write_differently_is_written_in_one_way() -> None:
    """COCO Annotator has booleans, pandas floats, Go null; all else stays, in its order."""
    plain = annotation()
    assert normalized_annotation(plain) is plain
    for crowd, number in ((True, 1), (False, 0), (1.0, 1), (0.0, 0)):
        found = normalized_annotation(annotation(iscrowd=crowd))
        assert list(found.items()) == list(annotation(iscrowd=number).items())
        assert type(found["iscrowd"]) is int
    nulls = dict.fromkeys(("iscrowd", "bbox", "area", "segmentation", "keypoints"))
    kept = {"id": 1, "note": None}
    assert normalized_annotation(kept | nulls) == kept
    for odd in ("0", 2, 0.5, [0]):
        assert normalized_annotation(annotation(iscrowd=odd))["iscrowd"] == odd


@pytest.mark.parametrize("name", PLACEMENTS)
def test_boxes_are_mapped_back(name: str) -> None:
    placement = PLACEMENTS[name]
    boxes = np.random.default_rng(0).normal(20, 30, (9, 4))
    mapped = np.array([map_box(box.tolist(), placement) for box in boxes])
    assert unmap_boxes(mapped, placement) == pytest.approx(boxes, abs=1e-9)


def test_boxes_of_a_crop_are_mapped_back_to_their_region() -> None:
    placement = PRESETS["random-resized-crop224"].place(Size(640, 480), 0, "key")
    (box,) = unmap_boxes(np.array([[0.0, 0.0, 224.0, 224.0]]), placement).tolist()
    region = [placement.region.x, placement.region.y]
    region += [placement.region.width, placement.region.height]
    assert box == pytest.approx(region)
