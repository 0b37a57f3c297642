"""Models over sets, through the command: predictions, noises, resume, online and refusals."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper
from PIL import Image

from sysnoise.manifests.manifest import Manifest, read_manifest
from sysnoise.manifests.reading import FinishedSet
from sysnoise.transforms.codecs.decoders import DECODERS
from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.damage import flip_bit
from tests.end_to_end.disturbed import Started, wait_for
from tests.end_to_end.reading import tree
from tests.models import CLASSIFIER_CONFIG, DETECTOR_CONFIG, weights, write_models
from tests.shared import SharedFolders

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
INT8 = "int8-symmetric-per-channel"
MEAN, SCALE = (103.5, 116.25, 123.75), (57.5, 57.25, 58.25)
"""Those of the classifier's config."""
ELSEWHERE: dict[str, Any] = {"save_as_external_data": True, "size_threshold": 0}
"""How :func:`onnx.save` puts weights into a file of their own, as PyTorch's exporter does."""
GRID = """
decoders: [pillow, opencv, ffmpeg]
resizes: [pillow-bilinear, pillow-nearest]
colors: [rgb]
geometry: shorter256-crop224
"""


@pytest.fixture(scope="module")
def work(shared: SharedFolders) -> Path:
    """A folder with two models and their configs."""
    return shared("models", write_models)


@pytest.fixture(scope="module")
def product_set(shared: SharedFolders, imagenet_source: Path) -> Path:
    """Three decoders x two resizes over ten photographs in five shards."""

    def build(folder: Path) -> None:
        (folder / "grid.yaml").write_text(GRID, "utf-8")
        done = command(
            "generate",
            "imagenet",
            f"--images={imagenet_source / 'images'}",
            f"--label-file={imagenet_source / 'val.txt'}",
            f"--grid={folder / 'grid.yaml'}",
            f"--output={folder / 'set'}",
            *("--limit=10", "--samples-per-shard=2"),
        )
        assert done.code == 0, done.error

    return shared("product", build) / "set"


@pytest.fixture(scope="module")
def all_noises(shared: SharedFolders, product_set: Path, work: Path) -> Path:
    """Predictions of the classifier with all model noises; ``said.txt`` beside has the table."""

    def build(folder: Path) -> None:
        out = folder / "classifier"
        done = evaluate(product_set, work, "classifier", out, "--model-noise=all")
        assert done.code == 0, done.error
        (folder / "said.txt").write_text(done.out, "utf-8")

    return shared("all-noises", build) / "classifier"


def said(predictions: Path) -> str:
    return (predictions.parent / "said.txt").read_text("utf-8")


def evaluate(found: Path, work: Path, model: str, predictions: Path, *others: str) -> Outcome:
    """Run ``sysnoise evaluate`` with one of the models."""
    return command(
        "evaluate",
        str(found),
        f"--model={work / model}.onnx",
        f"--config={work / model}.yaml",
        f"--predictions={predictions}",
        *others,
    )


def stored_crops(found: Path, variant: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Read keys and images from the tars of a variant."""
    for path in sorted((found / "variants" / variant).glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith((".png", ".webp")):
                    opened = tar.extractfile(member)
                    assert opened is not None
                    yield (
                        member.name.rpartition(".")[0],
                        np.asarray(Image.open(io.BytesIO(opened.read()))),
                    )


def expected_top5(image: NDArray[np.uint8]) -> list[int]:
    """The classifier in float64: pool, mean, matrix."""
    scaled = (image[..., ::-1].astype(np.float64) - MEAN) / SCALE
    windows = np.lib.stride_tricks.sliding_window_view(scaled, (3, 3), axis=(0, 1))[::2, ::2]
    matrix, bias = weights()
    logits = windows.max(axis=(3, 4)).mean(axis=(0, 1)) @ matrix.astype(np.float64) + bias
    return [int(each) for each in np.argsort(-logits)[:5]]


def rows_of(predictions: Path, slug: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(predictions / f"{slug}.parquet").to_pylist()
    return rows


BOXES = ((8, 8, 16, 16), (20, 24, 30, 20), (2, 30, 40, 12))
"""Those of the detector: x, y, width and height in its input."""


def slug(setting: str) -> str:
    return setting.replace("/", "__")


def test_predictions_are_those_of_the_formula(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    done = evaluate(product_set, work, "classifier", tmp_path / "out", "--batch-size=3")
    assert done.code == 0, done.error
    for variant in (BASELINE, NEAREST, FFMPEG, "ffmpeg/pillow-nearest/rgb"):
        expected = [
            {"setting": variant, "key": key, "top5": expected_top5(image)}
            for key, image in stored_crops(product_set, variant)
        ]
        assert len(expected) == 10
        assert rows_of(tmp_path / "out", slug(variant)) == expected
    opencv, pillow = (
        rows_of(tmp_path / "out", slug(each)) for each in ("opencv/pillow-bilinear/rgb", BASELINE)
    )
    assert [row["top5"] for row in opencv] == [row["top5"] for row in pillow]
    assert not (tmp_path / "out" / "parts").exists()


def test_the_table_is_that_of_score(
    product_set: Path, work: Path, all_noises: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(all_noises, tmp_path / "classifier")
    done = evaluate(product_set, work, "classifier", out, "--model-noise=all", "--format=json")
    assert done.code == 0, done.error
    scored = command("score", str(product_set), f"--predictions={out}", "--format=json")
    assert scored.out == done.out
    model = json.loads(done.out)["models"][0]
    noises = [noise["noise"] for noise in model["noises"]]
    assert noises == ["decode", "resize", "fp16", "int8", "ceil mode"]
    assert list((out / "models").glob("*whole-graph*")) == []
    assert model["combined"]["missing"] == []
    last = model["combined"]["steps"][-1]["setting"].split("+")
    assert last[0].startswith("ffmpeg/pillow-nearest")
    assert [name.partition("-")[0] for name in last[1:]] == ["int8", "ceil"]


def test_tables_name_the_model_and_its_config(
    product_set: Path, all_noises: Path, tmp_path: Path
) -> None:
    folders = [shutil.copytree(all_noises, tmp_path / name) for name in ("first", "second")]

    def scored(*options: str) -> Outcome:
        done = command("score", str(product_set), *options)
        assert done.code == 0, done.error
        return done

    def names(*options: str) -> list[str]:
        return [row["model"] for row in json.loads(scored(*options, "--format=json").out)["models"]]

    one, other = (f"--predictions={folder}" for folder in folders)
    assert names(one) == ["classifier"]
    assert names(one, "--model=mine") == ["mine"]
    assert names(one, other) == ["first", "second"]
    for style in ("terminal", "markdown", "latex", "json", "csv"):
        done = scored(one, f"--format={style}")
        said = done.error if style == "csv" else done.out
        assert "run with the config 'classifier.yaml'" in said, style
    document = yaml.safe_load((folders[0] / "evaluation.yaml").read_text("utf-8"))
    for spoilt in ({"model": "a\nb", "config": "c"}, {"model": 1}):
        text = yaml.safe_dump({**document, "names": spoilt})
        (folders[0] / "evaluation.yaml").write_text(text, "utf-8")
        assert names(one) == ["first"]


def test_another_name_of_the_same_model_goes_on(
    product_set: Path, work: Path, all_noises: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(all_noises, tmp_path / "out")
    before = tree(out)
    shutil.copy(work / "classifier.onnx", tmp_path / "renamed.onnx")
    shutil.copy(work / "classifier.yaml", tmp_path / "renamed.yaml")
    done = evaluate(product_set, tmp_path, "renamed", out)
    assert done.code == 0, done.error
    assert tree(out) == before


def test_each_table_of_samples_is_read_once(
    product_set: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning, calibration, two models and the scores together; and the set is opened once."""
    tables, manifests = [], []
    samples_table = FinishedSet.samples_table

    def counted_table(self: FinishedSet, shard: int, columns: Sequence[str]) -> pa.Table:
        tables.append(shard)
        return samples_table(self, shard, columns)

    def counted_manifest(data: bytes) -> Manifest:
        manifests.append(data)
        return read_manifest(data)

    monkeypatch.setattr(FinishedSet, "samples_table", counted_table)
    monkeypatch.setattr("sysnoise.manifests.reading.read_manifest", counted_manifest)
    noise = f"--model-noise={INT8}"
    done = evaluate(product_set, work, "classifier", tmp_path / "out", noise)
    assert done.code == 0, done.error
    assert sorted(tables) == [0, 1, 2, 3, 4]
    assert len(manifests) == 1


def test_a_noisy_model_is_what_predicts(product_set: Path, work: Path, tmp_path: Path) -> None:
    noises = (INT8, f"{INT8}-whole-graph", "ceil-mode")
    arguments = (*(f"--model-noise={noise}" for noise in noises), f"--variant={NEAREST}")
    done = evaluate(product_set, work, "classifier", tmp_path / "out", *arguments)
    assert done.code == 0, done.error
    for noise in noises:
        options = onnxruntime.SessionOptions()
        # As the evaluation has it: CPUs without VNNI saturate sums of int8 otherwise.
        options.add_session_config_entry("session.x64quantprecision", "1")
        file = tmp_path / "out" / "models" / f"{noise}.onnx"
        session = onnxruntime.InferenceSession(file, options)
        for row, (key, image) in zip(
            rows_of(tmp_path / "out", slug(f"{BASELINE}+{noise}")),
            stored_crops(product_set, BASELINE),
            strict=True,
        ):
            mean, scale = np.array(MEAN, np.float32), np.array(SCALE, np.float32)
            scaled = (image[..., ::-1].astype(np.float32) - mean) / scale
            (logits,) = session.run(None, {"image": scaled.transpose(2, 0, 1)[None]})
            assert row["key"] == key
            assert row["top5"] == np.argsort(-logits[0], kind="stable")[:5].tolist()


def test_boxes_are_those_of_the_formula(coco_set: Path, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = evaluate(coco_set, work, "detector", out, "--model-noise=all")
    assert done.code == 0, done.error
    null = "null: upsample-bilinear-half_pixel, upsample-bilinear-align_corners, "
    assert done.lacks(null, "no feature map is enlarged") == []
    rows = json.loads((out / f"{slug(BASELINE)}.json").read_text("utf-8"))
    table = pq.read_table(sorted((coco_set / "samples").glob("*.parquet")))
    stored = table.select(["image_id", "geometry"]).to_pylist()
    by_image: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_image.setdefault(row["image_id"], []).append(row)
    assert set(by_image) == {each["image_id"] for each in stored}
    for each in stored:
        height, width = each["geometry"]["output_height"], each["geometry"]["output_width"]
        ratio = min(64 / width, 64 / height)
        for row in by_image[each["image_id"]]:
            x, y, w, h = _clipped(
                [[8, 8, 16, 16], [20, 24, 30, 20], [2, 30, 40, 12]][row["category_id"] - 1],
                width,
                height,
            )
            assert row["bbox"] == pytest.approx([x, y, w, h], abs=0.51 / ratio)
    shifted = json.loads((out / f"{slug(BASELINE)}+box-offset-1-decode.json").read_text("utf-8"))
    assert len(shifted) == len(rows)
    assert all(
        after["bbox"][2] <= before["bbox"][2] for before, after in zip(rows, shifted, strict=True)
    )
    assert shifted != rows


def _clipped(box: Sequence[int], width: int, height: int) -> list[float]:
    """Map a box of the letterboxed input back, and clip it to the image."""
    ratio = min(64 / width, 64 / height)
    left, top = (64 - round(width * ratio)) // 2, (64 - round(height * ratio)) // 2
    x1, x2 = (min(max((edge - left) / ratio, 0), width) for edge in (box[0], box[0] + box[2]))
    y1, y2 = (min(max((edge - top) / ratio, 0), height) for edge in (box[1], box[1] + box[3]))
    return [x1, y1, x2 - x1, y2 - y1]


@pytest.mark.parametrize("kind", ["imagenet", pytest.param("coco", marks=pytest.mark.slow)])
def test_online_predictions_are_the_stored_ones(
    kind: str,
    all_noises: Path,
    product_set: Path,
    coco_set: Path,
    imagenet_source: Path,
    coco_source: Path,
    work: Path,
    tmp_path: Path,
) -> None:
    found, source, model = {
        "imagenet": (product_set, imagenet_source, "classifier"),
        "coco": (coco_set, coco_source, "detector"),
    }[kind]
    stored, wanted = all_noises, said(all_noises)
    if kind == "coco":
        stored = tmp_path / "stored" / model
        done = evaluate(found, work, model, stored, "--model-noise=all")
        assert done.code == 0, done.error
        wanted = done.out
    recipe = tmp_path / "recipe"
    assert command("publish", str(found), str(recipe), "--recipe-only").code == 0
    online = ("--online", f"--images={source / 'images'}", "--model-noise=all")
    made = evaluate(recipe, work, model, tmp_path / "online" / model, *online)
    assert made.code == 0, made.error
    assert made.out == wanted
    assert tree(tmp_path / "online" / model) == tree(stored)


def test_the_provider_of_the_cpu_is_what_runs_models_anyway(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    only = f"--variant={BASELINE}"
    plain = evaluate(product_set, work, "classifier", tmp_path / "plain", only)
    assert plain.code == 0, plain.error
    named = ("--provider=CPUExecutionProvider", "--model-noise=provider-cpu")
    for name, others in (("named", named), ("found", ("--device=auto",))):
        done = evaluate(product_set, work, "classifier", tmp_path / name, only, *others)
        assert done.code == 0, done.error
        noted = "null: provider-cpu: the model is run by this provider already" in done.error
        assert noted == (name == "named")
        assert tree(tmp_path / name) == tree(tmp_path / "plain")


def test_workers_and_engines_change_nothing(product_set: Path, work: Path, tmp_path: Path) -> None:
    assert evaluate(product_set, work, "classifier", tmp_path / "one", "--workers=1").code == 0
    runner = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    modes = (runner, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    done = evaluate(product_set, work, "classifier", tmp_path / "two", *modes)
    assert done.code == 0, done.error
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_killed_run_goes_on(
    number: signal.Signals, product_set: Path, work: Path, all_noises: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed" / "classifier"
    arguments = (
        "evaluate",
        str(product_set),
        f"--model={work / 'classifier.onnx'}",
        f"--config={work / 'classifier.yaml'}",
        f"--predictions={out}",
        "--model-noise=all",
        "--workers=1",
    )
    started = Started(*arguments)
    wait_for(lambda: len(list(out.glob("parts/*/*.arrow"))) > 3)
    started.kill_all(number)
    ended = started.end()
    assert ended.code != 0
    kept = {path: path.stat().st_mtime_ns for path in out.glob("parts/*/*.arrow")}
    assert kept
    if number is signal.SIGINT:
        assert "run the same command again" in ended.error
    again = command(*arguments)
    assert again.code == 0, again.error
    assert again.out == said(all_noises)
    assert tree(out) == tree(all_noises)


def test_parts_that_are_there_are_not_made_again(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    """Predictions of a part that was changed stay as they are: nobody looks at its images again."""
    out = tmp_path / "out"
    assert evaluate(product_set, work, "classifier", out).code == 0
    path = out / f"{slug(NEAREST)}.parquet"
    data = path.read_bytes()
    shutil.copytree(product_set, tmp_path / "set")
    for shard in (tmp_path / "set" / "variants" / NEAREST).glob("*.tar"):
        shard.unlink()
    assert evaluate(tmp_path / "set", work, "classifier", out).code == 0
    path.unlink()
    failed = evaluate(tmp_path / "set", work, "classifier", out)
    assert failed.code == 1
    assert not failed.lacks(
        "5 of 5 plain model: parts failed", "lacks 'variants/pillow/pillow-nearest/rgb/val-"
    )
    for shard in (product_set / "variants" / NEAREST).glob("*.tar"):
        shutil.copy(shard, tmp_path / "set" / "variants" / NEAREST)
    assert evaluate(tmp_path / "set", work, "classifier", out).code == 0
    assert path.read_bytes() == data


def test_parts_of_a_stack_outlast_a_failure(product_set: Path, work: Path, tmp_path: Path) -> None:
    """All that comes before the stack is done already, and has no parts any more."""
    out = tmp_path / "out"
    noise = f"--model-noise={INT8}"
    assert evaluate(product_set, work, "classifier", out, noise).code == 0
    before = tree(out)
    (stack,) = out.glob(f"*nearest__rgb+{INT8}.parquet")
    stack.unlink()
    variant = stack.name.partition("+")[0].replace("__", "/")
    shutil.copytree(product_set, tmp_path / "set")
    last = sorted((tmp_path / "set" / "variants" / variant).glob("*.tar"))[-1]
    last.unlink()
    kept = []
    for _ in range(2):
        failed = evaluate(tmp_path / "set", work, "classifier", out, noise)
        assert not failed.lacks(f" {INT8}: parts failed", last.name)
        kept.append({path: path.stat().st_mtime_ns for path in out.glob("parts/*/*")})
    assert len(kept[0]) == 4
    assert kept[0] == kept[1]
    assert evaluate(product_set, work, "classifier", out, noise).code == 0
    assert tree(out) == before


def test_parts_of_joined_settings_alone_are_removed(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    """A run can be killed after it joined the parts of the stack, which the next does not need."""
    out = tmp_path / "out"
    only = (f"--variant={NEAREST}", f"--model-noise={INT8}")
    assert evaluate(product_set, work, "classifier", out, *only).code == 0
    before = tree(out)
    stack = f"{slug(NEAREST)}+{INT8}"
    assert (out / f"{stack}.parquet").exists()
    for name in (stack, slug(FFMPEG)):
        (out / "parts" / name).mkdir(parents=True)
        (out / "parts" / name / "00000-of-00005.arrow").write_bytes(b"left")
    assert evaluate(product_set, work, "classifier", out, *only).code == 0
    assert [path.name for path in (out / "parts").iterdir()] == [slug(FFMPEG)]
    shutil.rmtree(out / "parts")
    assert tree(out) == before


def test_damaged_images_are_not_predicted(product_set: Path, work: Path, tmp_path: Path) -> None:
    shutil.copytree(product_set, tmp_path / "set")
    shards = sorted((tmp_path / "set" / "variants" / NEAREST).glob("*.tar"))
    others = sorted((tmp_path / "set" / "variants" / FFMPEG).glob("*.tar"))
    shutil.copy(others[1], shards[1])
    failed = evaluate(tmp_path / "set", work, "classifier", tmp_path / "out")
    assert failed.code == 1
    assert not failed.lacks(  # Of OpenCV's variant, too, which has the same pixels.
        "sysnoise: 2 of 30 plain model: parts failed:",
        "has other pixels in 'pillow/pillow-nearest/rgb'",
        "sysnoise verify",
    )
    assert not (tmp_path / "out" / f"{slug(NEAREST)}.parquet").exists()


def test_a_copy_of_some_variants_needs_no_others(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    """OpenCV decodes to Pillow's pixels, and the copy holds those of OpenCV."""
    variant = "opencv/pillow-nearest/rgb"
    copy = tmp_path / "copy"
    chosen = (f"--variant={BASELINE}", f"--variant={variant}")
    assert command("fetch", str(product_set), str(copy), *chosen).code == 0
    done = evaluate(copy, work, "classifier", tmp_path / "out")
    assert done.code == 0, done.error
    assert rows_of(tmp_path / "out", slug(variant)) == [
        {"setting": variant, "key": key, "top5": expected_top5(image)}
        for key, image in stored_crops(product_set, variant)
    ]


def test_predictions_of_another_evaluation_are_refused(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert evaluate(product_set, work, "classifier", out).code == 0
    before = tree(out)
    failed = evaluate(product_set, work, "classifier", out, "--batch-size=5")
    assert failed.code == 1
    assert not failed.lacks("holds the predictions of another evaluation", "batch_size: 4 -> 5")
    shutil.copytree(out, tmp_path / "older")
    document = yaml.safe_load((out / "evaluation.yaml").read_text("utf-8"))
    older = yaml.safe_dump({**document, "version": 0})
    (tmp_path / "older" / "evaluation.yaml").write_text(older, "utf-8")
    failed = evaluate(product_set, work, "classifier", tmp_path / "older")
    assert failed.code == 1
    assert not failed.lacks("holds the predictions of another evaluation", "version: 0 -> 1")
    (tmp_path / "foreign").mkdir()
    thesis = tmp_path / "foreign" / "chapter.0123456789abcdef0123456789abcdef.tmp"
    thesis.write_text("mine", "utf-8")
    failed = evaluate(product_set, work, "classifier", tmp_path / "foreign")
    assert failed.code == 1
    assert not failed.lacks("is not empty", thesis.name)
    assert thesis.exists()
    assert tree(out) == before


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--variant=pillow/pillow-box/rgb"], ["unknown variant 'pillow/pillow-box/rgb'"]),
        (
            ["--model-noise=int4"],
            ["unknown model noise 'int4' (did you mean 'int8", INT8, " more; "],
        ),
        (["--model-noise=box-offset-1-all"], ["'box-offset-1-all' is for detectors"]),
        (["--online"], ["--online and --images go together"]),
        (["--images=x"], ["--online and --images go together"]),
        (["--direct_num_worker=3"], ["unknown argument '--direct_num_worker"]),
        (["--provider=tpu"], ["unknown provider 'tpu'"]),
        (["--provider=cpu", "--device=cpu"], ["leave out --device"]),
        (["--device=cuda"], ["has no CUDAExecutionProvider", "[evaluate-gpu]'"]),
        (
            ["--provider=TensorrtExecutionProvider"],
            ["has no TensorrtExecutionProvider", "[evaluate-gpu]'"],
        ),
        (
            ["--model-noise=provider-openvino"],
            ["has no OpenVINOExecutionProvider", "[evaluate-openvino]'"],
        ),
    ],
)
def test_what_there_is_not_is_refused(
    options: list[str], fragments: list[str], product_set: Path, work: Path, tmp_path: Path
) -> None:
    failed = evaluate(product_set, work, "classifier", tmp_path / "out", *options)
    assert failed.code == 2
    assert not failed.lacks(*fragments)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def without_ffmpeg() -> Iterator[None]:
    """No decoder of that name; afterwards the registry is as before, its order included."""
    before = dict(DECODERS)
    del DECODERS["ffmpeg"]
    yield
    DECODERS.clear()
    DECODERS.update(before)


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_method_that_is_not_here_makes_no_images(
    product_set: Path, imagenet_source: Path, work: Path, tmp_path: Path
) -> None:
    online = ("--online", f"--images={imagenet_source / 'images'}")
    failed = evaluate(product_set, work, "classifier", tmp_path / "out", *online)
    assert failed.code == 1
    assert not failed.lacks("shard 0: ", "unknown decoder 'ffmpeg'")
    assert "Traceback" not in failed.error


def test_predictions_do_not_go_into_the_set(product_set: Path, work: Path, tmp_path: Path) -> None:
    before = tree(product_set)
    failed = evaluate(product_set, work, "classifier", product_set / "predictions")
    assert failed.code == 2
    assert not failed.lacks("lies in the set", "give a place outside of it")
    assert tree(product_set) == before


def test_images_of_another_size_are_refused_before_the_run(
    coco_set: Path, work: Path, tmp_path: Path
) -> None:
    config = DETECTOR_CONFIG.replace("  fit: letterbox\n", "")
    (tmp_path / "exact.yaml").write_text(config, "utf-8")
    arguments = (f"--model={work / 'detector.onnx'}", f"--config={tmp_path / 'exact.yaml'}")
    failed = command("evaluate", str(coco_set), *arguments, f"--predictions={tmp_path / 'out'}")
    assert failed.code == 2
    assert not failed.lacks("the model takes 64 x 64 pixels", "has images of", "'fit: letterbox'")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_predictions_is_begun_anew(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    shutil.copytree(product_set, tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / "variants")
    out = tmp_path / "out"
    noise = f"--model-noise={INT8}"
    assert evaluate(tmp_path / "set", work, "classifier", out, "--batch-size=5", noise).code == 1
    assert (out / "evaluation.yaml").exists()
    assert evaluate(product_set, work, "classifier", out).code == 0
    assert evaluate(product_set, work, "classifier", tmp_path / "fresh" / "out").code == 0
    assert tree(out) == tree(tmp_path / "fresh" / "out")


def test_a_baseline_that_tells_nothing_is_doubted(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    done = evaluate(product_set, work, "classifier", tmp_path / "out")
    trained = command(
        "score", str(product_set), f"--predictions={tmp_path / 'out'}", "--format=json"
    )
    assert json.loads(trained.out)["models"][0]["trained"]["top-1"] == 0
    assert not done.lacks("the baseline's top-1 is 0.00: do mean, scale, channels")


def test_other_sources_are_refused(
    product_set: Path, imagenet_source: Path, work: Path, tmp_path: Path
) -> None:
    shutil.copytree(imagenet_source, tmp_path / "source")
    changed = sorted((tmp_path / "source" / "images").iterdir())[0]
    flip_bit(changed)
    online = ("--online", f"--images={tmp_path / 'source' / 'images'}")
    failed = evaluate(product_set, work, "classifier", tmp_path / "out", *online)
    assert failed.code == 1
    assert not failed.lacks(changed.name, "has the sha256", "give the --images")


def test_a_detector_does_not_go_with_imagenet(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    failed = evaluate(product_set, work, "detector", tmp_path / "out")
    assert failed.code == 2
    assert not failed.lacks("the config's task is detection", "is a set of imagenet: give the")
    assert not failed.lacks("give the config of a classifier; 'sysnoise configs' lists")


def test_a_model_that_does_not_exist_is_said_not_to(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    failed = command(
        "evaluate", str(product_set), f"--model={tmp_path / 'no.onnx'}", "--config=timm"
    )
    assert failed.code == 1
    assert failed.error == f"sysnoise: the model '{tmp_path / 'no.onnx'}' does not exist\n"


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "weights gone", "weights cut"])
def test_what_is_no_whole_model_is_refused(
    damage: str, product_set: Path, work: Path, tmp_path: Path
) -> None:
    data = (work / "classifier.onnx").read_bytes()
    path = tmp_path / "classifier.onnx"
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2]}.get(damage, b"no model"))
    told = "it is no ONNX model"
    if damage.startswith("weights"):
        onnx.save(onnx.load(work / "classifier.onnx"), path, location="weights", **ELSEWHERE)
        weights = tmp_path / "weights"
        told = f"'{weights}'"
        weights.write_bytes(weights.read_bytes()[:-1])
        if damage == "weights gone":
            weights.unlink()
    (tmp_path / "classifier.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    failed = evaluate(product_set, tmp_path, "classifier", tmp_path / "out")
    assert failed.code == 1
    assert not failed.lacks(f"reading the model '{path}'", told)
    assert not (tmp_path / "out").exists()


def test_weights_that_lie_in_another_file_belong_to_the_model(
    product_set: Path, work: Path, all_noises: Path, tmp_path: Path
) -> None:
    path = tmp_path / "classifier.onnx"
    onnx.save(onnx.load(work / "classifier.onnx"), path, location="weights", **ELSEWHERE)
    (tmp_path / "classifier.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    out = tmp_path / "out" / "classifier"
    done = evaluate(product_set, tmp_path, "classifier", out, "--model-noise=all")
    assert done.code == 0, done.error
    assert done.out == said(all_noises)
    assert tree(out) == tree(all_noises)


def test_weights_outside_of_the_folder_are_refused(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "classifier.onnx"
    onnx.save(onnx.load(work / "classifier.onnx"), path, location="weights", **ELSEWHERE)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../weights"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "inner" / "weights").rename(tmp_path / "weights")
    (tmp_path / "inner" / "classifier.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    failed = evaluate(product_set, tmp_path / "inner", "classifier", tmp_path / "out")
    assert failed.code == 1
    assert not failed.lacks("it names weights outside of its folder: '../weights'")


def test_the_document_tells_what_made_the_predictions(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = evaluate(product_set, work, "classifier", out, f"--model-noise={INT8}")
    assert done.code == 0, done.error
    document = yaml.safe_load((out / "evaluation.yaml").read_text("utf-8"))
    manifest = json.loads((product_set / "manifest.json").read_text("utf-8"))
    assert document["set"] == manifest["checksum"]
    assert document["runtime"]["onnxruntime"] == onnxruntime.__version__
    sums = subprocess.run(
        ["sha256sum", *(f"models/{name}.onnx" for name in document["models"])],
        cwd=out,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert [line.split()[0] for line in sums] == [
        each["sha256"] for each in document["models"].values()
    ]
    assert document["models"][INT8]["noises"][0]["name"] == INT8


def changed_classifier(
    work: Path, path: Path, nodes: Sequence[NodeProto], **constants: Any
) -> Path:
    """Write the classifier with nodes between its result, ``plain``, and its output."""
    model = onnx.load(work / "classifier.onnx")
    model.graph.node[-1].output[0] = "plain"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in constants.items()
    )
    onnx.save(model, path)
    return path


def evaluate_changed(model: Path, found: Path, work: Path, *others: str) -> Outcome:
    """Evaluate a changed classifier beside its file."""
    shutil.copy(work / "classifier.yaml", model.with_suffix(".yaml"))
    return evaluate(found, model.parent, model.stem, model.parent / "out", *others)


def test_a_model_that_does_not_load_is_refused_before_the_run(
    product_set: Path, work: Path, tmp_path: Path
) -> None:
    model = changed_classifier(
        *(work, tmp_path / "unknown.onnx"),
        [helper.make_node("Unheard", ["plain"], ["logits"], domain="of")],
    )
    failed = evaluate_changed(model, product_set, work, "--model-noise=all")
    assert failed.code == 1
    assert failed.error.startswith(f"sysnoise: loading '{model}': ")
    assert "Unheard" in failed.error
    assert list((tmp_path / "out").glob("*")) == []


FAILING = {
    "of fewer images": (
        [helper.make_node("ReduceMean", ["plain"], ["logits"], axes=[0], keepdims=1)],
        ["output 'logits' has the shape (1, 1000) for a batch of 2 images", "--batch-size 1"],
    ),
    "not a number": (
        [helper.make_node("Mul", ["plain", "nan"], ["logits"])],
        ["on sample 'astronaut_00001' of ", "output 'logits' has numbers that are not finite"],
    ),
    "that fails": (
        [helper.make_node("Reshape", ["plain", "sizes"], ["logits"])],
        ["on 'pillow/pillow-bilinear/rgb': ", "Reshape"],
    ),
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_model_that_does_not_give_what_it_says_stops_the_run(
    kind: str, product_set: Path, work: Path, tmp_path: Path
) -> None:
    nodes, fragments = FAILING[kind]
    model = tmp_path / "failing.onnx"
    changed_classifier(
        *(work, model, nodes), nan=np.float32(np.nan), sizes=np.array([3, 7], np.int64)
    )
    failed = evaluate_changed(model, product_set, work, f"--variant={NEAREST}", "--workers=1")
    assert failed.code == 1
    assert not failed.lacks("shard 0: running 'models/model.onnx' ", *fragments)
    assert "shard 1: " not in failed.error
    assert "Traceback" not in failed.error
