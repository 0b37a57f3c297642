"""Sets that were edited and whose sums all fit again: they cannot say what their shards do not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.commands import command
from tests.end_to_end.damage import Rows, edit_json, edit_parquet, edit_tar, reseal
from tests.end_to_end.test_verify import fit_fingerprint, receipts
from tests.flipped_bits import COPY, shared_sets
from tests.shared import SharedFolders

MANIFEST, PLAN, SUMS, SOURCES = "manifest.json", "plan.json", "SHA256SUMS", "sources.parquet"
SAMPLES = "samples/00000-of-00002.parquet"
RECEIPT = "receipts/00000-of-00002.json"
VARIANT = "variants/ffmpeg/pillow-bilinear/rgb"
TAR, PARQUET = (f"{VARIANT}/val-00000-of-00002.{end}" for end in ("tar", "parquet"))
SLUG = "ffmpeg__pillow-bilinear__rgb"

Document = dict[str, Any]
Edit = Callable[[Path], object]


@pytest.fixture
def imagenet(shared: SharedFolders, tmp_path: Path) -> Path:
    return shutil.copytree(shared_sets(shared) / "imagenet", tmp_path / "imagenet")


@pytest.fixture
def coco(shared: SharedFolders, tmp_path: Path) -> Path:
    return shutil.copytree(shared_sets(shared) / "coco", tmp_path / "coco")


def problems(folder: Path, *arguments: str) -> dict[str, str]:
    """Run ``sysnoise verify --json`` and return all messages on each file."""
    done = command("verify", str(folder), "--json", *arguments)
    assert done.code in (0, 1), done.error
    found: dict[str, str] = {}
    for problem in json.loads(done.out)["problems"]:
        path, message = problem["path"], problem["message"]
        found[path] = f"{found[path]}; {message}" if path in found else message
    return found


def edited_headers(edit: Callable[[tarfile.TarInfo], None]) -> Edit:
    """Change the header of the first member of the tar."""

    def write(folder: Path) -> None:
        with tarfile.open(folder / TAR) as tar:
            members = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
        edit(members[0][0])
        with tarfile.open(folder / TAR, "w", format=tarfile.USTAR_FORMAT) as tar:
            for info, data in members:
                tar.addfile(info, io.BytesIO(data) if info.isreg() else None)

    return write


def setting(**values: object) -> Callable[[tarfile.TarInfo], None]:
    def edit(info: tarfile.TarInfo) -> None:
        for name, value in values.items():
            setattr(info, name, value)

    return edit


def with_pax_header(folder: Path) -> None:
    with tarfile.open(folder / TAR) as tar:
        members = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
    with tarfile.open(folder / TAR, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.pax_headers = {"comment": "x"}
            tar.addfile(info, io.BytesIO(data))


def edited_bytes(path: str, start: int | None, stop: int | None, data: bytes) -> Edit:
    """Replace some bytes of a file."""

    def write(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        content[start:stop] = data
        (folder / path).write_bytes(content)

    return write


HEADERS: dict[str, tuple[Edit, str]] = {
    "setuid": (edited_headers(setting(mode=0o4644)), "another mode, checksum"),
    "executable": (edited_headers(setting(mode=0o755)), "another mode, checksum"),
    "owner": (edited_headers(setting(uid=7)), "another owner, checksum"),
    "group": (edited_headers(setting(gname="root")), "another checksum, owner's name"),
    "time": (edited_headers(setting(mtime=1)), "another time, checksum"),
    "link": (
        edited_headers(setting(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)),
        "another checksum, type, link",
    ),
    "hard link": (
        edited_headers(setting(type=tarfile.LNKTYPE, linkname="x", size=0)),
        "another checksum, type, link",
    ),
    "FIFO": (edited_headers(setting(type=tarfile.FIFOTYPE, size=0)), "another checksum, type"),
    "device": (
        edited_headers(setting(type=tarfile.CHRTYPE, size=0, devmajor=1, devminor=5)),
        "another checksum, type",
    ),
    "folder": (edited_headers(setting(type=tarfile.DIRTYPE, size=0)), "another checksum, type"),
    "PAX": (with_pax_header, "the header of member '././@PaxHeader' has another mode"),
    "negative size": (
        edited_bytes(TAR, 124, 136, b"\xff" * 12),
        "is damaged as a tar file: the size",
    ),
    "sparse size": (edited_bytes(TAR, 124, 136, b"77777777777\0"), "it ends within the content of"),
    "padding": (edited_bytes(TAR, 600, 601, b"x"), "is not followed by zeros"),
    "end": (edited_bytes(TAR, -1, None, b"x"), "something follows its last member"),
    "more after the end": (edited_bytes(TAR, -1, None, b"\0" * 513), "something follows"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_members_have_the_headers_of_the_writer(name: str, imagenet: Path) -> None:
    edit, text = HEADERS[name]
    edit(imagenet)
    reseal(imagenet)
    found = problems(imagenet)
    assert found.keys() == {TAR}
    assert text in found[TAR]


def other_label(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name, b"7" if name.endswith(".cls") else data) for name, data in members]


def other_json(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [
        (name, data.replace(b'"label":', b'"label":1') if name.endswith(".json") else data)
        for name, data in members
    ]


def rows_with(**values: object) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, **values} for row in rows]


def other_differences(rows: Rows) -> Rows:
    for row in rows:
        if row["differences"] and row["differences"][SLUG]:
            row["differences"][SLUG]["absolute_sum"] += 1
            row["differences"][SLUG]["squared_sum"] += 1
    return rows


def no_differences(rows: Rows) -> Rows:
    for row in rows:
        if row["differences"] and row["differences"][SLUG]:
            row["differences"][SLUG] = {
                "changed_pixels": 0,
                "absolute_sum": 0,
                "squared_sum": 0,
                "maximum": 0,
            }
    return rows


def receipt_with(edit: Callable[[Document], None]) -> Edit:
    return lambda folder: edit_json(folder / RECEIPT, edit)


def manifest_with(edit: Callable[[Document], None]) -> Edit:
    return lambda folder: edit_json(folder / MANIFEST, edit)


def less_noise(manifest: Document) -> None:
    for variant in manifest["variants"]:
        variant["difference"].update(mean=0.0, absolute_sum=0)


def another_baseline(manifest: Document) -> None:
    manifest["grid"]["baseline"] = COPY
    content = {
        name: value
        for name, value in manifest["grid"].items()
        if name not in ("name", "fingerprint")
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    manifest["grid"]["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()


def more_shared(receipt: Document) -> None:
    receipt["shared"][1] = {"0": 2}


CLAIMS: dict[str, tuple[Edit, dict[str, str]]] = {
    "labels in a tar": (
        lambda f: edit_tar(f / TAR, other_label),
        {TAR: "has other contents than samples/00000-of-00002.parquet gives"},
    ),
    "labels in the JSON": (
        lambda f: edit_tar(f / TAR, other_json),
        {TAR: "has other contents than"},
    ),
    "labels in Parquet": (
        lambda f: edit_parquet(f / PARQUET, rows_with(label=7)),
        {PARQUET: "gives in 'label'"},
    ),
    "a column more": (
        lambda f: pq.write_table(
            pq.read_table(f / PARQUET).append_column("x", pa.array([1, 2])), f / PARQUET
        ),
        {PARQUET: "has other columns, types or metadata"},
    ),
    "labels in the samples": (
        lambda f: edit_parquet(f / SAMPLES, rows_with(label=7)),
        {SAMPLES: "than the sources give in 'label'", TAR: "contents", PARQUET: "'label'"},
    ),
    "labels in the sources": (
        lambda f: edit_sources(f, rows_with(label=7)),
        {SOURCES: "its fingerprint is"},
    ),
    "differences in the samples": (
        lambda f: edit_parquet(f / SAMPLES, other_differences),
        {RECEIPT: "has other differences than", MANIFEST: "says another difference of"},
    ),
    "no differences in the samples": (
        lambda f: edit_parquet(f / SAMPLES, no_differences),
        {SAMPLES: "has a difference that its digests contradict", RECEIPT: "", MANIFEST: ""},
    ),
    "rejected without a reason": (
        lambda f: edit_parquet(f / "rejects.parquet", rows_with(message="none")),
        {"rejects.parquet": "differs from the receipts"},
    ),
    "noise in the manifest": (
        manifest_with(less_noise),
        {MANIFEST: f"says another difference of {COPY} than the tables of samples give"},
    ),
    "noise of an axis": (
        manifest_with(lambda m: m["noise"]["decoder"].update(psnr=99.0)),
        {MANIFEST: "says another noise of the axis decoder"},
    ),
    "most alike": (
        manifest_with(
            lambda m: m["variants"][1].update(
                most_like={"variant": "pillow/pillow-bilinear/rgb", "images": 2, "share": 0.5}
            )
        ),
        {MANIFEST: "says another most_like of"},
    ),
    "the baseline": (
        manifest_with(another_baseline),
        {MANIFEST: f"grid.baseline: pillow/pillow-bilinear/rgb -> {COPY}", "grid.yaml": ""},
    ),
    "a library": (
        manifest_with(lambda m: m["variants"][0]["decoder"].update(library="mine")),
        {MANIFEST: "other methods than plan.json"},
    ),
    "list_sha256": (
        manifest_with(lambda m: m["source"].update(list_sha256="0" * 64)),
        {MANIFEST: "source.list_sha256"},
    ),
    "classes": (
        manifest_with(lambda m: m["dataset"].update(classes=[{"wnid": None, "name": "x"}])),
        {MANIFEST: "dataset.classes"},
    ),
    "receipt's fallbacks": (
        receipt_with(lambda r: r["fallbacks"].update(ffmpeg=9)),
        {RECEIPT: "counts the fallbacks"},
    ),
    "receipt's differences": (
        receipt_with(lambda r: r.update(differences=r["differences"][:1])),
        {RECEIPT: "has differences of 1 variants, expected 2"},
    ),
    "receipt's shared images": (
        receipt_with(more_shared),
        {RECEIPT: "has other shared images than"},
    ),
    "receipt of another shard": (
        receipt_with(lambda r: r.update(shard=1)),
        {RECEIPT: "is that of shard 1, expected 0"},
    ),
    "receipt with a field more": (
        receipt_with(lambda r: r.update(note="x")),
        {RECEIPT: "has other fields, or another form"},
    ),
    "shards": (
        manifest_with(lambda m: m["counts"].update(shards=10**9)),
        {MANIFEST: "counts 1000000000 shards, its sources fill 2"},
    ),
    "the grid's file": (
        lambda f: (f / "grid.yaml").write_text("decoders: [opencv]\n"),
        {"grid.yaml": "is not the grid of manifest.json"},
    ),
}


def edit_sources(folder: Path, edit: Callable[[Rows], Rows]) -> None:
    """Write the table of sources again, with its row groups."""
    table = pq.read_table(folder / SOURCES)
    rows = pq.ParquetFile(folder / SOURCES).metadata.row_group(0).num_rows
    edited = pa.Table.from_pylist(edit(table.to_pylist()), table.schema)
    pq.write_table(edited, folder / SOURCES, row_group_size=rows)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_set_cannot_say_what_its_shards_do_not(name: str, imagenet: Path) -> None:
    edit, expected = CLAIMS[name]
    edit(imagenet)
    reseal(imagenet)
    found = problems(imagenet)
    assert {*expected} <= found.keys()
    assert {path for path, text in expected.items() if text not in found[path]} == set()


def larger_boxes(rows: Rows) -> Rows:
    for row in rows:
        objects = json.loads(row["annotations"])
        for each in objects:
            each["bbox"][0] += 1
        row["annotations"] = json.dumps(objects, separators=(",", ":"))
    return rows


def moved_boxes(document: Document) -> None:
    for each in document["annotations"]:
        each["bbox"][0] += 1


def test_boxes_are_those_of_the_plan_and_of_the_sources(coco: Path) -> None:
    truth = "annotations/instances_demo.rescaled.json"
    document = json.loads((coco / truth).read_text("utf-8"))
    moved_boxes(document)
    (coco / truth).write_text(json.dumps(document, separators=(",", ":")), "utf-8")
    reseal(coco)
    found = problems(coco)
    assert found.keys() == {truth}
    assert "is not what sources.parquet, plan.json and the tables of samples make" in found[truth]
    edit_sources(coco, larger_boxes)
    reseal(coco)
    assert "its fingerprint is" in problems(coco)[SOURCES]


def test_boxes_in_shards_are_those_of_the_sources(coco: Path) -> None:
    tar = f"{VARIANT}/demo-00000-of-00002.tar"

    def moved(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return [(name, data.replace(b'"bbox":[', b'"bbox":[1')) for name, data in members]

    edit_tar(coco / tar, moved)
    reseal(coco)
    found = problems(coco)
    assert found.keys() == {tar}
    assert "has other contents than" in found[tar]


def test_boxes_that_sources_plan_and_ground_truths_share_are_not_those_of_the_shards(
    coco: Path,
) -> None:
    edit_sources(coco, larger_boxes)
    digest = hashlib.sha256()
    for row in pq.read_table(coco / SOURCES).to_pylist():
        values = (row["key"], row["name"], row["label"], row["image"], row["annotations"])
        digest.update(f"{values!r}\n".encode())
    edit_json(coco / PLAN, lambda plan: plan.update(source_sha256=digest.hexdigest()))
    fit_fingerprint(coco, PLAN, MANIFEST, *receipts(coco))
    edit_json(coco / MANIFEST, lambda each: each["source"].update(list_sha256=digest.hexdigest()))
    truth = coco / "annotations" / "instances_demo.original.json"
    document = json.loads(truth.read_text("utf-8"))
    moved_boxes(document)
    truth.write_text(json.dumps(document, separators=(",", ":")), "utf-8")
    reseal(coco)
    found = problems(coco)
    assert "annotations/instances_demo.rescaled.json" in found
    assert not {SOURCES, PLAN, MANIFEST, "annotations/instances_demo.original.json"} & found.keys()
    shards = {path.relative_to(coco).as_posix() for path in (coco / "variants").rglob("*.*")}
    assert shards <= found.keys()


SUMS_EDITS: dict[str, tuple[Edit, str]] = {
    "vertical tab": (
        lambda f: replace_in_sums(f, b"\n", b"\v"),
        "lacks: 'README.md', 'croissant.json'",
    ),
    "no last line end": (edited_bytes(SUMS, -1, None, b""), "does not end with the end of a line"),
    "an empty line": (edited_bytes(SUMS, 0, 0, b"\n"), "that sha256sum does not read: ''"),
    "a space more": (lambda f: replace_in_sums(f, b"\n", b" \n"), "names files that are not"),
    "a line twice": (lambda f: double_line(f, None), "names files more than once"),
    "a line twice, with another sum": (
        lambda f: double_line(f, b"0" * 64),
        f"gives {RECEIPT!r} the sha256 {'0' * 64}",
    ),
    "another sum": (lambda f: replace_sum(f), f"gives {RECEIPT!r} the sha256 {'0' * 64}"),
    "another order": (lambda f: reverse_sums(f), "in another order"),
}


def replace_in_sums(folder: Path, old: bytes, new: bytes) -> None:
    data = (folder / SUMS).read_bytes()
    (folder / SUMS).write_bytes(data.replace(old, new, 1))


def line_of(folder: Path, path: str) -> bytes:
    lines = (folder / SUMS).read_bytes().splitlines(keepends=True)
    return next(line for line in lines if line.endswith(f"  {path}\n".encode()))


def double_line(folder: Path, sha256: bytes | None) -> None:
    line = line_of(folder, RECEIPT)
    replace_in_sums(folder, line, line + (sha256 + line[64:] if sha256 else line))


def replace_sum(folder: Path) -> None:
    line = line_of(folder, RECEIPT)
    replace_in_sums(folder, line, b"0" * 64 + line[64:])


def reverse_sums(folder: Path) -> None:
    lines = (folder / SUMS).read_bytes().splitlines(keepends=True)
    (folder / SUMS).write_bytes(b"".join(reversed(lines)))


@pytest.mark.parametrize("name", SUMS_EDITS)
def test_sums_are_compared_byte_for_byte(name: str, imagenet: Path) -> None:
    edit, text = SUMS_EDITS[name]
    edit(imagenet)
    found = problems(imagenet)
    assert found.keys() == {SUMS}
    assert text in found[SUMS]


def test_a_copy_without_its_part_is_named(shared: SharedFolders, tmp_path: Path) -> None:
    folder = shutil.copytree(shared_sets(shared) / "copy", tmp_path / "copy")
    assert problems(folder) == {}
    (folder / "part.json").unlink()
    assert problems(folder) == {"part.json": "missing, though SHA256SUMS names it"}


@pytest.mark.parametrize(
    "content", [b"[]", b'{"manifest": 1, "variants": "x"}', b"\xff", b"[" * 9999]
)
def test_a_part_of_another_shape_hides_no_other_damage(
    content: bytes, shared: SharedFolders, tmp_path: Path
) -> None:
    folder = shutil.copytree(shared_sets(shared) / "copy", tmp_path / "copy")
    (folder / "part.json").write_bytes(content)
    (folder / PARQUET).write_bytes(b"")
    found = problems(folder)
    assert found.keys() == {"part.json", PARQUET}
    assert "part.json is damaged" in found["part.json"]


def test_a_count_makes_no_loop_longer_than_the_set(imagenet: Path) -> None:
    many = 10**9
    edit_json(
        imagenet / PLAN, lambda plan: plan.update(samples=many, samples_per_shard=1, shards=many)
    )
    fit_fingerprint(imagenet, PLAN, MANIFEST, *receipts(imagenet))
    edit_json(imagenet / MANIFEST, lambda each: each["counts"].update(sources=many, shards=many))
    edit_json(imagenet / MANIFEST, lambda each: each["plan"].update(samples_per_shard=1))
    reseal(imagenet)
    found = problems(imagenet)
    assert found.keys() == {"files.parquet"}
    assert "1000000000 shards of 2 variants need 5000000000" in found["files.parquet"]


@pytest.mark.parametrize("path", [SAMPLES, RECEIPT, TAR, SUMS, "README.md"])
def test_a_pipe_without_end_is_not_waited_for(path: str, imagenet: Path) -> None:
    (imagenet / path).unlink()
    os.mkfifo(imagenet / path)
    assert problems(imagenet).keys() == {path}


OUTSIDE = ("/proc/self/environ", "../secret", "a/../../b", "%2e%2e/b", "file:///etc/passwd", "x::y")


@pytest.mark.parametrize("place", OUTSIDE)
def test_no_source_lies_outside_of_the_images(
    place: str, imagenet: Path, shared: SharedFolders
) -> None:
    images = shared_sets(shared) / "photographs" / "images"
    edit_sources(imagenet, rows_with(file=place))
    reseal(imagenet)
    found = problems(imagenet, "--regenerate=9", f"--images={images}")
    assert found.keys() == {SOURCES}
    assert f"names files outside of the source: {place!r}" in found[SOURCES]
    assert "no sample can be made again without it" in found[SOURCES]


def test_differences_are_made_again_too(imagenet: Path, shared: SharedFolders) -> None:
    images = shared_sets(shared) / "photographs" / "images"
    edit_parquet(imagenet / SAMPLES, other_differences)
    reseal(imagenet)
    found = problems(imagenet, "--regenerate=9", f"--images={images}")
    assert "made again it has another differences" in found[SAMPLES]
