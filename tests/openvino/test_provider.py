"""OpenVINO as ONNX Runtime's execution provider predicts what straight-line calls of it predict.

``make test-openvino`` runs these in an environment whose ONNX Runtime has the provider.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from tests.end_to_end.reading import read_tars
from tests.models import CLASSIFIER_CONFIG, write_classifier

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
MEAN = np.array([103.5, 116.25, 123.75], np.float32)
SCALE = np.array([57.5, 57.25, 58.25], np.float32)
"""Mean and scale are those of the classifier's config."""
NAMES = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
OPTIONS: list[dict[str, str]] = [{"device_type": "CPU"}, {}]

pytestmark = pytest.mark.openvino


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's sets, and a classifier beside them."""
    made = tmp_path_factory.mktemp("openvino")
    sysnoise(made, "demo", "--output=demo")
    write_classifier(made / "model.onnx")
    (made / "model.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    return made


def sysnoise(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysnoise.pipelines.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def evaluate(folder: Path, name: str, *others: str) -> subprocess.CompletedProcess[str]:
    arguments = ("--model=model.onnx", "--config=model.yaml", f"--variant={NEAREST}")
    return sysnoise(
        folder, "evaluate", "demo/imagenet", *arguments, f"--predictions={name}", *others
    )


def expected(folder: Path, variant: str) -> dict[str, list[int]]:
    """The five best classes of each image by OpenVINO, in batches of one."""
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=NAMES, provider_options=OPTIONS
    )
    assert session.get_providers() == NAMES
    found = {}
    for key, sample in read_tars(folder / "demo" / "imagenet", variant).items():
        pixels = np.asarray(Image.open(io.BytesIO(sample["png"])).convert("RGB"))
        tensor = (pixels[..., ::-1].astype(np.float32) - MEAN) / SCALE
        (logits,) = session.run(["logits"], {"image": tensor.transpose(2, 0, 1)[np.newaxis]})
        found[key] = np.argsort(-logits[0], kind="stable")[:5].tolist()
    return found


def top5(folder: Path, name: str, setting: str) -> dict[str, list[int]]:
    table = pq.read_table(folder / name / f"{setting.replace('/', '__')}.parquet")
    return {row["key"]: row["top5"] for row in table.to_pylist()}


def test_the_noise_is_the_model_as_openvino_runs_it(folder: Path) -> None:
    noise = "provider-openvino"
    done = evaluate(folder, "noise", f"--model-noise={noise}", "--batch-size=1", "--format=json")
    assert done.returncode == 0, done.stderr
    assert top5(folder, "noise", f"{BASELINE}+{noise}") == expected(folder, BASELINE)
    (row,) = json.loads(done.stdout)["models"]
    assert [each["noise"] for each in row["noises"]] == ["resize", "provider"]
    stated = document(folder, "noise")["models"]
    assert stated[noise]["sha256"] == stated["model"]["sha256"]
    assert stated[noise]["runtime"]["provider"]["name"] == "openvino"


def document(folder: Path, name: str) -> dict[str, Any]:
    text = (folder / name / "evaluation.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_a_whole_evaluation_runs_by_openvino_and_goes_on_with_no_other(folder: Path) -> None:
    provider = ("--provider=openvino", "--batch-size=1")
    done = evaluate(folder, "whole", *provider, "--model-noise=provider-openvino")
    assert done.returncode == 0, done.stderr
    assert "null: provider-openvino" in done.stderr
    for variant in (BASELINE, NEAREST):
        assert top5(folder, "whole", variant) == expected(folder, variant)
    runtime = document(folder, "whole")["runtime"]
    assert runtime["onnxruntime-openvino"] == onnxruntime.__version__
    assert runtime["provider"]["options"]["device_type"] == "CPU"
    again = evaluate(folder, "whole", "--batch-size=1")
    assert again.returncode == 1
    assert "the predictions of another evaluation" in again.stderr


def test_all_noises_leave_providers_out(folder: Path) -> None:
    done = evaluate(folder, "all", "--model-noise=all", "--calibration-images=4")
    assert done.returncode == 0, done.stderr
    names = document(folder, "all")["models"]
    assert "fp16" in names
    assert [name for name in names if name.startswith("provider")] == []
