"""Every kind of damage is found by ``sysnoise verify``, by the name of the file."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.cli.photographs import write_imagenet
from tests.end_to_end.commands import command
from tests.end_to_end.damage import (
    Members,
    Rows,
    edit_json,
    edit_parquet,
    edit_tar,
    edit_text,
    flip_bit,
    reseal,
    swap,
    truncate,
)
from tests.end_to_end.reading import decode_image, digest, samples_table

GRID = """
decoders: [pillow, opencv, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {rule: shorter-side, size: 64, crop: 48}
"""
TAR = "variants/ffmpeg/pillow-bilinear/rgb/val-00000-of-00003.tar"
OTHER_TAR = "variants/ffmpeg/pillow-bilinear/rgb/val-00001-of-00003.tar"
STORED = "variants/pillow/pillow-bilinear/rgb/val-00001-of-00003.tar"
DUPLICATE = "variants/opencv/pillow-bilinear/rgb/val-00001-of-00003.tar"
PARQUET = "variants/ffmpeg/pillow-bilinear/rgb/val-00001-of-00003.parquet"
SAMPLES = "samples/00000-of-00003.parquet"
RECEIPT = "receipts/00001-of-00003.json"
CARD = ("README.md", "croissant.json", "grid.yaml")
MANIFEST, FILES, SUMS, PLAN = "manifest.json", "files.parquet", "SHA256SUMS", "plan.json"

Document = dict[str, Any]


def generate(source: Path, output: Path, *arguments: str) -> Path:
    (output.parent / "grid.yaml").write_text(GRID, "utf-8")
    done = command(
        *("generate", "imagenet"),
        *(f"--images={source / 'images'}", f"--label-file={source / 'val.txt'}"),
        *(f"--grid={output.parent / 'grid.yaml'}", f"--output={output}"),
        *("--format=both", "--samples-per-shard=3", "--workers=1", *arguments),
    )
    assert done.code == 0, done.error
    return output


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photographs; the third is damaged, the fifth a PNG, for which FFmpeg falls back."""
    folder = tmp_path_factory.mktemp("source")
    write_imagenet(folder, crops=7, seed=3)
    images = sorted((folder / "images").iterdir())
    truncate(images[2])
    with Image.open(images[4]) as image:
        image.save(images[4], "PNG")
    return folder


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """Three variants of them in three shards, as tar and Parquet."""
    output = generate(source, tmp_path_factory.mktemp("small") / "set")
    statuses = [row["status"] for row in samples_table(output)]
    assert (len(statuses), statuses.count("rejected")) == (7, 1)
    assert any(row["decoders"]["ffmpeg"] == "fallback" for row in samples_table(output))
    return output


@pytest.fixture(scope="module")
def deduplicated_set(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """The same with ``--skip-duplicates``: OpenCV's files are Pillow's."""
    folder = tmp_path_factory.mktemp("deduplicated") / "set"
    output = generate(source, folder, "--skip-duplicates")
    assert not (output / "variants" / "opencv").exists()
    return output


@pytest.fixture
def copy(small_set: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_set, tmp_path / "set")


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[..., Document]:
    """Run ``sysnoise verify --json`` and return the document and the exit code."""

    def run(folder: Path | str, *arguments: str) -> Document:
        code = main(["verify", str(folder), "--json", *arguments])
        printed = capsys.readouterr()
        document: Document = json.loads(printed.out)
        assert document["problems"] == sorted(
            document["problems"], key=lambda problem: (problem["path"], problem["message"])
        )
        assert code == bool(document["problems"])
        assert bool(printed.err) == bool(document["problems"])
        return document

    return run


def texts(document: Document) -> list[str]:
    return [f"{problem['path']}: {problem['message']}" for problem in document["problems"]]


def paths(document: Document) -> set[str]:
    return {problem["path"] for problem in document["problems"]}


def assert_found(document: Document, found: dict[str, str]) -> None:
    assert paths(document) == found.keys()
    for path, told in found.items():
        assert any(text.startswith(path) and told in text for text in texts(document)), told


def assert_sound(document: Document, folder: Path) -> None:
    assert texts(document) == []
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert document["files"] == len(found)
    assert document["bytes"] == sum(path.stat().st_size for path in found)


@pytest.mark.parametrize("name", ["small_set", "deduplicated_set", "coco_set"])
def test_a_sound_set_has_no_problems(
    name: str, request: pytest.FixtureRequest, verify: Callable[..., Document]
) -> None:
    folder = request.getfixturevalue(name)
    assert_sound(verify(folder, "--pixels"), folder)


def test_a_sound_set_of_png_or_webp_has_no_problems(
    imagenet_set: Path, verify: Callable[..., Document]
) -> None:
    assert_sound(verify(imagenet_set, "--pixels"), imagenet_set)


@dataclass(frozen=True)
class Damage:
    """A kind of damage.

    Attributes:
        name: what is done.
        do: does it to a set.
        found: what must be told of each file that problems must name, and no other file.
    """

    name: str
    do: Callable[[Path], object]
    found: dict[str, str]


def removing(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def adding(path: str) -> Callable[[Path], None]:
    def add(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")

    return add


def edit_files_table(folder: Path) -> None:
    def edit(rows: Rows) -> Rows:
        return [{**row, "sha256": "0" * 64} if row["path"] == TAR else row for row in rows]

    edit_parquet(folder / FILES, edit)


BYTES = [
    Damage("truncated tar", lambda f: truncate(f / TAR), {TAR: "bytes, expected"}),
    Damage("truncated Parquet", lambda f: truncate(f / PARQUET), {PARQUET: "bytes, expected"}),
    Damage("flipped bit in a tar", lambda f: flip_bit(f / TAR), {TAR: "its sha256 is"}),
    Damage("flipped bit in Parquet", lambda f: flip_bit(f / PARQUET), {PARQUET: "its sha256 is"}),
    Damage("truncated samples", lambda f: truncate(f / SAMPLES), {SAMPLES: "bytes, expected"}),
    Damage("truncated plan", lambda f: truncate(f / PLAN), {PLAN: "it is not JSON"}),
    Damage(
        "swapped shards",
        lambda f: swap(f / TAR, f / OTHER_TAR),
        {TAR: f"holds the bytes of '{OTHER_TAR}'", OTHER_TAR: f"holds the bytes of '{TAR}'"},
    ),
    Damage(
        "swapped samples",
        lambda f: swap(f / SAMPLES, f / SAMPLES.replace("00000-", "00001-")),
        {
            SAMPLES: "holds the bytes of 'samples/00001-of-00003.parquet'",
            "samples/00001-of-00003.parquet": f"holds the bytes of '{SAMPLES}'",
        },
    ),
    *(
        Damage(f"missing {path}", removing(path), {path: "missing"})
        for path in (TAR, PARQUET, SAMPLES, RECEIPT, PLAN, "sources.parquet", "rejects.parquet")
    ),
    Damage(
        "edited receipt",
        lambda f: edit_text(f / RECEIPT, '"fallbacks"', '"fellback"'),
        {RECEIPT: "SHA256SUMS says"},
    ),
    Damage(
        "edited files table",
        edit_files_table,
        {FILES: "expected"},
    ),
]
"""Damage to files that SHA256SUMS names."""


def edit_counts(folder: Path) -> None:
    def edit(manifest: Document) -> None:
        manifest["counts"]["samples"] += 1

    edit_json(folder / MANIFEST, edit)


def drop_column(path: Path, name: str) -> None:
    pq.write_table(pq.read_table(path).drop_columns([name]), path)


def without_path(rows: Rows) -> Rows:
    return [{**rows[0], "path": None}, *rows[1:]]


def drop_sum(folder: Path) -> None:
    lines = (folder / SUMS).read_text("utf-8").splitlines(keepends=True)
    (folder / SUMS).write_text("".join(line for line in lines if TAR not in line), "utf-8")


INDEX = [
    Damage(
        "edited manifest",
        lambda f: edit_text(f / MANIFEST, '"seed": 0', '"seed": 1'),
        {MANIFEST: "was edited: its checksum is"},
    ),
    Damage("edited count", edit_counts, {MANIFEST: "says samples 7, the tables of samples have 6"}),
    Damage("no JSON", lambda f: truncate(f / MANIFEST), {MANIFEST: "is not JSON"}),
    Damage(
        "another schema",
        lambda f: edit_text(f / MANIFEST, '"seed"', '"seeds"'),
        {MANIFEST: "does not follow its schema: $.grid: 'seed' is a required property"},
    ),
    Damage("unfinished", lambda f: (f / MANIFEST).unlink(), {MANIFEST: "not a finished set"}),
    Damage("missing files table", lambda f: (f / FILES).unlink(), {FILES: "missing"}),
    Damage("truncated files table", lambda f: truncate(f / FILES), {FILES: "cannot be read"}),
    Damage(
        "files table without a path",
        lambda f: edit_parquet(f / FILES, without_path),
        {FILES: "has rows without 'path'"},
    ),
    Damage(
        "files table without a column",
        lambda f: drop_column(f / FILES, "same_as"),
        {FILES: "cannot be read"},
    ),
    *(
        Damage(
            f"missing {path}",
            lambda f, path=path: (f / path).unlink(),  # type: ignore[misc]
            {path: "missing; 'sysnoise card' writes it again"},
        )
        for path in CARD
    ),
    *(
        Damage(
            f"edited {path}",
            lambda f, path=path: (f / path).write_bytes(b"# mine"),  # type: ignore[misc]
            {path: "SHA256SUMS says"},
        )
        for path in CARD
    ),
    Damage(
        "sums without the card",
        lambda f: edit_text(f / SUMS, "grid.yaml", "grid.yml"),
        {SUMS: "lacks: 'grid.yaml'"},
    ),
    Damage("missing sums", lambda f: (f / SUMS).unlink(), {SUMS: "missing"}),
    Damage("a sum left out", drop_sum, {SUMS: f"lacks: '{TAR}'"}),
    Damage("a foreign sum", lambda f: edit_text(f / SUMS, TAR, "x.tar"), {SUMS: "'x.tar'"}),
    Damage("no sums", lambda f: edit_text(f / SUMS, "  ", " "), {SUMS: "does not read"}),
    *(
        Damage(f"stray {path}", adding(path), {path: told})
        for path, told in {
            "notes.txt": "is not a file of this set",
            "variants/.DS_Store": "is not a file of this set",
            TAR.replace("val-00000", "val-00003"): "is not a file of this set",
            "_temporary/00000-of-00003.x/a.tar": "was left over by a run",
            "failures/00000.json": "was left over by a run",
            "strikes/00000.json": "was left over by a run",
            "earlier/plan.json": "was left over by a run",
            "receipts/00000-of-00003.json.0123.tmp": "was left over by a run",
        }.items()
    ),
]
"""Damage to the index, and files that it does not name."""


@pytest.mark.parametrize("damage", BYTES + INDEX, ids=lambda damage: damage.name)
def test_damage_is_found_by_name(
    damage: Damage, copy: Path, verify: Callable[..., Document]
) -> None:
    damage.do(copy)
    document = verify(copy)
    assert_found(document, damage.found)


@pytest.mark.parametrize("damage", BYTES, ids=lambda damage: damage.name)
def test_sha256sum_names_the_same_files(damage: Damage, copy: Path) -> None:
    command = ["sha256sum", "--check", "--quiet", SUMS]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    damage.do(copy)
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    failed = {line.split(": FAILED")[0] for line in done.stdout.splitlines()}
    assert failed == damage.found.keys()


def without_first_sample(members: Members) -> Members:
    return [(name, data) for name, data in members if name.split(".")[0] != key_of(members)]


def key_of(members: Members) -> str:
    return members[0][0].split(".")[0]


def renamed_image(rows: Rows) -> Rows:
    rows[0]["image"]["path"] = "x.png"
    return rows


def brightened(png: bytes) -> bytes:
    pixels = decode_image(png).copy()
    pixels[0, 0, 0] ^= 128
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def brightened_image(members: Members) -> Members:
    place = next(i for i, (name, _) in enumerate(members) if name.endswith(".png"))
    members[place] = members[place][0], brightened(members[place][1])
    return members


def brightened_row(rows: Rows) -> Rows:
    rows[-1]["image"]["bytes"] = brightened(rows[-1]["image"]["bytes"])
    return rows


def broken_row(rows: Rows) -> Rows:
    rows[0]["image"]["bytes"] = rows[0]["image"]["bytes"][:-100]
    return rows


def less_samples(rows: Rows) -> Rows:
    return [{**row, "samples": 9} if row["path"] == TAR else row for row in rows]


def other_source(rows: Rows) -> Rows:
    return [{**row, "source_sha256": "0" * 64} for row in rows]


def other_fingerprint(receipt: Document) -> None:
    receipt["fingerprint"] = "0" * 64


def fit_fingerprint(folder: Path, *files: str) -> None:
    """Give files the fingerprint of an edited plan."""
    plan = json.loads((folder / PLAN).read_text("utf-8"))
    old = plan.pop("fingerprint")
    del plan["grid"]["name"]
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(text.encode("ascii")).hexdigest()
    for file in files:
        edit_text(folder / file, old, fingerprint)


def receipts(folder: Path) -> list[str]:
    return [f"receipts/{path.name}" for path in (folder / "receipts").iterdir()]


def edit_reasons(folder: Path, reason: str) -> None:
    """Give all rejects another reason."""

    def edit(receipt: Document) -> None:
        for reject in receipt["rejects"]:
            reject["reason"] = reason

    edit_parquet(
        folder / "rejects.parquet", lambda rows: [{**row, "reason": reason} for row in rows]
    )
    for path in receipts(folder):
        edit_json(folder / path, edit)


def replace_plan(folder: Path) -> None:
    edit_json(folder / PLAN, smaller_limit)
    fit_fingerprint(folder, PLAN)


def more_sources(manifest: Document) -> None:
    manifest["counts"]["sources"] += 1


def more_samples(receipt: Document) -> None:
    receipt["samples"] += 1


def more_images(manifest: Document) -> None:
    manifest["counts"]["images"] += 1


def smaller_limit(plan: Document) -> None:
    plan["max_pixels"] = 1


LAST = "variants/pillow/pillow-bilinear/rgb/val-00002-of-00003.tar"
"""The last row of the files table."""

SEALED = [
    Damage(
        "missing sample",
        lambda f: edit_tar(f / TAR, without_first_sample),
        {TAR: "lacks 1 of 2 samples: 'astronaut_00006'"},
    ),
    Damage(
        "missing label",
        lambda f: edit_tar(f / TAR, lambda members: members[1:]),
        {TAR: "lacks members: 'astronaut_00006.cls'"},
    ),
    Damage(
        "foreign sample",
        lambda f: edit_tar(f / TAR, lambda m: [*m, ("x.png", b"")]),
        {TAR: f"holds 1 sample(s) that {SAMPLES} does not accept: 'x'"},
    ),
    Damage(
        "foreign member",
        lambda f: edit_tar(f / TAR, lambda m: [*m, (f"{key_of(m)}.txt", b"")]),
        {TAR: "holds members that do not belong there: 'astronaut_00006.txt'"},
    ),
    Damage(
        "another order",
        lambda f: edit_tar(f / TAR, lambda m: m[3:] + m[:3]),
        {TAR: "its entry 0 is"},
    ),
    Damage(
        "a sample twice",
        lambda f: edit_tar(f / TAR, lambda m: m + m[:3]),
        {TAR: "its entry 6 is 'astronaut_00006.cls', expected None"},
    ),
    Damage("no tar", lambda f: (f / TAR).write_bytes(b"\1" * 1024), {TAR: "is damaged as a tar"}),
    Damage(
        "missing row",
        lambda f: edit_parquet(f / PARQUET, lambda rows: rows[1:]),
        {PARQUET: "lacks 1 of 3 samples"},
    ),
    Damage(
        "renamed image",
        lambda f: edit_parquet(f / PARQUET, renamed_image),
        {PARQUET: "names its image 'x.png'"},
    ),
    Damage(
        "no Parquet",
        lambda f: (f / PARQUET).write_bytes(b"\1" * 1024),
        {PARQUET: "cannot be read as Parquet"},
    ),
    Damage(
        "no images",
        lambda f: drop_column(f / PARQUET, "image"),
        {PARQUET: "cannot be read as Parquet: KeyError('image')"},
    ),
    Damage(
        "no status",
        lambda f: drop_column(f / SAMPLES, "status"),
        {SAMPLES: "cannot be read"},
    ),
    Damage(
        "no samples", lambda f: (f / SAMPLES).write_bytes(b"\1" * 1024), {SAMPLES: "cannot be read"}
    ),
    Damage(
        "other sources",
        lambda f: edit_parquet(f / SAMPLES, other_source),
        {
            MANIFEST: "says content_sha256",
            **{
                f"variants/{decoder}/pillow-bilinear/rgb/val-00000-of-00003.tar": ".json"
                for decoder in ("pillow", "opencv", "ffmpeg")
            },
        },
    ),
    Damage(
        "another plan",
        lambda f: edit_json(f / PLAN, smaller_limit),
        {PLAN: "was edited: its fingerprint is"},
    ),
    Damage("a plan of its own", replace_plan, {PLAN: "is another plan: its fingerprint is"}),
    Damage(
        "more sources",
        lambda f: edit_json(f / MANIFEST, more_sources),
        {MANIFEST: "counts 8 sources, the files have 7"},
    ),
    Damage(
        "receipt of another plan",
        lambda f: edit_json(f / RECEIPT, other_fingerprint),
        {RECEIPT: "belongs to another plan"},
    ),
    Damage(
        "receipt of more samples",
        lambda f: edit_json(f / RECEIPT, more_samples),
        {RECEIPT: "has other samples or rejects than samples/00001-of-00003.parquet"},
    ),
    Damage(
        "no rejects",
        lambda f: edit_parquet(f / "rejects.parquet", lambda rows: []),
        {"rejects.parquet": "differs from the tables of samples in"},
    ),
    Damage(
        "a row less",
        lambda f: edit_parquet(f / FILES, lambda rows: rows[:-1]),
        {
            FILES: f"lacks the rows of: '{LAST}'",
            MANIFEST: "counts",
            LAST: "is not a file of",
            "receipts/00002-of-00003.json": "differs from files.parquet",
        },
    ),
    Damage(
        "less samples",
        lambda f: edit_parquet(f / FILES, less_samples),
        {
            FILES: f"counts 9 samples of '{TAR}', {SAMPLES} has 2",
            MANIFEST: "counts 6 samples",
            "receipts/00000-of-00003.json": "differs from files.parquet",
        },
    ),
    Damage(
        "more images",
        lambda f: edit_json(f / MANIFEST, more_images),
        {MANIFEST: "counts 37 images, the files have 36"},
    ),
]
"""Damage that all sums agree with."""

PIXELS = [
    Damage(
        "another image",
        lambda f: edit_tar(f / TAR, brightened_image),
        {TAR: f"1 image(s) have other pixels than {SAMPLES} says: 'astronaut_00006'"},
    ),
    Damage(
        "another image in Parquet",
        lambda f: edit_parquet(f / PARQUET, brightened_row),
        {PARQUET: "1 image(s) have other pixels than samples/00001-of-00003.parquet says"},
    ),
    Damage(
        "a broken image",
        lambda f: edit_parquet(f / PARQUET, broken_row),
        {PARQUET: "cannot be decoded"},
    ),
]
"""Damage that only the images show."""


@pytest.mark.parametrize("damage", SEALED, ids=lambda damage: damage.name)
def test_damage_is_found_though_all_sums_agree(
    damage: Damage, copy: Path, verify: Callable[..., Document]
) -> None:
    damage.do(copy)
    reseal(copy)
    assert_found(verify(copy), damage.found)


@pytest.mark.parametrize("damage", PIXELS, ids=lambda damage: damage.name)
def test_changed_images_are_found_with_pixels(
    damage: Damage, copy: Path, verify: Callable[..., Document]
) -> None:
    damage.do(copy)
    reseal(copy)
    assert texts(verify(copy)) == []
    assert_found(verify(copy, "--pixels"), damage.found)


def test_all_problems_are_told_at_once(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_bit(copy / TAR)
    (copy / RECEIPT).unlink()
    (copy / "notes.txt").write_bytes(b"")
    edit_text(copy / MANIFEST, '"seed": 0', '"seed": 1')
    assert main(["verify", str(copy)]) == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines == sorted(lines)
    named = dict.fromkeys(line.split(": ")[0] for line in lines)
    assert list(named) == [MANIFEST, "notes.txt", RECEIPT, TAR]
    files = sum(path.is_file() for path in copy.rglob("*")) - 1  # The stray one is not read.
    assert printed.err.startswith(f"sysnoise: {copy}: {len(lines)} problems in {files} files, ")
    assert printed.err.splitlines()[-1] == (
        "to repair a set that was made here, delete the files that are named and run its 'sysnoise "
        "generate' again; to repair a copy, run the 'sysnoise fetch' or 'publish' that copied it "
        "again: it replaces what differs"
    )


def test_another_output_is_advised_where_the_plan_is_damaged(copy: Path) -> None:
    (copy / "plan.json").write_bytes(b"{}")
    done = command("verify", str(copy))
    assert done.code == 1
    assert "give 'sysnoise generate' another output" in done.error.splitlines()[-1]


def test_a_copy_is_repaired_by_fetching_it_again(small_set: Path, tmp_path: Path) -> None:
    variant = json.loads((small_set / MANIFEST).read_text("utf-8"))["variants"][0]
    fetch = ("fetch", str(small_set), str(tmp_path / "copy"), f"--variant={variant['id']}")
    assert command(*fetch).code == 0
    flip_bit(next((tmp_path / "copy" / "variants" / variant["id"]).iterdir()))
    failed = command("verify", str(tmp_path / "copy"))
    assert failed.code == 1
    assert failed.error.splitlines()[-1].startswith("to repair this copy, run the 'sysnoise fetch'")
    assert command(*fetch).code == 0
    assert command("verify", str(tmp_path / "copy")).code == 0


def test_a_sound_set_is_told_in_one_line(
    small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(small_set)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{small_set}: no problems in ")
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_a_duplicate_is_neither_missing_nor_to_be_stored(
    deduplicated_set: Path, tmp_path: Path, verify: Callable[..., Document]
) -> None:
    folder = shutil.copytree(deduplicated_set, tmp_path / "set")
    (folder / DUPLICATE).parent.mkdir(parents=True)
    shutil.copy(folder / STORED, folder / DUPLICATE)
    assert texts(verify(folder)) == [f"{DUPLICATE}: is not a file of this set; delete or move it"]


@pytest.mark.parametrize("holder", ["nothing.tar", OTHER_TAR])
def test_a_false_duplicate_is_found(
    holder: str, deduplicated_set: Path, tmp_path: Path, verify: Callable[..., Document]
) -> None:
    folder = shutil.copytree(deduplicated_set, tmp_path / "set")
    redirect(folder, holder)
    told = f"says that '{DUPLICATE}' is the same as '{holder}', which is not so"
    assert any(told in text for text in texts(verify(folder)) if text.startswith(FILES))


def test_a_false_duplicate_is_found_though_all_sums_agree(
    deduplicated_set: Path, tmp_path: Path, verify: Callable[..., Document]
) -> None:
    folder = shutil.copytree(deduplicated_set, tmp_path / "set")
    redirect(folder, OTHER_TAR)
    reseal(folder)
    told = f"says that '{DUPLICATE}' is the same as '{OTHER_TAR}', but samples/00001-of-00003"
    assert_found(verify(folder), {FILES: told, RECEIPT: "differs from files.parquet"})


def redirect(folder: Path, holder: str) -> None:
    """Have a duplicate's row name another file."""

    def edit(rows: Rows) -> Rows:
        return [{**row, "same_as": holder} if row["path"] == DUPLICATE else row for row in rows]

    edit_parquet(folder / FILES, edit)


@pytest.mark.parametrize("path", [TAR, SAMPLES, RECEIPT, FILES, SUMS, MANIFEST, "rejects.parquet"])
def test_what_cannot_be_read_is_named(
    path: str, copy: Path, verify: Callable[..., Document]
) -> None:
    (copy / path).unlink()
    (copy / path).symlink_to("nowhere")
    assert_found(verify(copy), {path: "cannot be read"})


def keep(folder: Path, *parts: str) -> None:
    """Remove all files of a set whose path begins with none of the parts."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.relative_to(folder).as_posix().startswith(parts):
            path.unlink()


def test_a_downloaded_variant_is_checked_alone(copy: Path, verify: Callable[..., Document]) -> None:
    keep(copy, MANIFEST, FILES, "samples/", "variants/ffmpeg/")
    assert texts(verify(copy, "--variant=ffmpeg/pillow-bilinear/rgb", "--pixels")) == []
    assert {SUMS, PLAN, RECEIPT, STORED} < paths(verify(copy))
    flip_bit(copy / TAR)
    (copy / PARQUET).unlink()
    document = verify(copy, "--variant=ffmpeg/pillow-bilinear/rgb")
    assert_found(document, {TAR: "its sha256 is", PARQUET: "missing"})


def test_downloaded_shards_are_checked_alone(copy: Path, verify: Callable[..., Document]) -> None:
    keep(copy, MANIFEST, FILES, *(f"samples/0000{n}" for n in (1, 2)), "variants/")
    for path in copy.glob("variants/**/*-00000-of-*"):
        path.unlink()
    assert texts(verify(copy, "--shards=1:")) == []
    assert texts(verify(copy, "--shards=1:2", "--variant=opencv/pillow-bilinear/rgb")) == []
    assert f"{TAR}: missing" in texts(verify(copy, "--shards=:2"))


def test_what_is_no_part_is_neither_checked_nor_stray(
    copy: Path, verify: Callable[..., Document]
) -> None:
    flip_bit(copy / TAR)
    assert texts(verify(copy, "--variant=opencv/pillow-bilinear/rgb")) == []
    assert texts(verify(copy, "--shards=1:3")) == []
    assert paths(verify(copy, "--shards=0:1")) == {TAR}


def test_a_part_needs_the_files_that_its_duplicates_are_in(
    deduplicated_set: Path, tmp_path: Path, verify: Callable[..., Document]
) -> None:
    folder = shutil.copytree(deduplicated_set, tmp_path / "set")
    part = "--variant=opencv/pillow-bilinear/rgb"
    keep(folder, MANIFEST, FILES, "samples/", "variants/pillow/")
    assert texts(verify(folder, part, "--pixels")) == []
    (folder / STORED).unlink()
    assert texts(verify(folder, part)) == [f"{STORED}: missing"]


def regenerate(verify: Callable[..., Document], folder: Path, source: Path) -> Document:
    return verify(folder, "--regenerate=100", f"--images={source / 'images'}")


def test_samples_made_again_are_the_same(
    small_set: Path, source: Path, verify: Callable[..., Document]
) -> None:
    document = regenerate(verify, small_set, source)
    assert (document["problems"], document["notes"]) == ([], [])


def test_changed_and_missing_sources_are_found(
    small_set: Path, source: Path, tmp_path: Path, verify: Callable[..., Document]
) -> None:
    changed = shutil.copytree(source, tmp_path / "source")
    rows = samples_table(small_set)
    with (changed / "images" / rows[0]["source_name"]).open("ab") as opened:
        opened.write(b"\0")
    (changed / "images" / rows[6]["source_name"]).unlink()
    document = regenerate(verify, small_set, changed)
    found = {
        SAMPLES: f"sample '{rows[0]['key']}': its source '{rows[0]['source_name']}' has the sha256",
        "samples/00002-of-00003.parquet": f"sample '{rows[6]['key']}': its source",
    }
    assert_found(document, found)
    assert len(document["problems"]) == 2


def test_a_sample_that_is_nowhere_is_found(
    copy: Path, source: Path, verify: Callable[..., Document]
) -> None:
    key = samples_table(copy)[2]["key"]
    edit_parquet(copy / SAMPLES, lambda rows: rows[:2])
    reseal(copy)
    assert f"{SAMPLES}: sample {key!r}: sources.parquet has it, but not this table" in texts(
        regenerate(verify, copy, source)
    )


def test_changed_pixels_are_found_though_all_digests_agree(
    copy: Path, source: Path, verify: Callable[..., Document]
) -> None:
    edit_tar(copy / TAR, brightened_image)
    parquet = copy / TAR.replace(".tar", ".parquet")
    edit_parquet(parquet, lambda rows: [brightened_row(rows[:1])[0], *rows[1:]])
    png = pq.read_table(parquet).to_pylist()[0]["image"]["bytes"]

    def fit_digest(rows: Rows) -> Rows:
        rows[0]["ffmpeg__pillow-bilinear__rgb"] = digest(decode_image(png))
        return rows

    edit_parquet(copy / SAMPLES, fit_digest)
    reseal(copy)
    assert texts(verify(copy, "--pixels")) == []
    told = "made again it has other pixels in 'ffmpeg/pillow-bilinear/rgb'"
    assert_found(regenerate(verify, copy, source), {SAMPLES: told})


def test_another_reason_is_found(copy: Path, source: Path, verify: Callable[..., Document]) -> None:
    edit_reasons(copy, "too-large")
    reseal(copy)
    told = "made again it is decode-failed, the set says too-large"
    assert_found(regenerate(verify, copy, source), {SAMPLES: told})


def test_what_crashed_is_not_made_again(
    copy: Path, source: Path, verify: Callable[..., Document]
) -> None:
    edit_reasons(copy, "crashed")
    reseal(copy)
    assert texts(regenerate(verify, copy, source)) == []


def test_another_build_is_noted_and_no_problem(
    copy: Path, source: Path, verify: Callable[..., Document]
) -> None:
    def other_build(plan: Document) -> None:
        for axis, name in (("decoders", "pillow"), ("resizes", "pillow-bilinear")):
            plan["identities"][axis][name]["build"]["version"] = "1.0"

    def same_build(manifest: Document) -> None:
        for variant in manifest["variants"]:
            for axis, name in (("decoder", "pillow"), ("resize", "pillow-bilinear")):
                if variant[axis]["name"] == name:
                    variant[axis]["build"]["version"] = "1.0"

    edit_json(copy / PLAN, other_build)
    edit_json(copy / MANIFEST, same_build)
    fit_fingerprint(copy, PLAN, MANIFEST, *receipts(copy))
    reseal(copy)
    document = regenerate(verify, copy, source)
    assert document["problems"] == []
    (note,) = document["notes"]
    assert "decoder pillow, resize pillow-bilinear (build.version: 1.0 -> " in note


def test_nothing_is_made_again_from_a_damaged_plan(
    copy: Path, source: Path, verify: Callable[..., Document]
) -> None:
    truncate(copy / PLAN)
    document = regenerate(verify, copy, source)
    assert f"{PLAN}: no sample can be made again without it" in texts(document)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant=pillow/pillow-bilinar/rgb"], "did you mean 'pillow/pillow-bilinear/rgb'"),
        (["--shards=3:"], "the range 3: names none of the 3 shards, 0 to 2"),
        (["--regenerate=1"], "--regenerate and --images go together"),
        (["--images=x"], "--regenerate and --images go together"),
        (["--quick"], "unknown argument '--quick'"),
    ],
)
def test_bad_usage_exits_with_2(
    arguments: list[str], message: str, small_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(small_set), *arguments]) == 2
    assert message in capsys.readouterr().err
