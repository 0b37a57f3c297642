"""Which file a name in the annotations is: one table of names, files and the root."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields

import pytest

from sysnoise.pipelines.readers.image_names import FoundFiles, match_names

NFD = unicodedata.normalize("NFD", "größe.jpg")

FOUND: Mapping[str, tuple[str, Sequence[str], str]] = {
    # what: name, files of which the first is the name's, root
    "the very path": ("a/1.jpg", ["a/1.jpg", "1.jpg", "b/a/1.jpg", "A/1.jpg"], "/d"),
    "NFD on disk": ("größe.jpg", [NFD], "/d"),
    "NFD in the name": (NFD, ["größe.jpg"], "/d"),
    "backslashes": ("images\\8\\a1.png", ["images/8/a1.png", "images/9/a1.png"], "/d"),
    "encoded for a URL": ("my%20dog%2B.jpg", ["my dog+.jpg"], "/d"),
    "encoded on disk": ("my dog.jpg", ["my%20dog.jpg"], "/d"),
    "a percent sign that encodes nothing": ("100%.JPG", ["100%.jpg"], "/d"),
    "other case": ("IMG_1.JPG", ["img_1.jpg"], "/d"),
    "the same path in other case, before others": ("a.jpg", ["A.jpg", "sub/a.jpg"], "/d"),
    "a dot before": ("./a/1.jpg", ["a/1.jpg", "1.jpg"], "/d"),
    "dots amid": ("x/../a/./1.jpg", ["a/1.jpg"], "/d"),
    "another extension, or none": ("c", ["c", "c.jpg"], "/d"),
    "in a folder": ("1.jpg", ["images/val2017/1.jpg"], "/d"),
    "folder, deeper": ("val2017/1.jpg", ["images/val2017/1.jpg", "images/train2017/1.jpg"], "/d"),
    "folder that is the root": ("val2017/1.jpg", ["1.jpg", "2.jpg"], "/d/val2017"),
    "folders that are the root": ("images/val2017/1.jpg", ["1.jpg"], "/d/images/val2017/"),
    "root and a folder": ("images/8/1.jpg", ["8/1.jpg", "9/1.jpg"], "/d/images"),
    "root of another name": ("val2017/1.jpg", ["1.jpg"], "/d/images"),
    "Windows": ("C:\\data\\images\\8\\a1.png", ["8/a1.png"], "/d/images"),
    "Windows, relative to a drive": ("C:a1.png", ["a1.png"], "/d"),
    "a network drive": ("\\\\host\\share\\8\\a1.png", ["8/a1.png", "9/a1.png"], "/d"),
    "upload of Label Studio": ("/data/upload/8/abc-a1.png", ["abc-a1.png"], "/d/images"),
    "above": ("..\\..\\images\\8\\a1.png", ["8/a1.png", "9/a1.png"], "/d"),
    "URL": ("https://host/bucket/val2017/1.jpg", ["val2017/1.jpg"], "/d"),
    "more folders in common": ("C:/data/8/a1.png", ["8/a1.png", "a1.png", "9/a1.png"], "/d"),
    "file of backslashes": ("8/a1.png", ["8\\a1.png"], "/d"),
}


@pytest.mark.parametrize(("name", "files", "root"), FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("turn", [1, -1])
def test_name_is_found(turn: int, name: str, files: Sequence[str], root: str) -> None:
    found = match_names([name], files[::turn], root)
    assert found.files == [files[0]]
    assert problems(found) == {}


def problems(found: FoundFiles) -> dict[str, list[str]]:
    names = [each.name for each in fields(found) if each.name not in ("files", "moved")]
    return {name: getattr(found, name) for name in names if getattr(found, name)}


REFUSED: Mapping[str, tuple[Sequence[str], Sequence[str], str, dict[str, list[str]]]] = {
    # what: names, files, root, problems
    "no such file": (["a/1.jpg"], ["a/2.jpg"], "/d", {"missing": ["a/1.jpg"]}),
    "another extension": (["1.jpg"], ["1.png"], "/d", {"missing": ["1.jpg"]}),
    "no name": (["", "..", "a/.."], ["a"], "/d", {"missing": ["", "..", "a/.."]}),
    "two folders": (
        *(["1.jpg"], ["train/1.jpg", "val/1.jpg"], "/d"),
        {"several": ["1.jpg: train/1.jpg and val/1.jpg"]},
    ),
    "two folders of the name": (
        *(["8/1.jpg"], ["x/8/1.jpg", "y/8/1.jpg", "1.jpg"], "/d"),
        {"several": ["8/1.jpg: x/8/1.jpg and y/8/1.jpg"]},
    ),
    "two cases": (
        *(["Img.jpg"], ["IMG.jpg", "img.jpg"], "/d"),
        {"several": ["Img.jpg: IMG.jpg and img.jpg"]},
    ),
    "ß is no ss": (["Maße.jpg"], ["Masse.jpg"], "/d", {"missing": ["Maße.jpg"]}),
    "bytes that are no UTF-8": (["a%E9.jpg"], ["a%E8.jpg"], "/d", {"missing": ["a%E9.jpg"]}),
    "another video's frame": (
        *(["video1/1.jpg"], ["video2/1.jpg"], "/d"),
        {"elsewhere": ["video1/1.jpg: video2/1.jpg"]},
    ),
    "another video's frame, deeper": (
        *(["video1/1.jpg"], ["x/video2/1.jpg", "video2/1.jpg"], "/d"),
        {"elsewhere": ["video1/1.jpg: x/video2/1.jpg and video2/1.jpg"]},
    ),
    "another folder below the root's": (
        *(["images/1.jpg"], ["other/1.jpg"], "/d/images"),
        {"elsewhere": ["images/1.jpg: other/1.jpg"]},
    ),
    "frames of two cameras in one folder": (
        *(["cam1/1.jpg", "cam2/1.jpg"], ["1.jpg"], "/d"),
        {"elsewhere": ["cam1/1.jpg: 1.jpg", "cam2/1.jpg: 1.jpg"]},
    ),
    "other frames of two cameras in one folder": (
        *(["cam1/1.jpg", "cam2/2.jpg"], ["1.jpg", "2.jpg"], "/d"),
        {"elsewhere": ["cam1/1.jpg: 1.jpg", "cam2/2.jpg: 2.jpg"]},
    ),
    "frames of two cameras in the folder of one": (
        *(["cam1/1.jpg", "cam2/2.jpg"], ["1.jpg", "2.jpg"], "/d/cam1"),
        {"elsewhere": ["cam2/2.jpg: 2.jpg"]},
    ),
    "two places of a disk": (
        *(["C:\\one\\8\\1.jpg", "C:\\two\\8\\2.jpg"], ["8/1.jpg", "8/2.jpg"], "/d"),
        {"elsewhere": ["C:\\one\\8\\1.jpg: 8/1.jpg", "C:\\two\\8\\2.jpg: 8/2.jpg"]},
    ),
    "the same name twice": (
        *(["1.jpg", "1.jpg"], ["1.jpg"], "/d"),
        {"shared": ["1.jpg: 1.jpg and 1.jpg"]},
    ),
    "two names of one file": (
        *(["a.jpg", "A.JPG", "x/a.jpg"], ["a.jpg"], "/d"),
        {"shared": ["a.jpg: a.jpg and A.JPG and x/a.jpg"]},
    ),
}


@pytest.mark.parametrize(("names", "files", "root", "wrong"), REFUSED.values(), ids=REFUSED)
def test_name_is_refused(
    names: Sequence[str], files: Sequence[str], root: str, wrong: dict[str, list[str]]
) -> None:
    found = match_names(names, files, root)
    assert problems(found) == wrong
    assert len(found.files) == len(names)


def test_place_above_the_root_is_named() -> None:
    names = ["Val2017/1.jpg", "Val2017/2.jpg", "3.jpg"]
    found = match_names(names, ["1.jpg", "2.jpg", "3.jpg"], "/d/images")
    assert found.files == ["1.jpg", "2.jpg", "3.jpg"]
    assert found.moved == ["Val2017"]
    assert match_names(names[:2], ["1.jpg", "2.jpg"], "/d/val2017").moved == []


def test_relative_and_absolute_names_have_places_of_their_own() -> None:
    """As Label Studio writes them in one export."""
    names = ["images\\8\\a1.png", "..\\..\\label-studio\\media\\upload\\8\\a2.png"]
    found = match_names(names, ["8/a1.png", "8/a2.png"], "/d/images")
    assert found.files == ["8/a1.png", "8/a2.png"]
    assert problems(found) == {}
