"""Predictors of the user's own, and models that stand for a noise, through the command."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import yaml
from numpy.typing import NDArray
from onnx import numpy_helper
from pycocotools import mask as coco_mask

from sysnoise.manifests.reading import open_set
from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.reading import tree
from tests.models import CLASSIFIER_CONFIG, write_classifier, write_models

PILLOW = "pillow/pillow-bilinear/rgb"
OPENCV = "opencv/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
VARIANTS = (PILLOW, OPENCV, NEAREST)
GRID = """
decoders: [pillow, opencv]
resizes: [pillow-bilinear, pillow-nearest]
colors: [rgb]
geometry: shorter256-crop224
combine: one-factor
"""
PREDICTOR = '''
import os
from pathlib import Path

import numpy as np


class Means:
    """Gives the classes whose numbers are nearest to the mean of the image, times four."""

    identity = {"weights": "none"}

    def __init__(self, device):
        assert device == "cpu"

    def __call__(self, images, keys):
        with open(os.environ["SEEN"], "a") as seen:
            seen.writelines(f"{key}\\n" for key in keys)
        if os.environ.get("FAILS_ON") in keys:
            raise RuntimeError("the device is gone")
        return np.stack([-abs(np.arange(1000) - 4 * image.mean()) for image in images])


class Classes(Means):
    """Gives the five best classes themselves."""

    def __call__(self, images, keys):
        return [np.argsort(-each, kind="stable")[:5] for each in super().__call__(images, keys)]


class Wrong(Means):
    """Gives what the test says."""

    def __call__(self, images, keys):
        return eval(os.environ["GIVES"])


class Unmakable(Means):
    def __init__(self, device):
        raise OSError(f"there is no {device}")


class Unwritable(Means):
    identity = {"weights": np.zeros(3)}


class Masks:
    """Gives one box over all of the image, with a mask of its left half; torchvision's shape."""

    def __init__(self, device):
        pass

    def __call__(self, images, keys):
        found = []
        for image in images:
            height, width = image.shape[:2]
            masks = np.zeros((1, 1, height, width))
            masks[..., : width // 2] = 0.75
            boxes = [[0, 0, width, height]]
            found.append({"boxes": boxes, "scores": [0.5], "labels": [1], "masks": masks})
        return found


class Nothing:
    """Finds no box in any image, and says so by lists."""

    def __init__(self, device):
        pass

    def __call__(self, images, keys):
        return [{"boxes": [], "scores": [], "labels": []} for _ in images]


class Boxes:
    """Gives two boxes that depend on the image: its upper left quarter, and its middle row."""

    def __init__(self, device):
        pass

    def __call__(self, images, keys):
        found = []
        for image in images:
            height, width = image.shape[:2]
            boxes = [[0, 0, width / 2, height / 2], [0, height / 2, width, height / 2 + 1]]
            scores = [image.mean() / 512, image.mean() / 256]
            found.append({"boxes": boxes, "scores": scores, "labels": [1, 3]})
        return found
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a predictor, and models with their configs."""
    folder = tmp_path_factory.mktemp("predictor")
    (folder / "own.py").write_text(PREDICTOR, "utf-8")
    write_models(folder)
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, imagenet_source: Path) -> Path:
    """Three variants, two of them equal, of six photographs in three shards."""
    folder = tmp_path_factory.mktemp("set")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    done = command(
        "generate",
        "imagenet",
        f"--images={imagenet_source / 'images'}",
        f"--label-file={imagenet_source / 'val.txt'}",
        f"--grid={folder / 'grid.yaml'}",
        f"--output={folder / 'set'}",
        *("--limit=6", "--samples-per-shard=2"),
    )
    assert done.code == 0, done.error
    return folder / "set"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the predictor writes the keys that it was called with."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    return tmp_path / "seen"


def evaluate(found: Path, predictor: str, predictions: Path, *others: str) -> Outcome:
    arguments = (f"--predictor={predictor}", f"--predictions={predictions}", *others)
    return command("evaluate", str(found), *arguments)


def images(found: Path, variant: str) -> dict[str, NDArray[np.uint8]]:
    return {pair.key: pair.images[variant] for pair in open_set(str(found)).paired([variant])}


def top5(predictions: Path, setting: str) -> dict[str, list[int]]:
    table = pq.read_table(predictions / f"{setting.replace('/', '__')}.parquet")
    return {row["key"]: row["top5"] for row in table.to_pylist()}


def nearest_classes(image: NDArray[np.uint8]) -> list[int]:
    distances = np.abs(np.arange(1000) - 4 * image.astype(np.float64).mean())
    return [int(each) for each in np.argsort(distances, kind="stable")[:5]]


@pytest.mark.parametrize("name", ["Means", "Classes"])
def test_predictions_are_those_of_the_class(
    name: str, found: Path, work: Path, tmp_path: Path, seen: Path
) -> None:
    done = evaluate(found, f"{work / 'own.py'}:{name}", tmp_path / "out", "--format=json")
    assert done.code == 0, done.error
    for variant in VARIANTS:
        expected = {key: nearest_classes(image) for key, image in images(found, variant).items()}
        assert top5(tmp_path / "out", variant) == expected
    keys = sorted(images(found, PILLOW))
    assert sorted(seen.read_text().split()) == sorted(keys * 2), "equal pixels are predicted once"
    scored = command("score", str(found), f"--predictions={tmp_path / 'out'}", "--format=json")
    told, again = (json.loads(text) for text in (done.out, scored.out))
    assert again == told
    assert [model["model"] for model in told["models"]] == [name]
    document = yaml.safe_load((tmp_path / "out" / "evaluation.yaml").read_text("utf-8"))
    stated = document["predictor"]
    assert stated["sha256"] == hashlib.sha256(PREDICTOR.encode()).hexdigest()
    assert (stated["name"], stated["device"]) == (name, "cpu")
    assert stated["identity"] == {"weights": "none"}
    assert stated["runtime"]["numpy"] == np.__version__


def test_boxes_are_those_of_the_class(coco_set: Path, work: Path, tmp_path: Path) -> None:
    done = evaluate(coco_set, f"{work / 'own.py'}:Boxes", tmp_path / "out")
    assert done.code == 0, done.error
    opened = open_set(str(coco_set))
    expected = []
    for sample in opened.paired([opened.baseline]):
        image = sample.images[opened.baseline]
        height, width = image.shape[:2]
        best = [0, height / 2, width, 1.0], 3, image.mean() / 256
        other = [0, 0, width / 2, height / 2], 1, image.mean() / 512
        for box, category, score in (best, other):
            row = {"image_id": sample.image_id, "category_id": category, "bbox": box}
            expected.append({**row, "score": round(float(score), 6)})
    file = tmp_path / "out" / f"{opened.baseline.replace('/', '__')}.json"
    assert json.loads(file.read_text("utf-8")) == expected


def test_images_without_boxes_are_predicted(coco_set: Path, work: Path, tmp_path: Path) -> None:
    done = evaluate(coco_set, f"{work / 'own.py'}:Nothing", tmp_path / "out", "--format=json")
    assert done.code == 0, done.error
    (model,) = json.loads(done.out)["models"]
    assert model["trained"]["mAP"] == 0
    slug = open_set(str(coco_set)).baseline.replace("/", "__")
    assert json.loads((tmp_path / "out" / f"{slug}.json").read_text("utf-8")) == []


def test_masks_are_those_of_the_class(coco_set: Path, work: Path, tmp_path: Path) -> None:
    done = evaluate(coco_set, f"{work / 'own.py'}:Masks", tmp_path / "out", "--format=json")
    assert done.code == 0, done.error
    opened = open_set(str(coco_set))
    file = tmp_path / "out" / f"{opened.baseline.replace('/', '__')}.json"
    rows = {row["image_id"]: row for row in json.loads(file.read_text("utf-8"))}
    for sample in opened.paired([opened.baseline]):
        height, width = sample.images[opened.baseline].shape[:2]
        decoded = coco_mask.decode(rows[sample.image_id]["segmentation"])
        assert decoded.shape == (height, width)
        assert decoded[:, : width // 2].all()
        assert not decoded[:, width // 2 :].any()
    (model,) = json.loads(done.out)["models"]
    assert "mask mAP" in model["trained"]


def test_a_failed_run_goes_on(
    found: Path, work: Path, tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = list(images(found, PILLOW))
    monkeypatch.setenv("FAILS_ON", keys[-1])
    arguments = (found, f"{work / 'own.py'}:Means", tmp_path / "out", "--workers=1")
    failed = evaluate(*arguments)
    assert failed.code == 1
    wanted = ("RuntimeError: the device is gone", "own.py", "__call__", keys[-2])
    assert failed.lacks(*wanted) == []
    monkeypatch.delenv("FAILS_ON")
    seen.unlink()
    done = evaluate(*arguments)
    assert done.code == 0, done.error
    assert {*seen.read_text().split()} == {*keys[-2:]}, "finished shards are not run again"
    assert top5(tmp_path / "out", NEAREST).keys() == {*keys}


@pytest.mark.slow
def test_workers_and_engines_change_nothing(
    found: Path, work: Path, tmp_path: Path, seen: Path
) -> None:
    reference = f"{work / 'own.py'}:Means"
    assert evaluate(found, reference, tmp_path / "one", "--workers=1").code == 0
    runner = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    modes = (runner, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    done = evaluate(found, reference, tmp_path / "two", *modes)
    assert done.code == 0, done.error
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_images_that_are_made_are_predicted_alike(
    found: Path, work: Path, tmp_path: Path, imagenet_source: Path, seen: Path
) -> None:
    reference = f"{work / 'own.py'}:Means"
    online = ("--online", f"--images={imagenet_source / 'images'}")
    grid = (f"--grid={found.parent / 'grid.yaml'}", f"--label-file={imagenet_source / 'val.txt'}")
    limits = ("--limit=6", "--samples-per-shard=2")
    done = evaluate(tmp_path / "bare", reference, tmp_path / "made", *online, *grid, *limits)
    assert done.code == 0, done.error
    assert evaluate(found, reference, tmp_path / "stored").code == 0
    for variant in VARIANTS:
        assert top5(tmp_path / "made", variant) == top5(tmp_path / "stored", variant)


def test_an_instance_that_cannot_be_made_ends_the_run(
    found: Path, work: Path, tmp_path: Path
) -> None:
    reference = f"{work / 'own.py'}:Unmakable"
    done = evaluate(found, reference, tmp_path / "out", "--device=tpu", "--workers=1")
    assert done.code == 1
    wanted = ("making the predictor", "'tpu'", "OSError: there is no tpu", "__init__")
    assert done.lacks(*wanted) == []


@pytest.mark.parametrize(
    ("gives", "expected"),
    [
        ("[1]", "1 predictions for 2 images"),
        ("None", "found NoneType"),
        ("[[0.5] * 3] * 2", "3 scores"),
        ("[[1, 2, 3]] * 2", "found the shape (3,)"),
        ("[[0.5, float('nan')] * 500] * 2", "not finite"),
        ("[[1, 1, 2, 3, 4]] * 2", "expected 5 different classes"),
        ("[['a', 'b', 'c', 'd', 'e']] * 2", "expected scores or classes"),
        ("[{'boxes': []}] * 2", "found the shape ()"),
        ("{'boxes': []}", "expected one prediction per image, found dict"),
        ("np.zeros((2, 6))", "6 scores, but the set has labels up to"),
        ("np.zeros((2, 1001))", "leave that of the background out"),
    ],
    ids=[
        *("count", "nothing", "few", "three", "nan", "repeated", "texts", "boxes", "mapping"),
        *("lacking", "background"),
    ],
)
def test_what_is_no_prediction_is_refused(
    gives: str,
    expected: str,
    found: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIVES", gives)
    done = evaluate(found, f"{work / 'own.py'}:Wrong", tmp_path / "out", "--workers=1")
    assert done.code == 1
    assert done.lacks(expected, "own.py:Wrong", PILLOW) == []


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("own.py:Meens", "did you mean 'Means'?"),
        ("absent.py:Means", "No such file"),
        ("own.py", "expected FILE.py:NAME"),
        ("no.such.module:Means", "No module named 'no'"),
        ("broken.py:Means", "ZeroDivisionError"),
        ("own.py:Unwritable", "its identity cannot be written as JSON"),
    ],
)
def test_what_is_no_predictor_is_refused(
    reference: str,
    expected: str,
    found: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(work)
    Path("broken.py").write_text("1 / 0\n", "utf-8")
    done = evaluate(found, reference, tmp_path / "out")
    assert done.code == 2
    assert done.lacks(expected, reference) == []
    assert not (tmp_path / "out").exists()


def test_an_installed_module_predicts(
    found: Path, work: Path, tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed" / "my_models").mkdir(parents=True)
    (tmp_path / "installed" / "my_models" / "means.py").write_text(PREDICTOR, "utf-8")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    done = evaluate(found, "my_models.means:Means", tmp_path / "out", f"--variant={NEAREST}")
    assert done.code == 0, done.error
    expected = {key: nearest_classes(image) for key, image in images(found, NEAREST).items()}
    assert top5(tmp_path / "out", NEAREST) == expected


def test_another_predictor_needs_another_folder(
    found: Path, work: Path, tmp_path: Path, seen: Path
) -> None:
    variant = f"--variant={PILLOW}"
    assert evaluate(found, f"{work / 'own.py'}:Means", tmp_path / "out", variant).code == 0
    (tmp_path / "own.py").write_text(PREDICTOR + "\n# Changed.\n", "utf-8")
    for other in (f"{tmp_path / 'own.py'}:Means", f"{work / 'own.py'}:Classes"):
        done = evaluate(found, other, tmp_path / "out", variant)
        assert done.code == 1
        assert done.lacks("the predictions of another evaluation", "predictor") == []


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (("--model-noise=fp16",), "--setting NAME=FILE.py:NAME"),
        (("--config=classifier.yaml",), "leave it out"),
        (("--provider=cpu",), "--provider runs an ONNX model, and there is none"),
        (("--model=classifier.onnx",), "not allowed with argument"),
        (("--setting=int8-mine=classifier.onnx",), "--config is needed"),
        (("--setting=int8-mine",), "expected NAME=MODEL"),
        (("--setting=int9=own.py:Means",), "unknown noise 'int9'"),
        (("--setting=int8+fp16=own.py:Means",), "one noise"),
        (("--setting=fp16=own.py:Means", "--setting=fp16=own.py:Classes"), "for one name"),
    ],
)
def test_what_does_not_go_together_is_refused(
    others: tuple[str, ...],
    expected: str,
    found: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(work)
    done = evaluate(found, "own.py:Means", tmp_path / "out", *others)
    assert done.code == 2
    assert done.lacks(expected) == []
    assert not (tmp_path / "out").exists()


def test_a_noise_that_is_made_here_takes_no_model(found: Path, work: Path, tmp_path: Path) -> None:
    setting = f"--setting=fp16={work / 'classifier.onnx'}"
    done = run_settings(found, work, tmp_path / "out", setting)
    assert done.code == 2
    assert done.lacks("give a name of your own, such as fp16-mine") == []


def test_a_device_of_predictors_is_none_of_onnx_models(
    found: Path, work: Path, tmp_path: Path
) -> None:
    done = run_settings(found, work, tmp_path / "out", "--device=cuda:0")
    assert done.code == 2
    assert done.lacks("--device cuda:0: ONNX models take auto, cpu, cuda") == []


def write_negated(path: Path) -> None:
    """Write the classifier with its matrix negated, so that other classes are the best."""
    write_classifier(path)
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        if tensor.name == "matrix":
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), "matrix"))
    onnx.save(model, str(path))


def run_settings(found: Path, work: Path, predictions: Path, *others: str) -> Outcome:
    return command(
        "evaluate",
        str(found),
        f"--model={work / 'classifier.onnx'}",
        f"--config={work / 'classifier.yaml'}",
        f"--predictions={predictions}",
        *others,
    )


def test_another_model_stands_for_a_noise(
    found: Path, work: Path, tmp_path: Path, seen: Path
) -> None:
    write_negated(tmp_path / "negated.onnx")
    settings = (
        f"--setting=int8-converted={tmp_path / 'negated.onnx'}",
        f"--setting=fp16-own={work / 'own.py'}:Means",
    )
    done = run_settings(found, work, tmp_path / "out", *settings, "--format=json")
    assert done.code == 0, done.error
    (row,) = json.loads(done.out)["models"]
    cells = {cell["noise"]: [each["method"] for each in cell["methods"]] for cell in row["noises"]}
    assert cells["int8"] == ["int8-converted"]
    assert cells["fp16"] == ["fp16-own"]
    alone = command(
        "evaluate",
        str(found),
        f"--model={tmp_path / 'negated.onnx'}",
        f"--config={work / 'classifier.yaml'}",
        *(f"--predictions={tmp_path / 'alone'}", f"--variant={PILLOW}"),
    )
    assert alone.code == 0, alone.error
    assert top5(tmp_path / "out", f"{PILLOW}+int8-converted") == top5(tmp_path / "alone", PILLOW)
    expected = {key: nearest_classes(image) for key, image in images(found, PILLOW).items()}
    assert top5(tmp_path / "out", f"{PILLOW}+fp16-own") == expected
    again = run_settings(
        found, work, tmp_path / "out", f"--setting=int8-converted={work / 'classifier.onnx'}"
    )
    assert again.code == 1
    assert again.lacks("predictions of another model for int8-converted") == []


def test_a_model_of_its_own_takes_no_other_noise(found: Path, work: Path, tmp_path: Path) -> None:
    """The stack of the worst noises would need both in one model."""
    write_negated(tmp_path / "negated.onnx")
    setting = f"--setting=int8-converted={tmp_path / 'negated.onnx'}"
    done = run_settings(found, work, tmp_path / "out", setting, "--model-noise=ceil-mode")
    assert done.code == 0, done.error
    made = {path.name for path in (tmp_path / "out" / "models").iterdir()}
    assert made == {"model.onnx", "int8-converted.onnx", "ceil-mode.onnx"}
    assert done.lacks("int8-converted is a model of its own") == []


def test_the_config_of_a_setting_is_checked(found: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(CLASSIFIER_CONFIG.replace("logits", "scores"), "utf-8")
    done = command(
        "evaluate",
        str(found),
        f"--predictor={work / 'own.py'}:Means",
        f"--setting=int8-converted={work / 'classifier.onnx'}",
        f"--config={tmp_path / 'other.yaml'}",
        f"--predictions={tmp_path / 'out'}",
    )
    assert done.code == 2
    assert done.lacks("unknown output 'scores'") == []
