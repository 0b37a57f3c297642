"""Sources, geometries and stacks through the command: pixels, boxes, files, tables."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sysnoise import open_set
from sysnoise.manifests.grids import load_grid
from sysnoise.pipelines.comparison.compare import compare
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.damage import edit_json, edit_parquet, reseal, sign
from tests.end_to_end.reading import (
    assert_paired_and_digested,
    assert_sums_hold,
    decode_image,
    manifest,
    read_tars,
    samples_table,
    shards,
    tree,
)
from tests.end_to_end.test_verify import fit_fingerprint
from tests.models import write_models
from tests.scoring import BASELINE, class_rows, made_up_set, write_lines
from tests.shared import SharedFolders
from tests.terminal import in_terminal
from tests.transforms import plain

AXES = """
decoders: [pillow, opencv]
resizes: [pillow-bilinear]
colors: [rgb]
sources: [original, jpeg-q75, scaled-decode, icc-applied]
geometries:
  - {name: training, rule: shorter-side, size: 96, crop: 64}
  - {name: larger, rule: shorter-side, size: 80, crop: 64, long_side: ceil}
  - {name: center, rule: central-crop, size: 64}
combine: one-factor
"""
STACKS = """
geometries:
  - {name: training, rule: keep-ratio, shorter: 100, longer: 160}
  - {name: rounded-up, rule: keep-ratio, shorter: 100, longer: 160, long_side: ceil}
  - {name: squashed, rule: squash, size: 90, crop: 90}
variants:
  - {name: training, decoder: pillow, resize: pillow-bilinear, stands_for: "the <training> system"}
  - {name: deployed, decoder: opencv, resize: opencv-linear, geometry: rounded-up}
  - name: device
    decoder: simplejpeg-fastdct
    resize: opencv-area
    source: jpeg-q90
    geometry: squashed
  - {name: alike, decoder: opencv, resize: pillow-bilinear}
"""
DEPLOYED = "opencv/opencv-linear/rgb--at-rounded-up"
DEVICE = "simplejpeg-fastdct/opencv-area/rgb--from-jpeg-q90--at-squashed"
ALIKE = "opencv/pillow-bilinear/rgb"


def made(dataset: str, options: Options, grid: str, folder: Path, *others: str) -> Path:
    """Run ``generate`` with a grid, and return the output."""
    (folder / "grid.yaml").write_text(grid, "utf-8")
    options = {**options, "grid": folder / "grid.yaml", "output": folder / "set"}
    done = generate(dataset, options, *others)
    assert done.code == 0, done.error
    return folder / "set"


@pytest.fixture(scope="module")
def imagenet(imagenet_source: Path) -> Options:
    return {
        "images": imagenet_source / "images",
        "label-file": imagenet_source / "val.txt",
        "limit": "5",
        "samples-per-shard": "3",
        "format": "both",
    }


@pytest.fixture(scope="module")
def coco(coco_source: Path) -> Options:
    return {
        "images": coco_source / "images",
        "annotations": coco_source / "instances_demo.json",
        "limit": "6",
        "format": "both",
    }


@pytest.fixture(scope="module")
def axes_set(shared: SharedFolders, imagenet: Options) -> Path:
    """Photographs in every source and geometry of :data:`AXES`."""
    build = shared("axes", lambda folder: made("imagenet", imagenet, AXES, folder) and None)
    return build / "set"


@pytest.fixture(scope="module")
def stacks_set(shared: SharedFolders, coco: Options) -> Path:
    """Photographs with boxes on the stacks of :data:`STACKS`."""
    return shared("stacks", lambda folder: made("coco", coco, STACKS, folder) and None) / "set"


def shorter_side(pixels: Pixels, size: tuple[int, int], origin: tuple[int, int]) -> Pixels:
    resized = plain.RESIZES["pillow-bilinear"](pixels, size)
    x, y = origin
    return np.asarray(resized[y : y + 64, x : x + 64], np.uint8)


def expected(variant: str, data: bytes) -> Pixels:
    """The pixels of a variant of :data:`AXES`, by straight-line calls; photographs lie."""
    decoded = np.asarray(plain.DECODERS["pillow"](data), np.uint8)
    height, width = decoded.shape[:2]
    assert width >= height
    long_side = 96 * width // height
    if variant.endswith("--from-jpeg-q75"):
        again = plain.saved(Image.open(io.BytesIO(data)), "JPEG", quality=75, subsampling=2)
        decoded = np.asarray(plain.DECODERS["pillow"](again), np.uint8)
    if variant.endswith("--from-scaled-decode"):
        scale = max(each for each in (1, 2, 4, 8) if height // 96 >= each)
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (width // scale, height // scale))
            decoded = np.asarray(image)
        assert decoded.shape[0] == -(-height // scale)
    if variant.endswith("--at-larger"):
        long_side = -(-80 * width // height)
        return shorter_side(decoded, (long_side, 80), (round((long_side - 64) / 2), 8))
    if variant.endswith("--at-center"):
        x, y = int((width - width * 0.875) / 2), int((height - height * 0.875) / 2)
        region = np.ascontiguousarray(decoded[y : height - y, x : width - x])
        return np.asarray(plain.RESIZES["pillow-bilinear"](region, (64, 64)), np.uint8)
    return shorter_side(decoded, (long_side, 96), (round((long_side - 64) / 2), 16))


def test_pixels_are_those_of_straight_line_calls(axes_set: Path, imagenet_source: Path) -> None:
    grid = load_grid(str(axes_set.parent / "grid.yaml"))
    assert_paired_and_digested(axes_set, grid)
    assert_sums_hold(axes_set)
    rows = {row["key"]: row for row in samples_table(axes_set)}
    compared = 0
    for variant in grid.variants:
        for key, members in read_tars(axes_set, variant.id).items():
            data = (imagenet_source / "images" / rows[key]["source_name"]).read_bytes()
            with Image.open(io.BytesIO(data)) as image:
                if image.width < image.height:
                    continue
            np.testing.assert_array_equal(
                decode_image(members["png"]), expected(variant.id, data), err_msg=variant.id
            )
            compared += 1
    assert compared >= 3 * len(grid.variants)


def test_each_file_has_the_geometry_of_its_images(axes_set: Path) -> None:
    rows = {row["key"]: row for row in samples_table(axes_set)}
    for variant, name in (
        (BASELINE, None),
        (f"{BASELINE}--from-scaled-decode", None),
        (f"{BASELINE}--at-larger", "larger"),
        (f"{BASELINE}--at-center", "center"),
    ):
        wanted = {
            key: row["geometries"][name] if name else row["geometry"] for key, row in rows.items()
        }
        stored = {
            key: json.loads(members["json"])["geometry"]
            for key, members in read_tars(axes_set, variant).items()
        }
        assert stored == wanted
        tables = [pq.read_table(path) for path in shards(axes_set, variant, "parquet")]
        assert {
            row["key"]: row["geometry"]
            for table in tables
            for row in table.select(["key", "geometry"]).to_pylist()
        } == wanted
        opened = open_set(str(axes_set))
        assert {each.key: each.geometry for each in opened.iterate(variant)} == wanted
    assert len({str(row["geometries"]) for row in rows.values()}) > 1


def test_the_manifest_has_the_noise_of_both_axes(axes_set: Path) -> None:
    found = manifest(axes_set)
    assert {axis: noise["variants"] for axis, noise in found["noise"].items()} == {
        "decoder": 1,
        "resize": 0,
        "color": 0,
        "source": 3,
        "geometry": 2,
    }
    variants = {each["id"]: each for each in found["variants"]}
    assert variants[f"{BASELINE}--from-jpeg-q75"]["source"]["options"]["quality"] == 75
    assert variants[f"{BASELINE}--at-center"]["geometry"] == "center"
    assert "source" not in variants[BASELINE]
    assert variants[f"{BASELINE}--from-icc-applied"]["difference"]["maximum"] == 0
    assert variants[f"{BASELINE}--from-jpeg-q75"]["difference"]["mean"] > 0.5


@pytest.mark.parametrize("kind", ["imagenet", "coco"])
def test_sets_are_verified_and_made_again(
    kind: str, axes_set: Path, stacks_set: Path, imagenet: Options, coco: Options
) -> None:
    output, options = (axes_set, imagenet) if kind == "imagenet" else (stacks_set, coco)
    done = command(
        "verify", str(output), "--pixels", "--regenerate=4", f"--images={options['images']}"
    )
    assert done.code == 0, done.out + done.error


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("annotations/*rescaled-at-rounded-up.json", b'"bbox":[', b'"bbox":[1'),
        (f"variants/{DEPLOYED}/*.tar", b'"resized_width":1', b'"resized_width":2'),
    ],
    ids=["ground-truth", "geometry"],
)
def test_damage_in_another_geometry_is_named(
    path: str, old: bytes, new: bytes, stacks_set: Path, tmp_path: Path
) -> None:
    shutil.copytree(stacks_set, tmp_path / "set")
    (file,) = (tmp_path / "set").glob(path)
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new, 1))
    done = command("verify", str(tmp_path / "set"))
    assert done.code == 1
    assert file.name in done.out + done.error


def test_boxes_follow_the_pixels_of_every_stack(stacks_set: Path, coco_source: Path) -> None:
    source = json.loads((coco_source / "instances_demo.json").read_text("utf-8"))
    boxes = {each["id"]: each["bbox"] for each in source["annotations"]}
    compared = 0
    for variant, name in ((BASELINE, ""), (DEPLOYED, "-at-rounded-up"), (DEVICE, "-at-squashed")):
        (path,) = (stacks_set / "annotations").glob(f"*.rescaled{name}.json")
        truth = json.loads(path.read_text("utf-8"))
        sizes = {each["id"]: (each["width"], each["height"]) for each in truth["images"]}
        rescaled = {each["id"]: each["bbox"] for each in truth["annotations"]}
        for sample in open_set(str(stacks_set)).iterate(variant):
            assert sample.image_id is not None
            assert sample.targets is not None
            height, width = sample.image.shape[:2]
            assert (width, height) == sizes[sample.image_id]
            x_scale = width / sample.geometry["source_width"]
            y_scale = height / sample.geometry["source_height"]
            for target in sample.targets:
                x, y, box_width, box_height = boxes[target["id"]]
                wanted = [x * x_scale, y * y_scale, box_width * x_scale, box_height * y_scale]
                assert target["bbox"] == pytest.approx(wanted)
                assert rescaled[target["id"]] == pytest.approx(wanted)
                compared += 1
    assert compared > 10


def test_a_set_grows_by_geometries_and_sources(
    axes_set: Path, imagenet: Options, tmp_path: Path
) -> None:
    small = "\n".join(line for line in AXES.splitlines() if "name: l" not in line)
    output = made("imagenet", imagenet, small.replace(", jpeg-q75", ""), tmp_path)
    (tmp_path / "grid.yaml").write_text(AXES, "utf-8")
    grown = generate(
        "imagenet",
        {**imagenet, "grid": tmp_path / "grid.yaml", "output": output},
        "--add-variants",
    )
    assert grown.code == 0, grown.error
    assert tree(output) == tree(axes_set)


def test_a_geometry_of_the_same_name_must_be_the_same(
    axes_set: Path, imagenet: Options, tmp_path: Path
) -> None:
    shutil.copytree(axes_set, tmp_path / "set")
    (tmp_path / "grid.yaml").write_text(AXES.replace("size: 80", "size: 81"), "utf-8")
    options = {**imagenet, "grid": tmp_path / "grid.yaml", "output": tmp_path / "set"}
    refused = generate("imagenet", options, "--add-variants")
    assert refused.code == 1
    assert "it has another geometry larger" in refused.error


WRONG = {BASELINE: {0}, DEPLOYED: {1, 2, 3}, DEVICE: {1, 2, 3, 4, 5}, ALIKE: {0}}
LABELS = [number % 10 for number in range(20)]


@pytest.fixture(scope="module")
def classified(
    tmp_path_factory: pytest.TempPathFactory, imagenet: Options, shared: SharedFolders
) -> Path:
    """Twenty made-up images on the stacks, and which of them a model gets wrong."""
    folder = tmp_path_factory.mktemp("classified")
    one = {**imagenet, "limit": "1", "samples-per-shard": "1", "format": "none"}
    source = made("imagenet", one, STACKS, folder)
    made_up_set(source, folder / "made-up", LABELS, {ALIKE: BASELINE})
    rows = [row for setting, images in WRONG.items() for row in class_rows(setting, LABELS, images)]
    write_lines(folder / "net.jsonl", rows)
    return folder


def table(folder: Path, *options: str) -> dict[str, Any]:
    arguments = (f"--predictions={folder / 'net.jsonl'}", "--format=json")
    done = command("score", str(folder / "made-up"), *arguments, *options)
    assert done.code == 0, done.error
    return dict(json.loads(done.out))


def test_stacks_are_rows_of_the_table(classified: Path) -> None:
    found = table(classified)
    assert found["stacks"] == [
        {"name": "training", "setting": BASELINE, "same_as": None},
        {"name": "deployed", "setting": DEPLOYED, "same_as": None},
        {"name": "device", "setting": DEVICE, "same_as": None},
        {"name": "alike", "setting": ALIKE, "same_as": "training"},
    ]
    others = {each["setting"]: each["delta"] for each in found["models"][0]["others"]}
    assert others == {DEPLOYED: pytest.approx(10), DEVICE: pytest.approx(20)}
    predictions = f"--predictions={classified / 'net.jsonl'}"
    text = command("score", str(classified / "made-up"), predictions).out
    assert "Loss by stack" in text
    assert "Loss by noise" not in text
    assert re.search(r"net\s+training\s+95.00\s+trained", text)
    assert re.search(r"net\s+deployed\s+85.00\s+10.00", text)
    assert "pixels of training" in text
    assert "net: the largest loss is 20.00 points, with device; its interval covers zero" in text
    chart = in_terminal(100, "score", str(classified / "made-up"), predictions).lines
    start = chart.index("Loss by stack, the largest first")
    assert [line.split()[0] for line in chart[start + 1 : start + 3]] == ["device", "deployed"]
    assert chart[start + 3] == "and 1 more that lose nothing"


def test_every_stack_has_a_row_of_its_own_in_csv(classified: Path, tmp_path: Path) -> None:
    wrong = WRONG | {DEVICE: set(range(1, 13))}
    lines = [
        row for setting, images in wrong.items() for row in class_rows(setting, LABELS, images)
    ]
    predictions = write_lines(tmp_path / "net.jsonl", lines)
    done = command(
        "score", str(classified / "made-up"), f"--predictions={predictions}", "--format=csv"
    )
    rows = [row for row in csv.DictReader(io.StringIO(done.out)) if row["row"] == "stack"]
    names = ("method", "setting", "same_as", "top-1", "covers_zero")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("training", BASELINE, "", "95.0", ""),
        ("deployed", DEPLOYED, "", "85.0", "true"),
        ("device", DEVICE, "", "40.0", "false"),
        ("alike", ALIKE, "training", "95.0", "true"),
    ]
    for row in rows[1:]:
        covers = float(row["low"]) <= 0 <= float(row["high"])
        assert row["covers_zero"] == str(covers).lower()


@pytest.mark.parametrize("name", ["deployed", DEPLOYED, DEPLOYED.replace("/", "__")])
def test_another_stack_may_be_the_trained_one(name: str, classified: Path) -> None:
    found = table(classified, f"--trained={name}")
    assert found["baseline"] == DEPLOYED
    (model,) = found["models"]
    assert model["trained"]["top-1"] == 85.0
    deltas = {each["setting"]: each["delta"] for each in model["others"]}
    assert deltas == {
        BASELINE: pytest.approx(-10),
        DEVICE: pytest.approx(10),
        ALIKE: pytest.approx(-10),
    }
    flips = {each["setting"]: each["flip_rate"] for each in model["others"]}
    assert flips == {
        BASELINE: pytest.approx(20),
        DEVICE: pytest.approx(10),
        ALIKE: pytest.approx(20),
    }
    names = [(each["name"], each["same_as"]) for each in found["stacks"]]
    assert names == [
        ("deployed", None),
        ("training", None),
        ("device", None),
        ("alike", "training"),
    ]


def test_models_by_stacks_are_a_matrix(classified: Path, tmp_path: Path) -> None:
    rows = [row for setting in WRONG for row in class_rows(setting, LABELS, {7})]
    other = write_lines(tmp_path / "other.jsonl", rows)
    (matrix,) = table(classified, f"--predictions={other}")["matrices"]
    assert (matrix["noise"], matrix["methods"]) == ("stack", ["training", "deployed", "device"])
    assert matrix["rows"][0]["metrics"] == [95.0, 85.0, 75.0]
    assert matrix["rows"][0]["mean"] == pytest.approx(85)
    assert matrix["rows"][0]["std"] == pytest.approx(10)
    assert matrix["rows"][1]["metrics"] == [95.0] * 3


def test_an_unknown_stack_is_refused_with_those_that_there_are(classified: Path) -> None:
    arguments = (f"--predictions={classified / 'net.jsonl'}", "--trained=trainin")
    done = command("score", str(classified / "made-up"), *arguments)
    assert done.code == 2
    assert "unknown stack or variant 'trainin' (did you mean 'training'?)" in done.error


def test_perfect_boxes_are_perfect_in_every_geometry(stacks_set: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "perfect"
    predictions.mkdir()
    for variant, name in (
        (BASELINE, ""),
        (ALIKE, ""),
        (DEPLOYED, "-at-rounded-up"),
        (DEVICE, "-at-squashed"),
    ):
        (path,) = (stacks_set / "annotations").glob(f"*.rescaled{name}.json")
        truth = json.loads(path.read_text("utf-8"))
        results = [
            {name: each[name] for name in ("image_id", "category_id", "bbox")} | {"score": 0.9}
            for each in truth["annotations"]
        ]
        slug = variant.replace("/", "__")
        (predictions / f"{slug}.json").write_text(json.dumps(results), "utf-8")
    done = command("score", str(stacks_set), f"--predictions={predictions}", "--format=json")
    assert done.code == 0, done.error
    (model,) = json.loads(done.out)["models"]
    assert model["trained"]["mAP"] == pytest.approx(100)
    assert [each["delta"] for each in model["others"]] == [pytest.approx(0)] * 2


def test_models_run_on_stacks_online(imagenet: Options, tmp_path: Path) -> None:
    write_models(tmp_path)
    square = "rule: squash, size: 224, crop: 224"
    ratio = "rule: keep-ratio, shorter: 100, longer: 160"
    central = "rule: central-square, size: 224"
    grid = STACKS.replace(f"{ratio}, long_side: ceil", central).replace(ratio, square)
    (tmp_path / "grid.yaml").write_text(
        grid.replace("size: 90, crop: 90", "size: 224, crop: 224"), "utf-8"
    )
    sources = {name: each for name, each in imagenet.items() if name != "format"}
    options = [f"--{name}={value}" for name, value in sources.items()]
    done = command(
        "evaluate",
        str(tmp_path / "set"),
        f"--model={tmp_path / 'classifier.onnx'}",
        f"--config={tmp_path / 'classifier.yaml'}",
        f"--predictions={tmp_path / 'predictions'}",
        "--online",
        *options,
        f"--grid={tmp_path / 'grid.yaml'}",
        "--trained=deployed",
    )
    assert done.code == 0, done.error
    assert "Loss by stack" in done.out
    rows = [line.split()[1] for line in done.out.splitlines() if line.startswith("classifier ")]
    assert rows == ["deployed", "training", "device", "alike"]
    page = command(
        "report",
        str(tmp_path / "set"),
        f"--predictions={tmp_path / 'predictions'}",
        f"--output={tmp_path / 'report.html'}",
    )
    assert page.code == 0, page.error
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "By stack" in html
    assert "Loss by stack" in html
    assert "the &lt;training&gt; system" in html


def test_the_card_names_stacks_and_exports_have_their_own_boxes(
    stacks_set: Path, tmp_path: Path
) -> None:
    card = (stacks_set / "README.md").read_text("utf-8")
    assert "| training | `pillow/pillow-bilinear/rgb` | the \\<training\\> system |" in card
    assert "`rounded-up`: `keep-ratio` (shorter 100, longer 160, long_side ceil)" in card
    done = command(
        "export",
        str(stacks_set),
        "--layout=coco",
        f"--variant={DEVICE}",
        f"--to={tmp_path / 'coco'}",
    )
    assert done.code == 0, done.error
    (path,) = (tmp_path / "coco").rglob("instances_*.json")
    truth = json.loads(path.read_text("utf-8"))
    assert {(each["width"], each["height"]) for each in truth["images"]} == {(90, 90)}


def test_pixels_are_compared_in_the_geometry_of_the_variant(stacks_set: Path) -> None:
    rows = samples_table(stacks_set)
    for variant, name in ((DEPLOYED, "rounded-up"), (DEVICE, "squashed")):
        sizes = [row["geometries"][name] for row in rows]
        pixels = sum(size["output_width"] * size["output_height"] for size in sizes)
        found = compare(str(stacks_set), str(stacks_set)).differences[variant]
        assert (found.images, found.pixels) == (len(rows), pixels)


def test_sets_with_another_geometry_of_the_same_name_are_not_compared(
    axes_set: Path, imagenet: Options, tmp_path: Path
) -> None:
    shorter = re.sub("resizes:.*|sources:.*|  - {name: center.*", "", AXES)
    grid = f"resizes: [pillow-bilinear]\n{shorter}".replace(
        "size: 80, crop: 64", "size: 70, crop: 60"
    )
    other = made("imagenet", imagenet, grid, tmp_path)
    done = command("compare", str(axes_set), str(other))
    assert done.code == 1
    assert "geometry larger: {" in done.error


def test_a_model_of_one_size_refuses_images_of_another_geometry(
    imagenet: Options, tmp_path: Path
) -> None:
    write_models(tmp_path)
    grid = """
decoders: [pillow]
resizes: [pillow-bilinear]
colors: [rgb]
geometries: [squash224, {name: larger, rule: squash, size: 256, crop: 256}]
"""
    output = made("imagenet", {**imagenet, "format": "webdataset"}, grid, tmp_path)
    arguments = (
        *("evaluate", str(output), f"--model={tmp_path / 'classifier.onnx'}"),
        f"--config={tmp_path / 'classifier.yaml'}",
    )
    refused = command(*arguments, f"--predictions={tmp_path / 'all'}")
    assert refused.code == 2
    assert f"images of 256 x 256 in '{BASELINE}--at-larger'" in refused.error
    one, both = (f"--predictions={tmp_path / name}" for name in ("one", "both"))
    done = command(*arguments, one, f"--variant={BASELINE}")
    assert done.code == 0, done.error
    assert "resized a second time" not in done.out + done.error
    config = tmp_path / "classifier.yaml"
    config.write_text(
        config.read_text("utf-8").replace("input:", "input:\n  fit: stretch"), "utf-8"
    )
    done = command(*arguments, both)
    assert done.code == 0, done.error
    assert "5 of 5 images are resized a second time, in the geometries larger, to" in done.out


def test_a_set_whose_samples_lack_a_geometry_is_not_finished(
    stacks_set: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(stacks_set, tmp_path / "set")
    (path,) = output.glob("samples/*.parquet")
    edit_parquet(path, lambda rows: [{**row, "geometries": None} for row in rows])
    reseal(output)
    (output / "manifest.json").unlink()
    done = command("finish", str(output))
    assert done.code == 1
    assert f"{path.name}: has other rejects than its receipt, or lacks a value" in done.error


def test_geometries_that_crop_do_not_go_with_boxes(coco: Options, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(STACKS.replace("size: 90, crop: 90", "size: 90, crop: 80"))
    refused = generate("coco", {**coco, "grid": tmp_path / "grid.yaml", "output": tmp_path / "set"})
    assert refused.code == 1
    assert "its geometry 'squashed' crops" in refused.error


def set_baseline(document: dict[str, Any]) -> None:
    document["grid"]["baseline"] = "a/b/c--x"


def drop_name(document: dict[str, Any]) -> None:
    del document["grid"]["geometries"][1]["name"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_baseline, "its baseline 'a/b/c--x' is not the id of a variant"),
        (drop_name, "has a geometry without a name: {"),
    ],
    ids=["baseline", "geometry"],
)
def test_plans_without_ids_are_refused(
    edit: Callable[[dict[str, Any]], None], message: str, axes_set: Path, tmp_path: Path
) -> None:
    shutil.copytree(axes_set, tmp_path / "set")
    edit_json(tmp_path / "set" / "plan.json", edit)
    fit_fingerprint(tmp_path / "set", "plan.json")
    for name in ("verify", "status"):
        done = command(name, str(tmp_path / "set"))
        assert done.code == 1
        assert message in done.out + done.error


def test_a_manifest_without_ids_is_refused(axes_set: Path, tmp_path: Path) -> None:
    shutil.copytree(axes_set, tmp_path / "set")
    edit_json(tmp_path / "set" / "manifest.json", set_baseline)
    edit_json(tmp_path / "set" / "manifest.json", sign)
    for name, *others in (["verify"], ["report", f"--output={tmp_path / 'page.html'}"]):
        done = command(name, str(tmp_path / "set"), *others)
        assert done.code == 1
        assert "$.grid.baseline: 'a/b/c--x' does not match" in done.out + done.error
