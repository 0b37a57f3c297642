"""The notebook of the documentation runs, from its photographs to its plots."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pages import ROOT

NOTEBOOK = ROOT / "docs" / "first-table.ipynb"


def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rewrite: bool) -> None:
    """In an empty folder, with the command of this environment."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    shown = _plots(notebook)
    here = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, resources=here, coalesce_streams=True)
    client.execute()
    if rewrite:
        nbformat.write(notebook, NOTEBOOK)
        shown = _plots(notebook)
    assert len(shown) == len(_plots(notebook)) == 3
    (model,) = json.loads((tmp_path / "table.json").read_text("utf-8"))["models"]
    assert model["images"] == 60
    assert model["trained"]["top-1"] > 50
    assert [noise["noise"] for noise in model["noises"]] == ["decode", "resize", "color"]
    assert max(noise["max"]["delta"] for noise in model["noises"]) > 0
    assert 'id="loss"' in (tmp_path / "report.html").read_text("utf-8")


def _plots(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the pictures among the outputs, as base64."""
    return [
        output["data"]["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
