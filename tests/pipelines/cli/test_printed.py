"""What the command prints and writes where names hold more than text."""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.arguments import LARGEST_NUMBER, positive, split_name
from sysnoise.pipelines.workers.logs import printable_streams
from tests.end_to_end.commands import command
from tests.scoring import BASELINE, class_rows, made_up_set, write_lines

ESCAPES = ("\x1b]0;owned\x07", "\x9b31m", "a\u202eb", "a\rb")


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_message_holds_what_a_terminal_obeys(escape: str, tmp_path: Path) -> None:
    for arguments in (
        ("status", f"{tmp_path}/{escape}"),
        ("verify", f"{tmp_path}/{escape}"),
        ("verify", "x", f"--shards={escape}"),
        ("grids", f"{tmp_path}/{escape}.yaml"),
        (f"--{escape}",),
    ):
        done = command(*arguments)
        assert done.code in (1, 2)
        assert done.error
        assert all(line.isprintable() for line in done.error.splitlines()), arguments


@pytest.mark.parametrize("escape", ESCAPES)
def test_names_of_files_are_escaped_where_verify_lists_them(
    escape: str, one_image_set: Path, tmp_path: Path
) -> None:
    found = shutil.copytree(one_image_set, tmp_path / "set")
    (found / f"{escape}\nset: no problems").write_text("x", "utf-8")
    done = command("verify", str(found))
    assert done.code == 1
    assert all(line.isprintable() for line in done.out.splitlines())
    assert "set: no problems" not in done.out.splitlines()


def test_warnings_and_progress_bars_go_through_the_same_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with printable_streams():
        logging.StreamHandler(sys.stderr).emit(
            logging.LogRecord("x", logging.WARNING, "", 0, "file \x1b[2J", None, None)
        )
        print("\r50%|█", end="", file=sys.stderr)
    assert capsys.readouterr().err == "file \\u001b[2J\n\r50%|█"


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\u202eb"])
def test_models_with_hidden_names_need_another(
    name: str, one_image_set: Path, tmp_path: Path
) -> None:
    found = made_up_set(one_image_set, tmp_path / "set", [0, 1])
    lines = write_lines(tmp_path / "m.jsonl", class_rows(BASELINE, [0, 1], {0}))
    done = command("score", str(found), f"--predictions={lines}", f"--model={name}")
    assert (done.code, done.out) == (2, "")
    assert "cannot be printed; give it a --model" in done.error


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_no_field_of_csv_is_a_formula(name: str, one_image_set: Path, tmp_path: Path) -> None:
    found = made_up_set(one_image_set, tmp_path / "set", [0, 1])
    rows = class_rows(BASELINE, [0, 1], {0})
    rows += class_rows("ffmpeg/pillow-bilinear/rgb", [0, 1], set())
    lines = write_lines(tmp_path / "m.jsonl", rows)
    options = (f"--predictions={lines}", f"--model={name}", "--format=csv")
    done = command("score", str(found), *options)
    assert done.code == 0, done.error
    written = list(csv.DictReader(io.StringIO(done.out)))
    assert {row["model"] for row in written} == {f"'{name}"}
    delta = next(row["delta"] for row in written if row["row"] == "method")
    assert float(delta) == -50.0  # A number stays one.


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "²", "", "1e3", "9" * 5000, str(10**400), str(LARGEST_NUMBER + 1)]
)
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        positive(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["1", "007", str(LARGEST_NUMBER)])
def test_numbers_in_range_are_taken(text: str) -> None:
    assert positive(text) == int(text)


@pytest.mark.parametrize("split", ["val; touch PWN #", "$(id)", "a`b`", "a\n", "-x", "..", "é"])
def test_splits_of_other_characters_are_refused(split: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        split_name(split)


def test_the_name_of_the_annotations_may_give_no_split(tmp_path: Path, coco_source: Path) -> None:
    annotations = tmp_path / "instances_val; touch PWN #.json"
    shutil.copy(coco_source / "instances_demo.json", annotations)
    done = command(
        *("generate", "coco", f"--images={coco_source / 'images'}", "--grid=coco-published"),
        *(f"--annotations={annotations}", f"--output={tmp_path / 'out'}"),
    )
    assert done.code == 2
    assert "gives the split 'val; touch PWN #'; give --split" in done.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("argument", ["\udcff", "x" * 100_000])
def test_any_text_as_an_argument_ends_in_one_message(argument: str, tmp_path: Path) -> None:
    for arguments in (
        ("verify", argument),
        ("status", argument),
        ("score", argument, f"--predictions={argument}"),
        ("report", argument, "-o", str(tmp_path / "r.html")),
        ("compare", argument, argument),
        ("card", argument),
        ("fetch", argument, str(tmp_path / "out")),
        ("generate", "imagenet", f"--images={argument}", "--grid=imagenet-one-factor",
         f"--output={tmp_path / 'o'}"),
        ("grids", argument),
    ):  # fmt: skip
        done = command(*arguments)
        assert done.code in (1, 2), arguments
        assert done.error.startswith(("sysnoise: ", "usage: "))


def run_in_shell(script: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which ``$sysnoise`` is the command."""
    command = f"{sys.executable} -m sysnoise.pipelines.cli.main"
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "sysnoise": command, **variables},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "caf\\u00e9 \\u0394 \\ud83d\\udc1f"),
        ("latin-1", "café \\u0394 \\ud83d\\udc1f"),
        ("utf-8", "café Δ 🐟"),
    ],
)
def test_characters_that_a_terminal_lacks_are_escaped(encoding: str, shown: str) -> None:
    name = "café Δ 🐟"
    done = run_in_shell(f"$sysnoise status 'nowhere/{name}'", PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert f"nowhere/{shown}" in done.stderr.decode(encoding)


def test_a_closed_pipe_ends_a_command_quietly() -> None:
    """The reader ends before the command has started, which ``head`` may not."""
    done = run_in_shell("$sysnoise grids imagenet-full | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", "2>/dev/full"])
def test_streams_that_take_nothing_are_no_defects(redirection: str) -> None:
    done = run_in_shell(f"$sysnoise grids {redirection}; $sysnoise grids unknown {redirection}")
    assert done.returncode in (1, 2)
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"Errno" not in done.stdout + done.stderr
    if redirection == ">/dev/full":
        assert b"printing to standard output: No space left on device" in done.stderr


def test_json_stays_the_same_where_a_terminal_lacks_its_characters(
    one_image_set: Path, tmp_path: Path
) -> None:
    name = "café 🐟"
    shutil.copytree(one_image_set, tmp_path / name)
    done = run_in_shell(f"$sysnoise status '{tmp_path / name}' --json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout.decode("ascii"))["output"] == str(tmp_path / name)
