"""The names of labels in Parquet shards: what datasets reads, and sets that were made without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from sysnoise.manifests.imagenet_classes import imagenet_classes
from tests.end_to_end.commands import command
from tests.end_to_end.damage import reseal
from tests.end_to_end.reading import samples_table

GRID = """\
decoders: [pillow, opencv]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""
LARGER = GRID.replace("opencv]", "opencv, simplejpeg]")


@pytest.fixture(scope="module")
def source(imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs, whose classes a class list names."""
    folder = tmp_path_factory.mktemp("named")
    lines = [f"{each.wnid} {each.name}\n" for each in imagenet_classes()]
    (folder / "classes.txt").write_text("".join(lines), "utf-8")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    (folder / "larger.yaml").write_text(LARGER, "utf-8")
    shutil.copytree(imagenet_source, folder / "source")
    return folder


def made(source: Path, output: Path, grid: str = "grid.yaml", *others: str) -> Path:
    done = command(
        *("generate", "imagenet", f"--images={source / 'source' / 'images'}", "--limit=4"),
        *(f"--label-file={source / 'source' / 'val.txt'}", f"--grid={source / grid}"),
        *(f"--classes={source / 'classes.txt'}", "--format=parquet", "--samples-per-shard=2"),
        *(f"--output={output}", "--workers=1", *others),
    )
    assert done.code == 0, done.error
    return output


@pytest.fixture(scope="module")
def named(source: Path) -> Path:
    return made(source, source / "set")


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "variants").rglob("*.parquet"))


def forget_names(folder: Path) -> None:
    """Make a set as it was made before labels had names."""
    for path in shards(folder):
        table = pq.read_table(path)
        document = json.loads(table.schema.metadata[b"huggingface"])
        document["info"]["features"]["label"] = {"dtype": "int64", "_type": "Value"}
        pq.write_table(
            table.replace_schema_metadata({"huggingface": json.dumps(document)}),
            path,
            row_group_size=2,
        )
    reseal(folder)
    assert command("card", str(folder)).code == 0


def test_datasets_knows_the_names_of_the_labels(named: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(
        str(named), "opencv__pillow-bilinear__rgb", split="val", cache_dir=str(tmp_path)
    )
    label = loaded.features["label"]
    assert isinstance(label, datasets.ClassLabel)
    assert label.num_classes == 1000
    rows = samples_table(named)
    assert loaded["label"][:] == [row["label"] for row in rows]
    names = [label.int2str(each) for each in loaded["label"]]
    assert names == [row["class_name"] for row in rows]
    card = (named / "README.md").read_text("utf-8")
    assert "`label` is a `ClassLabel`, which knows the names of the classes." in card
    assert command("verify", str(named), "--pixels").code == 0


def test_labels_without_names_are_numbers(imagenet_set: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(
        str(imagenet_set), "pillow__pillow-bilinear__rgb", split="val", cache_dir=str(tmp_path)
    )
    assert loaded.features["label"] == datasets.Value("int64")
    assert "ClassLabel" not in (imagenet_set / "README.md").read_text("utf-8")


def test_sets_that_were_made_without_names_are_valid_and_grow(
    source: Path, named: Path, tmp_path: Path
) -> None:
    earlier = shutil.copytree(named, tmp_path / "earlier")
    forget_names(earlier)
    checked = command("verify", str(earlier), "--pixels")
    assert checked.code == 0, checked.out
    before = {path: path.read_bytes() for path in shards(earlier)}
    again = made(source, earlier)  # It is complete.
    assert {path: path.read_bytes() for path in shards(again)} == before
    grown = made(source, earlier, "larger.yaml", "--add-variants")
    assert {path: path.read_bytes() for path in before} == before
    added = [path for path in shards(grown) if path not in before]
    assert [path.parent.parent.parent.name for path in added] == ["simplejpeg"] * 2
    assert all(b"ClassLabel" in pq.read_schema(path).metadata[b"huggingface"] for path in added)
    checked = command("verify", str(grown), "--pixels")
    assert checked.code == 0, checked.out


def test_other_names_are_found(named: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(named, tmp_path / "set")
    path = shards(folder)[0]
    table = pq.read_table(path)
    text = table.schema.metadata[b"huggingface"].replace(b"goldfish", b"silverfish")
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), path, row_group_size=2)
    reseal(folder)
    checked = command("verify", str(folder))
    assert checked.code == 1
    assert "has other columns, types or metadata than ['key', 'image', 'label'" in checked.out
