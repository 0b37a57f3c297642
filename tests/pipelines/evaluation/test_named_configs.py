"""The shipped configs: each is read, listed, and named among what a path may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.config import parse_config
from sysnoise.pipelines.evaluation.named_configs import config_names, config_text, load_config
from tests.end_to_end.commands import command

CONFIG = """\
task: classification
input: {name: x, size: [8, 8], layout: NCHW, channels: RGB, mean: 0, scale: 255}
output: logits
"""


def test_configs_are_listed_and_printed() -> None:
    listed = command("configs")
    assert [line.split()[0] for line in listed.out.splitlines()] == config_names()
    assert all(len(line.split()) > 3 for line in listed.out.splitlines())
    printed = command("configs", "yolov8")
    assert printed.out == config_text("yolov8")
    failed = command("configs", "yolov88")
    assert failed.code == 2
    assert not failed.lacks("unknown config 'yolov88' (did you mean 'yolov8'?); valid: ")
    assert not failed.lacks(f" and {len(config_names()) - 8} more; 'sysnoise configs' lists them")


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "detr").mkdir()
    assert load_config("detr") == parse_config(config_text("detr"), "detr.yaml")
    (tmp_path / "yolox").write_text(CONFIG, "utf-8")
    assert load_config("yolox") == parse_config(CONFIG, "yolox")
    with pytest.raises(UsageError, match=r"unknown config 'yolo' .*or give the path of a YAML"):
        load_config("yolo")


def test_config_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(CONFIG, "utf-8")
    assert load_config(str(path)) == parse_config(CONFIG, "my.yaml")
    path.write_text("task: [", "utf-8")
    with pytest.raises(UsageError, match=r"model\.yaml:1:8: not valid YAML: "):
        load_config(str(path))
    with pytest.raises(UsageError, match=r"^the config '.*missing\.yaml' does not exist$"):
        load_config(str(tmp_path / "missing.yaml"))
