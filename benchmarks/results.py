"""``make results``: real models on real photographs, written to ``docs/results.md``.

The folder of models holds ``results.yaml``, which names photographs and models; its form is that of
:class:`Spec`. Sets are made without images, and each model runs on the photographs themselves.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from sysnoise import Grid, load_grid

PAGE = Path(__file__).parent.parent / "docs" / "results.md"
GRIDS = Path(__file__).parent.parent / "manifests" / "grids"

INTRODUCTION = """\
# Results

Written by `make results` from real photographs and real models, which are not part of the project.

**These photographs are no validation set.** There are a few hundred, and the models may have been
trained on some of them. The metrics are not those of the models' authors; the losses show the
size of each noise, within the intervals, which are wide because the images are few. Each loss is
in points of the metric, and positive where the noise makes the model worse. How to read the
tables is in [scoring](scoring.md).
"""


class Photographs(msgspec.Struct):
    """Labeled photographs: ImageNet's with a label file, or COCO's with annotations.

    Attributes:
        folder: folder below the folder of data.
        images: folder of images, or archive, below it.
        truth: label file or annotations below it.
        origin: where the photographs come from, as text.
    """

    folder: str
    images: str
    truth: str
    origin: str


class RealModel(msgspec.Struct):
    """A model, and how its images are made.

    Attributes:
        name: name of the model, for the page.
        file: ONNX model below the folder of models.
        config: a ready config's name, or a config below the folder of models.
        dataset: ``imagenet`` or ``coco``.
        grid: name of the shipped grid.
        geometry: geometry in place of the grid's own, as in grid files.
        origin: where the model comes from, as text.
    """

    name: str
    file: str
    config: str
    dataset: str
    grid: str
    geometry: dict[str, Any] | str
    origin: str


class Spec(msgspec.Struct):
    """The content of ``results.yaml``.

    Attributes:
        photographs: the photographs by dataset, ``imagenet`` and ``coco``.
        models: the models, in the order of the page.
    """

    photographs: dict[str, Photographs]
    models: list[RealModel]


@dataclass(frozen=True)
class Result:
    """What an evaluation of a model said.

    Attributes:
        model: the model.
        table: the table as ``--format json`` has it.
        markdown: the same as Markdown.
        notes: what the run noted: noises that change nothing, or cannot be applied.
    """

    model: RealModel
    table: Mapping[str, Any]
    markdown: str
    notes: Sequence[str]


def main() -> None:
    """Run every model, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder with results.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--output", type=Path, required=True, help="folder for sets, predictions")
    arguments = parser.parse_args()
    text = (arguments.models / "results.yaml").read_text("utf-8")
    spec = msgspec.convert(yaml.safe_load(text), Spec)
    results = [
        _evaluated(model, spec.photographs[model.dataset], arguments) for model in spec.models
    ]
    PAGE.write_text("\n".join(_page(spec, results)), "utf-8")


def _evaluated(model: RealModel, photographs: Photographs, arguments: argparse.Namespace) -> Result:
    """Run a model over all variants, with all noises; an interrupted run is resumed."""
    output = arguments.output / model.name
    output.mkdir(parents=True, exist_ok=True)
    grid = yaml.safe_load((GRIDS / f"{model.grid}.yaml").read_text("utf-8"))
    grid_file = output / f"{model.grid}.yaml"
    grid_file.write_text(yaml.safe_dump({**grid, "geometry": model.geometry}), "utf-8")
    source = arguments.data / photographs.folder
    truth = "--label-file" if model.dataset == "imagenet" else "--annotations"
    own_config = arguments.models / model.config
    variants = (f"--variant={variant}" for variant in _one_factor(load_grid(str(grid_file))))
    done = _sysnoise(
        "evaluate",
        str(output / "set"),
        "--online",
        f"--images={source / photographs.images}",
        f"{truth}={source / photographs.truth}",
        f"--grid={grid_file}",
        f"--model={arguments.models / model.file}",
        f"--config={own_config if own_config.exists() else model.config}",
        f"--predictions={output / model.name}",
        "--model-noise=all",
        *variants,
        "--format=json",
    )
    scored = ("score", str(output / "set"), f"--predictions={output / model.name}")
    markdown = _sysnoise(*scored, "--format=markdown").stdout
    start = "sysnoise: note: "
    notes = [line.removeprefix(start) for line in done.stderr.splitlines() if start in line]
    return Result(model, json.loads(done.stdout), markdown, notes)


def _one_factor(grid: Grid) -> Iterator[str]:
    """Yield the variants that differ from the baseline in one axis; stacks add what they need."""
    baseline = grid.baseline
    for each in grid.variants:
        axes = [(each.decoder, baseline.decoder), (each.resize, baseline.resize)]
        if sum(one != other for one, other in (*axes, (each.color, baseline.color))) == 1:
            yield each.id


def _sysnoise(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysnoise.pipelines.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done


def _page(spec: Spec, results: Sequence[Result]) -> Iterator[str]:
    yield INTRODUCTION
    yield "## Photographs and models\n"
    counts = {each.model.dataset: each.table["images"] for each in results}
    for dataset, photographs in spec.photographs.items():
        if dataset in counts:
            yield f"* {counts[dataset]} photographs of {dataset}: {photographs.origin}"
    for each in results:
        yield f"* {each.model.name}: {each.model.origin}"
    yield ""
    for each in results:
        yield f"## {each.model.name}\n"
        yield f"Grid `{each.model.grid}` at {_geometry_text(each.model.geometry)}.\n"
        yield each.markdown
        if each.notes:
            yield "Notes of the run:\n"
            yield from (f"* {note}" for note in each.notes)
            yield ""
    for dataset in spec.photographs:
        rows = [each for each in results if each.model.dataset == dataset]
        if rows:
            yield from _matrix(rows)


def _geometry_text(geometry: Mapping[str, Any] | str) -> str:
    if isinstance(geometry, str):
        return f"`{geometry}`"
    return "`" + ", ".join(f"{name} {value}" for name, value in geometry.items()) + "`"


def _matrix(results: Sequence[Result]) -> Iterator[str]:
    """Yield the metric of each model with each method of decoder and resize that it was run with.

    Source: tables 7 and 8 of the paper, whose rows are models by how they were trained.
    """
    metric = results[0].table["metrics"][0]
    for axis in ("decode", "resize"):
        by_model = {each.model.name: _metrics(each, axis, metric) for each in results}
        methods = list(dict.fromkeys(name for row in by_model.values() for name in row))
        yield f"## Train x deploy: {metric} by {axis}\n"
        yield f"| model | {' | '.join(methods)} |"
        yield f"| --- |{' ---: |' * len(methods)}"
        for name, row in by_model.items():
            cells = (f"{row[method]:.2f}" if method in row else "-" for method in methods)
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""


def _metrics(result: Result, axis: str, metric: str) -> dict[str, float]:
    """Return the metric by method, the trained one first."""
    (row,) = result.table["models"]
    trained = result.table["baseline"].split("/")[("decode", "resize").index(axis)]
    found = {trained: row["trained"][metric]}
    for cell in row["noises"]:
        if cell["noise"] == axis:
            for each in cell["methods"]:
                found[each["method"]] = each["score"]["metrics"][metric]
    return found


if __name__ == "__main__":
    main()
