"""Tables of text: what they look like, and what becomes of them where there is little room."""

from __future__ import annotations

import re

import pytest

from sysnoise.transforms.text_table import NAME_WIDTH, TextTable, fitted_lines, wrapped

IDS = (
    "pillow/pillow-bilinear/rgb",
    "simplejpeg-fastdct/pillow-bilinear/rgb",
    "pillow/pillow-bilinear/rgb+int8-symmetric-per-channel+ceil-mode",
)
SETTINGS = TextTable(
    columns=["model", "setting", "top-1", "delta", "interval", "McNemar p"],
    rows=[
        [[text] for text in ("resnet", setting, f"9{n}.25", f"{n}.50", "-1.25 to 2.50", f"0.{n}")]
        for n, setting in enumerate(IDS)
    ],
    optional=["model", "McNemar p", "interval"],
    names=["model", "setting"],
)
NOISES = TextTable(
    columns=["model", "trained top-1", "decode", "resize", "color"],
    rows=[
        [
            ["resnet"],
            ["90.00"],
            ["5.50 ± 7.25", "max 15.00", "simplejpeg-fastdct-fastupsample"],
            ["-1.00 ± 0.50", "max 0.25", "opencv-nearest"],
            ["0.75", "3 of 5 distinct"],
        ],
    ],
)
WIDE = TextTable(["name", "figure"], [[["a"], ["1.25"]], [["long"], ["3"]]])


def words(text: str) -> str:
    """The text without what lays it out."""
    return re.sub(r"\s", "", text)


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert fitted_lines(WIDE, None) == ["name  figure", "a     1.25", "long  3"]


def test_lines_of_cells_stand_below_each_other() -> None:
    table = TextTable(["a", "b"], [[["1"], ["2", "three"]], [["4", "5"], ["6"]]])
    assert fitted_lines(table, None) == ["a  b", "1  2", "   three", "4  6", "5"]


@pytest.mark.parametrize("table", [SETTINGS, NOISES], ids=["settings", "noises"])
def test_a_table_that_fits_stays_as_it_is(table: TextTable) -> None:
    whole = fitted_lines(table, None)
    width = max(map(len, whole))
    assert fitted_lines(table, width) == whole
    assert fitted_lines(table, width - 1) != whole


@pytest.mark.parametrize("width", range(40, 130))
def test_every_line_fits(width: int) -> None:
    for table in (SETTINGS, NOISES):
        assert max(map(len, fitted_lines(table, width))) <= width


def test_names_are_broken_before_columns_go() -> None:
    width = 2 + 6 + NAME_WIDTH + 2 + 5 + 2 + 5 + 2 + 13 + 2 + 9
    lines = fitted_lines(SETTINGS, width)
    assert re.split("  +", lines[0]) == list(SETTINGS.columns)
    cells = ["resnet", "simplejpeg-fastdct/", "91.25", "1.50", "-1.25 to 2.50", "0.1"]
    assert re.split("  +", lines[2]) == cells
    assert [line.strip() for line in (lines[3], *lines[5:])] == [
        "pillow-bilinear/rgb",
        "+int8-symmetric-per-channel",
        "+ceil-mode",
    ]


@pytest.mark.parametrize(
    ("width", "kept", "said"),
    [
        (70, ["setting", "top-1", "delta", "interval", "McNemar p"], "model (resnet)"),
        (62, ["setting", "top-1", "delta", "interval"], "model (resnet), McNemar p"),
        (50, ["setting", "top-1", "delta"], "model (resnet), McNemar p, interval (-1.25 to 2.50)"),
        (34, ["setting", "top-1", "delta"], "model (resnet), McNemar p, interval (-1.25 to 2.50)"),
    ],
    ids=["one", "two", "all", "all-and-narrow-names"],
)
def test_columns_go_in_the_order_that_the_table_says(
    width: int, kept: list[str], said: str
) -> None:
    heading, *lines = fitted_lines(SETTINGS, width)
    assert re.split("  +", heading) == kept
    place = next(number for number, line in enumerate(lines) if line.startswith("left out: "))
    told = " ".join(line.strip() for line in lines[place:])
    assert told == f"left out: {said}; --wide shows all columns"
    shown = words("".join(line.partition("  ")[0] for line in lines[:place]))
    assert shown == words("".join(IDS))


def test_a_table_that_needs_all_its_columns_is_turned() -> None:
    assert fitted_lines(NOISES, 76) == [
        "               resnet",
        "trained top-1  90.00",
        "decode         5.50 ± 7.25, max 15.00, simplejpeg-fastdct-fastupsample",
        "resize         -1.00 ± 0.50, max 0.25, opencv-nearest",
        "color          0.75, 3 of 5 distinct",
    ]
    assert fitted_lines(NOISES, 60)[2:5] == [
        "decode         5.50 ± 7.25",
        "               max 15.00",
        "               simplejpeg-fastdct-fastupsample",
    ]


@pytest.mark.parametrize("width", range(24, 100, 7))
def test_nothing_is_lost_of_columns_that_do_not_fit(width: int) -> None:
    """Four models are too many even for the turned table, so that it goes on below."""
    models = ["resnet", "mobilenet", "efficientnet", "vit"]
    table = TextTable(
        ["model", *(f"opencv-{number}" for number in range(9))],
        [[[model], *([f"{place}.{number}7"] for number in range(9))]
         for place, model in enumerate(models)],
        names=["model"],
    )  # fmt: skip
    lines = fitted_lines(table, width)
    assert max(map(len, lines)) <= width
    found = "".join(map(words, lines))
    for place, model in enumerate(models):
        assert model in found
        for number in range(9):
            assert found.count(f"{place}.{number}7") == 1
            assert f"opencv-{number}" in found


def test_words_below_a_label_are_indented() -> None:
    assert wrapped("4:2:0  ", "pillow = opencv = simplejpeg", 24) == [
        "4:2:0  pillow = opencv =",
        "       simplejpeg",
    ]
    assert wrapped("not installed; pip gives: ", "dali, stb", 32) == [
        "not installed; pip gives: dali,",
        "  stb",
    ]
    assert wrapped("a label that is longer than a line: ", "dali, stb", 24) == [
        "a label that is longer",
        "  than a line: dali, stb",
    ]
    assert wrapped("", "", 20) == []
