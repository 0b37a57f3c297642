"""The report in a real browser: what it shows is what the set holds, by mouse and by keyboard."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from sysnoise.pipelines.planning import rejects
from sysnoise.transforms.pixels import Pixels
from tests.browser.conftest import report
from tests.end_to_end.commands import command
from tests.end_to_end.damage import edit_json, sign
from tests.end_to_end.reading import decode_image, manifest, read_tars

PILLOW = "pillow/pillow-bilinear/rgb"
VIEW = "#gallery-view[data-shown]"
COUNTS = """() => [0, 1, 2, 3].map(column =>
    [...document.querySelectorAll("#counts tbody tr")].map(row => row.cells[column].textContent))"""


def drawn(page: Page, name: str) -> Pixels:
    """Return the pixels of a canvas as the browser writes them to a PNG file."""
    url = page.evaluate("id => document.getElementById(id).toDataURL()", f"{name}-picture")
    return decode_image(base64.b64decode(str(url).removeprefix("data:image/png;base64,")))


def middle(pixels: Pixels) -> Pixels:
    top, left = (max(0, (side - 96) // 2) for side in pixels.shape[:2])
    return pixels[top : top + 96, left : left + 96]


def choose(page: Page, name: str, label: str) -> None:
    page.select_option(f"#{name}", label=label)


def shown(page: Page) -> str:
    return str(page.get_attribute("#gallery-view", "data-shown"))


def assert_gallery_is_exact(page: Page, folder: Path, extension: str) -> None:
    """Compare all pictures with crops made straight from the tars, over samples and variants."""
    names = page.eval_on_selector_all("#first option", "all => all.map(each => each.textContent)")
    keys = page.eval_on_selector_all("#sample option", "all => all.map(each => each.textContent)")
    stored = {name: read_tars(folder, name) for name in names}
    for index, label in enumerate(keys):
        key = label.split(" ")[0]
        one, other = names[index % len(names)], names[(index * 5 + 1) % len(names)]
        factor = (1, 4, 8, 16, 32)[index % 5]
        for name, value in (("sample", label), ("first", one), ("second", other)):
            choose(page, name, value)
        choose(page, "factor", str(factor))
        page.wait_for_selector(
            f'#gallery-view[data-shown="{key} {names.index(one)} {names.index(other)} {factor}"]'
        )
        first, second = (
            middle(decode_image(stored[each][key][extension])) for each in (one, other)
        )
        change = np.abs(first.astype(int) - second)
        np.testing.assert_array_equal(drawn(page, "first"), first)
        np.testing.assert_array_equal(drawn(page, "second"), second)
        np.testing.assert_array_equal(drawn(page, "difference"), np.minimum(255, change * factor))
        counts = np.array(page.evaluate(COUNTS), int)
        expected = [
            np.bincount(each, minlength=change.max() + 1) for each in change.reshape(-1, 3).T
        ]
        np.testing.assert_array_equal(counts, [range(change.max() + 1), *expected])
        assert_histogram_is_drawn(page, expected)
        text = page.inner_text("#difference-text")
        assert f"mean difference {change.mean():.4f}, largest {change.max()}." in text
        assert page.inner_text("#first-caption") == one
        assert page.inner_text("#second-caption") == other


def assert_histogram_is_drawn(page: Page, counts: list[Any]) -> None:
    """Compare the heights of the bars, at most 200 units, with the logarithms of the counts."""
    logarithms = np.log10(1 + np.array(counts))
    for color, expected in zip(("red", "green", "blue"), logarithms, strict=True):
        drawn = str(page.get_attribute(f"#histogram .{color}", "d"))
        heights = np.array([float(each) for each in re.findall(r"h[^v]+v([\d.e-]+)z", drawn)])
        known = np.pad(expected, (0, max(0, len(heights) - len(expected))))
        np.testing.assert_allclose(heights / 200, known / logarithms.max(), atol=1e-9)


@pytest.mark.parametrize(
    ("media", "scheme", "ground"),
    [
        ("screen", "light", "rgb(245, 247, 249)"),
        ("screen", "dark", "rgb(31, 38, 46)"),
        ("print", "dark", "rgb(245, 247, 249)"),
    ],
)
def test_the_histogram_follows_the_scheme(
    media: Literal["screen", "print"],
    scheme: Literal["light", "dark"],
    ground: str,
    page: Page,
    imagenet_report: str,
) -> None:
    page.emulate_media(media=media, color_scheme=scheme)
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    style = "getComputedStyle(document.getElementById('histogram')).backgroundColor"
    assert page.evaluate(style) == ground


def test_the_gallery_is_exact(page: Page, imagenet_report: str, imagenet_set: Path) -> None:
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    assert page.locator("#sample option").count() == 16
    assert page.locator("#first option").count() == 12
    assert_gallery_is_exact(page, imagenet_set, imagenet_set.name.split("-")[1])


def test_the_gallery_shows_coco(page: Page, coco_set: Path, tmp_path: Path) -> None:
    page.goto(report(coco_set, tmp_path / "coco.html", "--samples=5"))
    page.wait_for_selector(VIEW)
    assert page.locator("#sample option").count() == 5
    assert "image " in page.inner_text("#difference-text")
    assert_gallery_is_exact(page, coco_set, "png")


def test_the_gallery_shows_images_smaller_than_its_crops(
    page: Page, imagenet_source: Path, tmp_path: Path
) -> None:
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow, ffmpeg]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: {rule: shorter-side, size: 80, crop: 80}\n",
        "utf-8",
    )
    done = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=4"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        *(f"--output={tmp_path / 'set'}", "--workers=1"),
    )
    assert done.code == 0, done.error
    page.goto(report(tmp_path / "set", tmp_path / "small.html"))
    page.wait_for_selector(VIEW)
    assert drawn(page, "first").shape[0] == 80
    assert_gallery_is_exact(page, tmp_path / "set", "png")


def column(page: Page, heading: str) -> Any:
    """Return the cells of a column of the table by variant, as shown."""
    return page.evaluate(
        """heading => {
            const table = [...document.querySelectorAll("table")]
                .find(each => each.caption.textContent === "By variant");
            const texts = [...table.tHead.rows[0].cells].map(each => each.textContent);
            const index = texts.indexOf(heading);
            return [...table.tBodies[0].rows].map(row => row.cells[index].textContent);
        }""",
        heading,
    )


def heading(page: Page, name: str) -> str:
    return f'table:has(caption:text-is("By variant")) th button:text-is("{name}")'


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_tables_are_sorted(way: str, page: Page, imagenet_report: str, imagenet_set: Path) -> None:
    page.goto(imagenet_report)
    variants = {each["id"]: each["difference"] for each in manifest(imagenet_set)["variants"]}
    assert column(page, "variant") == list(variants)

    def press(name: str) -> None:
        if way == "mouse":
            page.click(heading(page, name))
        else:
            page.focus(heading(page, name))
            page.keyboard.press("Enter")

    press("mean")
    means = [f"{each['mean']:.4f}" for each in variants.values()]
    assert column(page, "mean") == sorted(means, key=float, reverse=True)
    assert page.locator('th[aria-sort="descending"]').inner_text().startswith("mean")
    press("mean")
    assert column(page, "mean") == sorted(means, key=float)
    press("PSNR (dB)")
    known = sorted((each["psnr"] for each in variants.values() if each["psnr"]), reverse=True)
    absent = len(variants) - len(known)
    assert column(page, "PSNR (dB)") == [f"{each:.2f}" for each in known] + ["-"] * absent
    press("variant")
    press("variant")
    assert column(page, "variant") == sorted(variants)


def test_the_gallery_is_used_by_keyboard_alone(page: Page, imagenet_report: str) -> None:
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    for name in ("sample", "first", "second", "factor"):
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                break
        assert page.evaluate("document.activeElement.id") == name
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        before = shown(page)
        page.keyboard.press("ArrowDown")
        page.wait_for_function(
            "before => document.getElementById('gallery-view').dataset.shown !== before", arg=before
        )


def test_the_baseline_stands_out(page: Page, imagenet_report: str) -> None:
    page.goto(imagenet_report)
    rows = page.evaluate(
        """() => [...document.querySelectorAll("#noise tbody tr")].map(
            row => [row.cells[0].textContent, getComputedStyle(row.cells[2]).fontWeight]
        )"""
    )
    assert {name for name, weight in rows if weight == "600"} == {PILLOW}


def test_a_phone_needs_no_scrolling_sideways(page: Page, imagenet_report: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator("#difference-picture").bounding_box()
    assert box is not None
    assert box["width"] > 100


def test_print_shows_all_sections_without_controls(page: Page, imagenet_report: str) -> None:
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    page.emulate_media(media="print")
    for section in page.locator("section").all():
        assert section.is_visible()
    assert not page.locator(".controls").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#first-picture").is_visible()
    assert page.pdf().count(b"/Type /Page\n") >= 2
    assert page.locator("#counts tbody tr").first.is_visible()  # It was folded.


def test_names_do_not_run_as_script(page: Page, imagenet_source: Path, tmp_path: Path) -> None:
    attack = "</script><img src=x onerror='document.title=\"run\"'>"
    photograph = min((imagenet_source / "images").iterdir())
    (tmp_path / "images").mkdir()
    shutil.copy(photograph, tmp_path / "images" / "photograph.JPEG")
    (tmp_path / "val.txt").write_text("photograph.JPEG 0\n", "utf-8")
    (tmp_path / "classes.txt").write_text(f"{attack}\n", "utf-8")
    evil = tmp_path / "evil"
    done = command(
        *("generate", "imagenet", f"--images={tmp_path / 'images'}", "--workers=1"),
        *(f"--label-file={tmp_path / 'val.txt'}", f"--classes={tmp_path / 'classes.txt'}"),
        *(f"--output={evil}", "--grid=imagenet-one-factor"),
    )
    assert done.code == 0, done.error

    def rename(document: dict[str, object]) -> None:
        grid = document["grid"]
        assert isinstance(grid, dict)
        grid["name"] = attack
        sign(document)

    edit_json(evil / "manifest.json", rename)
    page.goto(report(evil, tmp_path / "evil.html"))
    page.wait_for_selector(VIEW)
    assert page.title().startswith("SysNoise val: ")
    assert page.locator("img").count() == 0
    assert attack in page.inner_text("dl.facts")
    assert attack in page.inner_text("#difference-text")
    assert attack in page.inner_text("#sample")


def test_a_recipe_has_tables_but_no_gallery(page: Page, imagenet_set: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    assert command("publish", str(imagenet_set), str(recipe), "--recipe-only").code == 0
    page.goto(report(recipe, tmp_path / "recipe.html"))
    assert "There are no images here" in page.inner_text("#gallery")
    assert len(column(page, "variant")) == 17
    page.click(heading(page, "mean"))
    assert column(page, "variant")[0] == "pillow/opencv-nearest/rgb"


def test_images_of_other_sizes_have_no_difference(
    page: Page, imagenet_source: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    with Image.open(min((imagenet_source / "images").glob("coffee*"))) as photograph:
        exif = Image.Exif()
        exif[0x0112] = 6  # Turned by a quarter.
        photograph.save(tmp_path / "images" / "turned.JPEG", exif=exif)
    (tmp_path / "val.txt").write_text("turned.JPEG 0\n", "utf-8")
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow, opencv-exif]\nresizes: [none]\ncolors: [rgb]\ngeometry: native\n"
        "baseline: pillow/none/rgb\n",
        "utf-8",
    )
    done = command(
        *("generate", "imagenet", f"--images={tmp_path / 'images'}", "--workers=1"),
        *(f"--label-file={tmp_path / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        f"--output={tmp_path / 'set'}",
    )
    assert done.code == 0, done.error
    page.goto(report(tmp_path / "set", tmp_path / "turned.html"))
    page.wait_for_selector(VIEW)
    assert "there is no difference to show" in page.inner_text("#difference-text")
    assert not page.locator("#difference-picture").is_visible()
    assert not page.locator("#histogram").is_visible()
    assert not page.locator("#counts").is_visible()


def test_one_variant_is_compared_with_itself(
    page: Page, imagenet_set: Path, tmp_path: Path
) -> None:
    page.goto(report(imagenet_set, tmp_path / "one.html", f"--variant={PILLOW}"))
    page.wait_for_selector(VIEW)
    assert "Only one variant" in page.inner_text("#gallery")
    assert "mean difference 0.0000, largest 0." in page.inner_text("#difference-text")


def test_the_last_choice_is_shown(page: Page, imagenet_report: str) -> None:
    page.goto(imagenet_report)
    page.wait_for_selector(VIEW)
    before = shown(page)
    # The pictures of the first choice are yet to be inflated, those of the second are available.
    page.evaluate(
        """async () => {
            const sample = document.getElementById("sample");
            for (const value of ["9", "0"]) {
                sample.value = value;
                sample.dispatchEvent(new Event("change"));
            }
            await new Promise(resolve => setTimeout(resolve, 500));
        }"""
    )
    assert shown(page) == before


def test_a_part_says_which_variants_it_lacks(
    page: Page, imagenet_set: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    variants = (PILLOW, "ffmpeg/pillow-bilinear/rgb")
    chosen = [f"--variant={each}" for each in variants]
    assert command("publish", str(imagenet_set), str(part), *chosen).code == 0
    page.goto(report(part, tmp_path / "part.html"))
    page.wait_for_selector(VIEW)
    names = page.eval_on_selector_all("#first option", "all => all.map(each => each.textContent)")
    assert tuple(names) == variants
    lacking = [each["id"] for each in manifest(imagenet_set)["variants"]]
    page.click("#gallery summary:text('15 of 17 variants')")
    listed = page.eval_on_selector_all("#lacking code", "all => all.map(each => each.textContent)")
    assert listed == [each for each in lacking if each not in variants]


def test_a_set_of_rejects_has_no_gallery(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets of rejects alone were finished before there was a limit."""
    monkeypatch.setattr(rejects, "most_rejects", lambda _, samples: samples)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "damaged.JPEG").write_bytes(b"no image")
    (tmp_path / "val.txt").write_text("damaged.JPEG 0\n", "utf-8")
    done = command(
        *("generate", "imagenet", f"--images={tmp_path / 'images'}", "--workers=1"),
        *(f"--label-file={tmp_path / 'val.txt'}", f"--output={tmp_path / 'set'}"),
        "--grid=imagenet-one-factor",
    )
    assert done.code == 0, done.error
    page.goto(report(tmp_path / "set", tmp_path / "r.html", f"--png-dir={tmp_path / 'png'}"))
    assert "were left out" in page.inner_text("#gallery")
    assert "No two variants" in page.inner_text("#identical")
    assert page.locator("#rejects tbody tr").count() == 1
    assert {each.name for each in (tmp_path / "png").iterdir()} == {"noise.png"}
