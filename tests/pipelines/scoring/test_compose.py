"""Names of models, and what scoring loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.scoring.compose import named_predictions
from tests.scoring import BASELINE, class_rows, made_up_set, write_lines


def test_models_are_called_like_their_files() -> None:
    places = ["runs/resnet50.parquet", "memory://bucket/vit/", "swin.v2.jsonl"]
    assert named_predictions(places, []) == dict(
        zip(["resnet50", "vit", "swin"], places, strict=True)
    )
    assert named_predictions(places[:1], ["R50"]) == {"R50": places[0]}


def test_names_are_for_each_and_different() -> None:
    with pytest.raises(UsageError, match="found 1 --model for 2 --predictions"):
        named_predictions(["a", "b"], ["A"])
    with pytest.raises(UsageError, match="the models are called 'a', 'a'"):
        named_predictions(["x/a", "y/a.jsonl"], [])


def test_scoring_classes_loads_neither_beam_nor_codecs(one_image_set: Path, tmp_path: Path) -> None:
    noisy = made_up_set(one_image_set, tmp_path / "set", [0, 1])
    path = write_lines(tmp_path / "m.jsonl", class_rows(BASELINE, [0, 1], {1}))
    script = (
        "import sys; from sysnoise.pipelines.cli.main import main; "
        f"code = main(['score', {str(noisy)!r}, '--predictions', {str(path)!r}]); "
        "names = {name.split('.')[0] for name in sys.modules}; "
        "loaded = names & {'apache_beam', 'PIL', 'av', 'cv2', 'imagecodecs', 'simplejpeg'}; "
        "sys.exit(code or (str(loaded) if loaded else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "50.00" in done.stdout
