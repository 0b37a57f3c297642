"""Models over datasets of which there is no set yet: it is made first, without images."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.disturbed import Started, receipts, wait_for
from tests.end_to_end.reading import tree
from tests.models import CLASSIFIER_CONFIG, write_models

MODELS = {"imagenet": "classifier", "coco": "detector"}
GRID = """
decoders: [pillow, opencv, ffmpeg]
resizes: [pillow-bilinear, pillow-nearest]
colors: [rgb]
geometry: {}
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models, their configs and a grid for each."""
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    (folder / "imagenet-grid.yaml").write_text(GRID.format("shorter256-crop224"), "utf-8")
    (folder / "coco-grid.yaml").write_text(
        GRID.format("{rule: keep-ratio, shorter: 200, longer: 333}"), "utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def datasets(imagenet_source: Path, coco_source: Path, work: Path) -> dict[str, Options]:
    """What both commands are told of the images."""
    return {
        "imagenet": {
            "images": imagenet_source / "images",
            "label-file": imagenet_source / "val.txt",
            "grid": work / "imagenet-grid.yaml",
            "limit": "10",
            "samples-per-shard": "4",
        },
        "coco": {
            "images": coco_source / "images",
            "annotations": coco_source / "instances_demo.json",
            "grid": work / "coco-grid.yaml",
            "limit": "8",
            "samples-per-shard": "3",
        },
    }


def arguments(kind: str, found: Path, work: Path, predictions: Path, *others: str) -> list[str]:
    """The arguments of ``sysnoise evaluate`` with one of the models."""
    model = work / MODELS[kind]
    named = (f"--model={model}.onnx", f"--config={model}.yaml", f"--predictions={predictions}")
    return ["evaluate", str(found), *named, *others]


def online(options: Options) -> list[str]:
    return ["--online", *(f"--{name}={value}" for name, value in options.items())]


def document(predictions: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((predictions / "evaluation.yaml").read_text("utf-8"))
    return found


@pytest.mark.parametrize("kind", ["imagenet", pytest.param("coco", marks=pytest.mark.slow)])
def test_predictions_are_those_of_a_set_with_shards(
    kind: str, datasets: dict[str, Options], work: Path, tmp_path: Path
) -> None:
    options = datasets[kind]
    for shards in ("webdataset", "none"):
        done = generate(kind, {**options, "output": tmp_path / shards, "format": shards})
        assert done.code == 0, done.error
    stored, made = tmp_path / "stored" / "model", tmp_path / "made" / "model"
    # Of the noises, only int8 looks at images of its own: test_evaluate.py has all of them.
    noises = ("--model-noise=fp16", "--model-noise=int8-symmetric-per-channel")
    first = command(*arguments(kind, tmp_path / "webdataset", work, stored, *noises))
    assert first.code == 0, first.error
    again = command(*arguments(kind, tmp_path / "set", work, made, *noises, *online(options)))
    assert again.code == 0, again.error
    assert again.out == first.out
    found, wanted = tree(made), tree(stored)
    assert found.pop("evaluation.yaml") != wanted.pop("evaluation.yaml")
    assert found == wanted
    assert len(wanted) > 6
    assert {**document(made), "set": document(stored)["set"]} == document(stored)
    assert tree(tmp_path / "set") == tree(tmp_path / "none")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["set", "predictions"])
def test_a_killed_run_goes_on(
    moment: str, datasets: dict[str, Options], work: Path, tmp_path: Path
) -> None:
    options = online({**datasets["imagenet"], "samples-per-shard": "1"})
    whole = arguments("imagenet", tmp_path / "set", work, tmp_path / "whole" / "x")
    done = command(*whole, *options)
    assert done.code == 0, done.error
    output, out = tmp_path / "killed-set", tmp_path / "killed" / "x"
    killed = arguments("imagenet", output, work, out, "--workers=1", *options)
    started = Started(*killed)
    wait_for(
        lambda: receipts(output) if moment == "set" else list(out.glob("parts/*/*.arrow")),
    )
    started.kill_all(signal.SIGKILL)
    started.end()
    assert (output / "manifest.json").exists() == (moment == "predictions")
    assert not list(out.glob("*.parquet"))
    again = command(*killed)
    assert again.code == 0, again.error
    assert again.out == done.out
    assert tree(output) == tree(tmp_path / "set")
    assert tree(out) == tree(tmp_path / "whole" / "x")


def assert_refused(told: str, *words: str) -> None:
    failed = command(*words)
    assert (failed.code, failed.lacks(told)) == (2, [])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--grid=imagenet-full",), "--grid goes with --online --images"),
        (("--online", "--images=x", "--limit=3"), "--limit goes with --grid"),
        (("--split=val",), "--split goes with --grid"),
        (("--samples-per-shard=4",), "--samples-per-shard goes with --grid"),
        (
            ("--online", "--images=x", "--grid=y", "--annotations=z", "--classes=c"),
            "--annotations is for COCO; --label-file and --classes are for ImageNet",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: tuple[str, ...], told: str, work: Path, tmp_path: Path
) -> None:
    output = tmp_path / "set"
    assert_refused(told, *arguments("imagenet", output, work, tmp_path / "x", *options))
    assert list(tmp_path.iterdir()) == []


def test_a_set_with_images_is_evaluated_without_grid(
    datasets: dict[str, Options], work: Path, tmp_path: Path
) -> None:
    output = tmp_path / "set"
    done = generate("imagenet", {**datasets["imagenet"], "output": output})
    assert done.code == 0, done.error
    words = arguments("imagenet", output, work, tmp_path / "x")
    before = tree(tmp_path)
    words += online(datasets["imagenet"])
    assert_refused("is a finished set already: leave out --grid", *words)
    assert tree(tmp_path) == before


def test_another_set_is_not_touched(
    datasets: dict[str, Options], work: Path, tmp_path: Path
) -> None:
    options = datasets["imagenet"]
    words = arguments("imagenet", tmp_path / "set", work, tmp_path / "x", *online(options))
    assert command(*words).code == 0
    before = tree(tmp_path)
    failed = command(*words, "--limit=9")
    assert (failed.code, failed.lacks("holds a set of another plan", "1 image(s) gone")) == (1, [])
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("kind", "model", "told"),
    [
        ("imagenet", "imagenet", "the config does not fit the model"),
        ("coco", "imagenet", "the config's task is detection, but this is a set of imagenet"),
        ("imagenet", "coco", "the config's task is classification, but this is a set of coco"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_anything_is_made(
    kind: str, model: str, told: str, datasets: dict[str, Options], work: Path, tmp_path: Path
) -> None:
    options = datasets[model]
    words = arguments(kind, tmp_path / "set", work, tmp_path / "x", *online(options))
    if kind == model:
        config = tmp_path / "wrong.yaml"
        config.write_text(CLASSIFIER_CONFIG.replace("logits", "probabilities"), "utf-8")
        words.append(f"--config={config}")
    assert_refused(told, *words)
    assert not (tmp_path / "set").exists()
