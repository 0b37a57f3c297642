"""JSON documents of a set and of its sources, changed in every way: a finding or a refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.commands import command
from tests.shared import SharedFolders
from tests.slow.hostile import (
    GRID,
    Verdicts,
    files_of_sets,
    fuzz_sets,
    fuzzed,
    hostile_sets,
    json_texts,
    sources,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(shared: SharedFolders) -> Path:
    return hostile_sets(shared)


def test_documents_of_a_set(base: Path, tmp_path: Path) -> None:
    part = {"manifest": "0" * 64, "variants": []}  # No set of these has one.

    def damage(data: st.DataObject, original: Path, target: Path) -> None:
        document = json.loads(original.read_text("utf-8")) if original.exists() else part
        target.write_bytes(data.draw(json_texts(document)))

    parts = [("imagenet-set", "part.json"), ("coco-set", "part.json")]
    fuzz_sets(base, tmp_path, [*files_of_sets(base, "*.json"), *parts], damage)


def test_annotations_of_coco(base: Path, tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    document = json.loads((base / "coco" / "instances_demo.json").read_text("utf-8"))
    document["annotations"] = document["annotations"][:12]
    (verdicts.work / "grid.yaml").write_text(GRID, "utf-8")

    @fuzzed
    @given(json_texts(document))
    def check(text: bytes) -> None:
        (verdicts.work / "instances_demo.json").write_bytes(text)
        images, _ = sources(base)["coco"][1:]
        verdicts.add(
            "generate --dry-run",
            lambda: command(
                *("generate", "coco", images, f"--grid={verdicts.work / 'grid.yaml'}", "--limit=1"),
                f"--annotations={verdicts.work / 'instances_demo.json'}",
                *(f"--output={verdicts.work / 'out'}", "--dry-run", "--workers=1"),
            ),
        )

    check()
