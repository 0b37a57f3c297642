"""The classes of docs/predictors.md predict what straight-line calls of the frameworks predict.

``make test-frameworks`` runs these in an environment with the frameworks.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.end_to_end.reading import read_tars
from tests.models import write_classifier
from tests.pages import blocks

PAGE = "docs/predictors.md"
FILES = {
    block.text.splitlines()[0].removeprefix("# "): block.text
    for block in blocks(PAGE)
    if block.language == "python"
}
PILLOW = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
VARIANTS = (PILLOW, NEAREST)
ONE_AT_A_TIME = (f"--variant={NEAREST}", "--batch-size=1")
"""So that the last bits are those of calls with one image."""

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's sets, and the files of the page beside them."""
    folder = tmp_path_factory.mktemp("frameworks")
    sysnoise(folder, "demo", "--output=demo")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    write_classifier(folder / "classifier.onnx")
    return folder


def sysnoise(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "sysnoise.pipelines.cli.main", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def evaluate(sets: Path, dataset: str, reference: str, *others: str) -> Path:
    """Evaluate a class over the baseline and some variants; return the folder of predictions."""
    name = reference.replace(":", "-")
    arguments = [f"demo/{dataset}", f"--predictor={reference}", f"--predictions={name}"]
    sysnoise(sets, "evaluate", *arguments, *others)
    return sets / name


def images(sets: Path, dataset: str, variant: str) -> dict[str, NDArray[np.uint8]]:
    """Read the images of a variant with Pillow."""
    members = read_tars(sets / "demo" / dataset, variant)
    return {
        key: np.array(Image.open(io.BytesIO(sample["png"])).convert("RGB"))
        for key, sample in members.items()
    }


def top5(predictions: Path, variant: str) -> dict[str, list[int]]:
    table = pq.read_table(predictions / f"{variant.replace('/', '__')}.parquet")
    return {row["key"]: row["top5"] for row in table.to_pylist()}


def best(scores: NDArray[np.floating[Any]]) -> list[int]:
    return [int(each) for each in np.argsort(-scores, kind="stable")[:5]]


def test_resnet_of_torchvision(sets: Path) -> None:
    import torch
    import torchvision
    from torchvision.transforms import functional

    found = evaluate(sets, "imagenet", "torch_resnet.py:ResNet18", *ONE_AT_A_TIME)
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    for variant in VARIANTS:
        predicted = top5(found, variant)
        for key, image in images(sets, "imagenet", variant).items():
            tensor = functional.normalize(
                functional.to_tensor(image), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            )
            with torch.inference_mode():
                scores = model(tensor[None])[0].numpy()
            assert predicted[key] == best(scores)


def test_faster_rcnn_of_torchvision(sets: Path) -> None:
    import torch
    from torchvision.models import detection
    from torchvision.transforms import functional

    found = evaluate(
        sets, "coco", "torch_fasterrcnn.py:FasterRCNN", f"--variant={PILLOW}", "--batch-size=1"
    )
    torch.manual_seed(0)
    model = detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=800, max_size=1333
    ).eval()
    rows = json.loads((found / f"{PILLOW.replace('/', '__')}.json").read_text("utf-8"))
    ids = image_ids(sets)
    for key, image in images(sets, "coco", PILLOW).items():
        assert max(image.shape) == 1333 or min(image.shape[:2]) == 800
        with torch.inference_mode():
            (output,) = model([functional.to_tensor(image)])
        own = [row for row in rows if row["image_id"] == ids[key]]
        assert [row["category_id"] for row in own] == output["labels"].tolist()
        boxes = output["boxes"].double().numpy()
        boxes[:, 2:] -= boxes[:, :2]
        assert [row["bbox"] for row in own] == pytest.approx(boxes, abs=1e-3)
        scores = output["scores"].tolist()
        assert [row["score"] for row in own] == pytest.approx(scores, abs=1e-6)
    assert rows


def image_ids(sets: Path) -> dict[str, int]:
    table = pq.read_table(sorted((sets / "demo" / "coco" / "samples").glob("*.parquet")))
    return {row["key"]: row["image_id"] for row in table.to_pylist()}


def test_openvino(sets: Path) -> None:
    import openvino

    found = evaluate(sets, "imagenet", "openvino_classifier.py:Classifier", *ONE_AT_A_TIME)
    core = openvino.Core()
    model = core.compile_model(core.read_model(sets / "classifier.onnx"), "CPU")
    mean = np.array([123.675, 116.28, 103.53], np.float32)
    scale = np.array([58.395, 57.12, 57.375], np.float32)
    for variant in VARIANTS:
        predicted = top5(found, variant)
        for key, image in images(sets, "imagenet", variant).items():
            scaled = ((image.astype(np.float32) - mean) / scale).transpose(2, 0, 1)
            (scores,) = model([scaled[None]])[model.output(0)]
            assert predicted[key] == best(scores)


def test_keras(sets: Path) -> None:
    import keras

    found = evaluate(sets, "imagenet", "keras_mobilenet.py:MobileNetV2", *ONE_AT_A_TIME)
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None)
    for variant in VARIANTS:
        predicted = top5(found, variant)
        for key, image in images(sets, "imagenet", variant).items():
            batch = keras.applications.mobilenet_v2.preprocess_input(image[None].astype(np.float32))
            assert predicted[key] == best(model(batch, training=False).numpy()[0])


def test_litert(sets: Path) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNetV2(weights=None, alpha=0.35)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (sets / "classifier.tflite").write_bytes(converter.convert())
    found = evaluate(sets, "imagenet", "litert_classifier.py:Classifier", *ONE_AT_A_TIME)
    interpreter = tf.lite.Interpreter(str(sets / "classifier.tflite"))
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner()
    (name,) = run.get_input_details()
    for variant in VARIANTS:
        predicted = top5(found, variant)
        for key, image in images(sets, "imagenet", variant).items():
            batch = image[None].astype(np.float32) / 127.5 - 1
            (scores,) = next(iter(run(**{name: batch}).values()))
            assert predicted[key] == best(scores)


def test_every_class_of_the_page_is_run() -> None:
    tested = Path(__file__).read_text("utf-8")
    assert len(FILES) == 5
    assert [name for name in FILES if f'"{name}:' not in tested] == []
