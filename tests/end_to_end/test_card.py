"""The card of a set, as mlcroissant, Hugging Face and sha256sum read it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from sysnoise import load_grid
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.manifest import read_manifest
from sysnoise.manifests.part import part_document
from sysnoise.manifests.publication import Publication
from sysnoise.pipelines.planning.plan import load_plan
from sysnoise.pipelines.publication.card import write_card
from sysnoise.pipelines.storage.root import open_output
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import command
from tests.end_to_end.damage import edit_json
from tests.end_to_end.reading import manifest, samples_table, tree

CARD = ("README.md", "croissant.json", "grid.yaml")
DATE = "2026-11-25"


@dataclass(frozen=True)
class Case:
    """A set in one of the ways that sets are made."""

    folder: Path
    extension: str

    @property
    def image_format(self) -> str:
        return str(manifest(self.folder)["image_format"]["name"])

    @property
    def split(self) -> str:
        return str(manifest(self.folder)["dataset"]["split"])

    def variants(self) -> dict[str, str]:
        """Return the slugs by id."""
        return {each["id"]: each["slug"] for each in manifest(self.folder)["variants"]}

    def stored(self, variant_id: str) -> list[Path]:
        """Return the files that hold a variant's images, in the order of the shards."""
        rows = pq.read_table(self.folder / "files.parquet").to_pylist()
        kind = {"tar": "webdataset", "parquet": "parquet"}[self.extension]
        own = [row for row in rows if (row["variant"], row["format"]) == (variant_id, kind)]
        own.sort(key=lambda row: row["shard"])
        return [self.folder / (row["same_as"] or row["path"]) for row in own]

    def pixels(self, variant_id: str) -> dict[str, Pixels]:
        """Return the pixels of a variant by key, read with tarfile or pyarrow and Pillow."""
        images = (each for path in self.stored(variant_id) for each in self._images(path))
        return {key: pixels_of(Image.open(io.BytesIO(data))) for key, data in images}

    def _images(self, path: Path) -> Iterator[tuple[str, bytes]]:
        if path.suffix == ".parquet":
            for row in pq.read_table(path).to_pylist():
                yield row["key"], row["image"]["bytes"]
            return
        with tarfile.open(path) as tar:
            for member in tar:
                opened = tar.extractfile(member)
                if member.name.endswith(f".{self.image_format}") and opened is not None:
                    yield member.name.partition(".")[0], opened.read()


def pixels_of(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def assert_same(found: dict[str, Pixels], wanted: dict[str, Pixels]) -> None:
    assert list(found) == list(wanted)
    for key, pixels in wanted.items():
        np.testing.assert_array_equal(found[key], pixels, err_msg=key)


def made(source: Path, output: Path, *options: str) -> Path:
    """Generate a set in shards of 5 samples."""
    outcome = command(
        "generate",
        "imagenet",
        f"--images={source / 'images'}",
        f"--label-file={source / 'val.txt'}",
        f"--output={output}",
        "--samples-per-shard=5",
        *options,
    )
    assert outcome.code == 0, outcome.error
    return output


ONE_FACTOR = """\
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear, opencv-area]
colors: [rgb, nv12-bt601]
geometry: shorter256-crop224
combine: one-factor
"""


@pytest.fixture(scope="module")
def one_factor(imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four variants, which differ in one axis each, as WebP, in tar and Parquet."""
    folder = tmp_path_factory.mktemp("card")
    (folder / "grid.yaml").write_text(ONE_FACTOR, "utf-8")
    return made(
        *(imagenet_source, folder / "set", f"--grid={folder / 'grid.yaml'}"),
        *("--format=both", "--image-format=webp"),
    )


GRID = """\
decoders: [pillow, opencv, simplejpeg, simplejpeg-fastupsample]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""
WITHOUT_DUPLICATES = ("--skip-duplicates", "--split=val-2.x", "--format=both")


@pytest.fixture(scope="module")
def odd_source(imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs, of which OpenCV decodes one in the last shard otherwise than Pillow."""
    folder = shutil.copytree(imagenet_source, tmp_path_factory.mktemp("odd") / "source")
    last = max((folder / "images").iterdir())
    with Image.open(last) as image:
        image.convert("CMYK").save(last, "JPEG")
    (folder / "own.yaml").write_text(GRID, "utf-8")
    return folder


@pytest.fixture(scope="module")
def skipped(odd_source: Path) -> Path:
    """A set without duplicates and with an odd split, in tar and Parquet."""
    grid = f"--grid={odd_source / 'own.yaml'}"
    return made(odd_source, odd_source / "both", grid, *WITHOUT_DUPLICATES)


@pytest.fixture(scope="module")
def tars(odd_source: Path) -> Path:
    """The same without Parquet."""
    grid = f"--grid={odd_source / 'own.yaml'}"
    return made(odd_source, odd_source / "tars", grid, *WITHOUT_DUPLICATES[:-1])


@pytest.fixture(params=["one_factor", "coco_set", "skipped", "tars"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy of a set, published on a date."""
    folder = shutil.copytree(request.getfixturevalue(request.param), tmp_path / "set")
    done = command("card", str(folder), f"--date={DATE}")
    assert done.code == 0, done.error
    return Case(folder, "tar" if request.param == "tars" else "parquet")


def validated(folder: Path) -> str:
    """Return what ``mlcroissant validate`` says."""
    program = [str(Path(sys.executable).parent / "mlcroissant"), "validate"]
    done = subprocess.run(
        [*program, "--jsonld", str(folder / "croissant.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_mlcroissant_finds_nothing_wrong(case: Case) -> None:
    told = validated(case.folder)
    assert "Done." in told
    assert "warning" not in told.lower()
    assert "error" not in told.lower()
    document = json.loads((case.folder / "croissant.json").read_text("utf-8"))
    assert document["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    formats = manifest(case.folder)["formats"]
    kinds = [each["@type"] for each in document["distribution"]]
    assert kinds == ["cr:FileSet"] * (len(case.variants()) * len(formats) + 1)


def test_a_set_without_a_date_is_warned_of_that_alone(coco_set: Path) -> None:
    told = validated(coco_set)
    assert "Found the following 1 warning(s)" in told
    assert '"https://schema.org/datePublished" is recommended' in told


def fields(record: dict[str, Any], record_set: str) -> dict[str, Any]:
    """Return a record by the names of its fields without the record set's, texts decoded."""
    return {name.removeprefix(f"{record_set}/"): plain(value) for name, value in record.items()}


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name.rpartition("/")[-1]: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def test_mlcroissant_reads_the_images_of_every_variant(case: Case) -> None:
    dataset = mlcroissant.Dataset(str(case.folder / "croissant.json"))
    slugs = case.variants() if case.extension == "parquet" else {}
    assert {each.id for each in dataset.metadata.record_sets} == {"samples", *slugs.values()}
    for variant_id, slug in slugs.items():
        rows = {
            row["key"]: row
            for path in case.stored(variant_id)
            for row in pq.read_table(path).drop_columns(["image", "geometry"]).to_pylist()
        }
        records = [fields(record, slug) for record in dataset.records(slug)]
        images = {record["key"]: pixels_of(record.pop("image")) for record in records}
        assert_same(dict(sorted(images.items())), case.pixels(variant_id))
        assert {record["key"]: record for record in records} == rows


def test_mlcroissant_reads_the_samples(case: Case) -> None:
    dataset = mlcroissant.Dataset(str(case.folder / "croissant.json"))
    slugs = case.variants().values()
    records = list(dataset.records("samples"))
    paths = sorted((case.folder / "samples").iterdir())
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert len(records) == len(rows) == 18
    for record, row in zip(records, rows, strict=True):
        assert [record[f"samples/{slug}"] for slug in slugs] == [row[slug] for slug in slugs]
        digests = {f"samples/{slug}" for slug in slugs}
        told = {name: value for name, value in record.items() if name not in digests}
        assert fields(told, "samples").items() <= row.items()


def test_hugging_face_loads_every_variant_by_its_slug(case: Case, tmp_path: Path) -> None:
    found = datasets.get_dataset_config_names(str(case.folder), cache_dir=str(tmp_path / "cache"))
    assert found == list(case.variants().values())
    split = "val_2.x" if case.split == "val-2.x" else case.split
    key, image = ("key", "image") if case.extension == "parquet" else ("__key__", case.image_format)
    for variant_id, slug in case.variants().items():
        loaded = datasets.load_dataset(
            str(case.folder), slug, split=split, cache_dir=str(tmp_path / "cache")
        )
        assert_same({row[key]: pixels_of(row[image]) for row in loaded}, case.pixels(variant_id))


def test_the_baseline_is_the_default_configuration(case: Case) -> None:
    default = datasets.get_dataset_default_config_name(str(case.folder))
    assert default == manifest(case.folder)["grid"]["baseline"].replace("/", "__")


def test_duplicates_are_read_where_their_bytes_are(skipped: Path) -> None:
    card = DatasetCard.load(skipped / "README.md")
    paths = {each["config_name"]: each["data_files"][0]["path"] for each in card.data.configs}
    folder = "variants/{}/pillow-bilinear/rgb/{}"
    own = folder.format("simplejpeg-fastupsample", "*.parquet")
    assert paths["simplejpeg-fastupsample__pillow-bilinear__rgb"] == own
    holders = ["pillow", "pillow", "pillow", "opencv"]
    assert paths["opencv__pillow-bilinear__rgb"] == [
        folder.format(holder, f"val-2.x-0000{shard}-of-00004.parquet")
        for shard, holder in enumerate(holders)
    ]


def test_the_front_matter_is_that_of_a_dataset_card(case: Case) -> None:
    card = DatasetCard.load(case.folder / "README.md")
    kind = manifest(case.folder)["dataset"]["kind"]
    assert card.data.license == "other"
    assert card.data.license_name == f"{kind}-terms"
    assert card.data.license_link.startswith("https://")
    tasks = {"imagenet": "image-classification", "coco": "object-detection"}
    assert card.data.task_categories == [tasks[kind]]
    assert card.data.size_categories == ["n<1K"]
    for variant in manifest(case.folder)["variants"]:
        mean = variant["difference"]["mean"]
        assert f"| `{variant['id']}` | {mean:.4f} |" in card.text
    assert "libjpeg_turbo 3." in card.text


def test_sha256sum_and_verify_find_nothing_wrong(case: Case) -> None:
    program = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    done = subprocess.run(program, cwd=case.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    named = {line[66:] for line in (case.folder / "SHA256SUMS").read_text("utf-8").splitlines()}
    assert named == tree(case.folder).keys() - {"SHA256SUMS", "manifest.json"}
    assert command("verify", str(case.folder)).code == 0


def test_a_card_made_again_is_the_same_bytes(case: Case) -> None:
    before = tree(case.folder)
    for name in (*CARD[::2], "SHA256SUMS"):
        (case.folder / name).unlink()
    assert command("card", str(case.folder)).code == 0
    assert tree(case.folder) == before


def test_the_first_card_is_the_one_that_finish_made(coco_set: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(coco_set, tmp_path / "set")
    for name in (*CARD, "SHA256SUMS"):
        (folder / name).unlink()
    assert command("card", str(folder)).code == 0
    assert tree(folder) == tree(coco_set)


def test_what_the_publisher_gives_is_kept(coco_set: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(coco_set, tmp_path / "set")
    (tmp_path / "own.bib").write_text("@misc{own,\n  title = {Bär}\n}\n", "utf-8")
    url = "https://huggingface.co/datasets/some/set"
    given = (
        "--license=CC-BY-4.0",
        f"--citation={tmp_path / 'own.bib'}",
        "--set-version=2.1.0",
        f"--url={url}",
    )
    for option in given:  # One at a time, so that each must keep the others.
        assert command("card", str(folder), option).code == 0
    document = json.loads((folder / "croissant.json").read_text("utf-8"))
    assert document["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert document["citeAs"] == "@misc{own,\n  title = {Bär}\n}"
    assert (document["version"], document["url"]) == ("2.1.0", url)
    assert "datePublished" not in document
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert "title = {Bär}" in card.text
    assert url in card.text
    assert (folder / "manifest.json").read_bytes() == (coco_set / "manifest.json").read_bytes()
    assert command("verify", str(folder)).code == 0


def test_the_grid_gives_the_same_set_again(skipped: Path, odd_source: Path, tmp_path: Path) -> None:
    grid = load_grid(str(skipped / "grid.yaml"))
    document = manifest(skipped)["grid"]
    assert grid.fingerprint() == document["fingerprint"]
    assert grid.name == document["name"] == "own"
    options = (f"--grid={skipped / 'grid.yaml'}", *WITHOUT_DUPLICATES)
    assert tree(made(odd_source, tmp_path / "again", *options)) == tree(skipped)


def test_a_copy_without_images_says_how_they_are_made(
    skipped: Path, odd_source: Path, tmp_path: Path
) -> None:
    recipe = shutil.copytree(skipped, tmp_path / "recipe")
    shutil.rmtree(recipe / "variants")
    files = pq.read_table(recipe / "files.parquet")
    root = open_output(str(recipe))
    whole = read_manifest((recipe / "manifest.json").read_bytes())
    (recipe / "part.json").write_bytes(json_bytes(part_document(whole, ())))
    write_card(root, HeldSet(whole, load_plan(root), files, ()), Publication())
    card = DatasetCard.load(recipe / "README.md")
    tables = datasets.load_dataset(
        str(recipe), "samples", split="val_2.x", cache_dir=str(tmp_path / "hub")
    )
    assert tables["key"][:] == [row["key"] for row in samples_table(recipe)]
    document = json.loads((recipe / "croissant.json").read_text("utf-8"))
    assert [each["@id"] for each in document["recordSet"]] == ["samples"]
    program = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(program, cwd=recipe, check=False).returncode == 0
    (line,) = (each for each in card.text.splitlines() if each.startswith("sysnoise generate "))
    paths = {
        "IMAGES": odd_source / "images",
        "LABELS": odd_source / "val.txt",
        "NEW": tmp_path / "new",
        "grid.yaml": recipe / "grid.yaml",
    }
    words = [str(paths.get(word, word)) for word in line.split()[1:]]
    assert command(*words).code == 0
    assert tree(tmp_path / "new") == tree(skipped)


def test_hidden_files_beside_a_set_are_no_strays(coco_set: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(coco_set, tmp_path / "set")
    (folder / ".gitattributes").write_text("*.parquet filter=lfs\n", "utf-8")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("x", "utf-8")
    assert command("verify", str(folder)).code == 0


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--date=2026-02-30", "expected a date as YYYY-MM-DD, found '2026-02-30'"),
        ("--date=20261125", "expected a date as YYYY-MM-DD, found '20261125'"),
        ("--set-version=1.0", "expected MAJOR.MINOR.PATCH, found '1.0'"),
        ("--license=my license", "or a web address, found 'my license'"),
        ("--license=Foo-1.0", "expected an SPDX id, such as CC-BY-4.0"),
        ("--license=MIT OR Apache-2.0", "expected an SPDX id, such as CC-BY-4.0"),
        ("--url=example.org", "bucket and folder, found 'example.org'"),
    ],
)
def test_bad_options_are_refused(option: str, told: str, coco_set: Path) -> None:
    before = tree(coco_set)
    outcome = command("card", str(coco_set), option)
    assert outcome.code == 2
    assert told in outcome.error
    assert tree(coco_set) == before


def unfinished(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def other_table(folder: Path) -> None:
    (folder / "files.parquet").write_bytes(b"PAR1")


def other_manifest(folder: Path) -> None:
    edit_json(folder / "manifest.json", lambda document: document.pop("grid"))


def other_plan(folder: Path) -> None:
    (folder / "plan.json").write_text("{}", "utf-8")


def other_croissant(folder: Path) -> None:
    (folder / "croissant.json").write_text("{}", "utf-8")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (unfinished, "is not a finished set: it has no manifest.json"),
        (other_table, "the index of '{}' is damaged:\n  files.parquet: has 4 bytes, expected"),
        (other_manifest, "index of '{}' is damaged:\n  manifest.json: does not follow its schema"),
        (other_plan, "reading plan.json of '{}': expected a plan of version 1, found None"),
        (other_croissant, "reading croissant.json of '{}': not the description of a set"),
    ],
    ids=["unfinished", "files table", "manifest", "plan", "croissant"],
)
def test_what_is_no_finished_set_is_refused(
    damage: Any, told: str, coco_set: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(coco_set, tmp_path / "set")
    damage(folder)
    before = tree(folder)
    outcome = command("card", str(folder))
    assert outcome.code == 1
    assert told.format(folder) in outcome.error
    assert tree(folder) == before


def test_a_missing_citation_file_is_refused(coco_set: Path) -> None:
    outcome = command("card", str(coco_set), "--citation=nowhere.bib")
    assert outcome.code == 1
    assert "the citation file 'nowhere.bib' does not exist" in outcome.error


def test_the_examples_of_the_card_run(case: Case, tmp_path: Path) -> None:
    text = (case.folder / "README.md").read_text("utf-8").replace("PATH", str(case.folder))
    blocks = [each.partition("```")[0] for each in text.split("```python\n")[1:]]
    assert len(blocks) == 3
    programs = []
    for block in blocks:
        name = next(each for each in ("dataset =", "sample in", "pair in") if each in block)
        programs.append(f"{block}\nassert {name.split()[0]}\n")
    done = subprocess.run(  # Each has names of its own; they share the time of the imports.
        [sys.executable, "-c", f"for program in {programs!r}:\n    exec(program, {{}})"],
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_citation_file_without_entry_is_refused(coco_set: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Doe, Jane (2026)\n", "utf-8")
    refused = command("card", str(coco_set), f"--citation={tmp_path / 'notes.txt'}")
    assert refused.code == 1
    assert "has no BibTeX entry" in refused.error
