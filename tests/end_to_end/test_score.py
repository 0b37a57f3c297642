"""Scores through the command: tables worked out by hand, refusals, formats."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.commands import Outcome, command, generate
from tests.end_to_end.reading import samples_table, tree
from tests.scoring import BASELINE, GRID, Row, class_rows, key, made_up_set, write_lines
from tests.servers import http_server
from tests.shared import SharedFolders

LABELS = [number % 10 for number in range(20)]
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
NV12 = "pillow/pillow-bilinear/nv12-bt601"
STACKED = "ffmpeg/pillow-nearest/rgb"
SAME = {
    "opencv/pillow-bilinear/rgb": BASELINE,
    "pillow/opencv-nearest/rgb": NEAREST,
    NV12: BASELINE,
}
"""Variants of the set, and those whose pixels they have."""
WRONG: dict[str, set[int]] = {
    BASELINE: {0, 1},
    "opencv/pillow-bilinear/rgb": {0, 1},
    "simplejpeg/pillow-bilinear/rgb": {0, 1, 2},
    FFMPEG: {0, 1, 2, 3, 4},
    NEAREST: {2, 3, 4, 5, 6, 7, 8, 9},
    "pillow/opencv-nearest/rgb": {2, 3, 4, 5, 6, 7, 8, 9},
    NV12: {0, 1},
    f"{BASELINE}+fp16": {0, 1},
    f"{BASELINE}+int8-symmetric-per-tensor": {0, 1, 5},
    f"{BASELINE}+int8-asymmetric-per-tensor": {0, 1, 5, 6},
    f"{BASELINE}+ceil-mode": {0},
    STACKED: set(range(10)),
    f"{STACKED}+int8-asymmetric-per-tensor+ceil-mode": set(range(14)),
}
"""Images that are classified wrongly, by setting; each of the 20 counts five points."""


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, one_image_set: Path) -> Path:
    """Twenty made-up images."""
    return made_up_set(one_image_set, tmp_path_factory.mktemp("made-up") / "set", LABELS, SAME)


def predicted(wrong: dict[str, set[int]] = WRONG) -> list[Row]:
    return [row for setting, images in wrong.items() for row in class_rows(setting, LABELS, images)]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "resnet.jsonl", predicted())


def score(noisy: Path, predictions: Path, *options: str) -> Outcome:
    return command("score", str(noisy), f"--predictions={predictions}", *options)


def scored(noisy: Path, predictions: Path, *options: str) -> dict[str, Any]:
    done = score(noisy, predictions, "--format=json", *options)
    assert done.code == 0, done.error
    return dict(json.loads(done.out))


def cells(model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["noise"]: cell for cell in model["noises"]}


def test_the_table_is_the_one_worked_out_by_hand(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines)["models"]
    assert (model["model"], model["images"]) == ("resnet", 20)
    assert model["trained"] == {"top-1": 90.0, "top-5": None}
    found = cells(model)
    assert list(found) == ["decode", "resize", "color", "fp16", "int8", "ceil mode"]
    figures = {
        noise: (cell["mean"], cell["std"], cell["max"] and (*cell["max"].values(),))
        for noise, cell in found.items()
    }
    int8 = "int8-asymmetric-per-tensor"
    assert figures == {
        "decode": (10.0, pytest.approx(math.sqrt(50)), ("ffmpeg", 15.0)),
        "resize": (30.0, None, ("pillow-nearest", 30.0)),
        "color": (None, None, None),
        "fp16": (0.0, None, ("fp16", 0.0)),
        "int8": (7.5, pytest.approx(math.sqrt(12.5)), (int8, 10.0)),
        "ceil mode": (-5.0, None, ("ceil-mode", -5.0)),
    }
    counts = {noise: (cell["distinct"], len(cell["methods"])) for noise, cell in found.items()}
    assert counts == {
        "decode": (2, 3),
        "resize": (1, 2),
        "color": (0, 1),
        "fp16": (1, 1),
        "int8": (2, 2),
        "ceil mode": (1, 1),
    }
    same = {
        method["method"]: method["same_as"]
        for cell in found.values()
        for method in cell["methods"]
        if method["same_as"]
    }
    assert same == {"opencv": "pillow", "opencv-nearest": "pillow-nearest", "nv12-bt601": "rgb"}


def test_each_delta_has_flips_and_mcnemar(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines)["models"]
    scores = {
        method["method"]: method["score"] for cell in model["noises"] for method in cell["methods"]
    }
    # Ten of twenty images change: eight are lost, two are won.
    nearest = scores["pillow-nearest"]
    assert nearest["flip_rate"] == 50.0
    assert nearest["mcnemar_p"] == float(Fraction(2 * (1 + 10 + 45), 2**10))
    assert scores["ffmpeg"]["mcnemar_p"] == float(Fraction(2, 2**3))
    assert scores["fp16"]["flip_rate"] == 0.0
    assert scores["fp16"]["mcnemar_p"] == 1.0
    assert scores["fp16"]["interval"] == [0.0, 0.0]


def test_a_flip_need_not_change_what_is_right(noisy: Path, tmp_path: Path) -> None:
    rows = class_rows(BASELINE, LABELS, {0, 1})
    others = class_rows(f"{BASELINE}+fp16", LABELS, {0, 1})
    others[0]["class"] += 5
    (model,) = scored(noisy, write_lines(tmp_path / "m.jsonl", rows + others))["models"]
    ((method,),) = (cell["methods"] for cell in model["noises"])
    assert method["score"]["delta"] == 0.0
    assert method["score"]["flip_rate"] == 5.0
    assert method["score"]["mcnemar_p"] == 1.0


def test_the_worst_methods_are_stacked_in_the_order_of_the_columns(
    noisy: Path, lines: Path
) -> None:
    (model,) = scored(noisy, lines)["models"]
    int8 = "int8-asymmetric-per-tensor"
    steps = [
        (step["noise"], step["method"], step["setting"], step["score"] and step["score"]["delta"])
        for step in model["combined"]["steps"]
    ]
    # Without fp16, as in the paper, and without color, which changes no pixel.
    assert steps == [
        ("decode", "ffmpeg", FFMPEG, 15.0),
        ("resize", "pillow-nearest", STACKED, 40.0),
        ("int8", int8, f"{STACKED}+{int8}", None),
        ("ceil mode", "ceil-mode", f"{STACKED}+{int8}+ceil-mode", 60.0),
    ]
    assert model["combined"]["delta"] == 60.0
    assert model["combined"]["missing"] == [f"{STACKED}+{int8}"]
    assert {other["setting"] for other in model["others"]} == {
        STACKED,
        f"{STACKED}+{int8}+ceil-mode",
    }


def test_a_stack_that_has_no_predictions_is_named(noisy: Path, tmp_path: Path) -> None:
    wrong = {setting: images for setting, images in WRONG.items() if STACKED not in setting}
    path = write_lines(tmp_path / "resnet.jsonl", predicted(wrong))
    (model,) = scored(noisy, path)["models"]
    assert model["combined"]["delta"] is None
    assert model["combined"]["missing"][0] == STACKED
    text = score(noisy, path).out
    line = next(line for line in text.splitlines() if f"{STACKED} " in line)
    assert "not among the predictions" in line
    assert re.search(r"^resnet .* missing$", text, re.MULTILINE)


def test_all_methods_count_as_in_the_paper(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines, "--all-methods")["models"]
    found = cells(model)
    assert found["decode"]["mean"] == pytest.approx(20 / 3)
    assert found["decode"]["std"] == pytest.approx(
        math.sqrt(((20 / 3) ** 2 + (5 / 3) ** 2 + (25 / 3) ** 2) / 2)
    )
    assert (found["resize"]["mean"], found["resize"]["std"]) == (30.0, 0.0)
    assert found["color"]["mean"] == 0.0
    assert found["color"]["distinct"] == 0
    steps = [step["noise"] for step in model["combined"]["steps"]]
    assert steps == ["decode", "resize", "color", "int8", "ceil mode"]


def test_intervals_are_those_of_a_plain_bootstrap(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines)["models"]
    generator = np.random.default_rng(0)
    drawn = [generator.integers(20, size=20) for _ in range(1000)]

    def expected(*settings: str) -> list[float]:
        deltas = []
        for images in drawn:
            rates = [[image not in WRONG[each] for image in images] for each in settings]
            base = [image not in WRONG[BASELINE] for image in images]
            deltas.append(100 * (np.mean(base) - np.mean(rates)))
        return [float(limit) for limit in np.percentile(deltas, [2.5, 97.5])]

    found = cells(model)
    decode = found["decode"]
    ffmpeg = next(each for each in decode["methods"] if each["method"] == "ffmpeg")
    assert ffmpeg["score"]["interval"] == pytest.approx(expected(FFMPEG))
    both = expected("simplejpeg/pillow-bilinear/rgb", FFMPEG)
    assert decode["interval"] == pytest.approx(both)
    assert found["resize"]["interval"] == pytest.approx(expected(NEAREST))


def test_formats_say_the_same(noisy: Path, lines: Path) -> None:
    texts = {
        name: score(noisy, lines, f"--format={name}").out
        for name in ("terminal", "markdown", "latex")
    }
    for text in texts.values():
        for figure in ("90.00", "10.00", "7.07", "2 of 3 distinct", "0 of 1 distinct", "60.00"):
            assert figure in text
    row = next(line for line in texts["terminal"].splitlines() if line.startswith("resnet "))
    # A resample may draw none of three of the twenty images; it always draws some of ten.
    assert row.split()[:2] == ["resnet", "90.00"]
    for figure in ("10.00†", "30.00†", "0.00†", "-5.00†", "60.00"):
        assert figure in row.split()
    assert re.search(r"^ .*max 15\.00†.*\n .*ffmpeg", texts["terminal"], re.MULTILINE)
    assert "max 15.00†<br>ffmpeg" in texts["markdown"]
    assert r"max 15.00\textsuperscript{\dag} \\ ffmpeg" in texts["latex"]
    assert r" & $-$5.00\textsuperscript{\dag}" in texts["latex"]
    table = [line for line in texts["markdown"].splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table[:3]} == {10}


def test_latex_compiles_or_is_well_formed(noisy: Path, lines: Path, tmp_path: Path) -> None:
    names = r"a_b & 50% #1 $x$ {y} \z ~ ^ <|>"
    done = score(noisy, lines, "--format=latex", f"--model={names}", f"-o={tmp_path / 't.tex'}")
    assert done.code == 0, done.error
    text = (tmp_path / "t.tex").read_text("utf-8")
    code = [line for line in text.splitlines() if not line.startswith("%")]
    columns = 0
    for line in code:
        if begins := re.fullmatch(r"\\begin\{tabular\}\{(l+)\}", line):
            columns = len(begins[1])
        if line.endswith(r" \\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
    joined = "\n".join(code)
    assert joined.count("{") - joined.count(r"\{") == joined.count("}") - joined.count(r"\}")
    if shutil.which("pdflatex"):
        page = tmp_path / "page.tex"
        body = "\\input{t.tex}\n"
        page.write_text(
            f"\\documentclass{{article}}\n\\begin{{document}}\n{body}\\end{{document}}\n", "utf-8"
        )
        made = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", page.name],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert made.returncode == 0, made.stdout


def test_csv_has_the_figures_of_the_json(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines)["models"]
    done = score(noisy, lines, "--format=csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert rows[0]["row"] == "trained"
    assert float(rows[0]["top-1"]) == model["trained"]["top-1"]
    for cell in model["noises"]:
        own = [row for row in rows if row["noise"] == cell["noise"] and row["row"] != "combined"]
        methods = [row for row in own if row["row"] == "method"]
        assert [row["method"] for row in methods] == [each["method"] for each in cell["methods"]]
        for row, each in zip(methods, cell["methods"], strict=True):
            found = each["score"]
            for name in ("delta", "flip_rate", "mcnemar_p"):
                assert float(row[name]) == found[name]
            assert [float(row["low"]), float(row["high"])] == found["interval"]
            assert row["same_as"] == (each["same_as"] or "")
        (mean,) = (row for row in own if row["row"] == "mean")
        assert mean["delta"] == ("" if cell["mean"] is None else str(cell["mean"]))
        assert mean["std"] == ("" if cell["std"] is None else str(cell["std"]))
        assert (int(mean["distinct"]), int(mean["methods"])) == (
            cell["distinct"],
            len(cell["methods"]),
        )
    steps = [row for row in rows if row["row"] == "combined"]
    assert [row["setting"] for row in steps] == [
        step["setting"] for step in model["combined"]["steps"]
    ]
    assert [row["delta"] for row in steps] == ["15.0", "40.0", "", "60.0"]
    assert (
        "sysnoise: note: resnet: no predictions of variants that differ in one noise: "
        in done.error
    )


def test_variants_without_predictions_are_named(noisy: Path, lines: Path) -> None:
    (model,) = scored(noisy, lines)["models"]
    lacking = {name for note in model["notes"] for name in re.findall(r"'([^']+)'", note)}
    assert lacking == {
        f"pillow/{each}/rgb" for each in ("pillow-bicubic", "opencv-linear", "opencv-cubic")
    }


def test_other_figures_of_the_same_pixels_are_noted(noisy: Path, tmp_path: Path) -> None:
    wrong = {**WRONG, "opencv/pillow-bilinear/rgb": {0, 1, 2}}
    path = write_lines(tmp_path / "m.jsonl", predicted(wrong))
    (model,) = scored(noisy, path)["models"]
    notes = [note for note in model["notes"] if "do not repeat" in note]
    assert notes == [
        f"'opencv/pillow-bilinear/rgb' and '{BASELINE}' have the same pixels and other figures, "
        "85.0000 and 90.0000: the predictions do not repeat"
    ]


def test_parquet_json_lines_and_a_folder_give_one_table(
    noisy: Path, lines: Path, tmp_path: Path
) -> None:
    rows = predicted()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "resnet.parquet", row_group_size=7)
    (tmp_path / "resnet" / "parts").mkdir(parents=True)
    write_lines(tmp_path / "resnet" / "b.jsonl", rows[:33])
    slugs = [{**row, "setting": row["setting"].replace("/", "__")} for row in rows[33:]]
    np.random.default_rng(0).shuffle(slugs)
    pq.write_table(pa.Table.from_pylist(slugs), tmp_path / "resnet" / "parts" / "a.parquet")
    expected = scored(noisy, lines)
    assert scored(noisy, tmp_path / "resnet.parquet") == expected
    assert scored(noisy, tmp_path / "resnet") == expected


def test_top5_and_logits_give_top1_and_top5(noisy: Path, tmp_path: Path) -> None:
    """The label is the class at place ``number % 7`` of ten."""
    others = [[each for each in range(10) if each != label] for label in LABELS]
    classes = [
        [*wrong[: number % 7], label, *wrong[number % 7 :]]
        for number, (label, wrong) in enumerate(zip(LABELS, others, strict=True))
    ]
    top5 = [
        {"setting": BASELINE, "key": key(number), "top5": each[:5]}
        for number, each in enumerate(classes)
    ]
    logits = [
        {
            "setting": BASELINE,
            "key": key(number),
            "logits": [-float(each.index(label)) for label in range(10)],
        }
        for number, each in enumerate(classes)
    ]
    # Of 0 to 19, three leave no remainder, and five a remainder of 5 or 6.
    expected = {"top-1": 15.0, "top-5": 75.0}
    pq.write_table(pa.Table.from_pylist(logits), tmp_path / "logits.parquet")
    for path in (
        write_lines(tmp_path / "top5.jsonl", top5),
        write_lines(tmp_path / "logits.jsonl", logits),
        tmp_path / "logits.parquet",
    ):
        (model,) = scored(noisy, path)["models"]
        assert model["trained"] == expected


def test_a_model_is_a_row(noisy: Path, lines: Path, tmp_path: Path) -> None:
    other = write_lines(tmp_path / "vit.jsonl", predicted({**WRONG, NEAREST: {0, 1}}))
    document = scored(noisy, lines, f"--predictions={other}")
    assert [model["model"] for model in document["models"]] == ["resnet", "vit"]
    named = scored(noisy, lines, f"--predictions={other}", "--model=A", "--model=B")
    assert [model["model"] for model in named["models"]] == ["A", "B"]
    resize = next(each for each in document["matrices"] if each["noise"] == "resize")
    assert resize["methods"] == ["pillow-bilinear", "pillow-nearest"]
    assert [row["metrics"] for row in resize["rows"]] == [[90.0, 60.0], [90.0, 90.0]]
    assert [row["mean"] for row in resize["rows"]] == [75.0, 90.0]
    assert resize["rows"][0]["std"] == pytest.approx(math.sqrt(450))
    text = score(noisy, lines, f"--predictions={other}").out
    assert "Models x resize" in text


def test_models_need_names_of_their_own(noisy: Path, lines: Path) -> None:
    for options in ([f"--predictions={lines}"], ["--model=A", "--model=B"]):
        done = score(noisy, lines, *options)
        assert done.code == 2
        assert "--model" in done.error


PAPER: dict[str, dict[str, tuple[list[float], float | None, float | None]]] = {
    "resize": {
        "pil-bil": ([76.572, 72.168, 76.512, 72.090, 75.346, 74.072], 74.460, 2.02),
        "pil-near": ([74.872, 75.988, 75.548, 75.970, 76.002, 76.056], None, None),
        "cv-bil": ([75.840, 75.268, 76.446, 75.248, 76.682, 76.436], 75.987, 0.629),
        "mix": ([76.154, 75.876, 76.344, 75.786, 76.444, 76.330], 76.156, 0.270),
    },
    "decode": {
        "pillow": ([76.430, 76.426, 75.310], None, 0.645),
        "opencv": ([76.510, 76.510, 75.368], None, None),
        "ffmpeg": ([75.730, 75.664, 76.318], None, None),
        "mix": ([76.53, 76.524, 76.414], None, None),
    },
}
"""Tables 7 and 8 of the paper: accuracies by training row, and its means and deviations."""
TESTED = {
    "resize": [
        f"pillow/{name}/rgb"
        for name in (
            *("pillow-bilinear", "pillow-nearest", "pillow-bicubic"),
            *("opencv-nearest", "opencv-linear", "opencv-cubic"),
        )
    ],
    "decode": [f"{name}/pillow-bilinear/rgb" for name in ("pillow", "opencv", "ffmpeg")],
}


VALIDATION_IMAGES = 50_000
"""Number of images of ImageNet's validation set, by which the paper's accuracies are fractions."""


@pytest.fixture
def validation_set(shared: SharedFolders, one_image_set: Path) -> Path:
    """A made-up set of as many samples as ImageNet's validation set has, all of class 0."""

    def build(folder: Path) -> None:
        made_up_set(one_image_set, folder / "set", [0] * VALIDATION_IMAGES)

    return shared("validation", build) / "set"


@pytest.mark.parametrize("noise", ["decode", pytest.param("resize", marks=pytest.mark.slow)])
def test_the_papers_matrices_have_its_means_and_deviations(
    noise: str, validation_set: Path, tmp_path: Path
) -> None:
    images = VALIDATION_IMAGES
    keys = [key(number) for number in range(images)]
    options = []
    for model, (accuracies, _, _) in PAPER[noise].items():
        settings, classes = [], []
        for setting, accuracy in zip(TESTED[noise], accuracies, strict=True):
            right = round(accuracy * images / 100)
            settings += [setting] * images
            classes += [0] * right + [1] * (images - right)
        columns = {"setting": settings, "key": keys * len(accuracies), "class": classes}
        pq.write_table(pa.table(columns), tmp_path / f"{model}.parquet")
        options.append(f"--predictions={tmp_path / f'{model}.parquet'}")
    done = command("score", str(validation_set), "--format=json", *options)
    assert done.code == 0, done.error
    (matrix,) = json.loads(done.out)["matrices"]
    assert matrix["noise"] == noise
    for row, (accuracies, mean, deviation) in zip(
        matrix["rows"], PAPER[noise].values(), strict=True
    ):
        assert row["metrics"] == pytest.approx(accuracies, abs=1e-9)
        exact = [Fraction(round(each * 1000), 1000) for each in accuracies]
        center = sum(exact) / len(exact)
        assert row["mean"] == pytest.approx(float(center), abs=1e-9)
        squares = sum((each - center) ** 2 for each in exact) / (len(exact) - 1)
        assert row["std"] == pytest.approx(math.sqrt(squares), abs=1e-9)
        if mean is not None:
            assert row["mean"] == pytest.approx(mean, abs=0.0006)
        if deviation is not None:
            assert row["std"] == pytest.approx(deviation, abs=0.006)


def test_what_does_not_fit_the_set_is_named_all_at_once(noisy: Path, tmp_path: Path) -> None:
    rows = predicted()
    rows = [row for row in rows if (row["setting"], row["key"]) != (FFMPEG, key(3))]
    rows.append({"setting": FFMPEG, "key": "elsewhere", "class": 1})
    rows.append({"setting": NEAREST, "key": key(7), "class": 1})
    rows.append({"setting": "gimp/pillow-bilinear/rgb", "key": key(0), "class": 1})
    rows.append({"setting": f"{BASELINE}+int9", "key": key(0), "class": 1})
    rows.append({"setting": f"{BASELINE}+box-offset-1", "key": key(0), "class": 1})
    rows.append({"setting": f"{BASELINE}+int8+int8-mine", "key": key(0), "class": 1})
    done = score(noisy, write_lines(tmp_path / "m.jsonl", rows))
    assert done.code == 1
    assert (
        done.lacks(
            f"'{FFMPEG}': missing keys (1): 'image_00003'",
            f"'{FFMPEG}': keys that are not in the set (1): 'elsewhere'",
            f"'{NEAREST}': repeated keys (1): 'image_00007'",
            "'gimp/pillow-bilinear/rgb': unknown variant 'gimp/pillow-bilinear/rgb'",
            f"'{BASELINE}+int9': unknown noise 'int9' (did you mean 'int8'?)",
            f"'{BASELINE}+box-offset-1': unknown noise 'box-offset-1'",
            "int8 and int8-mine are both methods of int8; give one",
        )
        == []
    )


def test_the_baseline_is_needed(noisy: Path, tmp_path: Path) -> None:
    rows = class_rows(FFMPEG, LABELS, {0})
    done = score(noisy, write_lines(tmp_path / "m.jsonl", rows))
    assert done.code == 1
    assert f"'{BASELINE}': the baseline setting is not among the predictions" in done.error


def test_partial_scores_what_all_settings_have(noisy: Path, tmp_path: Path) -> None:
    rows = [row for row in predicted() if row["key"] not in (key(0), key(19))]
    rows = [row for row in rows if (row["setting"], row["key"]) != (FFMPEG, key(4))]
    rows.append({"setting": FFMPEG, "key": "elsewhere", "class": 1})
    path = write_lines(tmp_path / "m.jsonl", rows)
    assert score(noisy, path).code == 1
    (model,) = scored(noisy, path, "--partial")["models"]
    assert model["images"] == 17
    assert "17 of 20 images are scored" in model["notes"]
    assert model["trained"]["top-1"] == pytest.approx(100 * 16 / 17)
    (decode,) = (cell for cell in model["noises"] if cell["noise"] == "decode")
    assert decode["max"]["delta"] == pytest.approx(100 * 2 / 17)
    assert "top-1 in percent over 17 of 20 images" in score(noisy, path, "--partial").out
    nothing = [row for row in predicted() if (row["setting"] == FFMPEG) == (row["key"] == key(0))]
    done = score(noisy, write_lines(tmp_path / "none.jsonl", nothing), "--partial")
    assert done.code == 1
    assert "no key for all settings in common" in done.error
    twice = write_lines(tmp_path / "twice.jsonl", [*predicted(), predicted()[0]])
    done = score(noisy, twice, "--partial")
    assert done.code == 1
    assert "repeated keys (1)" in done.error


def test_the_order_of_the_rows_is_no_matter(noisy: Path, lines: Path, tmp_path: Path) -> None:
    (tmp_path / "turned").mkdir()
    other = write_lines(tmp_path / "turned" / "resnet.jsonl", predicted()[::-1])
    for name in ("json", "terminal", "csv", "latex", "markdown"):
        one, two = (score(noisy, each, f"--format={name}").out for each in (lines, other))
        assert one == two


def test_the_output_is_a_file_outside_of_the_set(noisy: Path, lines: Path, tmp_path: Path) -> None:
    before = tree(noisy)
    shown = score(noisy, lines, "--format=markdown").out
    done = score(noisy, lines, "--format=markdown", f"--output={tmp_path / 'new' / 't.md'}")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "new" / "t.md").read_text("utf-8") == shown
    inside = score(noisy, lines, f"--output={noisy / 't.md'}")
    assert inside.code == 2
    assert "lies in the set" in inside.error
    assert tree(noisy) == before


def test_only_a_finished_set_is_scored_against(lines: Path, tmp_path: Path, noisy: Path) -> None:
    nothing = score(tmp_path, lines)
    assert nothing.code == 1
    assert "is not a finished set" in nothing.error
    lacking = score(noisy, tmp_path / "no.jsonl")
    assert lacking.code == 1
    assert "does not exist" in lacking.error
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing", "utf-8")
    empty = score(noisy, tmp_path / "empty")
    assert empty.code == 1
    assert "no .parquet, .jsonl, .ndjson, .csv or .json files" in empty.error


def test_what_is_no_file_of_predictions_is_named(noisy: Path, tmp_path: Path) -> None:
    kinds = {"p.txt": b"setting,key\n", "p.jsonl.gz": gzip.compress(b"x"), "p": b"x"}
    named = ("a file that is named .txt", "a gzip file", "a file that is named without an ending")
    for (name, data), found in zip(kinds.items(), named, strict=True):
        (tmp_path / name).write_bytes(data)
        failed = command("score", str(noisy), "--predictions", str(tmp_path / name))
        assert (failed.code, failed.lacks("no .parquet, .jsonl,", f"found {found}")) == (1, [])
    (tmp_path / "blank.jsonl").write_text("\n\n", "utf-8")
    failed = command("score", str(noisy), "--predictions", str(tmp_path / "blank.jsonl"))
    assert (failed.code, failed.lacks("blank.jsonl' have no rows")) == (1, [])


def test_names_of_files_as_keys_are_told(noisy: Path, tmp_path: Path) -> None:
    rows = class_rows(BASELINE, LABELS, set())
    named = [{**row, "key": f"{row['key']}.JPEG"} for row in rows]
    failed = command(
        "score", str(noisy), "--predictions", str(write_lines(tmp_path / "p.jsonl", named))
    )
    assert (failed.code, failed.lacks("'image_00000.JPEG'", "; leave out the extension")) == (1, [])


def test_predictions_are_read_from_the_web(noisy: Path, lines: Path) -> None:
    expected = score(noisy, lines).out
    with http_server(lines.parent) as server:
        done = command("score", str(noisy), f"--predictions={server.url}/{lines.name}")
    assert (done.out, done.error) == (expected, "")


def test_a_grid_that_combines_nothing_is_why_the_combined_loss_is_missing(
    imagenet_source: Path, tmp_path: Path
) -> None:
    (tmp_path / "grid.yaml").write_text(f"{GRID}combine: one-factor\n", "utf-8")
    made = generate(
        "imagenet",
        {
            "images": imagenet_source / "images",
            "label-file": imagenet_source / "val.txt",
            "grid": tmp_path / "grid.yaml",
            "output": tmp_path / "set",
            "limit": "2",
            "format": "none",
        },
        "--workers=1",
    )
    assert made.code == 0, made.error
    keys = [row["key"] for row in samples_table(tmp_path / "set")]
    settings = (BASELINE, FFMPEG, "pillow/pillow-nearest/rgb")
    rows = [{"setting": setting, "key": key, "class": 0} for setting in settings for key in keys]
    predictions = write_lines(tmp_path / "net.jsonl", rows)
    done = command("score", str(tmp_path / "set"), f"--predictions={predictions}")
    assert done.code == 0, done.error
    assert "net: no setting loses anything" in done.out.splitlines()
    assert (
        "net: the combined loss is missing, because the set does not hold "
        "'ffmpeg/pillow-nearest/rgb'; a grid with 'combine: product' does, such as imagenet-full "
        "or coco-full"
    ) in done.out.splitlines()
