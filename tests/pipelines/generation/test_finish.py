"""What is added up from receipts and samples, against plain sums over all samples."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sysnoise import load_grid
from sysnoise.manifests.tables import placement_of
from sysnoise.pipelines.errors import ShardError
from sysnoise.pipelines.generation.finish import finish
from sysnoise.pipelines.planning.plan import PlanOptions, load_plan, make_plan, write_plan
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.readers.sources import SourceSet
from sysnoise.pipelines.storage.root import open_output
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.targets import map_annotation
from tests.end_to_end.reading import manifest, samples_table, tree
from tests.making import make_shards

IMAGENET = load_grid("imagenet-one-factor")
COCO = load_grid("coco-published")


def made(source: SourceSet, grid: str, output: Path) -> Path:
    """Make and finish a set in shards of 5."""
    prepare_libraries()
    root = open_output(str(output))
    plan = make_plan(source, load_grid(grid), PlanOptions(samples_per_shard=5))
    write_plan(plan, source, root)
    make_shards(plan, range(plan.shards), source_reader(source.root), root)
    finish(plan, root)
    return output


def damage(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:1000])


@pytest.fixture(scope="module")
def imagenet(
    imagenet_source: Path, photos: dict[str, Pixels], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """18 samples in 4 shards, of which one is a reject and one, a PNG, a fallback."""
    folder = tmp_path_factory.mktemp("finish")
    shutil.copytree(imagenet_source, folder / "source")
    first, *_, last = sorted((folder / "source" / "images").iterdir())
    damage(first)
    Image.fromarray(photos["coffee"]).save(last, "PNG")
    source = read_imagenet(
        str(folder / "source" / "images"), str(folder / "source" / "val.txt"), None, "val"
    )
    return made(source, IMAGENET.name, folder / "set")


@pytest.fixture(scope="module")
def coco(coco_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 samples in 4 shards, of which two are rejects."""
    folder = tmp_path_factory.mktemp("finish")
    shutil.copytree(coco_source, folder / "source")
    for name in ("000000000001.jpg", "000000000010.jpg"):
        damage(folder / "source" / "images" / name)
    source = read_coco(
        str(folder / "source" / "images"), str(folder / "source" / "instances_demo.json"), None
    )
    return made(source, COCO.name, folder / "set")


def test_differences_are_the_sums_over_all_samples(imagenet: Path) -> None:
    rows = [row for row in samples_table(imagenet) if row["status"] == "ok"]
    assert len(rows) == 17
    assert {status for row in rows for status in row["decoders"].values()} == {"ok", "fallback"}
    for variant in manifest(imagenet)["variants"]:
        kept = [row for row in rows if row["decoders"][variant["decoder"]["name"]] == "ok"]
        each = [row["differences"][variant["slug"]] for row in kept]
        pixels = np.sum([224.0 * 224.0 for _ in kept])
        sums = {name: np.sum([float(one[name]) for one in each]) for name in each[0]}
        found = variant["difference"]
        assert found["images"] == len(kept)
        assert found["identical_images"] == sum(one["absolute_sum"] == 0 for one in each)
        assert found["maximum"] == max(one["maximum"] for one in each)
        for name in ("changed_pixels", "absolute_sum", "squared_sum"):
            assert found[name] == sums[name]
        assert found["mean"] == pytest.approx(sums["absolute_sum"] / (3 * pixels), rel=1e-12)
        if sums["squared_sum"]:
            error = sums["squared_sum"] / (3 * pixels)
            assert found["psnr"] == pytest.approx(20 * np.log10(255 / np.sqrt(error)), rel=1e-12)


def test_axes_pool_the_variants_that_differ_in_them_alone(imagenet: Path) -> None:
    document = manifest(imagenet)
    baseline = IMAGENET.baseline.id.split("/")
    for place, axis in enumerate(("decoder", "resize", "color")):
        own = [
            variant["difference"]
            for variant in document["variants"]
            if [i for i in range(3) if variant["id"].split("/")[i] != baseline[i]] == [place]
        ]
        noise = document["noise"][axis]
        assert noise["variants"] == len(own) > 0
        for name in ("images", "pixels", "absolute_sum", "squared_sum"):
            assert noise[name] == sum(difference[name] for difference in own)


def test_most_like_is_the_earlier_variant_with_most_equal_digests(imagenet: Path) -> None:
    rows = [row for row in samples_table(imagenet) if row["status"] == "ok"]
    earlier: list[Any] = []
    for variant in manifest(imagenet)["variants"]:
        own = [row for row in rows if row["decoders"][variant["decoder"]["name"]] == "ok"]
        equal: Counter[str] = Counter()
        for other in earlier:
            equal[other["id"]] = sum(
                row[variant["slug"]] == row[other["slug"]]
                and row["decoders"][other["decoder"]["name"]] == "ok"
                for row in own
            )
        earlier.append(variant)
        ((name, count),) = equal.most_common(1) or [("", 0)]  # Of equal counts the first one.
        expected = {"variant": name, "images": count, "share": count / len(own)} if count else None
        assert variant["most_like"] == expected


@pytest.mark.parametrize("kind", ["imagenet", "coco"])
def test_tables_and_sums_are_of_the_files(kind: str, request: pytest.FixtureRequest) -> None:
    output: Path = request.getfixturevalue(kind)
    found = tree(output)
    table = pq.read_table(output / "files.parquet").to_pylist()
    assert [row["path"] for row in table] == sorted(row["path"] for row in table)
    receipts = {path for path in found if path.startswith("receipts/")}
    summed = {"README.md", "croissant.json", "grid.yaml", "files.parquet", *receipts}
    unlisted = {"SHA256SUMS", "manifest.json", *summed}
    assert {row["path"]: row["sha256"] for row in table} == {
        path: sha256 for path, sha256 in found.items() if path not in unlisted
    }
    assert all(row["bytes"] == (output / row["path"]).stat().st_size for row in table)
    lines = [f"{sha}  {path}\n" for path, sha in found.items() if path not in unlisted]
    lines += [f"{found[path]}  {path}\n" for path in summed]
    sums = (output / "SHA256SUMS").read_text("utf-8")
    assert sums == "".join(sorted(lines, key=lambda line: line[66:]))

    document = manifest(output)
    assert document["counts"]["files"] == len(table)
    assert document["counts"]["bytes"] == sum(row["bytes"] for row in table)
    for variant in document["variants"]:
        own = [row for row in table if row["variant"] == variant["id"]]
        assert (variant["files"], variant["bytes"]) == (4, sum(row["bytes"] for row in own))
    rows = samples_table(output)
    content = "".join(f"{row['source_sha256']}  {row['key']}\n" for row in rows)
    assert document["source"]["content_sha256"] == hashlib.sha256(content.encode()).hexdigest()
    rejects = pq.read_table(output / "rejects.parquet").to_pylist()
    assert [row["key"] for row in rejects] == [r["key"] for r in rows if r["status"] == "rejected"]


def test_annotations_are_those_of_the_whole_document_at_once(coco: Path) -> None:
    document = json.loads((coco.parent / "source" / "instances_demo.json").read_text("utf-8"))
    by_id = {row["image_id"]: row for row in samples_table(coco) if row["status"] == "ok"}
    assert len(by_id) == 16
    records = [
        {**image, "file_name": f"{by_id[image['id']]['key']}.png"}
        for image in document["images"]
        if image["id"] in by_id
    ]
    placements = {key: placement_of(row["geometry"]) for key, row in by_id.items()}
    sizes = {
        key: {"width": each.output.width, "height": each.output.height}
        for key, each in placements.items()
    }
    objects = [each for each in document["annotations"] if each["image_id"] in by_id]
    header = {name: document[name] for name in ("info", "licenses", "categories")}
    original = {**header, "images": records, "annotations": objects}
    rescaled = {
        **header,
        "images": [{**record, **sizes[record["id"]]} for record in records],
        "annotations": [map_annotation(each, placements[each["image_id"]]) for each in objects],
    }
    for kind, expected in (("original", original), ("rescaled", rescaled)):
        text = (coco / "annotations" / f"instances_demo.{kind}.json").read_text("ascii")
        assert text == json.dumps(expected, separators=(",", ":"))


def remove(receipt: Path) -> None:
    receipt.unlink()


def of_another_plan(receipt: Path) -> None:
    document = json.loads(receipt.read_text("utf-8"))
    receipt.write_text(json.dumps({**document, "fingerprint": "0" * 64}), "utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [(remove, "missing"), (of_another_plan, f"it is of another plan ({'0' * 64})")],
)
def test_shards_that_are_not_done_are_named(
    change: Callable[[Path], None], message: str, coco: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(coco, tmp_path / "set")
    (output / "manifest.json").unlink()
    for shard in (1, 3):
        change(output / "receipts" / f"0000{shard}-of-00004.json")
    root = open_output(str(output))
    with pytest.raises(ShardError, match="are not done") as caught:
        finish(load_plan(root), root)
    for shard in (1, 3):
        assert f"receipts/0000{shard}-of-00004.json: {message}" in str(caught.value)
    assert not (output / "manifest.json").exists()
