"""Label files and class lists in every form, whole and damaged: read rightly, or refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.classes import number_classes, read_classes
from sysnoise.pipelines.readers.labels import label_images
from tests.slow.hostile import CASES, TEXTS, flipped, fuzzed

pytestmark = pytest.mark.slow

CLASSES = imagenet_classes()
IMAGES = [f"val/{wnid}/im {n}.JPEG" for n, wnid in enumerate(("n01440764", "n01443537", "a", "b"))]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
FORMS = ["words", "tabs", "CSV", "index", "names", "dictionary", "numbers"]
ENDS = ["\n", "\r\n", "\n\n", " \n"]

labels = st.lists(st.integers(0, 999), min_size=len(IMAGES), max_size=len(IMAGES))


@st.composite
def label_files(draw: st.DrawFn, values: list[int]) -> tuple[str, bytes]:
    """Name and bytes of a label file of the images, in a form that is read."""
    delimiter = draw(st.sampled_from([" ", "\t", ",", "  "]))
    depth = draw(st.integers(1, 3))
    prefix = draw(st.sampled_from(["", "./", "/data/imagenet/"])) if depth == 3 else ""
    extension = draw(st.booleans())
    wnids = draw(st.booleans())
    rows = []
    for image, value in zip(IMAGES, values, strict=True):
        path = "/".join(image.split("/")[-depth:])
        name = prefix + (path if extension else path.removesuffix(".JPEG"))
        rows.append(f"{name}{delimiter}{CLASSES[value].wnid if wnids else value}")
    rows = draw(st.permutations(rows))
    if delimiter == ",":
        rows = ["filename,label", *rows]
    end = draw(st.sampled_from(ENDS))
    text = end.join(rows) + draw(st.sampled_from(["", end]))
    name = "labels.csv" if delimiter == "," else "val.txt"
    return name, text.encode(draw(st.sampled_from(ENCODINGS)))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """A text with bits flipped, a part left out, doubled or replaced."""
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, min(len(data), start + 40)))
    how = draw(st.integers(0, 3))
    if how == 0:
        return flipped(draw, data)
    if how == 1:
        return data[:start] + data[stop:]
    if how == 2:
        return data[:stop] + data[start:]
    text = draw(st.sampled_from(TEXTS))
    return data[:start] + text.encode("utf-8", "surrogatepass") + data[stop:]


def test_label_files(tmp_path: Path) -> None:
    @settings(fuzzed, max_examples=2 * CASES)
    @given(st.data(), labels)
    def check(data: st.DataObject, values: list[int]) -> None:
        name, whole = data.draw(label_files(values))
        path = tmp_path / name
        path.write_bytes(whole)
        found = label_images(IMAGES, str(path))
        assert number_classes(found, (), "val")[0] == values
        path.write_bytes(data.draw(damaged(whole)))
        with contextlib.suppress(InputError):
            assert len(label_images(IMAGES, str(path))) == len(IMAGES)

    check()


@st.composite
def class_lists(draw: st.DrawFn, first: int, count: int) -> tuple[str, bytes]:
    """Name and bytes of a list of some of ImageNet's classes, in a form that is read."""
    infos = CLASSES[first : first + count]
    pairs = [(str(info.wnid), str(info.name)) for info in infos]
    form = draw(
        st.sampled_from(["words", "tabs", "CSV", "index", "names", "dictionary", "numbers"])
    )
    if form == "index":
        document = {str(label): list(pair) for label, pair in enumerate(pairs)}
        text = json.dumps(document, indent=draw(st.sampled_from([None, 1])))
    elif form == "numbers":
        text = json.dumps({wnid: label for label, (wnid, _) in enumerate(pairs)})
    elif form == "names":
        text = json.dumps([name for _, name in pairs])
    elif form == "dictionary":
        text = str({label: name for label, (_, name) in enumerate(pairs)})
    else:
        delimiter = {"words": " ", "tabs": "\t", "CSV": ","}[form]
        quote = '"' if form == "CSV" else ""
        lines = [f"{wnid}{delimiter}{quote}{name}{quote}" for wnid, name in pairs]
        text = draw(st.sampled_from(ENDS)).join(lines)
    name = "classes.csv" if form == "CSV" else "classes.txt"
    return name, text.encode(draw(st.sampled_from(ENCODINGS)))


def test_class_lists(tmp_path: Path) -> None:
    @settings(fuzzed, max_examples=2 * CASES)
    @given(st.data(), st.integers(0, 900), st.integers(1, 100))
    def check(data: st.DataObject, first: int, count: int) -> None:
        name, whole = data.draw(class_lists(first, count))
        path = tmp_path / name
        path.write_bytes(whole)
        expected = CLASSES[first : first + count]
        found = read_classes(str(path))
        assert len(found) == count
        assert all(
            info.wnid in (None, right.wnid) and info.name in (None, right.name)
            for info, right in zip(found, expected, strict=True)
        )
        path.write_bytes(data.draw(damaged(whole)))
        with contextlib.suppress(InputError):
            assert read_classes(str(path))

    check()
