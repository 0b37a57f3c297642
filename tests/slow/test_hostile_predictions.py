"""Fuzzed predictions and configs: a table or a config, or a refusal in one message."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.evaluation.config import parse_config
from sysnoise.pipelines.evaluation.config_heads import DETECTOR_FIELDS, LEVEL_FIELDS
from sysnoise.pipelines.evaluation.config_input import INPUT_FIELDS
from sysnoise.pipelines.evaluation.named_configs import config_names, config_text
from sysnoise.pipelines.scoring.class_rows import EXTENSIONS, read_class_rows
from sysnoise.pipelines.scoring.result_files import read_results
from sysnoise.pipelines.storage.root import open_root
from tests.models import CLASSIFIER_CONFIG, DETECTOR_CONFIG
from tests.slow.hostile import fuzzed

pytestmark = pytest.mark.slow

NUMBERS = st.one_of(
    st.integers(-3, 1001),
    st.sampled_from([2**31, 2**63, -(2**63), 2**70, 10**25, 10**400, -(10**400)]),
    st.floats(),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
RANKED = st.one_of(
    st.fixed_dictionaries({"class": NUMBERS}),
    st.fixed_dictionaries({"top5": st.lists(NUMBERS, min_size=4, max_size=6)}),
    st.fixed_dictionaries({"logits": st.lists(NUMBERS, max_size=6)}),
    st.dictionaries(st.sampled_from(["class", "top5", "logits", "x"]), VALUES),
)
ROWS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["setting", "key"]), LEAVES), RANKED).map(
        lambda pair: {"setting": "s", "key": "k"} | pair[0] | pair[1]
    ),
    max_size=4,
)


def read_rows(path: Path) -> None:
    with contextlib.suppress(InputError):
        for rows in read_class_rows(open_root(str(path)), ""):
            assert rows.classes.min(initial=0) >= 0


@fuzzed
@given(rows=ROWS)
def test_json_lines(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    read_rows(path)


@fuzzed
@given(data=st.binary(max_size=200))
def test_bytes(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    for extension in EXTENSIONS:
        path = tmp_path_factory.getbasetemp() / f"fuzzed-bytes{extension}"
        path.write_bytes(data)
        read_rows(path)


@fuzzed
@given(rows=ROWS, flips=st.lists(st.integers(0, 2**20), max_size=3))
def test_parquet(
    rows: list[dict[str, Any]], flips: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tables of what Arrow makes of the rows, with some bits flipped."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.parquet"
    try:
        pq.write_table(pa.Table.from_pylist(rows), path)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return
    data = bytearray(path.read_bytes())
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    path.write_bytes(data)
    read_rows(path)


FIELDS = st.sampled_from(["filename", "index", "index_0", "index_1", "columns", "data", "x"])


@fuzzed
@given(document=st.dictionaries(st.text(max_size=5), st.dictionaries(FIELDS, VALUES)) | VALUES)
def test_json_of_timm(document: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-timm.json"
    path.write_text(json.dumps(document), "utf-8")
    read_rows(path)


@fuzzed
@given(rows=st.lists(st.dictionaries(FIELDS, st.text('0129[] ,"\n\x00a', max_size=9)), max_size=3))
def test_csv_of_timm(rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-timm.csv"
    lines = [",".join(each) for row in rows for each in (row.keys(), row.values())]
    path.write_text("\n".join(lines), "utf-8")
    read_rows(path)


MASKS = st.fixed_dictionaries(
    {
        "size": st.lists(NUMBERS, min_size=1, max_size=3) | VALUES,
        "counts": st.lists(NUMBERS, max_size=4) | st.text("0123]^nop\x7f", max_size=9) | VALUES,
    }
)
DETECTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "image_id": NUMBERS | VALUES,
            "category_id": NUMBERS | VALUES,
            "bbox": st.lists(NUMBERS, min_size=3, max_size=5) | VALUES,
            "score": NUMBERS | VALUES,
        },
        optional={"segmentation": MASKS | VALUES, "file_name": VALUES},
    ),
    max_size=3,
)


@fuzzed
@given(document=DETECTIONS | VALUES)
def test_results(document: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed-results"
    folder.mkdir(exist_ok=True)
    (folder / "s.json").write_text(json.dumps(document), "utf-8")
    with contextlib.suppress(InputError):
        list(read_results(str(folder), {}))


CONFIGS = (CLASSIFIER_CONFIG, DETECTOR_CONFIG, *map(config_text, config_names()))
FIELDS_OF = {
    "input": (*INPUT_FIELDS, "type"),
    "head": (
        *("type", "outputs", "output", "axes", "values", "strides", "boxes", "scores", "labels"),
        *("masks", "format", "units", "activation", "deltas", "weights", "candidates"),
        *("proposals", *LEVEL_FIELDS),
    ),
    "nms": ("iou", "classes"),
}
WHOLE = ("task", "input", "constants", "output", *DETECTOR_FIELDS)


@fuzzed
@given(
    text=st.sampled_from(CONFIGS),
    name=st.sampled_from(WHOLE),
    inner=st.sampled_from([(part, each) for part, of in FIELDS_OF.items() for each in of]),
    value=VALUES,
)
def test_values_of_configs(text: str, name: str, inner: tuple[str, str], value: object) -> None:
    document = yaml.safe_load(text)
    document[name] = value
    part, field = inner
    if isinstance(document.get(part), dict):
        document[part][field] = value
    try:
        written = yaml.safe_dump(document)
    except ValueError:  # A number of more digits than Python writes.
        return
    with contextlib.suppress(UsageError):
        parse_config(written, "config.yaml").document()
