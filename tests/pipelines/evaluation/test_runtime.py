"""Sessions of ONNX Runtime, and what runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.providers import CPU, CUDA, Device, Provider
from sysnoise.pipelines.evaluation.runtime import onnx_identity, open_session
from tests.models import CLASSES, SIDE, write_classifier

AZURE = Provider("azure", "AzureExecutionProvider", Device.CPU, "evaluate")
"""It is in ONNX Runtime's usual wheel, and runs only nodes that call Azure."""


@pytest.fixture
def model(tmp_path: Path) -> bytes:
    write_classifier(tmp_path / "model.onnx")
    return (tmp_path / "model.onnx").read_bytes()


def test_a_provider_that_runs_no_node_is_refused(model: bytes) -> None:
    assert AZURE.official in onnxruntime.get_available_providers()
    with pytest.raises(InputError, match="AzureExecutionProvider can run none of its nodes"):
        open_session(model, "the model", AZURE)


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_that_does_not_start_is_refused(model: bytes) -> None:
    expected = "could not start CUDAExecutionProvider, .* would use CPUExecutionProvider"
    with pytest.raises(InputError, match=expected):
        open_session(model, "the model", CUDA)


def test_the_cpu_runs_a_model(model: bytes) -> None:
    session = open_session(model, "the model", CPU)
    (logits,) = session.run(["logits"], {"image": np.zeros((2, 3, SIDE, SIDE), np.float32)})
    assert logits.shape == (2, CLASSES)


def test_the_identity_names_a_provider_that_is_not_the_cpus() -> None:
    plain = onnx_identity(CPU)
    assert list(plain) == ["numpy", "onnx", "onnxruntime", "pillow", "cpu"]
    provider = {"name": "cuda", "options": {"cudnn_conv_algo_search": "HEURISTIC"}}
    assert onnx_identity(CUDA) == {**plain, "provider": provider}
