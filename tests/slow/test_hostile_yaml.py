"""Grid files and configs of evaluations, changed in every way: refused in one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.commands import command
from tests.shared import SharedFolders
from tests.slow.hostile import Verdicts, flipped, fuzzed, hostile_sets, mutated, sources

pytestmark = pytest.mark.slow

GRID: dict[str, Any] = {
    "decoders": ["pillow"],
    "resizes": ["pillow-bilinear"],
    "colors": ["rgb"],
    "geometry": {
        "rule": "random-resized-crop",
        "size": 32,
        "scale": [0.1, 1],
        "ratio": [0.75, 1.5],
        "tries": 10,
    },
    "baseline": "pillow/pillow-bilinear/rgb",
    "combine": "product",
    "seed": 1,
}
CONFIG: dict[str, Any] = {
    "model": "model.onnx",
    "input": {"layout": "NCHW", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
SNIPPETS = [
    "a: &a [1, 2]\nb: *a\n",
    "a: &a [*a]\n",
    "? [1, 2]\n: 3\n",
    "x: !!timestamp no\n",
    "x: !!int ''\n",
    "x: !!bool maybe\n",
    "x: !!python/object/apply:os.system [ls]\n",
    "x: 0x" + "f" * 6000 + "\n",
    "x: .inf\n",
    "x: .nan\n",
    "x: " + "[" * 2000,
    "x: " + "[" * 100 + "]" * 100 + "\n",
    "x: " + "9" * 5000 + "\n",
    "x: 1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1\n",
    "<<: {a: 1}\n",
    "x: \ufeff\x85\n",
    "--- 1\n--- 2\n",
]


@st.composite
def yaml_texts(draw: st.DrawFn, document: Any) -> bytes:
    data = yaml.safe_dump(draw(mutated(document)), allow_unicode=True).encode("utf-8", "replace")
    how = draw(st.integers(0, 4))
    if how == 0:
        return flipped(draw, data)
    if how == 1:
        return data + draw(st.sampled_from(SNIPPETS)).encode()
    if how == 2:
        place = draw(st.integers(0, len(data)))
        return data[:place] + draw(st.binary(max_size=5)) + data[place:]
    return data


def test_grids(shared: SharedFolders, tmp_path: Path) -> None:
    base, verdicts = hostile_sets(shared), Verdicts(tmp_path)

    @fuzzed
    @given(yaml_texts(GRID))
    def check(text: bytes) -> None:
        (verdicts.work / "grid.yaml").write_bytes(text)
        options = (f"--grid={verdicts.work / 'grid.yaml'}", "--dry-run", "--workers=1", "--limit=1")
        output = f"--output={verdicts.work / 'out'}"
        verdicts.add(
            "generate --dry-run",
            lambda: command("generate", *sources(base)["imagenet"], *options, output),
        )

    check()


def test_configs_of_evaluations(shared: SharedFolders, tmp_path: Path) -> None:
    base, verdicts = hostile_sets(shared), Verdicts(tmp_path)

    @fuzzed
    @given(yaml_texts(CONFIG))
    def check(text: bytes) -> None:
        (verdicts.work / "model.yaml").write_bytes(text)
        verdicts.add(
            "evaluate",
            lambda: command(
                *("evaluate", str(base / "imagenet-set"), str(verdicts.work / "model.yaml")),
                *("-o", str(verdicts.work / "predictions")),
            ),
        )

    check()
