"""Imports run one way, and reading a set loads neither Beam nor codecs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODECS = ("PIL", "av", "cv2", "imagecodecs", "simplejpeg")
ONNX = {"onnx", "onnxruntime"}
ONNX_PLACES = ("transforms/model/", "pipelines/evaluate.py", "pipelines/evaluation/")
"""Whose modules may import ONNX; the extra ``evaluate`` brings it."""


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Yield file and top-level name of every import in a package."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path, str(node.module).split(".")[0]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("transforms", {"manifests", "pipelines", "benchmarks", "tests", "apache_beam", "fsspec"}),
        (
            "manifests",
            {"pipelines", "benchmarks", "tests", "apache_beam", "av", "cv2", "simplejpeg"},
        ),
        ("pipelines", {"benchmarks", "tests"}),
    ],
)
def test_imports_run_one_way(package: str, forbidden: set[str]) -> None:
    names = list(imported(package))
    assert ("__future__") in {name for _, name in names}
    assert [(path.name, name) for path, name in names if name in forbidden] == []


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import transforms",
        "import manifests",
        "import manifests.layout, manifests.reading, manifests.tables, manifests.environment",
        "import pipelines.cli, pipelines.status",
    ],
)
def test_reading_loads_neither_beam_nor_codecs(statement: str) -> None:
    assert loaded_by(statement).isdisjoint({"apache_beam", *CODECS, *ONNX})


def test_only_the_evaluation_imports_onnx() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("transforms", "manifests", "pipelines")
        for path, name in imported(package)
        if name in ONNX
    }
    assert "transforms/model/noises.py" in found
    # Where versions are read, the import stands in the functions that do.
    found.remove("transforms/builds.py")
    assert [path for path in found if not path.startswith(ONNX_PLACES)] == []


def test_online_use_loads_no_beam() -> None:
    loaded = loaded_by("from transforms import Grid, apply; from manifests import load_grid")
    assert "cv2" in loaded
    assert "apache_beam" not in loaded
