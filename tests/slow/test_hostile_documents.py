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
    copied,
    fuzzed,
    hostile_sets,
    json_texts,
    readers,
    resign,
    sources,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(shared: SharedFolders) -> Path:
    return hostile_sets(shared)


def test_documents_of_a_set(base: Path, tmp_path: Path) -> None:
    verdicts = Verdicts()
    names = ("imagenet-set", "coco-set")
    documents = {
        (name, path.relative_to(base / name).as_posix()): json.loads(path.read_text("utf-8"))
        for name in names
        for path in sorted((base / name).rglob("*.json"))
    }
    documents |= {(name, "part.json"): {"manifest": "0" * 64, "variants": []} for name in names}

    @fuzzed
    @given(st.data())
    def check(data: st.DataObject) -> None:
        name, path = data.draw(st.sampled_from(sorted(documents)))
        output = copied(base, tmp_path, name)
        (output / path).write_bytes(data.draw(json_texts(documents[name, path])))
        if data.draw(st.booleans()):
            resign(output)
        commands = readers(base, output, tmp_path)
        chosen = data.draw(st.sampled_from(sorted(commands)))
        verdicts.add(chosen, commands[chosen])

    check()


def test_annotations_of_coco(base: Path, tmp_path: Path) -> None:
    verdicts = Verdicts()
    document = json.loads((base / "coco" / "instances_demo.json").read_text("utf-8"))
    document["annotations"] = document["annotations"][:12]
    (tmp_path / "grid.yaml").write_text(GRID, "utf-8")

    @fuzzed
    @given(json_texts(document))
    def check(text: bytes) -> None:
        (tmp_path / "instances_demo.json").write_bytes(text)
        images, _ = sources(base)["coco"][1:]
        verdicts.add(
            "generate --dry-run",
            lambda: command(
                *("generate", "coco", images, f"--grid={tmp_path / 'grid.yaml'}", "--limit=1"),
                f"--annotations={tmp_path / 'instances_demo.json'}",
                *(f"--output={tmp_path / 'out'}", "--dry-run", "--workers=1"),
            ),
        )

    check()
