"""COCO documents of every shape: a set that verifies and scores, or a refusal in one message."""

from __future__ import annotations

import gzip
import json
import shutil
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from sysnoise.pipelines.errors import CommandError
from sysnoise.pipelines.readers.coco import read_coco
from tests.end_to_end.commands import Outcome, command
from tests.scoring import write_perfect_boxes
from tests.slow.hostile import CASES, Verdicts, fuzzed, json_texts, mutated

pytestmark = pytest.mark.slow

GRID = """
decoders: [pillow]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {rule: letterbox, size: 24}
"""
FILES = {"a.png": (8, 6), "sub/größe.png": (5, 9), "sub/my dog.png": (1, 1), "x/y/IMG_4": (12, 3)}
"""Width and height of the images, by path."""

WHOLE_SETS = max(1, CASES // 10)
"""Number of documents that become whole sets."""

ids = st.one_of(st.integers(0, 20), st.sampled_from([2**31, 2**53 + 1, 2**63 - 1]))
others: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "é😀", 2**63 - 1, -(2**63), 0.1, [], {"a": {"b": [1]}}]
)
coordinates = st.one_of(
    st.integers(-3, 14), st.floats(-2, 13, width=32), st.sampled_from([1e4, -1e4, 1e-12, 0.0])
)
boxes = st.tuples(*[st.floats(0, 8)] * 2, *[st.floats(0.5, 12)] * 2).map(list)
odd_boxes = st.one_of(st.none(), st.lists(coordinates, min_size=4, max_size=4))


def named(draw: st.DrawFn, path: str) -> str:
    """A name of a file, as some machine or tool writes it."""
    name = draw(
        st.sampled_from(
            [
                path,
                path.replace("/", "\\"),
                path.replace(" ", "%20"),
                unicodedata.normalize("NFD", path),
                path.upper(),
                f"./{path}",
                f"images/{path}",
                f"C:\\data\\images\\{path}".replace("/", "\\"),
                path.split("/")[-1],
            ]
        )
    )
    return str(name)


def segmentation(draw: st.DrawFn, size: tuple[int, int]) -> Any:
    kind = draw(st.sampled_from(["outlines", "empty", "counts", "text"]))
    if kind == "empty":
        return draw(st.sampled_from([[], [[]], None]))
    if kind == "outlines":
        outline = st.lists(st.tuples(coordinates, coordinates), max_size=5)
        return [
            [value for point in points for value in point]
            for points in draw(st.lists(outline, max_size=2))
        ]
    mask = np.array(draw(st.lists(st.booleans(), min_size=size[0] * size[1], max_size=108)))
    mask = mask[: size[0] * size[1]].reshape(size[::-1]).astype(np.uint8)
    if kind == "text":
        counts: Any = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
    else:
        flat = mask.ravel(order="F")
        edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
        counts = np.diff(edges, prepend=0).tolist()
    return {"size": [size[1], size[0]], "counts": counts}


def annotation(
    draw: st.DrawFn, number: int, image: dict[str, Any], categories: Sequence[int]
) -> dict[str, Any]:
    size = (int(image["width"]), int(image["height"]))
    fields = {
        "bbox": draw(st.one_of(boxes, boxes, odd_boxes)),
        "area": draw(st.one_of(st.none(), coordinates)),
        "iscrowd": draw(st.sampled_from([0, 0, 0, 1, True, False, 0.0, 1.0, None])),
        "segmentation": segmentation(draw, size),
        "keypoints": draw(st.one_of(st.none(), st.just([1, 2.5, 2, 0, 0, 0]))),
        "score": draw(others),
    }
    left_out = draw(st.sets(st.sampled_from(sorted(fields)), max_size=2))
    kept = {name: value for name, value in fields.items() if name not in left_out}
    number = draw(st.sampled_from([number, -number, 2**62 + number]))
    return {
        "id": number,
        "image_id": image["id"],
        "category_id": draw(st.sampled_from(categories)),
        **kept,
    }


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document that is odd, but may be read."""
    paths = draw(st.lists(st.sampled_from(sorted(FILES)), min_size=1, unique=True))
    numbers = draw(st.lists(ids, min_size=len(paths), max_size=len(paths), unique=True))
    whole = draw(st.sampled_from([int, float]))
    images = [
        {"id": number, "file_name": named(draw, path)}
        | {"width": whole(FILES[path][0]), "height": whole(FILES[path][1]), "more": draw(others)}
        for number, path in zip(numbers, paths, strict=True)
    ]
    categories = draw(st.lists(ids, unique=True, max_size=3))
    count = draw(st.integers(0, 6)) if categories else 0
    annotations = [
        annotation(draw, number, draw(st.sampled_from(images)), categories)
        for number in range(count)
    ]
    document = {
        "info": draw(others),
        "licenses": draw(others),
        "images": images,
        "annotations": annotations,
        "categories": [{"id": each, "name": draw(st.text(max_size=3))} for each in categories],
    }
    optional = ["info", "licenses"] + ["annotations"] * (not count)
    for name in draw(st.sets(st.sampled_from(optional))):
        del document[name]
    return dict(draw(st.permutations(list(document.items()))))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco") / "images"
    for path, size in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / path, "PNG")
    return folder


def write(draw: st.DataObject, text: bytes, folder: Path) -> Path:
    """Write a document alone, packed, or in an archive; sometimes cut off or in other bytes."""
    packing = draw.draw(st.sampled_from(["json", "json", "gz", "zip", "utf-16", "cut", "cut gz"]))
    path = folder / "instances_val.json"
    if packing == "zip":
        path = folder / "all.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("annotations/instances_val.json", text)
        return path
    if "gz" in packing:
        text = gzip.compress(text)
    if packing == "utf-16":
        text = text.decode("utf-8", "replace").encode("utf-16")
    if "cut" in packing:
        text = text[: draw.draw(st.integers(0, len(text)))]
    path.write_bytes(text)
    return path


def read_one(images: Path, path: Path, expected: int | None) -> Outcome:
    """Read a document in this process; every image that it lists must be there, or none."""
    try:
        found = read_coco(str(images), str(path), None)
    except CommandError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert str(path) in refusal or str(images) in refusal, refusal
        return Outcome(1, "", refusal)
    if expected is not None:
        assert found.table.num_rows == expected
    for text in found.rows()["annotations"].to_pylist():
        assert isinstance(json.loads(text), list)
    return Outcome(0, "", "")


def listed(text: bytes) -> int | None:
    """The number of images that a document lists; None where it is no document."""
    try:
        document = json.loads(text)
        return len(document["images"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def test_documents_are_read_or_refused(images: Path, tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)

    @fuzzed
    @given(st.data())
    def check(data: st.DataObject) -> None:
        document = data.draw(documents())
        kind = data.draw(st.sampled_from(["whole", "mutated", "bytes"]))
        if kind == "whole":
            text = json.dumps(document, ensure_ascii=False).encode()
        elif kind == "mutated":
            text = json.dumps(data.draw(mutated(document))).encode()
        else:
            text = data.draw(json_texts(document))
        path = write(data, text, verdicts.work)
        verdicts.add(kind, lambda: read_one(images, path, listed(text)))
        for each in verdicts.work.iterdir():
            each.unlink()

    check()
    print(dict(verdicts.counts))
    for outcome in ("whole 0", "whole 1", "mutated 0", "mutated 1", "bytes 1"):
        assert verdicts.counts[outcome], verdicts.counts


def test_sets_verify_and_score(images: Path, tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    work = verdicts.work

    def run(name: str, *arguments: str) -> Outcome:
        verdicts.add(name, lambda: command(name, *arguments))
        return verdicts.last

    @settings(fuzzed, max_examples=WHOLE_SETS)
    @given(documents(), st.data())
    def check(document: dict[str, Any], data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            document = data.draw(mutated(document))
        shutil.rmtree(work)
        work.mkdir()
        (work / "grid.yaml").write_text(GRID, "utf-8")
        path = work / "instances_val.json"
        path.write_text(json.dumps(document), "utf-8")
        try:
            source = read_coco(str(images), str(path), None)
        except CommandError:
            return
        done = run(
            "generate",
            *("coco", f"--images={images}", f"--annotations={path}", "--format=both"),
            *(f"--grid={work / 'grid.yaml'}", f"--output={work / 'out'}", "--workers=1"),
        )
        if done.code == 1 and "reject" in done.error:
            return
        assert done.code == 0, done.error
        counts = json.loads((work / "out" / "manifest.json").read_text("utf-8"))["counts"]
        assert counts["sources"] == source.table.num_rows == len(document["images"])
        assert counts["sources"] == counts["samples"] + counts["rejects"]
        verified = run("verify", str(work / "out"), "--pixels")
        assert verified.code == 0, verified.error + verified.out
        results = write_perfect_boxes(work / "out", work / "results")
        scored = run("score", str(work / "out"), f"--predictions={results}")
        assert scored.code == 0 or "have no object with a box" in scored.error, scored.error

    check()
    print(dict(verdicts.counts))
    assert verdicts.counts["score 0"]
