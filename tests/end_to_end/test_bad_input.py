"""Bad input through the command: what it says, its exit code, and that nothing looks finished."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.reading import manifest, read_tars, samples_table, shards, tree

GRID = """
decoders: [pillow, simplejpeg-fastdct]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {geometry}
"""
VARIANTS = ("pillow/pillow-bilinear/rgb", "simplejpeg-fastdct/pillow-bilinear/rgb")

Break = Callable[[Path], Options]
"""Makes something bad in a folder; returns the options of the command that it changes."""


def good_options(folder: Path, source: Path, geometry: str) -> Options:
    """A copy of the photographs, a small grid and a new output."""
    shutil.copytree(source, folder / "source")
    (folder / "grid.yaml").write_text(GRID.format(geometry=geometry), "utf-8")
    return {
        "images": folder / "source" / "images",
        "grid": folder / "grid.yaml",
        "output": folder / "out",
        "workers": "2",
    }


@pytest.fixture
def imagenet(tmp_path: Path, imagenet_source: Path) -> Options:
    options = good_options(tmp_path, imagenet_source, "shorter256-crop224")
    return options | {"label-file": tmp_path / "source" / "val.txt"}


@pytest.fixture
def coco(tmp_path: Path, coco_source: Path) -> Options:
    options = good_options(tmp_path, coco_source, "letterbox640")
    return options | {"annotations": tmp_path / "source" / "instances_demo.json"}


def write_labels(folder: Path, change: Callable[[list[str]], list[str]]) -> Options:
    path = folder / "source" / "val.txt"
    lines = change(path.read_text("utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return {}


def new_folder(folder: Path, **options: str | None) -> Options:
    (folder / "empty").mkdir()
    return {"images": folder / "empty", **options}


def output_through_link(folder: Path) -> Options:
    (folder / "link").symlink_to(folder / "source" / "images")
    return {"output": folder / "link" / "new" / "out"}


def grid_file(text: str) -> Break:
    def write(folder: Path) -> Options:
        (folder / "bad.yaml").write_text(text, "utf-8")
        return {"grid": folder / "bad.yaml"}

    return write


def occupied(name: str) -> Break:
    """An output beside or below things that are already there."""

    def occupy(folder: Path) -> Options:
        (folder / "full").mkdir()
        (folder / "full" / "results.txt").write_text("dear", "utf-8")
        (folder / "file").write_text("dear", "utf-8")
        return {"output": folder / name}

    return occupy


def empty_annotations(folder: Path) -> Options:
    path = folder / "source" / "instances_demo.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}', "utf-8")
    return {}


BAD_GRID = """name: bad
decoders: [pillow, pilow]
resizes: [pil-bilinear, opencv-cubik]
colors: [rgb]
geometry: shorter256-crop224
"""

BAD: dict[str, tuple[str, Break, int, list[str]]] = {
    "missing label file": (
        "imagenet",
        lambda folder: {"label-file": folder / "none.txt"},
        1,
        ["the label file '{folder}/none.txt' does not exist"],
    ),
    "missing images": (
        "imagenet",
        lambda folder: {"images": folder / "none"},
        1,
        ["--images: '{folder}/none' does not exist; expected a folder of images, or a .tar, .zip"],
    ),
    "missing images of COCO": (
        "coco",
        lambda folder: {"images": folder / "none"},
        1,
        ["--images: '{folder}/none' does not exist; expected a folder or a .zip file of images"],
    ),
    "label without image": (
        "imagenet",
        lambda folder: write_labels(folder, lambda lines: [*lines, "ghost_1.JPEG 5"]),
        1,
        ["{folder}/source/val.txt", "1 label(s) without an image:\n  ghost_1.JPEG"],
    ),
    "image without label": (
        "imagenet",
        lambda folder: write_labels(folder, lambda lines: lines[1:]),
        1,
        ["{folder}/source/val.txt", "1 image(s) without a label:\n  astronaut_00001.JPEG"],
    ),
    "labels of the devkit": (
        "imagenet",
        lambda folder: write_labels(folder, lambda lines: [*lines[1:], f"{lines[0][:-3]}1000"]),
        1,
        ["0-based in wnid order", "meta.mat", "astronaut_00001.JPEG: 1000"],
    ),
    "empty folder": ("imagenet", new_folder, 1, ["'{folder}/empty'", "no images"]),
    "empty folder without labels": (
        "imagenet",
        lambda folder: new_folder(folder, **{"label-file": None}),
        1,
        ["'{folder}/empty' holds no images"],
    ),
    "empty annotations": (
        "coco",
        empty_annotations,
        1,
        ["{folder}/source/instances_demo.json", "no images"],
    ),
    "annotated images missing": (
        "coco",
        new_folder,
        1,
        ["18 annotated image(s) are not in '{folder}/empty'", "000000000001.jpg", "and 8 more"],
    ),
    "missing annotations": (
        "coco",
        lambda folder: {"annotations": folder / "none.json"},
        1,
        ["annotations '{folder}/none.json' does not exist"],
    ),
    "grid that crops": (
        "coco",
        lambda _: {"grid": "imagenet-one-factor"},
        1,
        ["'imagenet-one-factor' does not go with COCO", "'shorter-side' crops", "letterbox"],
    ),
    "grid that rotates": (
        "coco",
        grid_file(
            GRID.format(geometry="coco-800x1333").replace("simplejpeg-fastdct", "opencv-exif")
        ),
        1,
        ["'bad' does not go with COCO", "opencv-exif rotates"],
    ),
    "unknown methods": (
        "imagenet",
        grid_file(BAD_GRID),
        2,
        [
            "{folder}/bad.yaml:2:20: decoders[1]: unknown decoder 'pilow' (did you mean 'pillow'?)",
            "valid: pillow, ",
            "; 'sysnoise codecs' lists them",
            "{folder}/bad.yaml:3:25: resizes[1]: unknown resize 'opencv-cubik'",
        ],
    ),
    "grid that is not YAML": (
        "imagenet",
        grid_file("decoders: [pillow"),
        2,
        ["{folder}/bad.yaml:1:", "not valid YAML"],
    ),
    "grid with a NUL byte": (
        "imagenet",
        grid_file("name: \0"),
        2,
        ["{folder}/bad.yaml", "not valid YAML"],
    ),
    "missing grid file": (
        "imagenet",
        lambda folder: {"grid": folder / "none.yaml"},
        2,
        ["grid file '{folder}/none.yaml'", "No such file"],
    ),
    "unknown grid": (
        "imagenet",
        lambda _: {"grid": "imagenet-ful"},
        2,
        ["unknown grid 'imagenet-ful' (did you mean 'imagenet-full'?)", "imagenet-train", ".yaml"],
    ),
    "unknown runner": (
        "imagenet",
        lambda _: {"runner": "FlinkRuner", "workers": None},
        2,
        ["FlinkRuner"],
    ),
    "output not empty": (
        "imagenet",
        occupied("full"),
        1,
        ["output '{folder}/full' is not an empty folder", "give another path"],
    ),
    "output is a file": (
        "imagenet",
        occupied("file"),
        1,
        ["output '{folder}/file' is not an empty folder", "give another path"],
    ),
    "output cannot be made": (
        "imagenet",
        occupied("file/set"),
        1,
        ["writing '{folder}/file/set/", "Not a directory"],
    ),
    "output among the images": (
        "imagenet",
        lambda folder: {"output": folder / "source" / "images" / "out"},
        2,
        ["output '{folder}/source/images/out' lies in", "'{folder}/source/images'", "outside"],
    ),
    "output among the images through a link": (
        "coco",
        output_through_link,
        2,
        ["output '{folder}/link/new/out' lies in", "'{folder}/source/images'", "outside"],
    ),
    "images in the output": (
        "imagenet",
        lambda folder: {"output": folder / "source"},
        2,
        ["images '{folder}/source/images' lie in the output '{folder}/source'", "another output"],
    ),
    "output on an unknown file system": (
        "imagenet",
        lambda _: {"output": "nope://bucket/set"},
        1,
        ["output 'nope://bucket/set'", "Protocol not known: nope"],
    ),
}


@pytest.mark.parametrize(("dataset", "break_", "code", "fragments"), BAD.values(), ids=BAD)
def test_bad_input_stops_the_run_before_anything_is_written(
    dataset: str,
    break_: Break,
    code: int,
    fragments: list[str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    options = request.getfixturevalue(dataset) | break_(tmp_path)
    before = tree(tmp_path)
    outcome = generate(dataset, options)
    assert outcome.lacks(*(fragment.format(folder=tmp_path) for fragment in fragments)) == []
    assert outcome.code == code
    assert "Traceback" not in outcome.error
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("argument", "fragments"),
    [
        ("--colour=red", ["unknown argument '--colour=red'"]),
        ("--label-fil=val.txt", ["unknown argument '--label-fil=val.txt'"]),
        ("--direct_num_worker=2", ["'--direct_num_worker=2'", "mean --direct_num_workers?"]),
        ("stray", ["unknown argument 'stray'"]),
        ("--workers=0", ["--workers", "at least 1", "'0'"]),
        ("--workers=-1", ["--workers", "at least 1", "'-1'"]),
        ("--workers=two", ["--workers", "whole number", "'two'"]),
        ("--limit=1.5", ["--limit", "whole number", "'1.5'"]),
        ("--samples-per-shard=", ["--samples-per-shard", "whole number", "''"]),
        ("--direct_num_workers=two", ["--direct_num_workers", "'two'"]),
        ("--runner=FlinkRunner", ["--workers counts local processes", "--runner"]),
        ("--format=zip", ["--format", "'zip'", "webdataset", "parquet", "both"]),
        ("--image-format=jpg", ["--image-format", "'jpg'", "png", "webp", "jxl", "npy"]),
    ],
)
def test_bad_arguments_are_bad_usage(
    argument: str, fragments: list[str], imagenet: Options, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    outcome = generate("imagenet", imagenet, argument)
    assert outcome.lacks(*fragments) == []
    assert outcome.code == 2
    assert tree(tmp_path) == before


def parquet_keys(output: Path, variant_id: str) -> list[str]:
    files = shards(output, variant_id, "parquet")
    return [key for file in files for key in pq.read_table(file)["key"].to_pylist()]


def test_damaged_images_are_rejected_for_every_variant(
    imagenet: Options, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    """A truncated JPEG, and one with a hole that Pillow does not mind: each a reject."""
    images = tmp_path / "few"
    images.mkdir()
    names = ["bad_1", "bad_2", "good_1", "good_2", "good_3"]
    for name, pixels in zip(names, photos.values(), strict=False):
        (images / f"{name}.JPEG").write_bytes(jpeg_bytes(pixels, "420"))
    truncated, holed = images / "bad_1.JPEG", images / "bad_2.JPEG"
    truncated.write_bytes(truncated.read_bytes()[:-5000])
    data = holed.read_bytes()
    holed.write_bytes(data[:20000] + data[20100:])
    labels = tmp_path / "few.txt"
    labels.write_text("".join(f"{name}.JPEG 5\n" for name in names), "utf-8")

    outcome = generate(
        "imagenet",
        imagenet | {"images": images, "label-file": labels},
        "--format=both",
        "--samples-per-shard=3",
    )
    assert outcome.code == 0
    assert outcome.lacks("warning: cannot tell whether the labels are 0-based") == []
    assert "3 samples x 2 variants in 2 shards, 2 rejected" in outcome.out
    output = tmp_path / "out"
    assert f"{output}/rejects.parquet" in outcome.out

    failed = {
        "bad_1": {"pillow": "failed", "simplejpeg-fastdct": "failed"},
        "bad_2": {"pillow": "ok", "simplejpeg-fastdct": "failed"},
    }
    rejects = pq.read_table(output / "rejects.parquet").to_pylist()
    messages = [row.pop("message") for row in rejects]
    assert rejects == [
        {
            "key": key,
            "source_name": f"{key}.JPEG",
            "shard": 0,
            "reason": "decode-failed",
            "decoders": decoders,
        }
        for key, decoders in failed.items()
    ]
    assert "pillow: image file is truncated" in messages[0]
    assert [("pillow" in each, "simplejpeg-fastdct: " in each) for each in messages] == [
        (True, True),
        (False, True),
    ]

    working = dict.fromkeys(("pillow", "simplejpeg-fastdct"), "ok")
    rows = samples_table(output)
    assert [(row["key"], row["status"], row["decoders"]) for row in rows] == [
        (name, "rejected" if name in failed else "ok", failed.get(name, working)) for name in names
    ]
    for variant in VARIANTS:
        slug = variant.replace("/", "__")
        assert [row["key"] for row in rows if row[slug] is None] == list(failed)
        assert list(read_tars(output, variant)) == parquet_keys(output, variant) == names[2:]
    counts = manifest(output)["counts"]
    assert (counts["samples"], counts["rejects"]) == (3, 2)


def vanished(folder: Path, images: Path) -> Options:
    (images / "b.JPEG").symlink_to(folder / "gone.JPEG")
    return {}


def damaged_in_zip(folder: Path, images: Path) -> Options:
    data = (images / "a.JPEG").read_bytes()
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("b.JPEG", data)
        archive.write(images / "a.JPEG", "a.JPEG")
    content = bytearray((folder / "images.zip").read_bytes())
    content[len(data) // 2] ^= 0xFF
    (folder / "images.zip").write_bytes(content)
    return {"images": folder / "images.zip"}


@pytest.mark.parametrize(
    ("break_", "fragments"),
    [
        (vanished, ["1 of 1 shards failed", "reading sample b from 'b.JPEG'", "No such file"]),
        (damaged_in_zip, ["1 of 1 shards failed", "reading sample b from 'b.JPEG'", "CRC"]),
    ],
)
def test_image_that_cannot_be_read_fails_the_run(
    break_: Callable[[Path, Path], Options],
    fragments: list[str],
    imagenet: Options,
    imagenet_source: Path,
    tmp_path: Path,
) -> None:
    """Between planning and reading, images may go: the run names them and is not finished."""
    images = tmp_path / "two"
    images.mkdir()
    shutil.copy(imagenet_source / "images" / "coffee_00010.JPEG", images / "a.JPEG")
    (tmp_path / "two.txt").write_text("a.JPEG 1\nb.JPEG 2\n", "utf-8")
    options: Options = {"images": images, "label-file": tmp_path / "two.txt", "workers": "1"}
    outcome = generate("imagenet", imagenet | options | break_(tmp_path, images))
    assert outcome.code == 1
    assert outcome.lacks(*fragments) == []
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not list((tmp_path / "out").rglob("*.tar"))


def test_an_image_that_is_null_in_parquet_is_rejected(
    imagenet: Options, imagenet_source: Path, tmp_path: Path
) -> None:
    """As Hugging Face writes it where an image stayed in a file of its own."""
    data = (imagenet_source / "images" / "coffee_00010.JPEG").read_bytes()
    rows = [{"bytes": data, "path": "a.JPEG"}, {"bytes": None, "path": "b.JPEG"}, None]
    table = pa.table({"image": pa.array(rows), "label": [1, 2, 3]})
    pq.write_table(table, tmp_path / "val.parquet")
    options: Options = {
        "images": tmp_path / "val.parquet",
        "label-file": None,
        "workers": "1",
        "max-rejects": "2",
    }
    outcome = generate("imagenet", imagenet | options)
    assert outcome.code == 0, outcome.error
    rejects = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert {(row["key"], row["reason"]) for row in rejects} == {
        ("b", "decode-failed"),
        ("val-000002", "decode-failed"),
    }
    assert all("it is an empty file" in row["message"] for row in rejects)


def test_image_of_another_size_than_annotated_is_rejected(coco: Options, tmp_path: Path) -> None:
    path = tmp_path / "source" / "instances_demo.json"
    document = json.loads(path.read_text("utf-8"))
    wrong, *good = document["images"][:5]
    wrong["width"], wrong["height"] = 640, 480  # The file of astronaut is 512 x 512.
    path.write_text(json.dumps(document), "utf-8")
    outcome = generate("coco", coco, "--limit=5")
    assert outcome.code == 0
    output = tmp_path / "out"
    (reject,) = pq.read_table(output / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == ("000000000001", "size-mismatch")
    assert "the annotations say 640 x 480 pixels, pillow decodes 512 x 512" in reject["message"]
    for variant in VARIANTS:
        assert list(read_tars(output, variant)) == [f"{image['id']:012d}" for image in good]
    for kind in ("original", "rescaled"):
        written = json.loads(
            (output / f"annotations/instances_demo.{kind}.json").read_text("utf-8")
        )
        ids = [image["id"] for image in good]
        objects = [each["id"] for each in document["annotations"] if each["image_id"] in ids]
        assert [image["id"] for image in written["images"]] == ids
        assert [each["id"] for each in written["annotations"]] == objects


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("card",),
        ("verify",),
        ("report", "--output=report.html"),
        ("score", "--predictions=predictions"),
        ("evaluate", "--predictor=own.py:Own"),
    ],
    ids=lambda words: words[0],
)
def test_folders_that_do_not_exist_are_said_not_to(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(words[0], "nofolder/", *words[1:])
    assert done.code == 1
    assert not done.lacks("nofolder", "' does not exist")
    assert "has no" not in done.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "missing"])
def test_evaluate_says_what_makes_a_set(is_there: bool, tmp_path: Path) -> None:
    if is_there:
        (tmp_path / "set").mkdir()
    done = command("evaluate", str(tmp_path / "set"), "--predictor=own.py:Own")
    assert done.code == 1
    told = "it has no manifest.json; make" if is_there else "set' does not exist; make"
    assert not done.lacks(told, "'sysnoise generate'", "--online, --images and --grid")
