"""Photographs with an EXIF orientation that were annotated upright, through the command."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps
from pycocotools import mask as coco_mask

from sysnoise import open_set
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import Options, Outcome, command, generate
from tests.end_to_end.reading import (
    decode_image,
    manifest,
    read_tars,
    samples_table,
    tree,
)
from tests.models import write_models
from tests.odd_files.runs import UPRIGHT
from tests.shared import SharedFolders
from tests.transforms import plain
from tests.transforms.plain import saved

ORIENTATIONS = range(1, 9)
SIZE = (72, 40)
"""Width and height of the photographs as they are shown."""

BOX = (32, 8, 24, 16)
"""A green part of each: x, y, width, height."""

GRID = """
decoders: [pillow, opencv, opencv-exif, simplejpeg, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {}
"""
COCO_GRID = GRID.format("{rule: letterbox, size: 96}")
IMAGENET_GRID = GRID.format("shorter256-crop224")
STORED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The orientation by which an upright image becomes the stored one: the turn back."""


def photograph(photos: Mapping[str, Pixels], orientation: int) -> bytes:
    """A JPEG of a photograph with a green box, stored as a camera that was held so does."""
    left, top, width, height = BOX
    shown = photos["coffee"][100 : 100 + SIZE[1], 200 : 200 + SIZE[0]].copy()
    shown[top : top + height, left : left + width] = (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(UPRIGHT[STORED[orientation]](shown)))
    return saved(stored, "JPEG", quality=95, subsampling=0, exif=exif)


def coco_document(size: tuple[int, int]) -> dict[str, Any]:
    """The annotations of the photographs, as a tool that shows them in this size writes them."""
    x, y, width, height = BOX
    outline = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "images": [
            {"id": n, "file_name": f"o{n}.jpg", "width": size[0], "height": size[1]}
            for n in ORIENTATIONS
        ],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": list(BOX),
                "area": width * height,
                "segmentation": [outline],
            }
            for n in ORIENTATIONS
        ],
        "categories": [{"id": 1, "name": "green"}],
    }


@pytest.fixture(scope="module")
def source(shared: SharedFolders, photos: dict[str, Pixels]) -> Path:
    """A photograph in each orientation, and its annotations: upright, and as stored for 5 to 8."""

    def build(folder: Path) -> None:
        (folder / "images").mkdir()
        for n in ORIENTATIONS:
            (folder / "images" / f"o{n}.jpg").write_bytes(photograph(photos, n))
        (folder / "val.txt").write_text("".join(f"o{n}.jpg {n}\n" for n in ORIENTATIONS), "utf-8")
        for name, size in (("upright", SIZE), ("stored", SIZE[::-1])):
            text = json.dumps(coco_document(size))
            (folder / f"instances_{name}.json").write_text(text, "utf-8")
        (folder / "coco.yaml").write_text(COCO_GRID, "utf-8")
        (folder / "imagenet.yaml").write_text(IMAGENET_GRID, "utf-8")
        without = COCO_GRID.replace("opencv-exif, ", "")
        (folder / "stored.yaml").write_text(without, "utf-8")

    return shared("upright-source", build)


def coco(source: Path, output: Path, *others: str, annotated: str = "upright") -> Outcome:
    options: Options = {
        "images": source / "images",
        "annotations": source / f"instances_{annotated}.json",
        "grid": source / "coco.yaml",
        "output": output,
        "workers": "1",
    }
    return generate("coco", options, *others)


@pytest.fixture(scope="module")
def upright_set(shared: SharedFolders, source: Path) -> Path:
    """A set of COCO of both formats, made upright."""

    def build(folder: Path) -> None:
        done = coco(source, folder / "set", "--orient=upright", "--format=both")
        assert done.code == 0, done.error
        assert "8 samples x 5 variants in 1 shard, 0 rejected" in done.out

    return shared("upright", build) / "set"


def letterboxed(decoded: Pixels) -> Pixels:
    """The image in a square of 96 pixels: 96 x 53 with 21 rows of gray above it."""
    expected = np.full((96, 96, 3), 114, np.uint8)
    expected[21:74] = plain.RESIZES["pillow-bilinear"](np.ascontiguousarray(decoded), (96, 53))
    return expected


@pytest.mark.parametrize("decoder", ["pillow", "opencv", "opencv-exif", "simplejpeg", "ffmpeg"])
def test_stored_images_are_those_of_upright_pixels(
    decoder: str, upright_set: Path, source: Path
) -> None:
    samples = read_tars(upright_set, f"{decoder}/pillow-bilinear/rgb")
    assert list(samples) == [f"o{n}" for n in ORIENTATIONS]
    for n in ORIENTATIONS:
        data = (source / "images" / f"o{n}.jpg").read_bytes()
        turn = UPRIGHT[1 if decoder == "opencv-exif" else n]
        expected = letterboxed(turn(plain.DECODERS[decoder](data)))
        np.testing.assert_array_equal(decode_image(samples[f"o{n}"]["png"]), expected)
        if decoder == "pillow":
            with Image.open(io.BytesIO(data)) as opened:
                shown = np.asarray(ImageOps.exif_transpose(opened))
            np.testing.assert_array_equal(letterboxed(shown), expected)


def test_boxes_are_where_the_green_is(upright_set: Path) -> None:
    """In the tars, the Parquet shards and the rescaled annotations."""
    path = upright_set / "annotations/instances_upright.rescaled.json"
    rescaled = json.loads(path.read_text("utf-8"))
    assert {(each["width"], each["height"]) for each in rescaled["images"]} == {(96, 96)}
    boxes = {f"o{each['image_id']}": each["bbox"] for each in rescaled["annotations"]}
    found = open_set(str(upright_set))
    tars = read_tars(upright_set, found.baseline)
    for sample in found.iterate(found.baseline):
        (target,) = sample.targets or ()
        (member,) = json.loads(tars[sample.key]["json"])["annotations"]
        assert list(target["bbox"]) == member["bbox"] == boxes[sample.key]
        x, y, width, height = target["bbox"]
        is_green = (sample.image[..., 1] > 150) & (sample.image[..., ::2] < 90).all(axis=2)
        rows, columns = np.nonzero(is_green)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(edges, [x, y, x + width, y + height], atol=1)
        outline = coco_mask.merge(coco_mask.frPyObjects(member["segmentation"], 96, 96))
        inside = coco_mask.decode(outline).astype(bool)
        assert (is_green & inside).sum() > 0.9 * (is_green | inside).sum()


def test_grid_manifest_geometry_and_card_name_it(upright_set: Path) -> None:
    assert manifest(upright_set)["grid"]["orient"] == "upright"
    assert json.loads((upright_set / "plan.json").read_text("utf-8"))["grid"]["orient"] == "upright"
    assert yaml.safe_load((upright_set / "grid.yaml").read_text("utf-8"))["orient"] == "upright"
    assert "(`--orient upright`)" in (upright_set / "README.md").read_text("utf-8")
    for n, row in zip(ORIENTATIONS, samples_table(upright_set), strict=True):
        assert "geometry_exif" not in row
        named = {name: row["geometry"][name] for name in ("orient", "orientation")}
        assert named == {"orient": "upright", "orientation": n}
        assert (row["geometry"]["source_width"], row["geometry"]["source_height"]) == SIZE
    found = open_set(str(upright_set))
    for sample in found.iterate(found.baseline):
        assert sample.geometry["orient"] == "upright"


def test_set_is_verified_made_again_and_reported(
    upright_set: Path, source: Path, tmp_path: Path
) -> None:
    again = f"--images={source / 'images'}"
    done = command("verify", str(upright_set), "--pixels", "--regenerate=8", again)
    assert (done.code, done.error) == (0, ""), done.error
    done = command("report", str(upright_set), f"--output={tmp_path / 'page.html'}")
    assert done.code == 0, done.error
    assert re.search(r"orient\W.*upright", (tmp_path / "page.html").read_text("utf-8"), re.DOTALL)


def test_recipe_names_it_and_makes_the_same_set(
    upright_set: Path, source: Path, tmp_path: Path
) -> None:
    recipe, output = tmp_path / "recipe", tmp_path / "set"
    done = command("publish", str(upright_set), str(recipe), "--recipe-only")
    assert done.code == 0, done.error
    card = (recipe / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^sysnoise generate .*$", card, re.MULTILINE)
    places = {
        "IMAGES": source / "images",
        "ANNOTATIONS": source / "instances_upright.json",
        "grid.yaml": recipe / "grid.yaml",
        "NEW": output,
    }
    words = [str(places.get(word, word)) for word in line.split()[1:]]
    assert words[words.index("--orient") + 1] == "upright"
    done = command(*words, "--workers=1")
    assert done.code == 0, done.error
    done = command("verify", str(output), f"--recipe={recipe}")
    assert done.code == 0, done.error


@pytest.mark.parametrize("others", [(), ("--add-variants",)])
def test_orientations_are_not_mixed(
    others: tuple[str, ...], upright_set: Path, source: Path
) -> None:
    before = tree(upright_set)
    grid = f"--grid={source / 'stored.yaml'}"
    failed = coco(source, upright_set, grid, "--format=both", *others)
    assert (failed.code, failed.lacks("grid.orient: upright -> stored")) == (1, [])
    assert tree(upright_set) == before


def test_compare_refuses_the_other_orientation(
    upright_set: Path, source: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "stored"
    grid = f"--grid={source / 'stored.yaml'}"
    assert coco(source, stored, grid, "--max-rejects=4").code == 0
    failed = command("compare", str(stored), str(upright_set))
    assert (failed.code, failed.lacks("orient: stored and upright")) == (1, [])


AGREE = "EXIF orientation 6 applied the sizes agree: give --orient"


@pytest.mark.parametrize(
    ("annotated", "orient", "message"),
    [
        (
            "upright",
            "stored",
            f"say 72 x 40 pixels, pillow decodes 40 x 72; with its {AGREE} upright",
        ),
        (
            "stored",
            "upright",
            f"say 40 x 72 pixels, pillow decodes 72 x 40; without its {AGREE} stored",
        ),
    ],
)
def test_a_size_of_the_other_orientation_says_so(
    annotated: str, orient: str, message: str, source: Path, tmp_path: Path
) -> None:
    """Orientations 1 to 4 keep the size, so that those of the wrong size have no way out."""
    output = tmp_path / "set"
    words = [f"--grid={source / 'stored.yaml'}", f"--orient={orient}", "--max-rejects=100%"]
    tried = coco(source, output, *words, "--dry-run", annotated=annotated)
    assert tried.code == 0
    assert re.search(rf"^  o6: size-mismatch: the annotations {message}$", tried.out, re.MULTILINE)
    done = coco(source, output, *words, annotated=annotated)
    assert done.code == (0 if orient == "stored" else 1)  # The other annotations fit no image.
    receipt = json.loads(next((output / "receipts").iterdir()).read_text("utf-8"))
    messages = {each["key"]: each["message"] for each in receipt["rejects"]}
    assert messages["o6"] == f"the annotations {message}"
    hinted = {key for key, text in messages.items() if "give --orient" in text}
    assert hinted == {"o5", "o6", "o7", "o8"}


def test_opencv_exif_names_the_way_out(source: Path, tmp_path: Path) -> None:
    failed = coco(source, tmp_path / "set")
    assert (failed.code, failed.lacks("opencv-exif rotates images", "--orient upright")) == (1, [])


def test_the_option_overrides_the_grid(source: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"orient: upright\n{(source / 'stored.yaml').read_text('utf-8')}", "utf-8")
    by_grid = coco(source, tmp_path / "set", f"--grid={grid}", "--dry-run")
    assert "8 samples" in by_grid.out
    assert " 0 rejected" in by_grid.out
    by_option = coco(source, tmp_path / "set", f"--grid={grid}", "--dry-run", "--orient=stored")
    assert " 4 rejected (size-mismatch 4)" in by_option.out


def test_a_model_sees_the_same_images_online(source: Path, tmp_path: Path) -> None:
    """Of ImageNet, in whose sets no size is annotated."""
    write_models(tmp_path)
    options: Options = {
        "images": source / "images",
        "label-file": source / "val.txt",
        "grid": source / "imagenet.yaml",
        "orient": "upright",
    }
    done = generate("imagenet", {**options, "output": tmp_path / "stored", "workers": "1"})
    assert done.code == 0, done.error
    given = [f"--{name}={value}" for name, value in options.items()]
    model = [f"--model={tmp_path / 'classifier.onnx'}", f"--config={tmp_path / 'classifier.yaml'}"]
    predictions = {}
    for name, others in {"stored": [], "made": ["--online", *given]}.items():
        where = [str(tmp_path / name), f"--predictions={tmp_path / f'of-{name}' / 'model'}"]
        done = command("evaluate", *where, *model, *others)
        assert done.code == 0, done.error
        predictions[name] = {**tree(tmp_path / f"of-{name}"), "table": done.out}
        del predictions[name]["model/evaluation.yaml"]  # It names the set.
    assert predictions["made"] == predictions["stored"]
    assert len(predictions["made"]) > 5
    assert manifest(tmp_path / "made")["grid"]["orient"] == "upright"
    refused = command("evaluate", str(tmp_path / "stored"), *model, "--orient=upright")
    assert (refused.code, refused.lacks("--orient goes with --grid")) == (2, [])
