"""Odd image files through the command: what becomes of each, and the page that says so.

The tables of ``docs/odd-files.md`` are made from what the runs did; ``--rewrite`` rewrites them.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.manifests.tables import RejectReason
from sysnoise.pipelines.planning.plan import load_plan, read_sources
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.shards.sample import Reject, make_sample
from sysnoise.pipelines.storage.root import open_output
from tests.end_to_end.reading import (
    assert_paired_and_digested,
    assert_sums_hold,
    decode_image,
    manifest,
)
from tests.odd_files import objects
from tests.odd_files.images import DECODERS, MAX_PIXELS, ODD_FILES, PATHS, Does, OddFile, jpeg
from tests.odd_files.page import PAGE, annotation_row, file_row, image_row, table, with_tables
from tests.odd_files.runs import (
    FILES,
    IMAGENET_GRID,
    KEPT,
    LABELS,
    RESIZES,
    UPRIGHT,
    Run,
    observed,
    refusal,
    straight_line,
)
from tests.transforms import plain


def named(odd: OddFile) -> str:
    return odd.key


@pytest.mark.parametrize("odd", FILES, ids=named)
def test_what_becomes_of_a_file(odd: OddFile, imagenet_run: Run) -> None:
    row = imagenet_run.samples[odd.key]
    assert observed(odd, imagenet_run) == odd.does
    assert row["status"] == ("rejected" if odd.reason else "ok")
    assert (row["source_name"], row["label"]) == (odd.name, LABELS[odd.key])


@pytest.mark.parametrize("odd", KEPT, ids=named)
def test_every_variant_is_the_straight_line_call(odd: OddFile, imagenet_run: Run) -> None:
    """In tar and Parquet; a fallback has the pixels of the baseline's decoder."""
    for variant in imagenet_run.grid.variants:
        fallback = odd.does[DECODERS.index(variant.decoder)] is Does.FALLBACK
        decoded = plain.DECODERS["pillow" if fallback else variant.decoder](odd.data)
        expected = straight_line(decoded, variant.resize)
        members = imagenet_run.tars[variant.id][odd.key]
        row = imagenet_run.rows[variant.id][odd.key]
        np.testing.assert_array_equal(decode_image(members["png"]), expected)
        np.testing.assert_array_equal(decode_image(row["image"]["bytes"]), expected)
        assert int(members["cls"]) == row["label"] == LABELS[odd.key]


@pytest.mark.parametrize("odd", KEPT, ids=named)
def test_fallbacks_stay_out_of_the_statistics(odd: OddFile, imagenet_run: Run) -> None:
    differences = imagenet_run.samples[odd.key]["differences"]
    for variant in imagenet_run.grid.variants:
        if odd.does[DECODERS.index(variant.decoder)] is Does.FALLBACK:
            assert differences[variant.slug] is None
            continue
        pixels = imagenet_run.image(variant.id, odd.key).astype(np.int64)
        apart = np.abs(pixels - imagenet_run.image(imagenet_run.grid.baseline.id, odd.key))
        assert differences[variant.slug] == {
            "changed_pixels": apart.any(axis=2).sum(),
            "absolute_sum": apart.sum(),
            "squared_sum": (apart**2).sum(),
            "maximum": apart.max(),
        }


def test_variants_count_their_own_images(imagenet_run: Run) -> None:
    counted = {
        each["id"]: each["difference"]["images"]
        for each in manifest(imagenet_run.output)["variants"]
    }
    assert counted == {
        variant.id: sum(
            odd.does[DECODERS.index(variant.decoder)] is not Does.FALLBACK for odd in KEPT
        )
        for variant in imagenet_run.grid.variants
    }


@pytest.mark.parametrize("name", ["imagenet_run", "strict_run", "coco_run"])
def test_samples_are_paired_and_rejects_are_nowhere(
    name: str, request: pytest.FixtureRequest
) -> None:
    done: Run = request.getfixturevalue(name)
    assert_paired_and_digested(done.output, done.grid)
    assert_sums_hold(done.output)
    kept = [key for key, row in done.samples.items() if row["status"] == "ok"]
    assert {key for key, row in done.samples.items() if row["status"] == "rejected"} == set(
        done.rejects
    )
    for variant in done.grid.variants:
        assert list(done.rows[variant.id]) == list(done.tars[variant.id]) == kept


def test_rejects_say_why(imagenet_run: Run) -> None:
    reasons = {odd.key: odd.reason.value for odd in FILES if odd.reason}
    assert {key: row["reason"] for key, row in imagenet_run.rejects.items()} == reasons
    for odd in FILES:
        if odd.reason is None:
            continue
        row = imagenet_run.rejects[odd.key]
        failed = [name for name, status in row["decoders"].items() if status == "failed"]
        texts = [f"{name}: " for name in failed] or ["reading the header: "]
        if odd.reason is RejectReason.TOO_LARGE:
            texts = [f"the limit is {MAX_PIXELS}"]
        assert [text for text in texts if text not in row["message"]] == []


def test_messages_are_the_same_in_every_process(imagenet_run: Run) -> None:
    """They are part of a set, whose files must not depend on where things lie in memory."""
    output = open_output(str(imagenet_run.output))
    plan = load_plan(output)
    sources = [row for shard in range(plan.shards) for row in read_sources(output, shard)]
    damaged = {odd.key: odd.data for odd in FILES if odd.reason is RejectReason.DECODE_FAILED}
    again = [make_sample(plan, row, damaged[row.key]) for row in sources if row.key in damaged]
    assert {made.key: made.message for made in again if isinstance(made, Reject)} == {
        key: imagenet_run.rejects[key]["message"] for key in damaged
    }


@pytest.mark.parametrize("odd", ODD_FILES["Orientation"], ids=named)
def test_orientation_is_in_the_geometry(odd: OddFile, imagenet_run: Run) -> None:
    """OpenCV's array is exactly Pillow's; as OpenCV has it by default, that one turned."""
    stored = plain.DECODERS["pillow"](odd.data)
    np.testing.assert_array_equal(plain.DECODERS["opencv"](odd.data), stored)
    upright = UPRIGHT[odd.orientation](stored)
    np.testing.assert_array_equal(plain.DECODERS["opencv-exif"](odd.data), upright)

    row = imagenet_run.samples[odd.key]
    for resize in RESIZES:
        assert row[f"opencv__{resize}__rgb"] == row[f"pillow__{resize}__rgb"]
    for column, pixels in (("geometry", stored), ("geometry_exif", upright)):
        height, width = pixels.shape[:2]
        resized = (256, 256 * height // width) if width < height else (256 * width // height, 256)
        assert row[column] == row[column] | {
            "orientation": odd.orientation,
            "source_width": width,
            "source_height": height,
            "resized_width": resized[0],
            "resized_height": resized[1],
            "crop_x": round((resized[0] - 224) / 2),
            "crop_y": round((resized[1] - 224) / 2),
        }


@pytest.mark.parametrize("odd", KEPT, ids=named)
def test_orientation_is_that_by_which_opencv_turns(odd: OddFile, imagenet_run: Run) -> None:
    row = imagenet_run.samples[odd.key]
    upright = UPRIGHT[row["geometry_exif"]["orientation"]](plain.DECODERS["opencv"](odd.data))
    np.testing.assert_array_equal(plain.DECODERS["opencv-exif"](odd.data), upright)


def test_strict_rejects_what_a_decoder_is_not_made_for(strict_run: Run) -> None:
    expected = {odd.key: odd for odd in KEPT if Does.FALLBACK in odd.does}
    assert strict_run.rejects.keys() == expected.keys()
    for key, row in strict_run.rejects.items():
        unsupported = [
            name
            for name, does in zip(DECODERS, expected[key].does, strict=True)
            if does is Does.FALLBACK
        ]
        assert row["reason"] == "unsupported-kind"
        assert [name for name, each in row["decoders"].items() if each == "fallback"] == unsupported
        assert [name for name in unsupported if f"{name}: not made for" not in row["message"]] == []


def test_names_that_lead_out_of_a_tar_are_only_names(strict_run: Run) -> None:
    kept = {
        key: row["source_name"] for key, row in strict_run.samples.items() if "ok" in row["status"]
    }
    assert kept == {key: name for name, key in PATHS.items()}
    expected = straight_line(plain.DECODERS["ffmpeg"](jpeg()), "opencv-linear")
    for key in PATHS.values():
        pixels = strict_run.image("ffmpeg/opencv-linear/rgb", key)
        np.testing.assert_array_equal(pixels, expected)


Prepare = Callable[[Path], list[str]]
"""Writes a bad source below a folder and returns the arguments that name it."""


def flat(*names: str, labels: str | None = None) -> Prepare:
    """Images in a folder, and their labels."""

    def prepare(folder: Path) -> list[str]:
        for name in names:
            (folder / "images" / name).write_bytes(jpeg())
        text = labels or "".join(f"{name} 1\n" for name in names)
        (folder / "val.txt").write_text(text.format(folder=folder), "utf-8")
        return [f"--images={folder / 'images'}", f"--label-file={folder / 'val.txt'}"]

    return prepare


def webdataset(*names: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        with tarfile.open(folder / "val.tar", "w") as tar:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 1
                tar.addfile(info, io.BytesIO(b"1"))
        return [f"--images={folder / 'val.tar'}"]

    return prepare


def parquet(path: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        column = pa.array([{"bytes": jpeg(), "path": path}])
        pq.write_table(pa.table({"image": column, "label": [1]}), folder / "val.parquet")
        return [f"--images={folder / 'val.parquet'}"]

    return prepare


def class_folder(*names: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        (folder / "images" / "n01440764").mkdir()
        for name in names:
            (folder / "images" / "n01440764" / name).write_bytes(jpeg())
        (folder / "classes.txt").write_text("n01440764 tench\n", "utf-8")
        return [f"--images={folder / 'images'}", f"--classes={folder / 'classes.txt'}"]

    return prepare


REFUSED: Mapping[str, tuple[Prepare, str]] = {
    "Name that is not UTF-8": (
        class_folder(b"caf\xe9.JPEG".decode("utf-8", "surrogateescape")),
        "1 file name(s) are not UTF-8",
    ),
    "Label of `../secret.JPEG`, a file outside of the folder": (
        flat("a.JPEG", labels="a.JPEG 1\n../secret.JPEG 2\n"),
        "1 label(s) without an image",
    ),
    "Label of a file outside of the folder by its absolute path": (
        flat("a.JPEG", labels="a.JPEG 1\n{folder}/secret.JPEG 2\n"),
        "1 label(s) without an image",
    ),
    "`a.b.jpg` and `a.b.cls` in a WebDataset": (
        webdataset("a.b.jpg", "a.b.cls", "c.jpg", "c.cls"),
        "1 sample(s) lack the image or the .cls member",
    ),
    "Label twice in a WebDataset": (
        webdataset("a.jpg", "a.cls", "a.cls"),
        "1 sample(s) lack the image or the .cls member, or have one twice",
    ),
    "Empty name in a Parquet file": (parquet("images/"), "1 image(s) have no file name"),
}
"""Sources of ImageNet that stop a run before it starts, and the message."""


@pytest.mark.parametrize("what", REFUSED)
def test_refused_sources(what: str, tmp_path: Path) -> None:
    prepare, fragment = REFUSED[what]
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.JPEG").write_bytes(jpeg())
    assert fragment in refusal("imagenet", tmp_path, IMAGENET_GRID, prepare(tmp_path))


def test_files_that_are_not_named_like_images_are_left_out_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    images, classes = class_folder("a.JPEG", "b.txt", "c")(tmp_path)
    found = read_imagenet(images.split("=")[1], None, classes.split("=")[1], "val")
    assert found.table["name"].to_pylist() == ["n01440764/a.JPEG"]
    warning, _ = found.warnings
    assert warning.startswith("2 file(s) in ")
    assert warning.endswith("left out:\n  n01440764/b.txt\n  n01440764/c")


def test_page_says_what_the_runs_did(
    imagenet_run: Run, strict_run: Run, coco_run: Run, coco_upright_run: Run, rewrite: bool
) -> None:
    header = ["File", *DECODERS, "Sample"]
    tables = {
        section: table(header, [file_row(odd, imagenet_run) for odd in files])
        for section, files in ODD_FILES.items()
    }
    tables["Paths"] = table(
        ["Member of a tar", "Sample"],
        [
            [f"`{row['source_name']}`", f"kept, key `{key}`"]
            for key, row in strict_run.samples.items()
            if row["status"] == "ok"
        ],
    )
    tables["Refused"] = table(
        ["Source", "Message"], [[what, f"`{text}`"] for what, (_, text) in REFUSED.items()]
    )
    tables["Images of COCO"] = table(
        ["Image", "Sample", "With `--orient upright`"],
        [image_row(odd, coco_run, coco_upright_run) for odd in objects.ODD_IMAGES],
    )
    tables["Annotations"] = table(
        ["Annotation", "bbox given", "bbox", "area", "iscrowd", "segmentation"],
        [annotation_row(what, coco_run) for what in objects.ANNOTATIONS],
    )
    tables["Refused annotations"] = table(
        ["Annotations", "Message"],
        [[what, f"`{text}`"] for what, (_, text) in objects.REFUSED.items()],
    )
    page = PAGE.read_text("utf-8")
    if rewrite:
        PAGE.write_text(with_tables(page, tables), "utf-8")
    else:
        assert page == with_tables(page, tables), "rewrite docs/odd-files.md with --rewrite"
