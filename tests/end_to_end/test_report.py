"""The report through the command: one file, the same bytes every time; plots; refusals."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sysnoise import open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.scoring.totals import read_totals
from sysnoise.transforms.methods import install_line
from tests.end_to_end.commands import command
from tests.end_to_end.reading import manifest, samples_table
from tests.odd_files.runs import Run
from tests.scoring import BASELINE, class_rows, made_up_set, write_lines, write_perfect_boxes
from tests.servers import http_server

FFMPEG = "ffmpeg/pillow-bilinear/rgb"


def test_the_page_is_one_small_file_and_always_the_same(imagenet_set: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(imagenet_set, tmp_path / "moved")
    with http_server(imagenet_set) as server:
        for url, name in ((str(imagenet_set), "a"), (str(moved), "b"), (server.url, "c")):
            done = command("report", url, "-o", str(tmp_path / f"{name}.html"))
            assert done.code == 0, done.error
    pages = [(tmp_path / f"{name}.html").read_bytes() for name in "abc"]
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]) < 8 * 2**20
    text = pages[0].decode()
    # It loads nothing: no address but namespaces and anchors, no other file.
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert "@import" not in text
    assert "url(" not in text
    for variant in manifest(imagenet_set)["variants"]:
        assert f"<code>{variant['id'].replace('/', '/<wbr>')}</code>" in text
        assert f"{variant['difference']['mean']:.4f}" in text
    assert "torchvision.io.decode_jpeg (torchvision" in text  # What Pillow's decoder stands for.
    assert 'id="heat-map"' not in text  # The table of variants says all of it.


class Tables(HTMLParser):
    """The texts of the cells of a page's tables, headings first, by caption."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._texts: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._rows.append([])
        if tag in ("caption", "th", "td"):
            self._texts = []

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        text = "".join(self._texts).strip()
        if tag == "caption":
            self._rows = self.found[text] = []
        if tag in ("th", "td"):
            self._rows[-1].append(text)


def test_axes_that_a_grid_does_not_vary_have_no_row(imagenet_source: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow, ffmpeg]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: shorter256-crop224\n",
        "utf-8",
    )
    made = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=2"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        *(f"--output={tmp_path / 'set'}", "--workers=1"),
    )
    assert made.code == 0, made.error
    done = command("report", str(tmp_path / "set"), f"--output={tmp_path / 'r.html'}")
    assert done.code == 0, done.error
    page = (tmp_path / "r.html").read_text("utf-8")
    _, *rows = Tables(page).found["By axis, pooled"]
    assert [row[0] for row in rows] == ["decoder"]
    assert 'id="heat-map"' not in page  # One axis has several methods.
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    by_axis = card.partition("By axis, pooled")[2].partition("\n## ")[0]
    assert "\n| decoder | 1 |" in by_axis
    assert "\n| resize |" not in by_axis


def test_heat_maps_are_the_means_of_the_manifest(full_set: Path, tmp_path: Path) -> None:
    done = command(
        "report", str(full_set), f"--output={tmp_path / 'r.html'}", f"--png-dir={tmp_path}/png"
    )
    assert done.code == 0, done.error
    found = Tables((tmp_path / "r.html").read_text("utf-8")).found
    grid, shown = manifest(full_set)["grid"], {}
    for color in grid["colors"]:
        (_, *decoders), *rows = found[f"resize x decoder, color {color}"]
        assert decoders == grid["decoders"]
        assert [row[0] for row in rows] == grid["resizes"]
        for resize, *texts in rows:
            for decoder, text in zip(decoders, texts, strict=True):
                shown[f"{decoder}/{resize}/{color}"] = text
    variants = manifest(full_set)["variants"]
    assert shown == {each["id"]: f"{each['difference']['mean']:.4f}" for each in variants}
    with Image.open(tmp_path / "png" / "heat-map.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 100


@pytest.mark.parametrize("imagenet_set", ["png"], indirect=True)
def test_plots_are_png_files(imagenet_set: Path, tmp_path: Path) -> None:
    done = command(
        "report", str(imagenet_set), f"--output={tmp_path / 'r.html'}", f"--png-dir={tmp_path}/png"
    )
    assert done.code == 0, done.error
    assert {each.name for each in (tmp_path / "png").iterdir()} == {"gallery.png", "noise.png"}
    for name in ("noise", "gallery"):
        path = tmp_path / "png" / f"{name}.png"
        assert str(path) in done.out
        with Image.open(path) as image:
            assert image.format == "PNG"
            values = np.asarray(image.convert("L"))
            assert values.min() < 100 < values.max()


def test_plots_need_their_extra(
    imagenet_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = command("report", str(imagenet_set), f"-o={tmp_path / 'r.html'}", "--png-dir=png")
    assert done.code == 2
    assert f"--png-dir needs matplotlib: {install_line('report')}" in done.error


def test_what_cannot_be_shown_is_named(imagenet_set: Path, tmp_path: Path) -> None:
    output = f"--output={tmp_path / 'r.html'}"
    (tmp_path / "empty").mkdir()
    nothing = command("report", str(tmp_path / "empty"), output)
    assert nothing.code == 1
    assert "is not a finished set: it has no manifest.json" in nothing.error
    unknown = command("report", str(imagenet_set), output, "--variant=ffmpeg/none/rgb")
    assert unknown.code == 2
    assert "unknown variant 'ffmpeg/none/rgb'" in unknown.error
    many = [f"--variant={each['id']}" for each in manifest(imagenet_set)["variants"][:13]]
    too_many = command("report", str(imagenet_set), output, *many)
    assert too_many.code == 2
    assert "at most 12 variants, not 13" in too_many.error
    damaged = shutil.copytree(imagenet_set, tmp_path / "damaged")
    next((damaged / "variants" / FFMPEG).glob("*.tar")).unlink()
    lacking = command("report", str(damaged), output)
    assert lacking.code == 1
    assert f"lacks 'variants/{FFMPEG}/" in lacking.error
    assert not (tmp_path / "r.html").exists()
    inside = command("report", str(imagenet_set), f"--output={imagenet_set / 'r.html'}")
    assert inside.code == 2
    assert "lies in the set" in inside.error


def test_rejects_and_fallbacks_are_counted(imagenet_run: Run) -> None:
    tables = read_totals(SampleTables(open_set(str(imagenet_run.output))))
    rows = samples_table(imagenet_run.output)
    accepted = [row for row in rows if row["status"] == "ok"]
    for decoder, count in tables.fallbacks.items():
        assert count == sum(row["decoders"][decoder] == "fallback" for row in accepted)
    assert sum(tables.rejects.values()) == len(rows) - len(accepted)
    assert tables.rejects["decode-failed"] > 0
    assert sum(tables.fallbacks.values()) > 0


def test_plots_of_images_of_other_sizes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter.
    Image.new("RGB", (60, 40), "orange").save(tmp_path / "images" / "turned.JPEG", exif=exif)
    (tmp_path / "val.txt").write_text("turned.JPEG 0\n", "utf-8")
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow, opencv-exif]\nresizes: [none]\ncolors: [rgb]\ngeometry: native\n"
        "baseline: pillow/none/rgb\n",
        "utf-8",
    )
    made = command(
        *("generate", "imagenet", f"--images={tmp_path / 'images'}", "--workers=1"),
        *(f"--label-file={tmp_path / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        f"--output={tmp_path / 'set'}",
    )
    assert made.code == 0, made.error
    output = f"--output={tmp_path / 'r.html'}"
    done = command("report", str(tmp_path / "set"), output, f"--png-dir={tmp_path / 'png'}")
    assert done.code == 0, done.error
    with Image.open(tmp_path / "png" / "gallery.png") as image:
        assert image.format == "PNG"


def predictions(folder: Path, path: Path, order: int = 1) -> str:
    """Write predictions of three settings, in the given order, which flip every other image."""
    keys = [row["key"] for row in samples_table(folder)]
    settings = (BASELINE, FFMPEG, f"{BASELINE}+fp16")
    rows = [
        {"setting": setting, "key": key, "class": number % 2 * place}
        for place, setting in enumerate(settings)
        for number, key in enumerate(keys)
    ]
    return f"--predictions={write_lines(path, rows[::order])}"


def test_what_models_said_is_the_same_page_in_any_order(imagenet_set: Path, tmp_path: Path) -> None:
    pages = []
    for name, order in (("a", 1), ("b", -1)):
        (tmp_path / name).mkdir()
        given = predictions(imagenet_set, tmp_path / name / "model.jsonl", order)
        output = tmp_path / f"{name}.html"
        done = command("report", str(imagenet_set), f"--output={output}", given)
        assert done.code == 0, done.error
        pages.append(output.read_text("utf-8"))
    assert pages[0] == pages[1]
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', pages[0]) == []
    assert "url(" not in pages[0]
    assert 'id="flips"' in pages[0]


@pytest.mark.parametrize("imagenet_set", ["png"], indirect=True)
def test_plots_of_predictions_are_those_of_the_page(imagenet_set: Path, tmp_path: Path) -> None:
    given = predictions(imagenet_set, tmp_path / "model.jsonl")
    page, folder = tmp_path / "r.html", tmp_path / "png"
    done = command("report", str(imagenet_set), f"-o={page}", given, f"--png-dir={folder}")
    assert done.code == 0, done.error
    names = {"gallery", "noise", "loss", "stacked-noises"}
    assert {each.stem for each in folder.iterdir()} == names
    assert {'id="bars"', 'id="stack"'} <= {*re.findall('id="[a-z]+"', page.read_text("utf-8"))}
    for name in names:
        with Image.open(folder / f"{name}.png") as image:
            values = np.asarray(image.convert("L"))
        assert values.min() < 100, name
        # A text that goes beyond the picture is cut at its edge.
        edges = [values[0], values[-1], values[:, 0], values[:, -1]]
        assert min(edge.min() for edge in edges) == 255, name


def test_predictions_that_cannot_be_shown_are_refused(imagenet_set: Path, tmp_path: Path) -> None:
    output = f"--output={tmp_path / 'r.html'}"
    for option in ("--partial", "--all-methods"):
        lone = command("report", str(imagenet_set), output, option)
        assert lone.code == 2
        assert "need --predictions" in lone.error
    lone = command("report", str(imagenet_set), output, "--model=m")
    assert lone.code == 2
    assert "found 1 --model for 0 --predictions" in lone.error
    given = predictions(imagenet_set, tmp_path / "model.jsonl")
    path = tmp_path / "model.jsonl"
    path.write_text(path.read_text("utf-8").split("\n", 1)[1], "utf-8")
    lacking = command("report", str(imagenet_set), output, given)
    assert lacking.code == 1
    assert "missing keys (1)" in lacking.error
    assert not (tmp_path / "r.html").exists()


def test_a_shard_without_a_sample_is_reported(one_image_set: Path, tmp_path: Path) -> None:
    noisy = made_up_set(one_image_set, tmp_path / "set", [0, 1])
    rows = class_rows(BASELINE, [0, 1], set()) + class_rows(FFMPEG, [0, 1], {1})
    given = f"--predictions={write_lines(tmp_path / 'm.jsonl', rows)}"
    done = command("report", str(noisy), f"--output={tmp_path / 'r.html'}", given)
    assert done.code == 1
    assert "it lacks 'image_00001', which the table of samples has" in done.error
    assert not (tmp_path / "r.html").exists()


def cards(page: str) -> dict[str, dict[str, list[str]]]:
    """The flips of boxes by key: settings, classes of the rectangles, and what is listed."""
    found: dict[str, dict[str, list[str]]] = {}
    for text in re.findall(r"<li data-model=.*?</figure>", page, re.DOTALL):
        (key,) = re.findall(r'data-key="([^"]*)"', text)
        card = {
            "settings": re.findall(r"Boxes of .* and (.*) in ", text),
            "classes": sorted(re.findall(r'<rect class="([^"]*)"', text)),
            "listed": re.findall(r"<li>(.*)</li>", text),
        }
        found[key] = card
    return found


def test_boxes_that_vanish_appear_and_move_are_drawn(coco_set: Path, tmp_path: Path) -> None:
    baseline, nearest = "pillow/pillow-bilinear/rgb", "pillow/pillow-nearest/rgb"
    keys = {row["image_id"]: row["key"] for row in samples_table(coco_set)}
    first, second = sorted(keys)[:2]
    boxes = {
        baseline: [(first, 1, [50, 40, 200, 100], 0.9), (second, 1, [0, 0, 90, 90], 0.7)],
        nearest: [
            (first, 1, [90, 40, 200, 100], 0.8),
            (first, 1, [300, 300, 50, 60], 0.5),
            (first, 1, [300, 300, 50, 60], 0.2),
            (second, 1, [0, 0, 90, 90], 0.29),
        ],
    }
    for setting, each in boxes.items():
        names = ("image_id", "category_id", "bbox", "score")
        results = [dict(zip(names, one, strict=True)) for one in each]
        (tmp_path / f"{setting.replace('/', '__')}.json").write_text(json.dumps(results), "utf-8")
    done = command(
        *("report", str(coco_set), f"--predictions={tmp_path}", "--model=m"),
        *("-o", str(tmp_path / "report.html")),
    )
    assert done.code == 0, done.error
    page = (tmp_path / "report.html").read_text("utf-8")
    categories = manifest(coco_set)["dataset"]["categories"]
    name = {each["id"]: each["name"] for each in categories}.get(1, "category 1")
    assert cards(page) == {
        keys[first]: {
            "settings": [nearest],
            "classes": ["appeared after", "moved after", "moved before"],
            "listed": [f"appeared: {name} 0.50", f"moved: {name} 0.90 to 0.80"],
        },
        keys[second]: {
            "settings": [nearest],
            "classes": ["vanished before"],
            "listed": [f"vanished: {name} 0.70"],
        },
    }
    # A picture of each image, and what is around its first change in three pictures.
    assert page.count("<canvas data-picture=") == 2 + 2 * 3
    assert page.count("data-other=") == 2
    crops = re.findall(r'<svg viewBox="([^"]*)"[^>]*Boxes there: ([^"]*)">(.*?)</svg>', page, re.S)
    drawn = [(view, what, re.findall('class="([^"]*)"', text)) for view, what, text in crops]
    assert drawn[:3] == [
        ("277 282 96 96", "baseline", ["moved before"]),
        ("277 282 96 96", "setting", ["moved after", "appeared after"]),
        ("277 282 96 96", "difference x 8", ["moved after", "moved before", "appeared after"]),
    ]
    assert [boxes for _, _, boxes in drawn[3:]] == [["vanished before"], [], ["vanished before"]]
    assert len(page) < 8 * 2**20


def test_a_recipe_has_boxes_but_no_pictures(coco_set: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    assert command("publish", str(coco_set), str(recipe), "--recipe-only").code == 0
    folder = write_perfect_boxes(coco_set, tmp_path / "boxes")
    (folder / "pillow__pillow-nearest__rgb.json").write_text("[]", "utf-8")
    done = command(
        *("report", str(recipe), f"--predictions={folder}", "-o", str(tmp_path / "report.html"))
    )
    assert done.code == 0, done.error
    page = (tmp_path / "report.html").read_text("utf-8")
    found = cards(page)
    assert 0 < len(found) <= 18
    assert {name for card in found.values() for name in card["classes"]} == {"vanished before"}
    assert page.count('class="alone"') == len(found)
    assert "<canvas data-picture=" not in page
    assert "There are no images here: only the boxes are shown." in page


def test_equal_boxes_show_no_flips(coco_set: Path, tmp_path: Path) -> None:
    folder = write_perfect_boxes(coco_set, tmp_path / "perfect")
    done = command(
        *("report", str(coco_set), f"--predictions={folder}", "-o", str(tmp_path / "report.html"))
    )
    assert done.code == 0, done.error
    page = (tmp_path / "report.html").read_text("utf-8")
    assert 'id="box-flips"' in page
    assert "No box vanishes or appears in any setting" in page
