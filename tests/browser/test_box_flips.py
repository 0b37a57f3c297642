"""Boxes of detectors in the report: the pictures are those of the set, the boxes where they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page

from sysnoise.transforms.pixels import Pixels
from tests.browser.conftest import report
from tests.end_to_end.reading import decode_image, read_tars, samples_table

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
BOX = [0.25, 0.5, 0.5, 0.25]
"""A box as shares of the image."""


@pytest.fixture(scope="module")
def url(coco_set: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report on a detector that finds one box in each image, except with another resize."""
    folder = tmp_path_factory.mktemp("boxes")
    results = [
        {
            "image_id": row["image_id"],
            "category_id": 1,
            "bbox": (np.array(BOX) * np.tile(size(row), 2)).tolist(),
            "score": 0.9,
        }
        for row in samples_table(coco_set)
    ]
    for setting, found in ((BASELINE, results), (NEAREST, results[1:]), (f"{BASELINE}+fp16", [])):
        path = folder / "m" / f"{setting.replace('/', '__')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found), "utf-8")
    return report(coco_set, folder / "report.html", f"--predictions={folder / 'm'}")


def size(row: dict[str, dict[str, int]]) -> list[int]:
    return [row["geometry"]["output_width"], row["geometry"]["output_height"]]


@pytest.mark.parametrize("width", [1280, 360])
def test_boxes_lie_where_they_are_in_the_picture(width: int, page: Page, url: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(url)
    page.wait_for_selector("#flips-view[data-shown]")
    shown = page.locator("#flips-view > li:visible")
    assert shown.count() == 18
    for place in range(3):
        card = shown.nth(place)
        picture, drawn = (card.locator(each).first.bounding_box() for each in ("canvas", "rect"))
        assert picture is not None
        assert drawn is not None
        left, top = drawn["x"] - picture["x"], drawn["y"] - picture["y"]
        shares = [left / picture["width"], top / picture["height"]]
        shares += [drawn["width"] / picture["width"], drawn["height"] / picture["height"]]
        assert shares == pytest.approx(BOX, abs=0.02)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_setting_shows_its_own_images(page: Page, url: str, coco_set: Path) -> None:
    page.goto(url)
    page.wait_for_selector("#flips-view[data-shown]")
    page.select_option("#flip-setting", label=NEAREST)
    page.wait_for_selector("#flips-view[data-shown$=' 0']")
    assert page.inner_text("#flips-text") == "Shown: 1 of 1 flips."
    key = page.get_attribute("#flips-view > li:visible", "data-key")
    assert key == next(iter(read_tars(coco_set, BASELINE)))
    colors = page.evaluate(
        """() => {
            const canvas = document.querySelector("#flips-view > li:not([hidden]) canvas");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, [...data].reduce((sum, each) => sum + each, 0)];
        }"""
    )
    width, height, total = colors
    assert max(width, height) == 320
    pixels = decode_image(read_tars(coco_set, BASELINE)[str(key)]["png"])
    mean = (total / (width * height) - 255) / 3
    assert mean == pytest.approx(pixels.mean(), abs=0.5)


def test_the_pixels_around_a_change_are_those_of_both_variants(
    page: Page, url: str, coco_set: Path
) -> None:
    page.goto(url)
    page.wait_for_selector("#flips-view[data-shown]")
    page.select_option("#flip-setting", label=NEAREST)
    page.wait_for_selector("#flips-view[data-shown$=' 0']")
    card = page.locator("#flips-view > li:visible")
    key = str(card.get_attribute("data-key"))
    assert card.locator(".crops svg").count() == 3
    left, top, width, height = map(
        int, str(card.locator(".crops svg").first.get_attribute("viewBox")).split()
    )
    step = -(-max(width, height) // 96)
    before, after = (
        decode_image(read_tars(coco_set, each)[key]["png"])[
            top : top + height : step, left : left + width : step
        ].astype(int)
        for each in (BASELINE, NEAREST)
    )
    change = np.minimum(255, 8 * np.abs(before - after))
    assert change.any()
    found = [canvas(card.locator(".crops canvas").nth(place)) for place in range(3)]
    for pixels, expected in zip(found, (before, after, change), strict=True):
        np.testing.assert_array_equal(pixels, expected)
    boxes = [card.locator(f".crops figure:nth-child({place}) rect").count() for place in (1, 2, 3)]
    assert boxes == [1, 0, 1]


def test_a_noise_of_the_model_changes_no_pixels(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#flips-view[data-shown]")
    page.select_option("#flip-setting", label=f"{BASELINE}+fp16")
    page.wait_for_selector("#flips-view[data-shown$=' 1']")
    assert page.locator("#flips-view > li:visible").count() == 18
    assert page.locator("#flips-view > li:visible .crops").count() == 0


def canvas(found: Locator) -> Pixels:
    """Return the pixels of a canvas as the browser writes them to a PNG file."""
    url = str(found.evaluate("each => each.toDataURL()"))
    return decode_image(base64.b64decode(url.removeprefix("data:image/png;base64,")))
