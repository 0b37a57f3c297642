"""Imports run one way, rooms are entered in order, and reading loads neither Beam nor codecs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("transforms", "manifests", "pipelines")
CODECS = ("PIL", "av", "cv2", "imagecodecs", "simplejpeg")
ONNX = {"onnx", "onnxruntime"}
ONNX_ROOMS = ("transforms/model/", "transforms/resize/", "pipelines/evaluation/")
"""Whose modules may import ONNX; the extra ``evaluate`` brings it."""

ROOMS = (
    "errors",
    "storage",
    "readers",
    "planning",
    "shards",
    "workers",
    "beam",
    "verification",
    "publication",
    "export",
    "generation",
    "comparison",
    "scoring",
    "evaluation",
    "report",
    "cli",
)
"""The rooms of ``pipelines/``: each may import those before it, and CONTRIBUTING.md lists them."""


def modules(folder: str) -> Iterator[Path]:
    """Yield the files of a folder, not those that the links in ``sysnoise/`` lead to."""
    return (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, also those in functions and for types alone."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("transforms", ("sysnoise.manifests", "sysnoise.pipelines", "apache_beam", "fsspec")),
        ("manifests", ("sysnoise.pipelines", "apache_beam", "av", "cv2", "simplejpeg")),
        ("pipelines", ()),
    ],
)
def test_imports_run_one_way(folder: str, forbidden: tuple[str, ...]) -> None:
    found = [(path, name) for path in modules(folder) for name in imports(path)]
    assert "__future__.annotations" in {name for _, name in found}
    never = (*forbidden, *FOLDERS, "benchmarks", "tests")
    bad = [(str(path), name) for path, name in found if _is_below(name, never)]
    assert bad == []


def _is_below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_rooms_are_entered_in_order() -> None:
    entered = set()
    for path in modules("pipelines"):
        for name in imports(path):
            parts = name.split(".")
            if parts[:2] == ["sysnoise", "pipelines"]:
                entered.add((_room(path), parts[2]))
    assert {room for pair in entered for room in pair} == {*ROOMS}
    rank = {room: number for number, room in enumerate(ROOMS)}
    assert sorted((one, other) for one, other in entered if rank[one] < rank[other]) == []


def _room(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


def test_rooms_are_those_of_the_page() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    room_table = page.partition("| room | holds |")[2].splitlines()
    rows = [line.split("|")[1].strip() for line in room_table if line.startswith("| `pipe")]
    assert rows == [f"`pipelines/{room}{'.py' if room == 'errors' else '/'}`" for room in ROOMS]


def test_classes_have_names_of_their_own() -> None:
    places = defaultdict(list)
    for folder in FOLDERS:
        for path in modules(folder):
            for node in ast.parse((ROOT / path).read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path))
    assert "FinishedSet" in places
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


READING = ("layout", "reading", "tables", "environment")


@pytest.mark.parametrize(
    "modules",
    [
        ("sysnoise",),
        tuple(f"sysnoise.manifests.{name}" for name in READING),
        ("sysnoise.pipelines.cli.main", "sysnoise.pipelines.generation.status"),
    ],
)
def test_reading_loads_neither_beam_nor_codecs(modules: tuple[str, ...]) -> None:
    loaded = loaded_by(f"import {', '.join(modules)}")
    assert "sysnoise" in loaded
    assert loaded.isdisjoint({"apache_beam", *CODECS, *ONNX})


def test_the_links_lead_to_the_folders() -> None:
    for folder in FOLDERS:
        assert (ROOT / "sysnoise" / folder).resolve() == ROOT / folder


def test_only_the_evaluation_imports_onnx() -> None:
    found = {
        path.as_posix()
        for folder in FOLDERS
        for path in modules(folder)
        for name in imports(path)
        if name.split(".")[0] in ONNX
    }
    assert "transforms/model/noises.py" in found
    # It reads versions, and imports in the functions that do.
    found.remove("transforms/libraries.py")
    assert [path for path in found if not path.startswith(ONNX_ROOMS)] == []


def test_predictors_need_neither_onnx_nor_beam() -> None:
    loaded = loaded_by("import sysnoise.pipelines.evaluation.pipeline")
    assert "sysnoise" in loaded
    assert loaded.isdisjoint({*ONNX, "apache_beam"})


def test_online_use_loads_no_beam() -> None:
    loaded = loaded_by("from sysnoise import Grid, apply, load_grid; Grid, apply, load_grid")
    assert "cv2" in loaded
    assert "apache_beam" not in loaded


ARROW_ROOMS = ("pipelines/scoring/", "pipelines/evaluation/")
ARROW_READERS = ("pq.ParquetFile", "pq.read_table", "pq.read_metadata", "pq.read_schema")


def test_arrow_reads_predictions_from_its_own_files() -> None:
    """Its threads may hold a Python file when the interpreter ends, which aborts the process."""
    opened = [
        (str(path), ast.unparse(node.args[0]))
        for path in modules("pipelines")
        if str(path).startswith(ARROW_ROOMS)
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ARROW_READERS
    ]
    assert opened == [("pipelines/scoring/class_rows.py", "opened")]
    text = (ROOT / "pipelines/scoring/class_rows.py").read_text("utf-8")
    assert "with _arrow_file(root, name) as opened:\n            parquet = pq.ParquetFile" in text


POSIX = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
"""Modules that Windows does not have."""


def test_modules_of_posix_are_imported_in_one_place_each() -> None:
    found = [
        (name, path.as_posix())
        for folder in FOLDERS
        for path in modules(folder)
        for name in imports(path)
        if name.partition(".")[0] in POSIX
    ]
    assert sorted(found) == [
        ("fcntl", "pipelines/storage/system_locks.py"),
        ("resource", "pipelines/workers/limits.py"),
    ]
