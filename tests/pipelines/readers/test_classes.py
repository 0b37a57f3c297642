"""Class lists in the forms in which people have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sysnoise.manifests.imagenet_classes import devkit_wnids, imagenet_classes
from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.readers.classes import number_classes, read_classes
from tests.pipelines.readers.layouts import DEVKIT_LABELS, FIRST_FIVE, refusal

TENCH = ClassInfo("n01440764", "tench, Tinca tinca")
GOLDFISH = ClassInfo("n01443537", "goldfish")
BOTH = (TENCH, GOLDFISH)
NAMES = (ClassInfo(None, "tench"), ClassInfo(None, "goldfish"))
WNIDS = (ClassInfo("n01440764", None), ClassInfo("n01443537", None))
INDEX = {"0": ["n01440764", "tench, Tinca tinca"], "1": ["n01443537", "goldfish"]}

LISTS = {
    "both": ("l.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish\n", BOTH),
    "wnids, Windows": ("l.txt", "n01440764\r\nn01443537\r\n", WNIDS),
    "names": ("l.txt", "tench\n\ngoldfish\n", NAMES),
    "numbers": ("l.txt", "0: tench\n1: goldfish\n", NAMES),
    "numbers and wnids": ("l.txt", "1 n01443537 goldfish\n0 n01440764 tench, Tinca tinca\n", BOTH),
    "tabs": ("l.tsv", "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n", BOTH),
    "header": ("l.tsv", "index\twnid\tname\n0\tn01440764\ttench\n1\tn01443537\tgoldfish\n", None),
    "CSV": ("l.csv", 'n01440764,"tench, Tinca tinca"\nn01443537,goldfish\n', BOTH),
    "JSON list": ("l.json", '["tench",\n"goldfish"]', NAMES),
    "Keras's index": ("imagenet_class_index.json", json.dumps(INDEX), BOTH),
    "index, pretty": ("l.json", json.dumps(dict(reversed(INDEX.items())), indent=2), BOTH),
    "JSON of numbers to names": ("id2label.json", '{"0": "tench", "1": "goldfish"}', NAMES),
    "torchvision's class_to_idx": ("l.json", '{"n01443537": 1, "n01440764": 0}', WNIDS),
    "wnids to names": ("l.json", '{"n01440764": "tench", "n01443537": "goldfish"}', None),
    "Python dictionary": ("clsidx_to_labels.txt", "{0: 'tench',\n 1: \"goldfish\"}", NAMES),
}


@pytest.mark.parametrize(("name", "text", "expected"), LISTS.values(), ids=LISTS)
def test_class_lists(
    name: str, text: str, expected: tuple[ClassInfo, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    both = (ClassInfo("n01440764", "tench"), GOLDFISH)
    assert read_classes(str(tmp_path / name)) == (expected or both)


@pytest.mark.parametrize("first", ["background", "dummy"])
def test_the_background_of_1001_classes_is_no_class(first: str, tmp_path: Path) -> None:
    names = [first, *(f"class {label}" for label in range(1000))]
    (tmp_path / "labels.txt").write_text("\n".join(names), "utf-8")
    found = read_classes(str(tmp_path / "labels.txt"))
    assert [info.name for info in found] == names[1:]


REFUSED = {
    "blank": ("\n", "is empty"),
    "order": ("n01443537 goldfish\nn01440764 tench\n", "ascending wnid order"),
    "devkit's map": ("n02119789 1 kit_fox\nn02100735 2 English_setter\n", "ascending wnid order"),
    "twice": ("n01440764 tench\nn01440764 tench\n", "ascending wnid order"),
    "a number is missing": ('{"0": "tench", "2": "goldfish"}', "the numbers 0 to 1, found 0 to 2"),
    "numbers from 1": ("1: tench\n2: goldfish\n", "the numbers 0 to 1, found 1 to 2"),
    "cut JSON": ('{"0": "tench", "1": ', "it is not JSON"),
    "numbers as names": ("[1, 2]", "expected the name of a class, found 1"),
    "other JSON": ('{"names": ["tench"], "nc": 1}', "found the key 'names'"),
    "JSON lines": ('{"a": 1}\n{"b": 2}\n', "it is not JSON"),
    "comments": ("# classes\ntench\n", "found the line '# classes'"),
    "code": ("{0: open('/etc/passwd')}", "it is not JSON"),
    "page": ("<!doctype html><p>Not found", "an HTML page"),
    "deep": ("[" * 100_000, "it is"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_class_list_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(text, "utf-8")
    message = refusal(lambda: read_classes(str(path)))
    assert str(path) in message
    assert reason in message


def test_the_shipped_classes_are_those_of_the_known_images() -> None:
    """Labels, wnids and the devkit's numbers of five validation images are known."""
    classes, devkit = imagenet_classes(), devkit_wnids()
    wnids = [info.wnid for info in classes]
    assert wnids == sorted(set(devkit))
    assert len(devkit) == 1000
    for (label, wnid, name), number in zip(FIRST_FIVE, DEVKIT_LABELS, strict=True):
        assert classes[label].wnid == devkit[number - 1] == wnid
        assert (classes[label].name or "").startswith(name.partition(",")[0])


def test_a_part_of_the_classes_keeps_its_places_in_the_thousand() -> None:
    labels, classes, (note,) = number_classes(["n15075141", "n01440764"], (), "val")
    assert labels == [999, 0]
    assert classes == imagenet_classes()
    assert "2 of ImageNet's 1,000 classes; the labels are places in the 1,000" in note


def test_a_class_list_gives_places_of_its_own() -> None:
    labels, classes, (note,) = number_classes(["n01443537", "goldfish", "tench"], BOTH, "val")
    assert labels == [1, 1, 0]
    assert classes == BOTH
    assert "places in the class list of 2 classes" in note


def test_numbers_are_labels() -> None:
    assert number_classes(["3", "0"], BOTH, "val") == ([3, 0], BOTH, ())


@pytest.mark.parametrize("classes", [(), BOTH])
def test_other_classes_are_refused_together(classes: tuple[ClassInfo, ...]) -> None:
    message = refusal(lambda: number_classes(["n00000001", "cat", "n01440764"], classes, "'val'"))
    assert "'val': 2 class(es)" in message
    assert "cat\n  n00000001" in message


def test_a_name_that_two_classes_have_is_none() -> None:
    assert "crane" in refusal(lambda: number_classes(["crane"], (), "val"))
