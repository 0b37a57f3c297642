"""Label files and class lists, and the check of their numbering."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.readers.labels import (
    check_labels,
    read_classes,
    read_kaggle_solution,
    read_label_file,
)
from tests.pipelines.readers.layouts import DEVKIT_LABELS, FIRST_FIVE, refusal

TENCH = ClassInfo("n01440764", "tench, Tinca tinca")
GOLDFISH = ClassInfo("n01443537", "goldfish")


def written(folder: Path, data: str | bytes, name: str = "list.txt") -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "a b.JPEG 1\nn01/c.JPEG 2\n",
        "a b.JPEG\t1\nn01/c.JPEG\t2",
        "a b.JPEG  1\r\nn01/c.JPEG 2\r\n",
        "\ufeffa b.JPEG 1\n\n  n01/c.JPEG 2  \n\n",
        "a b.JPEG 1\nn01/c.JPEG 2\na b.JPEG 1\n",
    ],
    ids=["spaces", "tabs", "Windows", "byte order mark and blanks", "line twice"],
)
def test_label_file_reads_names_with_spaces_and_folders(text: str, tmp_path: Path) -> None:
    assert read_label_file(written(tmp_path, text)) == {"a b.JPEG": 1, "n01/c.JPEG": 2}


@pytest.mark.parametrize(
    ("data", "fragments"),
    [
        ("", ["empty"]),
        ("a.JPEG 1\nb.JPEG\n", ["line 2", "'filename label'", "'b.JPEG'"]),
        ("a.JPEG cat\n", ["line 1", "'a.JPEG cat'"]),
        ("a.JPEG 1\na.JPEG 2\n", ["line 2", "'a.JPEG' has another label on an earlier line"]),
        ("a.JPEG\n" * 12, ["line 10:", "and 2 more"]),
        (b"caf\xe9.JPEG 1\n", ["utf-8"]),
    ],
)
def test_malformed_label_file_is_refused_with_the_lines(
    data: str | bytes, fragments: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path, data)
    message = refusal(lambda: read_label_file(path))
    assert [fragment for fragment in [path, *fragments] if fragment not in message] == []


def test_kaggle_solution_takes_the_first_wnid(tmp_path: Path) -> None:
    text = "ImageId,PredictionString\nval_2,n01443537 1 2 3 4 n01440764 5 6 7 8 \nval_1,n01440764\n"
    path = written(tmp_path, text)
    assert read_kaggle_solution(path, [TENCH, GOLDFISH]) == {"val_2": 1, "val_1": 0}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ImageId,PredictionString\nval_1,n01440764\nval_2,n99999999 1 2 3 4\n", "'n99999999'"),
        ("ImageId,PredictionString\nval_1,n01440764\nval_2,\n", "''"),
        ("ImageId,label\nval_1,n01440764\n", "''"),
    ],
)
def test_malformed_kaggle_solution_is_refused(text: str, found: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    message = refusal(lambda: read_kaggle_solution(path, [TENCH]))
    assert f"line {text.count(chr(10))}: expected ImageId and a known wnid" in message
    assert found in message


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish\n", (TENCH, GOLDFISH)),
        (
            "n01440764\r\nn01443537\r\n",
            (ClassInfo("n01440764", None), ClassInfo("n01443537", None)),
        ),
        (
            "goldfish\n\ngreat white shark\n",
            (ClassInfo(None, "goldfish"), ClassInfo(None, "great white shark")),
        ),
    ],
    ids=["both", "wnids", "names"],
)
def test_class_list(text: str, classes: tuple[ClassInfo, ...], tmp_path: Path) -> None:
    assert read_classes(written(tmp_path, text)) == classes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n", "is empty"),
        ("n01443537 goldfish\nn01440764 tench\n", "ascending wnid order"),
        ("n01440764 tench\nn01440764 tench\n", "ascending wnid order"),
    ],
)
def test_bad_class_list_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    message = refusal(lambda: read_classes(path))
    assert path in message
    assert reason in message


NAMES = ["ILSVRC2012_val_{:08d}", "ILSVRC2012_val_{:08d}.JPEG", "n0/ILSVRC2012_val_{:08d}_n0.JPEG"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", range(1, 6))
def test_each_known_image_decides_the_numbering(name: str, number: int) -> None:
    label, devkit = FIRST_FIVE[number - 1][0], DEVKIT_LABELS[number - 1]
    file, other = name.format(number), (name.format(6), 57)
    assert check_labels([(file, label), other], ()) == ()
    message = refusal(lambda: check_labels([(file, devkit), other], ()))
    assert "0-based in wnid order" in message
    assert "meta.mat" in message
    assert f"{file}: expected {label}, found {devkit}" in message


@pytest.mark.parametrize("classes", [(), (TENCH,) * 1000])
def test_label_1000_is_the_devkits(classes: tuple[ClassInfo, ...]) -> None:
    message = refusal(lambda: check_labels([("a.JPEG", 999), ("b.JPEG", 1000)], classes))
    assert "1 label(s) are 1000" in message
    assert "0-based in wnid order" in message
    assert "b.JPEG: 1000" in message


@pytest.mark.parametrize(
    ("label", "classes", "allowed"),
    [
        (-1, (), "0 to 999, the range of the 1,000 classes"),
        (1001, (), "0 to 999, the range of the 1,000 classes"),
        (2, (TENCH, GOLDFISH), "0 to 1, the range of the class list"),
    ],
)
def test_labels_outside_of_the_classes_are_refused(
    label: int, classes: tuple[ClassInfo, ...], allowed: str
) -> None:
    message = refusal(lambda: check_labels([("a.JPEG", 1), ("b.JPEG", label)], classes))
    assert "1 label(s) are not in " + allowed in message
    assert f"b.JPEG: {label}" in message
    assert "a.JPEG" not in message


def test_warning_where_the_numbering_cannot_be_told() -> None:
    (warning,) = check_labels([("ILSVRC2012_val_00000006.JPEG", 57), ("a.JPEG", 999)], ())
    assert "cannot tell whether the labels are 0-based in wnid order" in warning


def test_a_long_line_is_not_shown_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "x" * 1_000_000)
    message = refusal(lambda: read_label_file(path))
    assert "line 1: expected 'filename label', found 'xxx" in message
    assert len(message) < 20_000
