"""``sysnoise completion``: what bash and zsh complete by its scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sysnoise import grid_names
from sysnoise.pipelines.cli.main import COMMANDS, main
from sysnoise.pipelines.evaluation.named_configs import config_names

BASH = """
source completion
COMP_WORDS=({words} '{last}')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_sysnoise
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a file, a folder and bash's script."""
    assert main(["completion", "bash"]) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out, "utf-8")
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "sets").mkdir()
    return tmp_path


def completed(folder: Path, words: str, last: str = "") -> list[str]:
    """What bash offers for the last word."""
    code = BASH.format(words=words, last=last)
    done = subprocess.run(
        ["bash", "--norc", "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return sorted(done.stdout.split())


def test_bash_completes_commands_and_options(folder: Path) -> None:
    assert len(completed(folder, "sysnoise")) == len(COMMANDS)
    assert completed(folder, "sysnoise", "co") == ["codecs", "compare", "completion", "configs"]
    assert completed(folder, "sysnoise generate") == ["coco", "imagenet"]
    assert completed(folder, "sysnoise generate imagenet", "--im") == [
        *("--image-column", "--image-format", "--images")
    ]
    assert completed(folder, "sysnoise generate coco --format") == [
        *("both", "none", "parquet", "webdataset")
    ]


def test_bash_completes_names_and_files(folder: Path) -> None:
    files = ["completion", "mine.yaml", "sets"]
    assert completed(folder, "sysnoise generate coco --grid") == sorted([*grid_names(), *files])
    assert completed(folder, "sysnoise generate coco --grid", "mi") == ["mine.yaml"]
    assert completed(folder, "sysnoise evaluate set --config") == sorted([*config_names(), *files])
    assert completed(folder, "sysnoise configs", "yolov8") == ["yolov8"]
    assert completed(folder, "sysnoise verify") == files
    assert completed(folder, "sysnoise export set --to") == ["sets"]
    assert completed(folder, "sysnoise verify set --regenerate") == []


ZSH = """
PROMPT=
fpath+=($PWD)
autoload -Uz compinit && compinit -u -d dump
sysnoise() { print -r -- "[${(j:|:)@}]" }
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_commands_options_and_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines are typed into a terminal, with the tab key; the command prints what it gets."""
    assert main(["completion", "zsh"]) == 0
    (tmp_path / "_sysnoise").write_text(capsys.readouterr().out, "utf-8")
    (tmp_path / "mine.yaml").touch()
    typed = (
        *("comp\tA", "expo\t", "generate coc\t", "generate coco --annot\t"),
        *("generate coco --grid coco-pub\t", "evaluate set --config mine\t", "verify mi\t"),
    )
    lines = "".join(f"sysnoise {line}\n" for line in typed)
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", "zsh -f -i", "/dev/null"],
        input=f"{ZSH}{lines}exit\n",
        cwd=tmp_path,
        env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"^\[(.*)\]", done.stdout, re.MULTILINE) == [
        "compA",
        "export",
        "generate|coco",
        "generate|coco|--annotations",
        "generate|coco|--grid|coco-published",
        "evaluate|set|--config|mine.yaml",
        "verify|mine.yaml",
    ]
