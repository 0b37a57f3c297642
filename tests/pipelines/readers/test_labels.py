"""Label files, matched with images, and the check of their numbering."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.readers.labels import (
    LabelLines,
    check_labels,
    label_images,
    read_label_file,
)
from tests.pipelines.readers.layouts import DEVKIT_LABELS, FIRST_FIVE, lines, refusal

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
    expected = LabelLines(["1", "2"], ["a b.JPEG", "n01/c.JPEG"])
    assert read_label_file(written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "a.JPEG n01440764\nb.JPEG n01443537\n"),
        ("l.txt", "a.JPEG,n01440764\nb.JPEG,n01443537\n"),
        ("l.csv", "a.JPEG,n01440764\nb.JPEG,n01443537\n"),
        ("l.csv", "filename,label\na.JPEG,n01440764\nb.JPEG,n01443537\n"),
        ("l.csv", "id,wnid,image\n7,n01440764,a.JPEG\n9,n01443537,b.JPEG\n"),
        (
            "l.csv",
            "ImageId,PredictionString\na.JPEG,n01440764 1 2 3 4 n9 5 6 7 8 \nb.JPEG,n01443537",
        ),
        (
            "val_annotations.txt",
            "a.JPEG\tn01440764\t0\t32\t44\t62\nb.JPEG\tn01443537\t1\t2\t3\t4\n",
        ),
    ],
    ids=["wnids", "commas", "CSV", "header", "other columns", "Kaggle", "Tiny ImageNet"],
)
def test_columns_of_label_files(name: str, text: str, tmp_path: Path) -> None:
    expected = LabelLines(["n01440764", "n01443537"], ["a.JPEG", "b.JPEG"])
    assert read_label_file(written(tmp_path, text, name)) == expected


@pytest.mark.parametrize(
    ("data", "fragments"),
    [
        ("", ["empty"]),
        ("a.JPEG 1\nb.JPEG\n", ["line 2", "'filename label'", "'b.JPEG'"]),
        ("a.JPEG cat\n", ["line 1", "'a.JPEG cat'"]),
        ("a.JPEG 1\na.JPEG 2\n", ["line 2", "'a.JPEG' has another label on an earlier line"]),
        ("a.JPEG\n" * 12, ["expected 'filename label' or a class alone", "line 10:", "and 2 more"]),
        (b"caf\xe9.JPEG 1\n", ["UTF-8"]),
    ],
)
def test_malformed_label_file_is_refused_with_the_lines(
    data: str | bytes, fragments: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path, data)
    message = refusal(lambda: read_label_file(path))
    assert [fragment for fragment in [path, *fragments] if fragment not in message] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "ImageId,PredictionString\nval_1,n01440764\nval_2,\n",
            "line 3: expected 'filename",
        ),
        ("ImageId,PredictionString\nval_1,n01440764\n,n01440764\n", "line 3: expected 'filename"),
        ("ImageId,what\nval_1,n01440764\n", "found 'imageid', 'what'"),
    ],
)
def test_malformed_csv_is_refused(text: str, found: str, tmp_path: Path) -> None:
    assert found in refusal(lambda: read_label_file(written(tmp_path, text, "l.csv")))


IMAGES = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(5, 0, -1)]
WNIDS = [wnid for _, wnid, _ in reversed(FIRST_FIVE)]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("ILSVRC2012_validation_ground_truth.txt", [str(each) for each in DEVKIT_LABELS]),
        ("synset_labels.txt", [wnid for _, wnid, _ in FIRST_FIVE]),
    ],
)
def test_lines_without_names_are_for_the_numbers_of_the_images(
    name: str, texts: list[str], tmp_path: Path
) -> None:
    """The devkit's numbers, in another order, are those of the wnids that torchvision maps to."""
    assert label_images(IMAGES, written(tmp_path, lines(texts), name)) == WNIDS


def test_lines_that_are_not_one_for_each_image_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, lines(["n01440764"] * 4))
    message = refusal(lambda: label_images(IMAGES, path))
    assert "4 line(s), 5 image(s)" in message
    assert "ILSVRC2012_val_00000005.JPEG" in message


def test_numbers_without_names_may_be_of_two_kinds(tmp_path: Path) -> None:
    path = written(tmp_path, lines(map(str, DEVKIT_LABELS)), "labels.txt")
    assert "from 171 to 822" in refusal(lambda: label_images(IMAGES, path))
    zero_based = written(tmp_path, "0\n1\n2\n3\n999\n", "labels.txt")
    assert label_images(IMAGES, zero_based) == ["999", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["x.JPEG", "y.JPEG"], ["./x.JPEG", "y.JPEG"]),
        (["x.JPEG", "y.JPEG"], ["val/x.JPEG", "/data/imagenet/val/y.JPEG"]),
        (["val/x.JPEG", "val/y.JPEG"], ["x.JPEG", "val/y.JPEG"]),
        (["x.JPEG", "y.JPEG"], ["x", "val/y"]),
        (["a/x.JPEG", "b/x.JPEG"], ["a/x.JPEG", "b/x.JPEG"]),
        (["val/a/x.JPEG", "val/b/x.JPEG"], ["a\\x.JPEG", "b\\x.JPEG"]),
    ],
)
def test_labels_name_images_with_more_or_fewer_folders(
    images: list[str], labels: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path, f"{labels[1]} 2\n{labels[0]} 1\n")
    assert label_images(images, path) == ["1", "2"]


@pytest.mark.parametrize(
    ("images", "text", "fragments"),
    [
        (["x.JPEG"], "y.JPEG 1\n", ["1 image(s) without a label", "1 label(s) without an image"]),
        (
            ["a/x.JPEG"],
            "b/x.JPEG 1\n",
            [
                "1 image(s) without a label",
                "1 label(s) of images in other folders:",
                "b/x.JPEG: a/x",
            ],
        ),
        (["a/x.JPEG", "b/x.JPEG"], "x.JPEG 1\n", ["more than one image:", "a/x.JPEG and b/x"]),
        (["x.JPEG"], "x.JPEG 1\nval/x.JPEG 2\n", ["1 image(s) with two labels", "x.JPEG: 1 and 2"]),
    ],
)
def test_images_and_labels_that_do_not_match_are_refused(
    images: list[str], text: str, fragments: list[str], tmp_path: Path
) -> None:
    message = refusal(lambda: label_images(images, written(tmp_path, text)))
    assert [fragment for fragment in fragments if fragment not in message] == []


@pytest.mark.parametrize("number", range(1, 6))
def test_known_images_are_checked_through_the_class_list(number: int) -> None:
    """A part of ImageNet with numbers of its own is right where its wnids are."""
    label, wnid, _ = FIRST_FIVE[number - 1]
    name = f"ILSVRC2012_val_{number:08d}.JPEG"
    classes = (TENCH, ClassInfo(wnid, None))
    assert check_labels([(name, 1)], classes) == ()
    assert "expected 1, found 0" in refusal(lambda: check_labels([(name, 0)], classes))
    assert check_labels([(name, label)], imagenet_classes()) == ()
    lacking = refusal(lambda: check_labels([(name, 0)], (TENCH,)))
    assert f"{name}: expected {wnid}, which the class list lacks, found 0" in lacking
    (warning,) = check_labels([(name, 1)], (ClassInfo(None, "fish"), ClassInfo(None, "snake")))
    assert "cannot tell" in warning


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
    assert check_labels([("a.JPEG", 999)], imagenet_classes()) == ()


def test_a_long_line_is_not_shown_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "x" * 1_000_000)
    message = refusal(lambda: read_label_file(path))
    assert "line 1: expected 'filename label' or a class alone, found 'xxx" in message
    assert len(message) < 20_000
