"""The examples of docs/reading.md run as they stand and print what another reader finds.

Those of PyTorch and TensorFlow are marked ``readers``: ``make test-readers`` runs all in an
environment that has these libraries, and neither Beam nor the codecs that made the set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.reading import decode_image, read_tars
from tests.pages import ROOT, blocks
from tests.shared import SharedFolders

PAGE = "docs/reading.md"
PILLOW = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
HEAVY = ("torch", "tensorflow")


@pytest.fixture(scope="session")
def demo(request: pytest.FixtureRequest) -> Path:
    """The folder of ``make demo``; ``make test-readers`` puts one beside its interpreter."""
    made = Path(sys.prefix) / "made" / "demo"
    if made.exists():
        return made
    # These need the libraries that make a set.
    from tests.end_to_end.commands import command

    def build(folder: Path) -> None:
        done = command("demo", "--output", str(folder / "demo"))
        assert done.code == 0, done.error

    shared: SharedFolders = request.getfixturevalue("shared")
    return shared("made-demo", build) / "demo"


def labels(demo: Path) -> list[int]:
    members = read_tars(demo / "imagenet", FFMPEG)
    return [int(sample["cls"]) for sample in members.values()]


def pixels(demo: Path, variant: str) -> dict[str, np.ndarray[Any, Any]]:
    members = read_tars(demo / "imagenet", variant)
    return {key: decode_image(sample["png"]).astype(int) for key, sample in members.items()}


def opened(demo: Path) -> str:
    key, sample = next(iter(read_tars(demo / "imagenet", FFMPEG).items()))
    return f"{PILLOW} 17 variants, 1 shards\n{key} (224, 224, 3) uint8 {int(sample['cls'])}\n"


def worst(demo: Path) -> str:
    manifest = json.loads((demo / "imagenet" / "manifest.json").read_text("utf-8"))
    clean = pixels(demo, PILLOW)
    means = {}
    for variant in manifest["variants"]:
        noisy = pixels(demo, variant["id"])
        means[variant["id"]] = np.mean([np.abs(noisy[key] - clean[key]).mean() for key in clean])
    name = max(means, key=lambda each: means[each])
    return f"{name} {round(float(means[name]), 4)}\n"


def summed(demo: Path) -> str:
    images = pixels(demo, FFMPEG)
    rows = zip(images.items(), labels(demo), strict=True)
    return "".join(f"{key} {label} {image.sum()}\n" for (key, image), label in rows)


def changed(demo: Path) -> str:
    clean, noisy = pixels(demo, PILLOW), pixels(demo, FFMPEG)
    return f"{sum(bool((clean[key] != noisy[key]).any()) for key in clean)}\n"


def batches(demo: Path) -> Iterator[tuple[int, list[int], list[float]]]:
    """Yield number, labels and mean of each channel of every six samples."""
    known, images = labels(demo), list(pixels(demo, FFMPEG).values())
    for start in range(0, len(known), 6):
        part = known[start : start + 6]
        means = np.mean(images[start : start + 6], (0, 1, 2)).round()
        yield len(part), part, means.tolist()


def torch_batches(demo: Path) -> str:
    return "".join(f"({n}, 3, 224, 224) {known} {means}\n" for n, known, means in batches(demo))


def torch_dataset(demo: Path) -> str:
    return torch_batches(demo)


def torch_pairs(demo: Path) -> str:
    return changed(demo)


def tensorflow_batches(demo: Path) -> str:
    return "".join(f"({n}, 224, 224, 3) {known} {means}\n" for n, known, means in batches(demo))


def loaded(demo: Path) -> str:
    return summed(demo)


def most_changed(demo: Path) -> str:
    clean, noisy = pixels(demo, PILLOW), pixels(demo, FFMPEG)
    rows = []
    for (key, image), label in zip(clean.items(), labels(demo), strict=True):
        change = np.abs(noisy[key] - image)
        rows.append((key, label, round(float(change.mean()), 4), int(change.max())))
    return f"{sorted(rows, key=lambda row: (-row[2], row[0]))[:3]}\n"


def scored(demo: Path) -> str:
    return "1.0 True\n"  # The truth itself was given for what was found, and comes back exactly.


EXAMPLES: tuple[Callable[[Path], str], ...] = (
    *(opened, worst, summed, changed, torch_dataset, torch_pairs, torch_batches),
    tensorflow_batches,
    *(loaded, most_changed, scored),
)
"""What each Python block of the page prints, in order; of pycocotools' tables, the last line."""
CODE = [block.text for block in blocks(PAGE) if block.language == "python"]


def example(code: str, expected: Callable[[Path], str]) -> Any:
    needs = [library for library in HEAVY if re.search(rf"^(import|from) {library}\b", code, re.M)]
    return pytest.param(
        code, expected, id=expected.__name__, marks=[pytest.mark.readers] if needs else []
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [example(code, expected) for code, expected in zip(CODE, EXAMPLES, strict=True)],
)
def test_example_prints_what_another_reader_finds(
    code: str, expected: Callable[[Path], str], demo: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=demo.parent,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines(keepends=True)
    wanted = expected(demo).splitlines(keepends=True)
    assert found[-len(wanted) :] == wanted


@pytest.mark.readers
@pytest.mark.parametrize("library", ["apache_beam", "cv2", "av", "simplejpeg", "isal"])
def test_the_environment_has_nothing_that_made_the_set(library: str) -> None:
    assert importlib.util.find_spec(library) is None
