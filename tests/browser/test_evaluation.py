"""Predictions in the report: its figures are those of ``score`` and of plain numpy."""

from __future__ import annotations

import base64
import json
import math
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from sysnoise.transforms.pixels import Pixels
from tests.browser.conftest import report
from tests.browser.test_report import middle
from tests.end_to_end.commands import command
from tests.end_to_end.reading import decode_image, manifest, read_tars, samples_table
from tests.scoring import write_lines

BASELINE = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
MODELS = ("resnet", "vit")
INT8 = ("int8-asymmetric-per-tensor", "int8-symmetric-per-tensor")
GRID = """\
decoders: [pillow, opencv, ffmpeg]
resizes: [pillow-bilinear, opencv-nearest, pillow-bicubic]
colors: [rgb, nv12-bt601]
geometry: shorter256-crop224
"""
VIEW = "#flips-view[data-shown]"

Classes = NDArray[np.int64]
Said = dict[str, dict[str, Classes]]
"""Classes of all images in key order, by model and setting."""


@pytest.fixture(scope="module")
def noisy(imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen photographs in the eighteen variants of a product of axes, in four shards."""
    folder = tmp_path_factory.mktemp("product")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    (folder / "classes.txt").write_text(
        "".join(f"n{number:08d} kind {number}\n" for number in range(1000)), "utf-8"
    )
    done = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={folder / 'grid.yaml'}"),
        *(f"--classes={folder / 'classes.txt'}", "--samples-per-shard=5"),
        *(f"--output={folder / 'set'}", "--workers=1"),
    )
    assert done.code == 0, done.error
    return folder / "set"


@pytest.fixture(scope="module")
def labels(noisy: Path) -> dict[str, int]:
    """The labels of the images, in key order."""
    return {row["key"]: row["label"] for row in samples_table(noisy)}


@pytest.fixture(scope="module")
def said(noisy: Path, labels: dict[str, int]) -> Said:
    """The predictions of two models; the stack of the first lacks a step in the middle."""
    generator = np.random.default_rng(7)
    truth = np.array([*labels.values()])
    variants = [each["id"] for each in manifest(noisy)["variants"]]
    found: Said = {}
    for model in MODELS:
        first = changed(generator, truth, 0.2)
        settings = {
            variant: first if variant == BASELINE else changed(generator, first, 0.2)
            for variant in variants
        }
        for noise in ("fp16", *INT8, "ceil-mode"):
            settings[f"{BASELINE}+{noise}"] = changed(generator, first, 0.15)
        for variant in variants:
            for noise in INT8:
                stacked = changed(generator, settings[variant], 0.4)
                settings[f"{variant}+{noise}+ceil-mode"] = stacked
                if model == "vit" and variant != BASELINE:
                    settings[f"{variant}+{noise}"] = changed(generator, stacked, 0.1)
        # OpenCV's decoder gives Pillow's pixels, for which a model predicts the same.
        found[model] = {
            each: settings[each.replace("opencv/pillow", "pillow/pillow")] for each in settings
        }
    return found


def changed(generator: np.random.Generator, classes: Classes, share: float) -> Classes:
    """Change some of the classes by chance."""
    others = generator.integers(0, 1000, len(classes))
    return np.where(generator.random(len(classes)) < share, others, classes)


@pytest.fixture(scope="module")
def predictions(
    said: Said, labels: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    folder = tmp_path_factory.mktemp("predictions")
    return [
        f"--predictions={write_lines(folder / f'{model}.jsonl', rows(settings, labels))}"
        for model, settings in said.items()
    ]


def rows(settings: dict[str, Classes], labels: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"setting": setting, "key": key, "class": number}
        for setting, classes in settings.items()
        for key, number in zip(labels, classes.tolist(), strict=True)
    ]


@pytest.fixture(scope="module")
def scored(noisy: Path, predictions: list[str]) -> dict[str, Any]:
    """The same predictions by ``sysnoise score``."""
    done = command("score", str(noisy), *predictions, "--format=json")
    assert done.code == 0, done.error
    return dict(json.loads(done.out))


@pytest.fixture(scope="module")
def url(noisy: Path, predictions: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(noisy, tmp_path_factory.mktemp("report") / "evaluation.html", *predictions)


def cells(page: Page, caption: str) -> list[list[str]]:
    """Return the table with a caption as texts, headings first, as they are seen."""
    return list(
        page.evaluate(
            """caption => {
                const table = [...document.querySelectorAll("table")]
                    .find(each => each.caption.textContent === caption);
                return [...table.rows].map(row => [...row.cells].map(cell => cell.innerText));
            }""",
            caption,
        )
    )


def values(page: Page, caption: str) -> list[list[str]]:
    """Return what the rows of a table are sorted by."""
    return list(
        page.evaluate(
            """caption => {
                const table = [...document.querySelectorAll("table")]
                    .find(each => each.caption.textContent === caption);
                return [...table.tBodies[0].rows]
                    .map(row => [...row.cells].map(cell => cell.dataset.value));
            }""",
            caption,
        )
    )


def number(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def delta(value: float, limits: list[float]) -> str:
    return number(value) + ("†" if limits[0] <= 0 <= limits[1] else "")


def test_bars_are_the_losses_of_score(page: Page, url: str, scored: dict[str, Any]) -> None:
    page.goto(url)
    assert page.locator("figure.bars").count() == len(MODELS)
    for place, model in enumerate(scored["models"]):
        drawn = bars(page, place)
        single = [method["score"] for noise in model["noises"] for method in noise["methods"]]
        expected = sorted((single + model["others"])[:40], key=lambda each: -each["delta"])
        assert [each["name"] for each in drawn["bars"]] == [each["setting"] for each in expected]
        (low, left), *_, (high, right) = drawn["marks"]
        for bar, score in zip(drawn["bars"], expected, strict=True):
            assert bar["value"].startswith(delta(score["delta"], score["interval"]))
            ends = [[0, score["delta"]], score["interval"]]
            for found, known in zip((bar["bar"], bar["whisker"]), ends, strict=True):
                places = [left + (each - low) / (high - low) * (right - left) for each in known]
                np.testing.assert_allclose(found, sorted(places), atol=2.1)  # Pixels.
    assert "settings of resnet, the first 40" in page.inner_text("#bars")


def bars(page: Page, place: int) -> dict[str, Any]:
    """Return what a chart of bars has: texts, and where they begin and end, in pixels."""
    return dict(
        page.locator("figure.bars")
        .nth(place)
        .evaluate(
            """figure => {
                const ends = (element) => {
                    const { left, right } = element.getBoundingClientRect();
                    return [left, right];
                };
                const [left, right] = ends(figure.querySelector(".track"));
                const marks = [...figure.querySelectorAll(".marks span")];
                return {
                    marks: [[marks[0], left], [marks.at(-1), right]]
                        .map(([mark, x]) => [Number(mark.textContent), x]),
                    bars: [...figure.querySelectorAll("li")].map(each => ({
                        name: each.querySelector(".name").innerText,
                        value: each.querySelector(".value").innerText,
                        bar: ends(each.querySelector(".bar")),
                        whisker: ends(each.querySelector(".whisker")),
                    })),
                };
            }"""
        )
    )


def test_the_table_is_that_of_score(page: Page, url: str, scored: dict[str, Any]) -> None:
    page.goto(url)
    head, *body = cells(page, "Loss by noise")
    assert head == ["model", "trained top-1", *scored["noises"], "combined"]
    for row, model in zip(body, scored["models"], strict=True):
        assert row[:2] == [model["model"], number(model["trained"]["top-1"])]
        for text, noise in zip(row[2:-1], model["noises"], strict=True):
            lines = [delta(noise["mean"], noise["interval"])]
            if noise["std"] is not None:
                lines[0] += f" ± {number(noise['std'])}"
                (worst,) = (
                    each["score"]
                    for each in noise["methods"]
                    if each["method"] == noise["max"]["method"]
                )
                limits = worst["interval"]
                lines += [f"max {delta(worst['delta'], limits)}", noise["max"]["method"]]
            if len(noise["methods"]) > 1:
                lines.append(f"{noise['distinct']} of {len(noise['methods'])} distinct")
            assert text.split("\n") == lines
        last = model["combined"]["steps"][-1]["score"]
        assert row[-1] == delta(last["delta"], last["interval"])
    decode = scored["models"][0]["noises"][0]
    assert (decode["distinct"], len(decode["methods"])) == (1, 2)


def test_every_setting_is_that_of_plain_numpy(
    page: Page, url: str, scored: dict[str, Any], said: Said, labels: dict[str, int]
) -> None:
    page.goto(url)
    head, *body = cells(page, "Settings")
    assert [each.split(" ")[0] for each in head] == [
        *("setting", "model", "top-1", "top-5", "delta", "interval", "flips", "McNemar")
    ]
    truth = np.array([*labels.values()])
    intervals = {
        (model["model"], score["setting"]): score["interval"]
        for model in scored["models"]
        for score in scores(model)
    }
    assert len(body) == sum(map(len, said.values()))
    for row, sorted_by in zip(body, values(page, "Settings"), strict=True):
        setting, *notes = row[0].split("\n")
        model = row[1]
        classes, first = said[model][setting], said[model][BASELINE]
        top1, trained = (100 * np.mean(each == truth) for each in (classes, first))
        assert row[2:4] == [number(top1), "-"]
        np.testing.assert_allclose(float(sorted_by[2]), top1, rtol=1e-12)
        assert sorted_by[0] == setting
        if setting == BASELINE:
            assert row[4:] == ["-"] * 4
            assert sorted_by[4:] == [""] * 4
            continue
        assert notes == (["pixels of pillow"] if setting == "opencv/pillow-bilinear/rgb" else [])
        limits = intervals[model, setting]
        p = mcnemar(first == truth, classes == truth)
        flips = 100 * np.mean(classes != first)
        assert row[4] == delta(trained - top1, limits)
        assert row[5] == f"{number(limits[0])} to {number(limits[1])}"
        assert row[6:] == [number(flips), f"{p:.2g}"]
        expected = [trained - top1, limits[0], flips, p]
        np.testing.assert_allclose([*map(float, sorted_by[4:])], expected, atol=1e-9)


def scores(model: dict[str, Any]) -> list[dict[str, Any]]:
    methods = [method for noise in model["noises"] for method in noise["methods"]]
    return [each["score"] for each in methods] + list(model["others"])


def mcnemar(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    tail = sum(math.comb(lost + gained, each) for each in range(min(lost, gained) + 1))
    return float(min(1.0, 2 * tail / 2 ** (lost + gained)))


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_settings_are_sorted_by_their_numbers(way: str, page: Page, url: str) -> None:
    page.goto(url)
    before = values(page, "Settings")
    for place, name in ((4, "delta"), (7, "McNemar p")):
        button = f'table:has(caption:text-is("Settings")) th button:text-is("{name}")'
        if way == "mouse":
            page.click(button)
        else:
            page.focus(button)
            page.keyboard.press("Enter")
        known = [float(each[place]) for each in values(page, "Settings") if each[place]]
        assert known == sorted(known, reverse=True)
        assert len(known) == len(before) - len(MODELS)


def test_matrices_are_those_of_plain_numpy(
    page: Page, url: str, said: Said, labels: dict[str, int]
) -> None:
    page.goto(url)
    truth = np.array([*labels.values()])
    tested = {
        "decode": [BASELINE, FFMPEG],
        "resize": [f"pillow/{each}/rgb" for each in methods("resizes")],
        "color": [f"pillow/pillow-bilinear/{each}" for each in methods("colors")],
    }
    for place, (axis, variants) in enumerate(tested.items()):
        head, *body = cells(page, f"Models x {axis}")
        assert head == ["model", *(each.split("/")[place] for each in variants), "mean", "std"]
        for (name, *figures), model in zip(body, MODELS, strict=True):
            metrics = [100 * np.mean(said[model][each] == truth) for each in variants]
            spread = [np.mean(metrics), np.std(metrics, ddof=1)]
            assert [name, *figures] == [model, *map(number, (*metrics, *spread))]


def test_all_methods_stand_in_the_matrices(
    page: Page, noisy: Path, predictions: list[str], tmp_path: Path
) -> None:
    page.goto(report(noisy, tmp_path / "all.html", *predictions, "--all-methods"))
    head = cells(page, "Models x decode")[0]
    assert head == ["model", "pillow", "opencv", "ffmpeg", "mean", "std"]
    assert "one is shown" not in page.inner_text("#matrices")
    assert "max" in cells(page, "Loss by noise")[1][2]


def methods(axis: str) -> list[str]:
    """Return the methods of an axis of the grid."""
    (line,) = (each for each in GRID.splitlines() if each.startswith(axis))
    return line.split("[")[1].rstrip("]").split(", ")


def chart(page: Page, place: int) -> dict[str, Any]:
    """Return what a chart has: names of steps, points, parts of the line, in its own units."""
    return dict(
        page.locator("svg.chart")
        .nth(place)
        .evaluate(
            """svg => {
                const texts = (name) => [...svg.querySelectorAll(name)].map(each => ({
                    text: each.textContent,
                    x: each.hasAttribute("x") ? Number(each.getAttribute("x"))
                        : each.transform.baseVal[0].matrix.e,
                    y: Number(each.getAttribute("y")),
                }));
                return {
                    ticks: texts(".tick"), names: texts(".step"),
                    values: texts(".value"), missing: texts(".missing"),
                    points: [...svg.querySelectorAll("circle")]
                        .map(each => [each.cx.baseVal.value, each.cy.baseVal.value]),
                    lines: [...svg.querySelectorAll("polyline")]
                        .map(each => [...each.points].map(point => [point.x, point.y])),
                    label: svg.getAttribute("aria-label"),
                };
            }"""
        )
    )


def test_the_curve_is_that_of_score(page: Page, url: str, scored: dict[str, Any]) -> None:
    page.goto(url)
    assert page.locator("svg.chart").count() == len(MODELS)
    for place, model in enumerate(scored["models"]):
        drawn = chart(page, place)
        steps = model["combined"]["steps"]
        assert [each["text"] for each in drawn["names"]] == [
            *("trained", *(f"+ {step['noise']}" for step in steps))
        ]
        known = [step["score"] for step in steps if step["score"]]
        low, high = drawn["ticks"][0], drawn["ticks"][-1]
        scale = (float(high["text"]) - float(low["text"])) / (high["y"] - low["y"])
        # Labels stand four units below their lines; a tenth of a unit is rounded away.
        losses = [float(low["text"]) + (y + 4 - low["y"]) * scale for _, y in drawn["points"]]
        expected = [0.0, *(score["delta"] for score in known)]
        np.testing.assert_allclose(losses, expected, atol=0.2 * abs(scale))
        texts = [delta(score["delta"], score["interval"]) for score in known]
        assert [each["text"] for each in drawn["values"]] == ["0.00", *texts]
        xs = {each["text"]: each["x"] for each in drawn["names"]}
        present = ["trained", *(f"+ {step['noise']}" for step in steps if step["score"])]
        np.testing.assert_allclose([x for x, _ in drawn["points"]], [xs[each] for each in present])
        assert [point for line in drawn["lines"] for point in line] == drawn["points"]
        for text in (*texts, *present[1:]):
            assert text in drawn["label"]


def test_the_curve_is_broken_where_a_step_is_missing(
    page: Page, url: str, scored: dict[str, Any]
) -> None:
    page.goto(url)
    lacking, whole = scored["models"]
    (setting,) = lacking["combined"]["missing"]
    assert whole["combined"]["missing"] == []
    assert [len(each) for each in chart(page, 0)["lines"]] == [4, 1]
    assert [len(each) for each in chart(page, 1)["lines"]] == [6]
    assert [each["text"] for each in chart(page, 0)["missing"]] == ["missing"]
    assert "+ int8 missing" in chart(page, 0)["label"]
    assert ["resnet", "+ int8", setting, "not among the predictions", "-"] in cells(
        page, "Combined"
    )


def shown_cards(page: Page) -> list[dict[str, Any]]:
    """Return the visible flips: key, texts, and pictures as PNG files."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll("#flips-view > li")]
                .filter(card => !card.hidden)
                .map(card => ({
                    text: card.querySelector("p").innerText,
                    figures: [...card.querySelectorAll("figure")].map(figure => ({
                        picture: figure.querySelector("canvas")?.toDataURL(),
                        label: figure.querySelector("canvas")?.getAttribute("aria-label"),
                        captions: [...figure.querySelectorAll("figcaption div")]
                            .map(each => each.innerText.split("\\n")),
                    })),
                }))"""
        )
    )


def drawn(url: str) -> Pixels:
    return decode_image(base64.b64decode(url.removeprefix("data:image/png;base64,")))


def choose(page: Page, setting: str, model: str = "all models") -> None:
    page.select_option("#flip-model", label=model)
    page.select_option("#flip-setting", label=setting)
    page.wait_for_function(
        """() => {
            const [model, setting] = ["flip-model", "flip-setting"]
                .map(id => document.getElementById(id).value);
            return document.getElementById("flips-view").dataset.shown === `${model} ${setting}`;
        }"""
    )


def test_flips_are_exact(
    page: Page, url: str, noisy: Path, said: Said, labels: dict[str, int]
) -> None:
    page.goto(url)
    page.wait_for_selector(VIEW)
    places = {key: place for place, key in enumerate(labels)}
    tars = {each["id"]: read_tars(noisy, each["id"]) for each in manifest(noisy)["variants"]}
    names = page.eval_on_selector_all(
        "#flip-setting option", "all => all.map(each => each.textContent)"
    )
    flipping = {
        setting
        for settings in said.values()
        for setting, classes in settings.items()
        if (classes != settings[BASELINE]).any()
    }
    assert {*names[1:]} == flipping
    for setting in names[1:]:
        variant = setting.split("+")[0]
        for model in MODELS:
            first, classes = said[model][BASELINE], said[model].get(setting)
            count = 0 if classes is None else int((classes != first).sum())
            choose(page, setting, model)
            found = shown_cards(page)
            assert page.inner_text("#flips-text") == f"Shown: {len(found)} of {count} flips."
            assert bool(found) == bool(count)
            for card in found:
                key = card["text"].split(",")[0]
                label = labels[key]
                assert card["text"] == f"{key}, {model}, label {label} kind {label}"
                captions = [each for figure in card["figures"] for each in figure["captions"]]
                assert classes is not None
                said_of_it = [int(first[places[key]]), int(classes[places[key]])]
                assert said_of_it[0] != said_of_it[1]
                assert captions == [
                    [f"{each} kind {each} ({'right' if each == label else 'wrong'})", name]
                    for name, each in zip((BASELINE, setting), said_of_it, strict=True)
                ]
                variants = list(dict.fromkeys([BASELINE, variant]))
                labelled = [figure["label"] for figure in card["figures"]]
                assert labelled == [f"{key} in {each}" for each in variants]
                for figure, each in zip(card["figures"], variants, strict=True):
                    expected = middle(decode_image(tars[each][key]["png"]))
                    np.testing.assert_array_equal(drawn(figure["picture"]), expected)


def test_all_settings_show_each_image_once(page: Page, url: str, said: Said) -> None:
    page.goto(url)
    page.wait_for_selector(VIEW)
    keys = [card["text"].split(",")[0] for card in shown_cards(page)]
    assert len(keys) == len({*keys}) > 15
    total = sum(
        int((classes != settings[BASELINE]).sum())
        for settings in said.values()
        for classes in settings.values()
    )
    assert page.inner_text("#flips-text") == f"Shown: {len(keys)} of {total} flips."
    choose(page, "all settings, each image once", "vit")
    of_vit = shown_cards(page)
    assert {card["text"].split(", ")[1] for card in of_vit} == {"vit"}
    assert len({card["text"] for card in of_vit}) == len(of_vit)


def test_flips_are_chosen_by_keyboard_alone(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(VIEW)
    for name in ("flip-model", "flip-setting"):
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                break
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        before = page.get_attribute("#flips-view", "data-shown")
        page.keyboard.press("ArrowDown")
        page.wait_for_function(
            "before => document.getElementById('flips-view').dataset.shown !== before", arg=before
        )
    assert page.get_attribute("#flips-view", "data-shown") == "0 0"


def test_a_phone_needs_no_scrolling_sideways(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(url)
    page.wait_for_selector(VIEW)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for selector in ("svg.chart", "#flips-view canvas"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["width"] > 120
    sizes = page.eval_on_selector_all(
        "svg.chart text", "all => all.map(each => each.getBoundingClientRect().height)"
    )
    assert min(sizes) > 9


@pytest.mark.parametrize("width", [1200, 360])
def test_labels_of_the_curve_stay_inside_of_it(width: int, page: Page, url: str) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(url)
    outside = page.eval_on_selector_all(
        "svg.chart text",
        """all => all.filter(each => {
            const [text, svg] = [each, each.ownerSVGElement].map(it => it.getBoundingClientRect());
            return text.left < svg.left - 1 || text.right > svg.right + 1
                || text.top < svg.top - 1 || text.bottom > svg.bottom + 1;
        }).map(each => each.textContent)""",
    )
    assert outside == []


def test_print_shows_what_was_chosen(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(VIEW)
    page.emulate_media(media="print")
    for name in ("loss", "matrices", "stack", "flips"):
        assert page.locator(f"#{name}").is_visible()
    assert not page.locator("#flip-setting").is_visible()
    assert page.locator("#flips-view canvas").first.is_visible()
    assert page.locator("svg.chart").first.is_visible()


def test_a_recipe_has_classes_but_no_pictures(
    page: Page, noisy: Path, predictions: list[str], tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe"
    assert command("publish", str(noisy), str(recipe), "--recipe-only").code == 0
    page.goto(report(recipe, tmp_path / "recipe.html", *predictions))
    page.wait_for_selector(VIEW)
    assert "There are no images here" in page.inner_text("#flips")
    assert page.locator("#flips canvas").count() == 0
    assert "kind" in shown_cards(page)[0]["figures"][1]["captions"][0][0]
    choose(page, FFMPEG, "vit")
    assert {card["figures"][1]["captions"][0][1] for card in shown_cards(page)} == {FFMPEG}


def test_one_model_needs_no_choice_of_models(
    page: Page, noisy: Path, predictions: list[str], tmp_path: Path
) -> None:
    page.goto(report(noisy, tmp_path / "one.html", predictions[1], "--model=ViT-B/16"))
    page.wait_for_selector(VIEW)
    assert page.locator("#flip-model").count() == 0
    assert page.locator("#matrices").count() == 0
    assert cells(page, "Settings")[0][1].startswith("top-1")
    assert [row[0] for row in cells(page, "Loss by noise")] == ["model", "ViT-B/16"]
    assert "ViT" not in shown_cards(page)[0]["text"]


def test_what_never_flips_has_nothing_to_look_at(
    page: Page, noisy: Path, labels: dict[str, int], tmp_path: Path
) -> None:
    first = np.array([*labels.values()])
    path = write_lines(tmp_path / "m.jsonl", rows({BASELINE: first, FFMPEG: first}, labels))
    page.goto(report(noisy, tmp_path / "same.html", f"--predictions={path}"))
    assert "No image has another class" in page.inner_text("#flips")
    assert page.locator("#flips-view").count() == 0
    assert chart(page, 0)["points"][1][1] == chart(page, 0)["points"][0][1]
    assert [each["text"] for each in chart(page, 0)["values"]] == ["0.00", "0.00†"]


def test_the_baseline_alone_has_no_stack(
    page: Page, noisy: Path, labels: dict[str, int], tmp_path: Path
) -> None:
    first = np.array([*labels.values()])
    path = write_lines(tmp_path / "m.jsonl", rows({BASELINE: first}, labels))
    page.goto(report(noisy, tmp_path / "baseline.html", f"--predictions={path}"))
    assert page.locator("#stack").count() == 0
    assert cells(page, "Settings")[1][:2] == [BASELINE, "100.00"]


def test_names_do_not_run_as_script(page: Page, imagenet_source: Path, tmp_path: Path) -> None:
    attack = "</script><img src=x onerror='document.title=\"run\"'>"
    photograph = min((imagenet_source / "images").iterdir())
    (tmp_path / "images").mkdir()
    shutil.copy(photograph, tmp_path / "images" / "photograph.JPEG")
    (tmp_path / "val.txt").write_text("photograph.JPEG 0\n", "utf-8")
    (tmp_path / "classes.txt").write_text(f"{attack}\n", "utf-8")
    done = command(
        *("generate", "imagenet", f"--images={tmp_path / 'images'}", "--workers=1"),
        *(f"--label-file={tmp_path / 'val.txt'}", f"--classes={tmp_path / 'classes.txt'}"),
        *(f"--output={tmp_path / 'evil'}", "--grid=imagenet-one-factor"),
    )
    assert done.code == 0, done.error
    labels = {"photograph": 0}
    settings = {BASELINE: np.array([0]), FFMPEG: np.array([1])}
    path = write_lines(tmp_path / "m.jsonl", rows(settings, labels))
    twice = [f"--predictions={path}", f"--predictions={path}", f"--model={attack}", "--model=m"]
    page.goto(report(tmp_path / "evil", tmp_path / "evil.html", *twice))
    page.wait_for_selector(VIEW)
    assert page.title().startswith("SysNoise val: ")
    assert page.locator("img").count() == 0
    (card,) = shown_cards(page)
    assert card["text"] == f"photograph, {attack}, label 0 {attack}"
    assert attack in page.inner_text("#flip-model")
    assert cells(page, "Loss by noise")[1][0] == attack
    assert attack in chart(page, 0)["label"]


def test_models_may_have_other_images(
    page: Page, noisy: Path, labels: dict[str, int], tmp_path: Path
) -> None:
    """With ``--partial``, those images of a model count that all its settings have."""
    keys = [*labels]
    arguments = ["--partial"]
    for model, left_out in (("first", keys[:3]), ("second", keys[10:])):
        first = np.array([*labels.values()])
        settings = {BASELINE: first, FFMPEG: first + 1}
        kept = [row for row in rows(settings, labels) if row["key"] not in left_out]
        arguments.append(f"--predictions={write_lines(tmp_path / f'{model}.jsonl', kept)}")
    page.goto(report(noisy, tmp_path / "partial.html", *arguments))
    page.wait_for_selector(VIEW)
    assert "second: 10 of 18 images are scored" in page.inner_text("#loss")
    for model, expected in (("first", keys[3:]), ("second", keys[:10])):
        choose(page, FFMPEG, model)
        texts = [card["text"] for card in shown_cards(page)]
        assert sorted(text.split(",")[0] for text in texts) == expected
        assert page.inner_text("#flips-text") == f"Shown: {len(expected)} of {len(expected)} flips."
        for text in texts:
            key = text.split(",")[0]
            assert text.endswith(f"label {labels[key]} kind {labels[key]}")
    choose(page, FFMPEG, "all models")
    found = sorted(card["text"].split(",")[0] for card in shown_cards(page))
    assert found == sorted(keys[3:] + keys[:10])  # An image of both models stands there twice.


def test_detectors_have_a_table_and_a_stack_without_flips(
    page: Page, coco_set: Path, tmp_path: Path
) -> None:
    nearest = "pillow/pillow-nearest/rgb"
    (path,) = (coco_set / "annotations").glob("*.rescaled.json")
    found = [
        {**{name: each[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.5}
        for each in json.loads(path.read_text("utf-8"))["annotations"]
    ]
    folder = tmp_path / "yolo"
    folder.mkdir()
    for setting, results in (
        (BASELINE, found),
        (nearest, found[::2]),
        (f"{BASELINE}+box-offset-1-decode", found[1:]),
    ):
        name = setting.replace("/", "__")
        (folder / f"{name}.json").write_text(json.dumps(results), "utf-8")
    done = command("score", str(coco_set), f"--predictions={folder}", "--format=json")
    (model,) = json.loads(done.out)["models"]
    page.goto(report(coco_set, tmp_path / "coco.html", f"--predictions={folder}"))
    assert page.locator("#flips").count() == 0
    head, *body = cells(page, "Settings")
    assert head[1].startswith("mAP")
    assert not any("flips" in each for each in head)
    expected = [model["trained"], *(each["metrics"] for each in scores(model))]
    for row, metrics in zip(body, expected, strict=True):
        texts = ["-" if value is None else number(value) for value in metrics.values()]
        assert row[1 : 1 + len(texts)] == texts
    (missing,) = model["combined"]["missing"]
    assert missing == f"{nearest}+box-offset-1-decode"
    assert cells(page, "Combined")[2][2:] == [missing, "not among the predictions", "-"]
    assert [each["text"] for each in chart(page, 0)["names"]] == [
        *("trained", "+ resize", "+ post-processing")
    ]


DETECTOR_GRID = """\
decoders: [pillow, ffmpeg, simplejpeg-fastdct]
resizes: [pillow-bilinear, opencv-nearest, opencv-lanczos4]
colors: [rgb, nv12-bt601, nv12-bt709]
geometry: coco-800x1333
"""
DETECTOR_NOISES = (
    *("fp16", "ceil-mode", "box-offset-1-decode", "box-offset-1-all"),
    *(f"int8-{each}-per-channel" for each in ("asymmetric", "symmetric")),
    *(f"upsample-bilinear-{each}" for each in ("half_pixel", "align_corners", "asymmetric")),
)


@pytest.fixture(scope="module")
def detector_url(coco_source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A detector with every column, of several methods each, and its whole stack."""
    folder = tmp_path_factory.mktemp("detector")
    (folder / "grid.yaml").write_text(DETECTOR_GRID, "utf-8")
    done = command(
        *("generate", "coco", f"--images={coco_source / 'images'}", "--split=demo", "--limit=4"),
        *(f"--annotations={coco_source / 'instances_demo.json'}", "--workers=1"),
        *(f"--grid={folder / 'grid.yaml'}", f"--output={folder / 'set'}", "--format=none"),
    )
    assert done.code == 0, done.error
    variants = [each["id"] for each in manifest(folder / "set")["variants"]]
    (path,) = (folder / "set" / "annotations").glob("*.rescaled.json")
    truth = json.loads(path.read_text("utf-8"))["annotations"]
    generator = np.random.default_rng(3)
    given = f"--predictions={folder / 'yolov3-tiny'}"
    (folder / "yolov3-tiny").mkdir()

    def write(settings: list[str]) -> None:
        for setting in settings:
            kept = [each for each in truth if setting == BASELINE or generator.random() < 0.6]
            results = [
                {**{name: each[name] for name in ("image_id", "category_id", "bbox")}, "score": 0.5}
                for each in kept
            ]
            name = f"{setting.replace('/', '__')}.json"
            (folder / "yolov3-tiny" / name).write_text(json.dumps(results), "utf-8")

    write([*variants, *(f"{BASELINE}+{each}" for each in DETECTOR_NOISES)])
    done = command("score", str(folder / "set"), given, "--format=json")
    (model,) = json.loads(done.out)["models"]
    write(model["combined"]["missing"])
    return report(folder / "set", folder / "detector.html", given)


@pytest.fixture(params=["url", "detector_url"])
def each_url(request: pytest.FixtureRequest) -> str:
    """The page of two classifiers, and that of the detector."""
    return str(request.getfixturevalue(request.param))


HEADLINE = '.wide[aria-label="Loss by noise"]'


def test_the_headline_of_a_detector_fits(page: Page, detector_url: str) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(detector_url)
    head, body = cells(page, "Loss by noise")
    assert head[-1] == "combined"
    assert len(head) == 11
    assert sum("max" in text for text in body) == 6
    assert float(body[-1].rstrip("†")) > 0
    wide = page.locator(HEADLINE)
    assert wide.evaluate("box => box.scrollWidth - box.clientWidth") == 0


@pytest.mark.parametrize("width", [800, 360])
def test_the_combined_loss_is_seen_where_the_headline_does_not_fit(
    width: int, page: Page, detector_url: str
) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(detector_url)
    wide = page.locator(HEADLINE)
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
    for row in page.locator(f"{HEADLINE} tr").all():
        last = row.locator("th, td").last.bounding_box()
        assert last is not None
        assert last["x"] >= 0
        assert last["x"] + last["width"] <= width


BROKEN_WORDS = """() => {
    const found = [];
    for (const element of document.querySelectorAll("code, small, td.text")) {
        for (const node of element.childNodes) {
            if (node.nodeType !== Node.TEXT_NODE) continue;
            for (const { 0: word, index } of node.textContent.matchAll(/[+]?[^-/+\\s]+[-/]?/g)) {
                const range = document.createRange();
                range.setStart(node, index);
                range.setEnd(node, index + word.length);
                if (range.getClientRects().length > 1) found.push(element.textContent);
            }
        }
    }
    return found;
}"""
"""The script that returns texts that break elsewhere than before ``+`` and after ``-`` or ``/``."""


@pytest.mark.parametrize("width", [1200, 360])
def test_names_break_at_their_parts(width: int, page: Page, each_url: str) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(each_url)
    assert page.evaluate(BROKEN_WORDS) == []


CROSSED = """() => {
    const boxes = (svg, name) => [...svg.querySelectorAll(name)].map(each => {
        const { x, y, width, height } = each.getBBox();
        // Digits leave a part of the height free, for letters with parts below the line.
        return { text: each.textContent, left: x, right: x + width, top: y + 2,
            bottom: y + height - 3 };
    });
    const found = [];
    for (const svg of document.querySelectorAll("svg.chart")) {
        const values = boxes(svg, ".value");
        const places = [...svg.querySelectorAll("polyline")].flatMap(line => {
            const points = [...line.points];
            return points.slice(1).flatMap((end, number) => [...Array(101).keys()].map(step => ({
                x: points[number].x + (end.x - points[number].x) * step / 100,
                y: points[number].y + (end.y - points[number].y) * step / 100,
            })));
        });
        for (const { text, left, right, top, bottom } of values) {
            const isIn = ({ x, y }) => x > left && x < right && y > top && y < bottom;
            if (places.some(isIn)) found.push(text);
        }
    }
    return found;
}"""
"""The script that returns the losses in the charts that the line crosses."""


def test_the_line_crosses_no_label(page: Page, each_url: str) -> None:
    page.goto(each_url)
    assert page.locator("svg.chart .value").count() > 5
    assert page.evaluate(CROSSED) == []


CONTRASTS = """() => {
    const parsed = (color) => {
        const [red, green, blue, alpha = 1] = color.match(/[\\d.]+/g).map(Number);
        return { rgb: [red, green, blue], alpha };
    };
    const over = ({ rgb, alpha }, below) => rgb.map((each, place) =>
        alpha * each + (1 - alpha) * below[place]);
    const ground = (element) => {
        const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
        return over(parsed(getComputedStyle(element).backgroundColor), below);
    };
    const luminance = (rgb) => {
        const [red, green, blue] = rgb.map(each => each / 255).map(each =>
            each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const found = [];
    for (const element of document.querySelectorAll("body *:not(script, noscript)")) {
        const hasText = [...element.childNodes].some(
            each => each.nodeType === Node.TEXT_NODE && each.textContent.trim());
        if (!hasText || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        const below = ground(element);
        const color = parsed(element.ownerSVGElement ? style.fill : style.color);
        const both = [luminance(over(color, below)), luminance(below)].sort((a, b) => b - a);
        found.push([(both[0] + 0.05) / (both[1] + 0.05), element.outerHTML.slice(0, 80)]);
    }
    return found;
}"""
"""The script that returns the contrast (WCAG 2.2) of all elements with visible texts."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_dark(
    scheme: Literal["light", "dark"], page: Page, url: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector(VIEW)
    page.click("#counts summary")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 500
    assert [each for each in contrasts if each[0] < 4.5] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
