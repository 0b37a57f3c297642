"""Models that never end, and those that would take all memory or time to load."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from sysnoise.pipelines.errors import RESUME_EVALUATING
from sysnoise.pipelines.evaluation.trial import tried
from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.disturbed import Started, wait_for
from tests.models import CLASSES, CLASSIFIER_CONFIG, SIDE, write_classifier

ENDLESS = 2**62


def write(path: Path, nodes: Sequence[NodeProto], **constants: Any) -> Path:
    """Write a classifier of these nodes, from ``image`` to ``logits``, with its config beside."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    path.with_suffix(".yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    return path


def endless(path: Path) -> Path:
    """Write a model that multiplies an image's mean 2^62 times."""
    flag = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_after"]),
            helper.make_node("Mul", ["x", "one"], ["x_after"]),
        ],
        "body",
        [
            flag("trip", TensorProto.INT64, []),
            flag("more", TensorProto.BOOL, []),
            flag("x", TensorProto.FLOAT, None),
        ],
        [flag("more_after", TensorProto.BOOL, []), flag("x_after", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "matrix"], ["start"]),
        helper.make_node("Loop", ["trips", "true", "start"], ["logits"], body=body),
    ]
    return write(
        path,
        nodes,
        matrix=np.ones((3, CLASSES), np.float32),
        one=np.float32(1),
        trips=np.int64(ENDLESS),
        true=True,
    )


def options(found: Path, model: Path, out: Path) -> tuple[str, ...]:
    config = f"--config={model.with_suffix('.yaml')}"
    return ("evaluate", str(found), f"--model={model}", config, f"--predictions={out}")


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_a_model_that_does_not(
    number: signal.Signals, one_image_set: Path, tmp_path: Path
) -> None:
    model, out = endless(tmp_path / "model.onnx"), tmp_path / "out"
    started = Started(*options(one_image_set, model, out))
    wait_for((out / "models" / "model.onnx").exists, seconds=120)
    time.sleep(2)  # Whether or not it has begun to run the model, it must end.
    started.kill(number)
    ended = started.end(seconds=60)
    assert ended.code == 1
    assert ended.error.splitlines()[-1] == f"sysnoise: interrupted; {RESUME_EVALUATING}"
    assert "Traceback" not in ended.error
    write_classifier(tmp_path / "good.onnx")
    (tmp_path / "good.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    again = command(*options(one_image_set, tmp_path / "good.onnx", out))
    assert again.code == 0, again.error  # Nothing holds the folder, in which nothing was predicted.
    assert not (out / "_temporary").exists()


def refused(one_image_set: Path, model: Path) -> Outcome:
    done = command(*options(one_image_set, model, model.parent / "out"))
    assert done.code == 1
    assert "Traceback" not in done.error
    assert not (model.parent / "out").exists()
    return done


def test_shapes_that_double_are_not_followed_without_bound(
    one_image_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 nodes say a shape of 2^42 numbers, which both libraries would write out."""
    monkeypatch.setattr("sysnoise.pipelines.evaluation.trial.TRIAL_BYTES", 2**28)
    nodes = [helper.make_node("Shape", ["image"], ["s0"])]
    for index in range(40):
        twice = [f"s{index}", f"s{index}"]
        nodes.append(helper.make_node("Concat", twice, [f"s{index + 1}"], axis=0))
    nodes.append(helper.make_node("Reshape", ["image", "s40"], ["logits"]))
    done = refused(one_image_set, write(tmp_path / "m.onnx", nodes))
    ends = ("takes more memory", "bad_alloc", "it ended the process that tried it")
    assert any(each in done.error for each in ends), done.error


def external(path: Path, places: Sequence[dict[str, str]]) -> Path:
    """Write a model whose tensors lie in ``weights.bin``, 1,000 bytes, at these places."""
    write_classifier(path)
    path.with_suffix(".yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    model = onnx.load(str(path))
    for index, place in enumerate(places):
        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type = f"weights{index}", TensorProto.UINT8
        tensor.dims.append(1000)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "weights.bin", **place}.items():
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    (path.parent / "weights.bin").write_bytes(bytes(1000))
    return path


@pytest.mark.parametrize(
    "place",
    [
        {"length": str(2**62)},
        {"offset": str(2**62)},
        {"offset": str(2**62), "length": str(2**62)},
        {"offset": "-1", "length": "1"},
        {"length": "-1"},
        {"offset": "500", "length": "501"},
        {"offset": "9" * 5000},
        {"length": "many"},
    ],
)
def test_weights_that_are_not_there_are_refused(
    place: dict[str, str], one_image_set: Path, tmp_path: Path
) -> None:
    done = refused(one_image_set, external(tmp_path / "m.onnx", [place]))
    assert "reading the model" in done.error


def test_tensors_that_share_a_file_count_each(
    one_image_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysnoise.pipelines.evaluation.model_reader.LIMIT", 59_000)
    done = refused(one_image_set, external(tmp_path / "m.onnx", [{}] * 60))
    assert "more bytes than the limit" in done.error


@pytest.mark.parametrize("data", [b"", b"\x0a" * 1000, b"\x3a\xff\xff\xff\xff\x0f", b"[" * 9999])
def test_bytes_that_are_no_model_are_refused(
    data: bytes, one_image_set: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    (tmp_path / "m.onnx").write_bytes(data)
    assert "no ONNX model" in refused(one_image_set, tmp_path / "m.onnx").error


def test_a_trial_returns_what_its_work_does() -> None:
    assert tried("working", 0, lambda: b"done") == b"done"
