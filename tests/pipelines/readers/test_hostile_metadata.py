"""Parquet files and COCO files in which one thing has another shape than readers expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.imagenet import read_imagenet

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ROW = {"bytes": b"1", "path": "a.jpg"}


def label_names(names: object) -> str:
    return json.dumps({"info": {"features": {"label": {"names": names}}}})


DESCRIPTIONS: dict[str, bytes | str] = {
    "not JSON": b"{",
    "not UTF-8": b'{"info": "\xff"}',
    "list": "[]",
    "number": "1",
    "info is a text": '{"info": "no"}',
    "features are a list": '{"info": {"features": [1]}}',
    "label is a list": '{"info": {"features": {"label": [1]}}}',
    "names are a mapping": label_names({"0": "cat"}),
    "names are numbers": label_names([1, 2]),
    "names have a null": label_names(["cat", None]),
    "deep": '{"info": ' * 100_000,
    "deep, but whole": '{"x": ' + "[" * 500 + "]" * 500 + "}",
    "a number of 400 digits": '{"info": ' + "9" * 400 + "}",
    "a number of 5,000 digits": '{"info": ' + "9" * 5000 + "}",
    "half of a surrogate pair": label_names(["\ud800"]),
}


@pytest.mark.parametrize("text", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_description_of_another_shape_is_refused(text: bytes | str, tmp_path: Path) -> None:
    table = pa.table({"image": pa.array([ROW], IMAGE), "label": [0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), tmp_path / "val.parquet")
    with pytest.raises(InputError, match="the description by Hugging Face in"):
        read_imagenet(str(tmp_path), None, None, "val")


@pytest.mark.parametrize("text", ["{}", '{"info": null}', label_names(None), label_names([])])
def test_description_without_names_gives_no_classes(text: str, tmp_path: Path) -> None:
    table = pa.table({"image": pa.array([ROW], IMAGE), "label": [0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), tmp_path / "val.parquet")
    assert read_imagenet(str(tmp_path), None, None, "val").classes == ()


COLUMNS: dict[str, dict[str, Any]] = {
    "no image": {"label": [0]},
    "no label": {"image": pa.array([ROW], IMAGE)},
    "flat image": {"image": [1], "label": [0]},
    "list of images": {"image": pa.array([[ROW]], pa.list_(IMAGE)), "label": [0]},
    "path is a number": {"image": [{"bytes": b"1", "path": 1}], "label": [0]},
    "bytes are a text": {"image": [{"bytes": "1", "path": "a.jpg"}], "label": [0]},
    "bytes are a list": {"image": [{"bytes": [1], "path": "a.jpg"}], "label": [0]},
    "label is an empty text": {"image": pa.array([ROW], IMAGE), "label": [""]},
    "label is another text": {"image": pa.array([ROW], IMAGE), "label": ["no such class"]},
    "label is a fraction": {"image": pa.array([ROW], IMAGE), "label": [0.5]},
    "label is a list": {"image": pa.array([ROW], IMAGE), "label": [[0]]},
    "label is a mapping": {"image": pa.array([ROW], IMAGE), "label": [{"label": 0}]},
    "label is null": {"image": pa.array([ROW], IMAGE), "label": pa.array([None], pa.int64())},
    "label of 64 bits": {
        "image": pa.array([ROW], IMAGE),
        "label": pa.array([2**64 - 1], pa.uint64()),
    },
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_another_shape_are_refused(columns: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "val.parquet")
    with pytest.raises(InputError):
        read_imagenet(str(tmp_path), None, None, "val")


def test_paths_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    paths = pa.array([b"\xff.jpg"], pa.binary()).view(pa.string())
    image = pa.StructArray.from_arrays([pa.array([b"1"]), paths], ["bytes", "path"])
    pq.write_table(pa.table({"image": image, "label": [0]}), tmp_path / "val.parquet")
    with pytest.raises(InputError):
        read_imagenet(str(tmp_path), None, None, "val")


def test_parquet_of_many_equal_rows_is_refused(tmp_path: Path) -> None:
    """A file of some kilobytes, which would take gigabytes."""
    batch = pa.table({"image": pa.nulls(2**20, IMAGE), "label": pa.nulls(2**20, pa.int64())})
    pq.write_table(pa.concat_tables([batch] * 8), tmp_path / "val.parquet", compression="zstd")
    assert (tmp_path / "val.parquet").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"it has 8388608 rows in \d+ bytes"):
        read_imagenet(str(tmp_path), None, None, "val")


@pytest.mark.parametrize("row_group_size", [2000, 100])
def test_parquet_of_one_long_path_is_refused(row_group_size: int, tmp_path: Path) -> None:
    image = pa.array([{"bytes": b"1", "path": "a" * 500_000}], IMAGE)
    images = pa.chunked_array([pa.concat_arrays([image] * 100)] * 20)
    table = pa.table({"image": images, "label": [0] * 2000})
    path = tmp_path / "val.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=row_group_size)
    assert (tmp_path / "val.parquet").stat().st_size < 20_000
    with pytest.raises(InputError, match="bytes of memory"):
        read_imagenet(str(tmp_path), None, None, "val")


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "info": {},
        "categories": [{"id": 1, "name": "cat"}],
        "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1}],
        **changes,
    }


def annotated(**fields: Any) -> str:
    return json.dumps(coco(annotations=[{"id": 1, "image_id": 1, "category_id": 1, **fields}]))


def masked(counts: object) -> str:
    return annotated(segmentation={"size": [8, 8], "counts": counts})


DOCUMENTS: dict[str, str] = {
    "image id of 70 bits": json.dumps(coco()).replace('"id": 1, "file', f'"id": {2**70}, "file'),
    "category id is a list": json.dumps(coco(categories=[{"id": [1]}])),
    "category is a text": json.dumps(coco(categories=["cat"])),
    "image is a number": json.dumps(coco(images=[1])),
    "width is true": json.dumps(coco()).replace('"width": 8', '"width": true'),
    "width of 400 digits": json.dumps(coco()).replace('"width": 8', f'"width": {"9" * 400}'),
    "width of 5,000 digits": json.dumps(coco()).replace('"width": 8', f'"width": {"9" * 5000}'),
    "deep": '{"images": ' + "[" * 100_000,
    "deep annotation": json.dumps(coco()).replace("{}", "[" * 500 + "]" * 500),
    "infinite info": json.dumps(coco()).replace("{}", '{"year": 1e400}'),
    "infinite field": json.dumps(coco()).replace('"image_id"', '"score": 1e400, "image_id"'),
    "NaN": json.dumps(coco()).replace("{}", '{"year": NaN}'),
    "half of a surrogate pair": json.dumps(coco(categories=[{"id": 1, "name": "\ud800"}])),
    "area of 1e400": annotated(area=1).replace('"area": 1', '"area": 1e400'),
    "more runs than pixels": masked([64] + [0] * 65),
    "endless run length": masked("o" * 1_000_000),
    "run lengths of other characters": masked("\u20ac" * 10),
    "text of many runs": masked("1" * 1_000_000),
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_coco_of_another_shape_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "instances_val.json").write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        read_coco(str(tmp_path), str(tmp_path / "instances_val.json"), None)
    assert len(str(caught.value)) < 2000
