"""docs/format.md names every file and field of a set, and no other."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise import open_set
from sysnoise.manifests.files import FILES_SCHEMA
from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.manifest import read_manifest
from sysnoise.manifests.part import part_document
from sysnoise.manifests.schema import manifest_schema
from sysnoise.manifests.tables import (
    ANNOTATIONS,
    DIFFERENCE,
    UPRIGHT_GEOMETRY,
    DatasetKind,
    RejectReason,
    SampleStatus,
    geometry_fields,
    rejects_schema,
    samples_schema,
)
from sysnoise.pipelines.readers.sources import LONGEST_KEY, SOURCES_SCHEMA, sample_key
from sysnoise.pipelines.shards.writers.parquet import shard_schema
from sysnoise.transforms.codecs.encoders import ENCODERS
from sysnoise.transforms.codecs.exif import Exif, Orient
from tests.end_to_end.reading import manifest, tree
from tests.odd_files.page import table, with_tables
from tests.pages import ROOT, blocks

PAGE = ROOT / "docs" / "format.md"
SLUG = "SLUG"
KINDS = tuple(DatasetKind)
JSON_TYPES = {str: "string", int: "number", float: "number", list: "array", dict: "object"}


def fields(name: str) -> dict[str, str]:
    """The names and types that a table of the page has."""
    marked = PAGE.read_text("utf-8").partition(f"<!-- fields: {name} -->\n\n")[2]
    rows = re.findall(r"^\| `(\S+)` \| (\S+) \|", marked.split("\n\n")[0], re.MULTILINE)
    assert len(rows) == len(marked.split("\n\n")[0].splitlines()) - 2
    return dict(rows)


def arrow_fields(*sources: pa.Schema | pa.StructType) -> dict[str, str]:
    """The names and types of schemas together; nested types by their kind."""
    found: dict[str, str] = {}
    for source in sources:
        for field in source:
            kinds = {"struct": pa.types.is_struct, "list": pa.types.is_list}
            kind = next((k for k, holds in kinds.items() if holds(field.type)), str(field.type))
            assert found.setdefault(field.name, kind) == kind
    return found


ALL_GEOMETRIES = (Exif.APPLIED, Orient.STORED, ("another",))
"""The arguments of ``samples_schema`` with which it has every column."""


def json_fields(*documents: dict[str, Any]) -> dict[str, str]:
    return {name: JSON_TYPES[type(value)] for each in documents for name, value in each.items()}


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("files", [FILES_SCHEMA]),
        ("sources", [SOURCES_SCHEMA]),
        ("geometry", [UPRIGHT_GEOMETRY]),
        ("difference", [DIFFERENCE]),
        ("objects", [ANNOTATIONS.value_type]),
        ("rejects", [rejects_schema(["pillow"])]),
        ("samples", [samples_schema(kind, ["pillow"], [SLUG], *ALL_GEOMETRIES) for kind in KINDS]),
        ("parquet", [shard_schema(kind, geometry_fields(Exif.APPLIED), "png") for kind in KINDS]),
    ],
)
def test_tables_have_the_columns_of_the_schemas(name: str, sources: list[pa.Schema]) -> None:
    assert fields(name) == arrow_fields(*sources)


def values(field: str) -> set[str]:
    """The values that the page gives a field, which is in one of its tables."""
    row = re.search(rf"^\| `{field}` \| string \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    return set(re.findall(r"`([^`]+)`", row[1]))


@pytest.mark.parametrize(("field", "kind"), [("reason", RejectReason), ("status", SampleStatus)])
def test_values_are_those_of_the_code(field: str, kind: type[Enum]) -> None:
    assert values(field) == {each.value for each in kind}


def test_formats_are_those_of_files(imagenet_set: Path, coco_set: Path) -> None:
    tables = (pq.read_table(each / "files.parquet") for each in (imagenet_set, coco_set))
    assert values("format") == {name for each in tables for name in each["format"].to_pylist()}


def test_keys_are_made_as_the_page_says() -> None:
    text = PAGE.read_text("utf-8")
    examples = re.findall(r"`([^`]+)` becomes `([^`]+)`", text)
    assert examples
    assert {name: sample_key(name) for name, _ in examples} == dict(examples)
    assert f"at most {LONGEST_KEY} bytes" in text


def test_json_files_have_the_fields_of_the_page(imagenet_set: Path, coco_set: Path) -> None:
    sets = (imagenet_set, coco_set)
    assert fields("plan") == json_fields(*(_first(each, "plan.json") for each in sets))
    assert fields("receipt") == json_fields(*(_first(each, "receipts/*") for each in sets))
    whole = read_manifest((coco_set / "manifest.json").read_bytes())
    part = json.loads(json_bytes(part_document(whole, [])))
    assert fields("part") == json_fields(part)
    for path in (coco_set / "annotations").iterdir():
        assert fields("annotations") == json_fields(json.loads(path.read_text("utf-8")))


def _first(folder: Path, pattern: str) -> dict[str, Any]:
    return dict(json.loads(sorted(folder.glob(pattern))[0].read_text("utf-8")))


def test_members_of_tars_are_those_of_the_page(imagenet_set: Path, coco_set: Path) -> None:
    found: dict[str, str] = {}
    extensions = set()
    for path in (*imagenet_set.rglob("*.tar"), *coco_set.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                extension = member.name.partition(".")[2]
                extensions.add(extension)
                if extension == "json":
                    found |= json_fields(json.load(tar.extractfile(member)))  # type: ignore[arg-type]
    marked = PAGE.read_text("utf-8").partition("<!-- members -->\n\n")[2].split("\n\n")[0]
    named = set(re.findall(r"^\| `KEY\.(\w+)` \|", marked, re.MULTILINE))
    assert {"FORMAT" if each in ENCODERS else each for each in extensions} == named
    assert all(f"`{name}`" in marked for name in ENCODERS)
    on_page = fields("json")
    assert found.items() <= on_page.items()
    assert on_page.keys() - found.keys() <= {"wnid", "class_name", "geometry_exif"}


def test_files_are_those_of_the_page(imagenet_set: Path, coco_set: Path) -> None:
    marked = PAGE.read_text("utf-8").partition("<!-- files -->\n\n")[2].split("\n\n")[0]
    named = re.findall(r"^\| `(\S+)` \|", marked, re.MULTILINE)
    patterns = [re.sub("SHARD|SPLIT|DECODER|RESIZE|COLOR", "[^/]+", path) for path in named]
    unused = {*named} - {
        "noise.png",
        "part.json",
        "annotations/instances_SPLIT.rescaled-at-GEOMETRY.json",
    }
    for path in (path for each in (imagenet_set, coco_set) for path in tree(each)):
        fitting = [
            name
            for name, pattern in zip(named, patterns, strict=True)
            if re.fullmatch(pattern, path)
        ]
        assert len(fitting) == 1, (path, fitting)
        unused -= set(fitting)
    assert unused == set()


def test_files_table_names_what_the_page_says(imagenet_set: Path, coco_set: Path) -> None:
    unnamed = {"manifest.json", "files.parquet", "SHA256SUMS"}
    unnamed |= {"README.md", "croissant.json", "grid.yaml", "part.json"}
    for folder in (imagenet_set, coco_set):
        paths = pq.read_table(folder / "files.parquet")["path"].to_pylist()
        stored = {path for path in tree(folder) if not path.startswith("receipts/")}
        assert paths == sorted(stored - unnamed)


def rows(schema: dict[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """Yield path, type and description of all fields below a node of the schema."""
    for name, node in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        assert node.get("description"), f"{path} of the manifest has no description"
        yield [f"`{path}`", kind(node), node["description"].replace("|", "\\|")]
        yield from rows(node, f"{path}.")
        yield from rows(node.get("items", {}), f"{path}[].")


def kind(node: dict[str, Any]) -> str:
    """Return a node's type, values or definition."""
    if "$ref" in node:
        return str(node["$ref"].rpartition("/")[2].replace("_", " "))
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if types == ["array"]:
        return f"array of {kind(node['items'])}"
    return " or ".join(types)


def test_manifest_is_described_as_in_its_schema(rewrite: bool) -> None:
    schema = manifest_schema()
    header = ["field", "type", "meaning"]
    nodes = {"manifest": schema}
    nodes |= {name: schema["$defs"][name] for name in ("method", "axis_noise")}
    tables = {name: table(header, list(rows(node))) for name, node in nodes.items()}
    page = PAGE.read_text("utf-8")
    if rewrite:
        PAGE.write_text(with_tables(page, tables), "utf-8")
    else:
        assert page == with_tables(page, tables), "rewrite docs/format.md with --rewrite"


def test_manifests_have_every_field_of_the_page(imagenet_set: Path, coco_set: Path) -> None:
    """But for those of one kind of dataset, which the other lacks."""
    schema = manifest_schema()
    for folder in (imagenet_set, coco_set):
        document = manifest(folder)
        assert document.keys() == schema["properties"].keys()
        missing = schema["properties"]["dataset"]["properties"].keys() - document["dataset"].keys()
        assert missing <= {"classes", "categories"}


def test_digest_of_the_page_is_that_of_the_tables(coco_set: Path) -> None:
    names: dict[str, Any] = {}
    exec(blocks("docs/format.md")[0].text, names)
    opened = open_set(str(coco_set))
    row = pq.read_table(sorted((coco_set / "samples").iterdir())[0]).to_pylist()[0]
    sample = next(iter(opened.iterate(opened.baseline)))
    slug = opened.variants[opened.baseline]["slug"]
    assert names["pixel_digest"](sample.image) == row[slug]
