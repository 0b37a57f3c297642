"""What the command shows on a terminal: tables that fit, and progress that is true."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from sysnoise.transforms.text_table import NAME_WIDTH
from tests.end_to_end.commands import command, generate
from tests.end_to_end.disturbed import small_run
from tests.end_to_end.reading import tree
from tests.models import write_models
from tests.scoring import BASELINE, class_rows, made_up_set, write_lines
from tests.shared import SharedFolders
from tests.terminal import Shown, in_terminal, widest

LABELS = [number % 10 for number in range(20)]
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
INT8 = f"{BASELINE}+int8-symmetric-per-channel-whole-graph"
WRONG = {
    BASELINE: 1,
    "simplejpeg/pillow-bilinear/rgb": 2,
    FFMPEG: 9,
    "pillow/pillow-nearest/rgb": 5,
    "pillow/opencv-nearest/rgb": 3,
    "pillow/pillow-bilinear/nv12-bt601": 0,
    INT8: 3,
    f"{BASELINE}+ceil-mode": 2,
}
"""Number of images that are classified wrongly, by setting; each of the 20 counts five points."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, one_image_set: Path) -> tuple[str, str, str]:
    """The arguments of ``score`` for twenty made-up images."""
    folder = tmp_path_factory.mktemp("scored")
    found = made_up_set(one_image_set, folder / "set", LABELS)
    rows = [
        row for setting, wrong in WRONG.items() for row in class_rows(setting, LABELS, range(wrong))
    ]
    lines = write_lines(folder / "p.jsonl", rows)
    return "score", str(found), f"--predictions={lines}"


@pytest.fixture(scope="module")
def whole(scored: tuple[str, str, str]) -> str:
    """What ``score`` prints where nobody looks."""
    done = command(*scored)
    assert done.code == 0, done.error
    return done.out


def test_a_sentence_says_the_largest_loss(whole: str) -> None:
    said = f"p: the largest loss is 40.00 points, with {FFMPEG}; its interval does not cover zero"
    assert said in whole.splitlines()
    assert "combined loss is missing" not in whole


@pytest.mark.parametrize("columns", [80, 120])
def test_the_tables_of_score_fit(columns: int, scored: tuple[str, str, str], whole: str) -> None:
    shown = in_terminal(columns, *scored)
    assert shown.code == 0, shown.text
    assert widest(shown.lines) <= columns < widest(whole.splitlines())
    told = [line for line in shown.lines if line.startswith("left out: model (p), McNemar p")]
    assert len(told) == (columns == 80)
    for setting, wrong in WRONG.items():
        variant, _, noise = setting.partition("+")
        for method in variant.split("/"):  # A long id takes several lines.
            assert method in shown.text
        assert noise[:27] in shown.text
        assert f"{100 - 5 * wrong}.00" in shown.text


def test_all_columns_are_shown_where_they_are_wanted(
    scored: tuple[str, str, str], whole: str, tmp_path: Path
) -> None:
    wide = in_terminal(80, *scored, "--wide")
    assert (wide.code, wide.text.replace("\r\n", "\n")) == (0, whole)
    assert in_terminal(80, *scored, f"--output={tmp_path / 'table.txt'}") == Shown(0, "")
    assert (tmp_path / "table.txt").read_text("utf-8") == whole


def test_the_largest_losses_have_the_longest_bars(scored: tuple[str, str, str], whole: str) -> None:
    assert "█" not in whole
    _, chart = in_terminal(100, *scored).text.split("Loss by setting, the largest first")
    *lines, last = chart.strip().splitlines()
    bars = [re.split("  +", line.strip()) for line in lines]
    deltas = {setting: 5 * (wrong - 1) for setting, wrong in WRONG.items() if setting != BASELINE}
    losses = {setting: delta for setting, delta in deltas.items() if delta > 0}
    assert last == f"and {len(deltas) - len(losses)} more that lose nothing"
    assert [float(delta.rstrip("†")) for _, delta, *_ in bars] == sorted(losses.values())[::-1]
    longest = len(bars[0][2])
    assert widest([line.rstrip() for line in chart.splitlines()]) == 100
    for name, delta, *bar in bars:
        start, cut, end = name.partition("…")
        (setting,) = [each for each in losses if each.startswith(start) and each.endswith(end)]
        assert (start + end == setting) == (not cut)
        expected = longest * losses[setting] / 40
        assert "".join(bar).count("█") == int(max(0.0, expected)), delta


def test_a_terminal_without_block_characters_gets_no_chart(scored: tuple[str, str, str]) -> None:
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    shown = in_terminal(100, *scored, environment=environment)
    assert shown.code == 0
    assert "Loss by noise" in shown.text
    assert "Loss by setting" not in shown.text


@pytest.mark.parametrize("columns", [80, 120])
def test_lists_of_methods_and_grids_fit(columns: int) -> None:
    for arguments in (("codecs",), ("grids",), ("grids", "imagenet-stacks"), ("configs",)):
        shown = in_terminal(columns, *arguments)
        assert shown.code == 0, shown.text
        assert widest(shown.lines) <= columns, arguments
        done = command(*arguments)
        names = {line.split()[0] for line in done.out.splitlines() if re.match(r"\w+-", line)}
        assert len(names) > 5
        assert not {name for name in names if len(name) <= NAME_WIDTH} - set(shown.text.split())


def samples(shown: Shown, total: int, unit: str = "samples") -> list[int]:
    """The numbers of done samples, bar by bar, as they were shown one after another."""
    return [int(found[1]) for found in re.finditer(rf" (\d+)/{total} {unit} \[", shown.text)]


def assert_rates_are_averages(lines: Sequence[str], found: int) -> None:
    """Check that each rate is that of what was done since the bar began, within its second."""
    for line in lines:
        bar = re.search(r" (\d+)/\d+ samples \[00:(\d+)<.*, +([\d.]+) samples/s\]", line)
        if bar:
            done, seconds, rate = int(bar[1]) - found, int(bar[2]), float(bar[3])
            assert done / (seconds + 1) - 0.01 <= rate
            assert not seconds or rate <= done / seconds + 0.01


def test_progress_counts_samples_and_ends_with_all(
    imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    options = [f"--{k}={v}" for k, v in small_run(imagenet_source, tmp_path / "out").items()]
    shown = in_terminal(80, "generate", "imagenet", *options)
    assert shown.code == 0, shown.text
    assert widest([line for line in shown.lines if "samples [" in line]) <= 80
    counts = samples(shown, 18)
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 18)
    last = next(line for line in shown.lines[::-1] if "samples [" in line)
    assert last.startswith("shard 6/6: 100%|")
    assert "<00:00, " in last
    assert "resuming" not in shown.text
    assert_rates_are_averages(shown.lines, 0)
    assert tree(tmp_path / "out") == tree(small_set)


def test_a_resumed_run_says_what_is_there(
    imagenet_source: Path, small_set: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(small_set, tmp_path / "out")
    (output / "manifest.json").unlink()
    for shard in (1, 4):
        (output / "receipts" / f"{shard:05d}-of-00006.json").unlink()
    options = [f"--{k}={v}" for k, v in small_run(imagenet_source, output).items()]
    shown = in_terminal(80, "generate", "imagenet", *options)
    assert shown.code == 0, shown.text
    assert "sysnoise: resuming: 4 of 6 shards are there" in shown.lines
    counts = samples(shown, 18)
    assert (counts, counts[0], counts[-1]) == (sorted(counts), 12, 18)
    assert_rates_are_averages(shown.lines, 12)
    again = command("generate", "imagenet", *options)
    assert again.code == 0
    assert "sysnoise: already complete: 6 of 6 shards are there\n" in again.error
    assert "samples" not in again.error
    (output / "manifest.json").unlink()
    finishing = command("generate", "imagenet", *options)
    assert "sysnoise: resuming: 6 of 6 shards are there\n" in finishing.error
    assert tree(output) == tree(small_set)


def test_a_shard_for_two_workers_is_told_with_the_option_that_helps(
    imagenet_source: Path, tmp_path: Path
) -> None:
    options = small_run(imagenet_source, tmp_path / "out")
    options |= {"limit": "5", "samples-per-shard": None}
    told = (
        "sysnoise: note: 1 shard for 2 workers, of which 1 will be idle; --samples-per-shard 3 "
        "makes 2 shards"
    )
    assert told in generate("imagenet", options, "--dry-run").error.splitlines()
    done = generate("imagenet", options)
    assert done.code == 0, done.error
    assert told in done.error.partition("shards 1/1, samples 5/5, ")[0].splitlines()
    options |= {"output": tmp_path / "other", "samples-per-shard": "3"}
    helped = generate("imagenet", options)
    assert (helped.code, "note:" in helped.error) == (0, False)
    assert "shards 2/2, samples 5/5, " in helped.error


def test_publish_says_which_bar_is_which(small_set: Path, tmp_path: Path) -> None:
    """The second time, nothing has to be copied, and what is there does not count for the rate."""
    for is_there in (False, True):
        shown = in_terminal(80, "publish", small_set, tmp_path / "copy")
        assert shown.code == 0, shown.text
        bars = [line for line in shown.lines if "%|" in line]
        assert widest(bars) <= 80
        for label in ("verify", "copy"):
            last = [line for line in bars if line.startswith(f"{label}: ")][-1]
            found = re.search(r"100%\|.*\| ([\d.]+M)/([\d.]+M)B \[", last)
            assert found, last
            assert found[1] == found[2]
            assert last.endswith(", ?B/s]") == (is_there and label == "copy")


def test_evaluate_names_its_models_and_counts_their_images(
    small_set: Path, shared: SharedFolders, tmp_path: Path
) -> None:
    work = shared("models", write_models)
    arguments = ["evaluate", str(small_set), f"--model={work / 'classifier.onnx'}"]
    arguments += [f"--config={work / 'classifier.yaml'}", f"--predictions={tmp_path / 'out'}"]
    shown = in_terminal(80, *arguments, "--model-noise=fp16")
    assert shown.code == 0, shown.text
    assert widest([line for line in shown.lines if not line.startswith("sysnoise: ")]) <= 80
    for name, total in (("1 of 2: plain model", 36), ("2 of 2: fp16", 18)):
        assert f"sysnoise: model {name}" in shown.lines
        counts = samples(shown, total, "images")
        assert (counts, counts[0], counts[-1]) == (sorted(counts), 0, total)
    assert "Settings" in shown.lines
    (tmp_path / "out" / f"{FFMPEG.replace('/', '__')}.parquet").unlink()
    again = in_terminal(80, *arguments, "--model-noise=fp16")
    assert again.code == 0, again.text
    assert "sysnoise: resuming: predictions of 2 of 3 settings are there" in again.lines
    assert samples(again, 18, "images")[-1] == 18
    table = shown.text.partition("Loss by noise")[2]
    assert again.text.partition("Loss by noise")[2] == table
