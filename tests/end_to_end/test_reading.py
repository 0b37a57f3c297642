"""The reading API gives what other readers give, and refuses what is not as the set says."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fsspec
import numpy as np
import pytest
from PIL import Image

from sysnoise import SetError, open_set
from sysnoise.manifests.errors import NotHeldError
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.stored import stored_images, stored_samples
from sysnoise.pipelines.cli.photographs import IMAGENET_LABELS
from tests.end_to_end.commands import command
from tests.end_to_end.damage import (
    Members,
    Rows,
    edit_json,
    edit_parquet,
    edit_tar,
    flip_bit,
    reseal,
    sign,
    truncate,
)
from tests.end_to_end.reading import (
    decode_image,
    read_tars,
    samples_table,
    shards,
)
from tests.servers import Fault, http_server

PILLOW = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"


def test_checked_samples_are_those_of_a_whole_shard(small_set: Path, tmp_path: Path) -> None:
    """A flipped bit in the last image is found before the first sample is given."""
    copy = shutil.copytree(small_set, tmp_path / "set")
    variant = open_set(str(copy)).baseline
    samples = [
        sample
        for shard in range(6)
        for sample in open_set(str(copy)).checked_samples(variant, shard)
    ]
    members = read_tars(copy, variant)
    assert {each.key: each.image for each in samples} == {k: m["png"] for k, m in members.items()}
    assert [each.fields for each in samples] == [json.loads(m["json"]) for m in members.values()]
    damaged = shards(copy, variant, "tar")[3]
    data = bytearray(damaged.read_bytes())
    data[-5000] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(SetError, match=f"{damaged.name}.*sha256"):
        next(open_set(str(copy)).checked_samples(variant, 3))


def test_a_variant_gives_the_images_and_labels_of_its_tars(imagenet_set: Path) -> None:
    found = open_set(str(imagenet_set))
    extension = imagenet_set.name.split("-")[1]
    assert found.held == tuple(found.variants)
    assert found.baseline == PILLOW
    for variant_id, described in found.variants.items():
        members = read_tars(imagenet_set, variant_id)
        samples = list(found.iterate(described["slug"]))
        assert [sample.key for sample in samples] == list(members)
        for sample in samples:
            expected = members[sample.key]
            np.testing.assert_array_equal(sample.image, decode_image(expected[extension]))
            assert sample.image.dtype == np.uint8
            assert sample.label == int(expected["cls"])
            assert sample.geometry == json.loads(expected["json"])["geometry"]
            assert (sample.image_id, sample.targets, sample.geometry_exif) == (None, None, None)


def test_sets_and_samples_are_shown_in_a_line(small_set: Path, coco_set: Path) -> None:
    found = open_set(str(small_set))
    facts = f"samples 18, grid grid, variants 2, baseline {PILLOW}, shards 6, format webdataset"
    assert repr(found) == (
        f"<FinishedSet {str(small_set)!r}: dataset imagenet val, {facts}, images png>"
    )
    assert repr(next(found.iterate(PILLOW))) == (
        "<Sample 'astronaut_00001': 224 x 224 pixels, label 812>"
    )
    pair = next(found.paired(list(found.variants)))
    assert repr(pair) == "<PairedSample 'astronaut_00001': 2 variants, 224 x 224 pixels, label 812>"
    sample = next(open_set(str(coco_set)).iterate(NEAREST))
    size = f"{sample.image.shape[1]} x {sample.image.shape[0]}"
    assert repr(sample) == (
        f"<Sample {sample.key!r}: {size} pixels, image_id {sample.image_id}, 1 objects>"
    )


def test_notebooks_show_a_table_in_which_every_text_is_escaped(small_set: Path) -> None:
    found = open_set(str(small_set))
    manifest = json.loads(json.dumps(found.manifest))
    manifest["grid"]["name"] = "<script>alert('1')</script>\n\x1b[31m"
    url = "s3://user:secret@host/<b>bold</b>"
    hostile = dataclasses.replace(found, manifest=manifest, url=url)
    cells = "".join(ElementTree.fromstring(hostile._repr_html_()).itertext())
    assert "<b>bold</b>" in cells
    assert "<script>alert('1')</script>" in cells
    shown = repr(hostile)
    assert shown.isprintable()
    assert "secret" not in shown + cells


def test_coco_gives_image_ids_and_objects(coco_set: Path) -> None:
    document = json.loads(
        (coco_set / "annotations" / "instances_demo.rescaled.json").read_text("utf-8")
    )
    samples = list(open_set(str(coco_set)).iterate(NEAREST))
    members = read_tars(coco_set, NEAREST)
    assert [sample.key for sample in samples] == list(members)
    for sample in samples:
        np.testing.assert_array_equal(sample.image, decode_image(members[sample.key]["png"]))
        objects = [each for each in document["annotations"] if each["image_id"] == sample.image_id]
        assert sample.targets == objects
        assert sample.label is None


def parquet_set(source: Path, output: Path, *others: str) -> Path:
    (output.parent / "grid.yaml").write_text(
        "decoders: [pillow, opencv, ffmpeg]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: shorter256-crop224\n",
        "utf-8",
    )
    done = command(
        *("generate", "imagenet", f"--images={source / 'images'}", "--samples-per-shard=3"),
        *(f"--label-file={source / 'val.txt'}", f"--grid={output.parent / 'grid.yaml'}"),
        *(f"--output={output}", "--format=parquet", "--limit=6", "--workers=1", *others),
    )
    assert done.code == 0, done.error
    return output


@pytest.mark.parametrize("image_format", ["png", "npy", "jxl"])
def test_parquet_shards_and_other_image_formats_are_read(
    image_format: str, imagenet_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    output = parquet_set(imagenet_source, tmp_path / "set", f"--image-format={image_format}")
    extension = imagenet_set.name.split("-")[1]
    for variant_id in (PILLOW, FFMPEG):
        members = read_tars(imagenet_set, variant_id)
        samples = list(open_set(str(output)).iterate(variant_id))
        assert [sample.key for sample in samples] == list(members)[:6]
        for sample in samples:
            expected = decode_image(members[sample.key][extension])
            np.testing.assert_array_equal(sample.image, expected)
            assert sample.label == IMAGENET_LABELS[sample.key.split("_")[0]]


def test_duplicates_are_read_where_their_bytes_are(imagenet_source: Path, tmp_path: Path) -> None:
    output = parquet_set(imagenet_source, tmp_path / "set", "--skip-duplicates")
    opencv = "opencv/pillow-bilinear/rgb"
    assert shards(output, opencv, "parquet") == []
    found = open_set(str(output))
    assert found.shard_file(opencv, 1).path == found.shard_file(PILLOW, 1).path
    for pair in found.paired([PILLOW, opencv, FFMPEG]):
        assert pair.images[opencv] is pair.images[PILLOW]
        assert not np.array_equal(pair.images[FFMPEG], pair.images[PILLOW])
    found.check_shard(opencv, 0)


def test_pairs_hold_what_each_variant_holds(imagenet_set: Path) -> None:
    found = open_set(str(imagenet_set))
    pairs = list(found.paired([FFMPEG, PILLOW], shards=[1, 3]))
    singles = {each: list(found.iterate(each, shards=[1, 3])) for each in (FFMPEG, PILLOW)}
    assert len(pairs) == 5 + 3
    for pair, *samples in zip(pairs, *singles.values(), strict=True):
        for variant_id, sample in zip(singles, samples, strict=True):
            assert (pair.key, pair.label, pair.geometry) == (
                *(sample.key, sample.label, sample.geometry),
            )
            np.testing.assert_array_equal(pair.images[variant_id], sample.image)


def test_sets_are_read_from_the_web_and_from_memory(small_set: Path) -> None:
    expected = [
        (sample.key, sample.image.sum()) for sample in open_set(str(small_set)).iterate(FFMPEG)
    ]
    fsspec.filesystem("memory").put(f"{small_set}/", "/read/", recursive=True)
    with http_server(small_set) as server:
        for url in (server.url, "memory://read"):
            found = open_set(url)
            samples = found.iterate(FFMPEG)
            assert [(sample.key, sample.image.sum()) for sample in samples] == expected
            found.check_shard(FFMPEG, 5)


READING = """
import importlib.abc, sys

HIDDEN = {"apache_beam", "cv2", "av", "simplejpeg", "isal", "pycocotools", "imagecodecs"}

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hide())
from sysnoise import open_set
found = open_set(sys.argv[1])
count = sum(sample.image.shape == (224, 224, 3) for sample in found.iterate(sys.argv[2]))
pairs = sum(len(pair.images) for pair in found.paired([sys.argv[2], found.baseline]))
found.check_shard(sys.argv[2], 0)
print(count, pairs, *HIDDEN & {name.split(".")[0] for name in sys.modules})
"""


def test_a_set_is_read_where_nothing_is_that_made_it(small_set: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READING, str(small_set), FFMPEG],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("18 36\n", "")


@pytest.fixture
def copy(small_set: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_set, tmp_path / "copy")


def shard_of(folder: Path, variant_id: str, shard: int = 2) -> Path:
    return folder / "variants" / variant_id / f"val-{shard:05d}-of-00006.tar"


@pytest.mark.parametrize("damage", [flip_bit, truncate])
def test_a_damaged_shard_is_refused(damage: Callable[[Path], None], copy: Path) -> None:
    damage(shard_of(copy, FFMPEG))
    found = open_set(str(copy))
    found.check_shard(FFMPEG, 1)
    with pytest.raises(SetError, match=r"ffmpeg/.*/val-00002-of-00006.tar.* is damaged: it has"):
        found.check_shard(FFMPEG, 2)


def cut_after_a_sample(path: Path) -> None:
    with tarfile.open(path) as tar:
        starts = [member.offset for member in tar if member.name.endswith(".cls")]
    path.write_bytes(path.read_bytes()[: starts[1]])


def flip_header_bit(path: Path) -> None:
    with tarfile.open(path) as tar:
        start = [member.offset for member in tar if member.name.endswith(".cls")][1]
    data = bytearray(path.read_bytes())
    data[start] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut_after_a_sample, flip_header_bit])
def test_a_tar_that_seems_to_end_early_is_refused_by_every_reader(
    damage: Callable[[Path], None], copy: Path
) -> None:
    damage(shard_of(copy, FFMPEG))
    found = open_set(str(copy))
    for read in (
        found.iterate(FFMPEG, [2]),
        found.paired([FFMPEG], [2]),
        found.images(FFMPEG, 2),
    ):
        with pytest.raises(SetError, match="is damaged: it cannot be read: "):
            list(read)


def replaced(extension: str, data: bytes) -> Callable[[Members], Members]:
    return lambda members: [
        (name, data if name.endswith(extension) else content) for name, content in members
    ]


def huge_png() -> bytes:
    """A PNG that says to be 60,000 x 60,000 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "png")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = file.getvalue()
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@pytest.mark.parametrize(
    ("extension", "data", "message"),
    [
        (".json", b"[]", "it cannot be read: the JSON of '.*' is not"),
        (".json", b'{"key": "x"}', "it cannot be read: the JSON of '.*' is not"),
        (".json", b"{", "it cannot be read"),
        (".png", b"no image", "the image of '.*' cannot be decoded"),
        (".png", huge_png(), "the image of '.*' cannot be decoded: Image size"),
    ],
    ids=["list", "no-geometry", "no-json", "no-image", "huge"],
)
def test_odd_members_are_told_with_their_file(
    extension: str, data: bytes, message: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests lift Pillow's limit in this process, as 'verify --pixels' does.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)
    edit_tar(shard_of(copy, FFMPEG), replaced(extension, data))
    with pytest.raises(
        SetError, match=f"00002-of-00006.tar' of .* is damaged: {message}"
    ) as caught:
        list(open_set(str(copy)).iterate(FFMPEG))
    assert caught.value.__cause__ is not None


def test_another_table_of_samples_is_refused(copy: Path) -> None:
    edit_parquet(copy / "samples" / "00002-of-00006.parquet", lambda rows: rows[::-1])
    with pytest.raises(
        SetError, match=r"'samples/00002-of-00006.parquet' of .* is damaged: it has"
    ):
        open_set(str(copy)).check_shard(FFMPEG, 2)


@pytest.mark.parametrize(
    ("request_pattern", "status"),
    [
        ("/manifest.json", 503),
        ("/files.parquet", 503),
        ("/part.json", 503),
        (f"{FFMPEG}/val-00002", 503),
        (f"GET .*{FFMPEG}/val-00002", 0),
    ],
)
def test_failures_of_a_server_are_told_with_the_file(
    request_pattern: str, status: int, small_set: Path
) -> None:
    with http_server(small_set) as server:
        server.faults.append(Fault(request_pattern, status))
        with pytest.raises(SetError, match=rf"reading '.*' of '{server.url}': ") as caught:
            list(open_set(server.url).iterate(FFMPEG))
    assert not isinstance(caught.value, NotHeldError)
    assert caught.value.__cause__ is not None


def test_images_without_their_library_are_told(
    imagenet_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = parquet_set(imagenet_source, tmp_path / "set", "--image-format=jxl")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(SetError, match="its images are jxl, which needs a library that is not"):
        next(open_set(str(output)).iterate(FFMPEG))


def test_pairs_need_a_variant(copy: Path) -> None:
    with pytest.raises(ValueError, match="at least one variant"):
        list(open_set(str(copy)).paired([]))


def test_shards_of_other_samples_are_refused_though_all_sums_agree(copy: Path) -> None:
    shutil.copy(shard_of(copy, FFMPEG, 3), shard_of(copy, FFMPEG))
    reseal(copy)
    found = open_set(str(copy))
    with pytest.raises(SetError, match="is damaged: it holds the samples"):
        found.check_shard(FFMPEG, 2)
    with pytest.raises(SetError, match="the variants hold other samples at one place of shard 2"):
        list(found.paired([PILLOW, FFMPEG]))


def test_other_pixels_are_refused_though_all_sums_agree(copy: Path) -> None:
    shutil.copy(shard_of(copy, PILLOW), shard_of(copy, FFMPEG))
    reseal(copy)
    with pytest.raises(SetError, match="has other pixels than its digest says"):
        open_set(str(copy)).check_shard(FFMPEG, 2)


@pytest.mark.parametrize(
    "place",
    [
        *("../secret.tar", "/etc/passwd", "variants/../../x", "file:///x", "a\\..\\b", "a//b"),
        *("%2e%2e/secret.tar", "variants/.%2E/x"),
    ],
)
def test_paths_that_leave_the_set_are_refused(place: str, copy: Path) -> None:
    def lead_out(rows: Rows) -> Rows:
        return [row | ({"same_as": place} if row["variant"] == FFMPEG else {}) for row in rows]

    def adopt(document: dict[str, Any]) -> None:
        data = (copy / "files.parquet").read_bytes()
        document["files"] = {
            "path": "files.parquet",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        sign(document)

    edit_parquet(copy / "files.parquet", lead_out)
    edit_json(copy / "manifest.json", adopt)
    with pytest.raises(SetError, match=r"names '.*', outside of the set"):
        next(open_set(str(copy)).iterate(FFMPEG))


def test_an_edited_manifest_is_refused(copy: Path) -> None:
    edit_json(copy / "manifest.json", lambda document: document["grid"].update(seed=7))
    with pytest.raises(SetError, match=r"the manifest was edited: its checksum is"):
        open_set(str(copy))


def test_another_files_table_is_refused(copy: Path) -> None:
    flip_bit(copy / "files.parquet")
    with pytest.raises(SetError, match=r"'files.parquet' of .* is damaged: it has"):
        next(open_set(str(copy)).iterate(FFMPEG))


@pytest.mark.parametrize("name", ["../x.png", "a/b.png", "/etc/x.png", "a\\b.png"])
def test_members_that_lead_out_of_a_tar_are_refused(name: str) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    for parse in (stored_samples, stored_images):
        file.seek(0)
        with pytest.raises(ValueError, match="is no file of a sample"):
            list(parse(file, ShardFormat.WEBDATASET, "png"))


def test_what_a_copy_does_not_hold_is_refused(small_set: Path, tmp_path: Path) -> None:
    assert (
        command("publish", str(small_set), str(tmp_path / "part"), f"--variant={FFMPEG}").code == 0
    )
    found = open_set(str(tmp_path / "part"))
    assert found.held == (FFMPEG,)
    assert len(list(found.iterate(FFMPEG))) == len(samples_table(small_set))
    with pytest.raises(SetError, match=f"has no images of '{PILLOW}'"):
        next(found.iterate(PILLOW))


def test_unknown_variants_shards_and_missing_files_are_named(copy: Path) -> None:
    found = open_set(str(copy))
    with pytest.raises(SetError, match=f"unknown variant 'x/y/z'; valid: {PILLOW}, {FFMPEG}"):
        next(found.iterate("x/y/z"))
    misspelled = PILLOW.replace("pillow", "pilow", 1)
    with pytest.raises(SetError, match=rf"'{misspelled}' \(did you mean '{PILLOW}'\?\)"):
        next(found.paired([FFMPEG, misspelled]))
    with pytest.raises(SetError, match=r"nope/' does not exist$"):
        open_set(f"{copy}/nope/")
    with pytest.raises(SetError, match="no shard 6, but 6"):
        next(found.iterate(FFMPEG, shards=[6]))
    shard_of(copy, FFMPEG).unlink()
    with pytest.raises(SetError, match=r"lacks 'variants/ffmpeg/.*/val-00002-of-00006.tar'"):
        next(found.iterate(FFMPEG, shards=[2]))
    with pytest.raises(SetError, match=r"is not a finished set: it has no manifest.json"):
        open_set(str(copy / "variants"))


def test_annotations_are_the_original_ground_truth(
    coco_set: Path, imagenet_set: Path, tmp_path: Path
) -> None:
    (path,) = (coco_set / "annotations").glob("*.original.json")
    assert open_set(str(coco_set)).annotations() == json.loads(path.read_text("utf-8"))
    (rescaled,) = (coco_set / "annotations").glob("*.rescaled.json")
    expected = json.loads(rescaled.read_text("utf-8"))
    assert open_set(str(coco_set)).annotations("rescaled") == expected
    with pytest.raises(SetError, match="has no file 'annotations/"):
        open_set(str(imagenet_set)).annotations()
    damaged = shutil.copytree(coco_set, tmp_path / "damaged")
    flip_bit(damaged / "annotations" / path.name)
    with pytest.raises(SetError, match="is damaged"):
        open_set(str(damaged)).annotations()
