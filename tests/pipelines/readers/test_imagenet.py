"""Every published layout of ImageNet reads back, and what cannot be right is refused."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.transforms.pixels import Pixels
from tests.pages import ROOT
from tests.pipelines.readers.layouts import (
    DEVKIT_LABELS,
    LAYOUTS,
    Build,
    Layout,
    Photo,
    class_folders,
    flat,
    in_memory,
    kaggle_val,
    lines,
    published,
    published_tar,
    refusal,
    rows_of,
    tiny_imagenet,
    torchvision_root,
    write,
    write_tar,
    zipped,
)


@pytest.mark.parametrize("place", [str, in_memory])
@pytest.mark.parametrize("build", LAYOUTS)
def test_published_layouts_read_back(
    build: Build, place: Callable[[Path], str], photos: dict[str, Pixels], tmp_path: Path
) -> None:
    layout = build(tmp_path, published(photos))
    found = layout.read(place(tmp_path))
    assert rows_of(found) == layout.rows
    assert found.split == layout.split
    assert len(found.warnings) == len(layout.notes)
    for warning, note in zip(found.warnings, layout.notes, strict=True):
        assert note in warning


def test_the_page_has_a_row_for_each_layout() -> None:
    page = (ROOT / "docs" / "layouts.md").read_text("utf-8")
    imagenet = page.partition("## ImageNet")[2].partition("\n## ")[0]
    named = re.findall(r"^\|.*\| `(\w+)` \|$", imagenet, re.MULTILINE)
    assert sorted(named) == sorted(build.__name__ for build in LAYOUTS)


def test_the_page_names_the_tests_of_cocos_layouts() -> None:
    """Its rows name functions that build a layout or an export, or tests."""
    page = (ROOT / "docs" / "layouts.md").read_text("utf-8")
    named = re.findall(r"^\|.*\| `(\w+)` \|$", page.partition("\n## COCO")[2], re.MULTILINE)
    files = (
        "pipelines/readers/test_coco.py",
        "pipelines/readers/test_annotation_file.py",
        "end_to_end/test_tool_exports.py",
    )
    tests = "".join((ROOT / "tests" / file).read_text("utf-8") for file in files)
    assert len(named) == 13
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_folders_behind_symbolic_links_are_read(photos: dict[str, Pixels], tmp_path: Path) -> None:
    layout = class_folders(tmp_path, published(photos))
    (tmp_path / "val").rename(tmp_path / "elsewhere")
    (tmp_path / "val").mkdir()
    for folder in (tmp_path / "elsewhere").iterdir():
        (tmp_path / "val" / folder.name).symlink_to(folder)
    assert rows_of(layout.read(str(tmp_path))) == layout.rows


def parquet(path: str = "val.parquet", **columns: Sequence[Any]) -> Build:
    def build(folder: Path, _: Sequence[Photo]) -> Layout:
        pq.write_table(pa.table(columns), folder / path)
        return Layout([], path)

    return build


@pytest.mark.parametrize("name", ["mirror.parquet", "mirror.v1.parquet"])
def test_images_without_a_path_are_named_by_their_row(name: str, tmp_path: Path) -> None:
    data = [b"first", b"second", b"third"]
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": each, "path": None} for each in data],
        "label": [3, 1, 2],
    }
    rows = rows_of(parquet(name, **columns)(tmp_path, []).read(str(tmp_path)))
    assert [(label, image) for _, label, _, _, image in rows] == [
        (3, data[0]),
        (1, data[1]),
        (2, data[2]),
    ]
    assert all(key.startswith("mirror") for key, *_ in rows)


def one_file(name: str, data: bytes) -> Build:
    def build(folder: Path, _: Sequence[Photo]) -> Layout:
        write(folder, {name: data})
        return Layout([], name)

    return build


def tars(members: Mapping[str, Sequence[tuple[str, bytes]]]) -> Build:
    def build(folder: Path, _: Sequence[Photo]) -> Layout:
        (folder / "tars").mkdir()
        for name, content in members.items():
            write_tar(folder / "tars" / name, content)
        return Layout([], "tars")

    return build


def changed(build: Build, **arguments: Any) -> Build:
    """A layout that is read with other arguments."""
    return lambda folder, photos: replace(build(folder, photos), **arguments)


def cut(build: Build) -> Build:
    """A layout whose archive is half downloaded."""

    def build_and_cut(folder: Path, photos: Sequence[Photo]) -> Layout:
        layout = build(folder, photos)
        path = folder / layout.images
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return layout

    return build_and_cut


def renamed_image(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    (folder / "images" / photos[1].file).rename(folder / "images" / "other.JPEG")
    return layout


def short_class_list(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = class_folders(folder, photos)
    write(folder, {"classes.txt": lines(sorted(photo.wnid for photo in photos)[1:])})
    return layout


def other_wnids(folder: Path, photos: Sequence[Photo]) -> Layout:
    return class_folders(folder, [*photos[:4], replace(photos[4], wnid="n99999999")])


def unended(build: Build) -> Build:
    """A layout whose tar file was cut off after its last member."""

    def build_and_cut(folder: Path, photos: Sequence[Photo]) -> Layout:
        layout = build(folder, photos)
        path = folder / layout.images
        data = path.read_bytes().rstrip(b"\x00")
        path.write_bytes(data + bytes(-len(data) % 512))
        return layout

    return build_and_cut


def nameless(build: Build) -> Build:
    """A layout whose zip has a member more, whose name begins with a zero and so is empty."""

    def build_and_add(folder: Path, photos: Sequence[Photo]) -> Layout:
        layout = build(folder, photos)
        path = folder / layout.images
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("?nameless", b"1")
        path.write_bytes(path.read_bytes().replace(b"?nameless", b"\x00nameless"))
        return layout

    return build_and_add


def doubled(build: Build) -> Build:
    """A layout whose archive was appended to itself."""

    def build_and_double(folder: Path, photos: Sequence[Photo]) -> Layout:
        layout = build(folder, photos)
        path = folder / layout.images
        path.write_bytes(path.read_bytes() * 2)
        return layout

    return build_and_double


def devkit_labels(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    labeled = zip(photos, DEVKIT_LABELS, strict=True)
    write(folder, {"val.txt": lines(f"{photo.file} {label}" for photo, label in labeled)})
    return layout


def empty_folder(folder: Path, _: Sequence[Photo]) -> Layout:
    write(folder, {"val.txt": "a.JPEG 1\n"})
    (folder / "nothing").mkdir()
    return Layout([], "nothing", "val.txt")


IMAGE = {"bytes": b"", "path": "a.jpg"}
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
SAMPLE = [("a.jpg", b"1"), ("a.cls", b"1")]

REFUSED: dict[str, tuple[Build, list[str]]] = {
    "image and label do not match": (
        renamed_image,
        ["1 image(s) without a label", "other.JPEG", "1 label(s) without an image", "_00000002."],
    ),
    "class not in list": (short_class_list, ["that the class list does not hold", "n01751748"]),
    "class that is none of ImageNet's": (
        changed(other_wnids, class_list=None),
        ["'{folder}/val': 1 class(es) that are none of ImageNet's 1,000", "n99999999", "--classes"],
    ),
    "another split": (
        changed(torchvision_root, split="test"),
        ["'{folder}/root'", "no images of the split 'test'", "the folders are 'train', 'val'"],
    ),
    "train alone": (
        changed(tiny_imagenet, split="val"),
        ["no images of the split 'val' (--split)", "'test', 'train'"],
    ),
    "no labels": (
        changed(flat, label_file=None),
        ["'{folder}/images'", "without class folders", "--label-file"],
    ),
    "no such folder": (changed(flat, images="none"), ["'{folder}/none' does not exist"]),
    "no such label file": (changed(flat, label_file="none.txt"), ["label file", "none.txt"]),
    "no such class list": (changed(flat, class_list="none.txt"), ["class list", "none.txt"]),
    "no such split": (changed(kaggle_val, split="valid"), ["CLS-LOC/valid' does not exist"]),
    "not an archive": (changed(flat, images="val.txt"), ["{folder}/val.txt", ".tar"]),
    "empty folder": (empty_folder, ["'{folder}/nothing'", "no images"]),
    "empty folder without labels": (
        changed(empty_folder, label_file=None),
        ["'{folder}/nothing' holds no images"],
    ),
    "empty tar": (tars({"0.tar": []}), ["{folder}/tars/0.tar", "no members"]),
    "empty file": (one_file("val.tar", b""), ["{folder}/val.tar", "empty file"]),
    "tar without its end": (
        unended(published_tar),
        ["{folder}/ILSVRC", "two blocks of zeros"],
    ),
    "two tars in one": (doubled(published_tar), ["{folder}/ILSVRC", "several tar files in one"]),
    "two zips in one": (doubled(zipped), ["{folder}/val.zip", "two archives in one"]),
    "half a tar": (cut(published_tar), ["{folder}/ILSVRC2012_img_val.tar", "unexpected end"]),
    "zip with a name that is gone": (nameless(zipped), ["{folder}/val.zip", "without a name"]),
    "half a zip": (cut(zipped), ["{folder}/val.zip"]),
    "Git LFS pointer in the place of a tar": (
        one_file("val.tar", POINTER),
        ["{folder}/val.tar", "; it is a Git LFS pointer; run 'git lfs pull' to get the file"],
    ),
    "page in the place of Parquet": (
        one_file("val.parquet", b"<!DOCTYPE html>\n<html>"),
        ["{folder}/val.parquet", "; it is an HTML page"],
    ),
    "not Parquet": (one_file("val.parquet", b"PAR?"), ["{folder}/val.parquet"]),
    "no label column": (
        parquet(image=[IMAGE]),
        ["{folder}/val.parquet", "columns image (bytes, or a struct", "found image: struct"],
    ),
    "other columns": (
        parquet(img=[b"1"], fine_label=[1]),
        ["found img: binary, fine_label: int64", "--image-column and --label-column"],
    ),
    "paths without bytes": (
        parquet(image=pa.array([{"path": "a.jpg"}] * 3, IMAGE_TYPE), label=[1, 2, 3]),
        ["{folder}/val.parquet' has no bytes of images in 'image.bytes', but paths at most"],
    ),
    "test split": (
        parquet(image=[IMAGE], label=[-1]),
        ["{folder}/val.parquet", "without a label"],
    ),
    "null label": (
        parquet(image=[IMAGE, IMAGE], label=[1, None]),
        ["{folder}/val.parquet", "without a label"],
    ),
    "no cls": (tars({"0.tar": SAMPLE[:1]}), ["'{folder}/tars'", "--label-file"]),
    "one without cls": (
        tars({"0.tar": [*SAMPLE, ("b.jpg", b"2")]}),
        ["1 sample(s) lack", "{folder}/tars/0.tar: b"],
    ),
    "no image": (tars({"0.tar": SAMPLE[1:]}), ["1 sample(s) lack", "{folder}/tars/0.tar: a"]),
    "cls not a number": (
        tars({"0.tar": [SAMPLE[0], ("a.cls", b"cat")]}),
        ["{folder}/tars/0.tar: a.cls", "class number", "cat"],
    ),
    "labels of the devkit": (
        devkit_labels,
        ["0-based in wnid order", "ILSVRC2012_val_00000001.JPEG: expected 65, found 490"],
    ),
    "key twice in a tar": (tars({"0.tar": [*SAMPLE, *SAMPLE]}), ["0.tar", "a.jpg"]),
    "label outside the classes": (
        parquet(image=[IMAGE], label=[1001]),
        ["a.jpg: 1001", "0 to 999"],
    ),
}


@pytest.mark.parametrize(("build", "fragments"), REFUSED.values(), ids=REFUSED)
def test_bad_sources_are_refused(
    build: Build, fragments: list[str], photos: dict[str, Pixels], tmp_path: Path
) -> None:
    layout = build(tmp_path, published(photos))
    message = refusal(lambda: layout.read(str(tmp_path)))
    expected = [fragment.format(folder=tmp_path) for fragment in fragments]
    assert [fragment for fragment in expected if fragment not in message] == []


@pytest.mark.parametrize("url", ["nope://bucket/val", "smb://server/val"])
def test_unreachable_file_systems_are_refused(url: str) -> None:
    assert url in refusal(lambda: Layout([], "images").read(url))


def test_a_set_without_known_images_gets_a_warning(imagenet_source: Path) -> None:
    layout = Layout([], "images", "val.txt")
    (warning,) = layout.read(str(imagenet_source)).warnings
    assert "cannot tell" in warning
    assert "ILSVRC2012_val_00000001" in warning


@pytest.mark.parametrize(
    ("split", "found"),
    [("validation", ["a", "c"]), ("val", ["a", "c"]), ("train", ["b"])],
)
def test_split_is_a_word_of_the_path(split: str, found: list[str], tmp_path: Path) -> None:
    files = {
        "data/imagenet1k-validation-00.parquet": "a",
        "data/imagenet1k-train-00.parquet": "b",
        "default/validation/0000.parquet": "c",
    }
    for file, key in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"image": [{"bytes": b"", "path": f"{key}.jpg"}], "label": [1]})
        pq.write_table(table, tmp_path / file)
    source = Layout([], "", split=split).read(str(tmp_path))
    assert source.table["key"].to_pylist() == found
    missing = Layout([], "", split="test")
    assert "no file of split 'test'" in refusal(lambda: missing.read(str(tmp_path)))


@pytest.mark.parametrize(
    ("build", "changes"),
    [
        (parquet(image=[IMAGE], label=[1]), {"label_file": "val.txt"}),
        (kaggle_val, {"class_list": "kaggle/LOC_synset_mapping.txt"}),
    ],
    ids=["labels of Parquet", "classes of Kaggle"],
)
def test_what_the_source_says_itself_cannot_be_given(
    build: Build, changes: dict[str, str], photos: dict[str, Pixels], tmp_path: Path
) -> None:
    (tmp_path / "val.txt").write_text("a.jpg 900\n")
    layout = replace(build(tmp_path, published(photos)), **changes)  # type: ignore[arg-type]
    assert "leave out --" in refusal(lambda: layout.read(str(tmp_path)))
