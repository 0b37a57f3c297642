"""Result files of timm and Ultralytics have the scores of the same predictions in other forms."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.commands import command
from tests.end_to_end.reading import manifest, samples_table
from tests.scoring import made_up_set

BASELINE = "pillow/pillow-bilinear/rgb"
OPENCV = "opencv/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
LABELS = [3, 1, 4, 1, 5, 9, 2, 6]

Table = dict[str, Any]
Results = list[dict[str, Any]]


def table(output: Path, predictions: Path) -> Table:
    done = command("score", str(output), f"--predictions={predictions}", "--format=json")
    assert done.code == 0, done.error
    (row,) = json.loads(done.out)["models"]
    return dict(row)


def slug(setting: str) -> str:
    return setting.replace("/", "__")


@pytest.fixture(scope="module")
def noisy(one_image_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_set(one_image_set, tmp_path_factory.mktemp("tools") / "set", LABELS)


def ranked(setting: str) -> dict[str, list[int]]:
    """Seven classes of each image by key, the best first; the label stands somewhere."""
    generator = np.random.default_rng(len(setting))
    return {f"image_{number:05d}": generator.permutation(10)[:7].tolist() for number in range(8)}


def as_text(classes: list[int]) -> str:
    return str(np.array(classes))


def write_csv(path: Path, rows: dict[str, list[int]], depth: int) -> None:
    """As pandas writes a column of NumPy arrays; one number is no array."""
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["filename", "index", "label", "prob"])
        for key, classes in rows.items():
            index = classes[0] if depth == 1 else as_text(classes[:depth])
            writer.writerow([f"{key}.png", index, "a, b", "[0.5\n 0.25]"])


def write_columns(path: Path, rows: dict[str, list[int]], depth: int) -> None:
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["filename", *(f"index_{place}" for place in range(depth))])
        writer.writerows([f"n01/{key}.JPEG", *classes[:depth]] for key, classes in rows.items())


def write_json(path: Path, rows: dict[str, list[int]], depth: int) -> None:
    document = {
        f"{key}.png": {"index": classes[0] if depth == 1 else classes[:depth], "prob": 0.5}
        for key, classes in rows.items()
    }
    path.with_suffix(".json").write_text(json.dumps(document, indent=4), "utf-8")


def write_split(path: Path, rows: dict[str, list[int]], depth: int) -> None:
    data = [[f"{key}.png", classes[:depth]] for key, classes in rows.items()]
    document = {"columns": ["filename", "index"], "data": data}
    path.with_suffix(".json").write_text(json.dumps(document), "utf-8")


def write_parquet(path: Path, rows: dict[str, list[int]], depth: int) -> None:
    columns = {
        "index": [classes[0] if depth == 1 else classes[:depth] for classes in rows.values()],
        "filename": [f"{key}.png" for key in rows],
    }
    pq.write_table(pa.table(columns), path.with_suffix(".parquet"))


Write = Callable[[Path, dict[str, list[int]], int], None]


@pytest.mark.parametrize("depth", [1, 3, 5, 7])
@pytest.mark.parametrize(
    "write", [write_csv, write_columns, write_json, write_split, write_parquet]
)
def test_files_of_timm(write: Write, depth: int, noisy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    own = []
    for setting in (BASELINE, OPENCV, f"{BASELINE}+int8"):
        rows = ranked(setting)
        write(folder / slug(setting), rows, depth)
        kind = "top5" if depth >= 5 else "class"
        own += [
            {"setting": setting, "key": key, kind: each[:5] if depth >= 5 else each[0]}
            for key, each in rows.items()
        ]
    lines = tmp_path / "model.jsonl"
    lines.write_text("".join(f"{json.dumps(row)}\n" for row in own), "utf-8")
    scored = table(noisy, folder)
    assert scored == table(noisy, lines)
    assert (scored["trained"]["top-5"] is None) == (depth < 5)


@pytest.mark.parametrize(
    ("name", "text", "fragments"),
    [
        ("csv", "filename,label\na.png,dog\n", ("row 1, index", "--include-index")),
        ("csv", "filename,index\na.png,dog\n", ("row 1, index", "found dog")),
        ("csv", "filename,index\na.png,[1 2\n", ("row 1, index",)),
        (
            "csv",
            "name,index\na.png,1\n",
            ("expected timm's filename and index, found name, index",),
        ),
        ("csv", "filename,index\na.png,\n", ("row 1, index",)),
        ("json", "[]", ("an object by file name",)),
        ("json", "{", ("not JSON",)),
        ("json", '{"a.png": 1}', ("an object by file name",)),
        ("json", '{"a.png": {"index": "x"}}', ("row 1, index",)),
        ("json", '{"a.png": {"index": [1, 1, 1, 1, 1]}}', ("five different classes",)),
        ("json", '{"columns": ["filename"], "data": [["a", 1]]}', ("an object by file name",)),
        ("json", '{"a.png": {"index": 4294967296}}', ("a whole number of at least 0",)),
    ],
)
def test_malformed_files_of_timm_are_named(
    name: str, text: str, fragments: tuple[str, ...], noisy: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"{slug(BASELINE)}.{name}"
    path.write_text(text, "utf-8")
    failed = command("score", str(noisy), f"--predictions={path}")
    assert (failed.code, failed.lacks(path.name, *fragments)) == (1, [])


def results(output: Path, seed: int) -> Results:
    """Boxes near the objects of the set, in stored pixels, in COCO's own form."""
    generator = np.random.default_rng(seed)
    (path,) = (output / "annotations").glob("*.rescaled.json")
    return [
        {
            "image_id": each["image_id"],
            "category_id": each["category_id"],
            "bbox": (np.array(each["bbox"]) + generator.normal(0, 40, 4)).clip(0).tolist(),
            "score": float(generator.random()),
        }
        for each in json.loads(path.read_text("utf-8"))["annotations"]
    ]


def keys(output: Path) -> dict[int, str]:
    return {row["image_id"]: row["key"] for row in samples_table(output)}


def places(output: Path) -> dict[int, int]:
    """The place of each category in the order of their ids, from 0, by id."""
    categories = manifest(output)["dataset"]["categories"]
    return {each: place for place, each in enumerate(sorted(one["id"] for one in categories))}


def current(output: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """As Ultralytics 8.4 writes it: a file's name, and classes from 1."""
    key = keys(output)[entry["image_id"]]
    named = {"image_id": int(key) if key.isnumeric() else key, "file_name": f"{key}.png"}
    return {**entry, **named, "category_id": places(output)[entry["category_id"]] + 1}


def earlier(output: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """As Ultralytics 8.0 wrote it: no file's name, and classes from 0."""
    key = keys(output)[entry["image_id"]]
    return {**entry, "image_id": key, "category_id": places(output)[entry["category_id"]]}


def numbered(output: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """As YOLOv5 writes it for images that are named by their ids."""
    return {**entry, "category_id": places(output)[entry["category_id"]]}


def coco(output: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """As Ultralytics writes it for COCO's own list of images: the set's ids."""
    return {**entry, "file_name": f"{keys(output)[entry['image_id']]}.png"}


def write_runs(folder: Path, by_setting: dict[str, Results]) -> Path:
    """Ultralytics' folders of runs, which are named by --name."""
    for setting, each in by_setting.items():
        (folder / slug(setting)).mkdir(parents=True)
        (folder / slug(setting) / "predictions.json").write_text(json.dumps(each), "utf-8")
    return folder


Rewrite = Callable[[Path, dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("rewrite", [current, earlier, numbered, coco])
def test_files_of_ultralytics(rewrite: Rewrite, coco_set: Path, tmp_path: Path) -> None:
    own = {setting: results(coco_set, seed) for seed, setting in enumerate((BASELINE, NEAREST))}
    theirs = {
        setting: [rewrite(coco_set, each) for each in entries] for setting, entries in own.items()
    }
    expected = table(coco_set, write_runs(tmp_path / "own" / "runs", own))
    scored = table(coco_set, write_runs(tmp_path / "theirs" / "runs", theirs))
    notes = [note for note in scored.pop("notes") if note not in expected["notes"]]
    expected.pop("notes")
    assert scored == expected
    assert 5 < scored["trained"]["mAP"] < 95
    assert [("category_id is read as" in note) for note in notes] == [True] * (rewrite is not coco)


def test_a_single_run_is_of_the_setting_of_its_folder(coco_set: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, {BASELINE: results(coco_set, 0)})
    for place in (runs / slug(BASELINE), runs / slug(BASELINE) / "predictions.json"):
        assert table(coco_set, place)["trained"]["mAP"] > 5
