"""Rows from figures: which methods count, and what the stack is made of."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.manifests.settings import Setting, noises_of, parse_setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.scoring.records import Counting, Figures, Scored
from sysnoise.pipelines.scoring.table import ModelRow, build_row

BASELINE = "b/b/b"
VARIANTS = ("a/b/b", "b/a/b", BASELINE, "b/c/b", "c/b/b", "d/b/b", "c/a/b")


def row(
    metrics: dict[str, float],
    groups: list[tuple[str, ...]],
    counting: Counting = Counting.DISTINCT,
) -> ModelRow:
    noises = noises_of(DatasetKind.COCO)
    settings = {parse_setting(text, VARIANTS, noises): value for text, value in metrics.items()}
    figures = {
        setting: Figures({"mAP": value}, np.array([value, value + 2]))
        for setting, value in settings.items()
    }
    return build_row("m", Scored(9, figures, ()), VARIANTS, BASELINE, groups, counting)


def counted(found: ModelRow) -> list[list[str]]:
    return [[each.method for each in cell.counted] for cell in found.cells]


def test_pixels_of_the_baseline_do_not_count_wherever_it_stands_in_the_grid() -> None:
    metrics = {BASELINE: 50.0, "a/b/b": 50.0, "c/b/b": 48.0, "d/b/b": 48.0}
    found = row(metrics, [("a/b/b", BASELINE), ("c/b/b", "d/b/b")])
    (cell,) = found.cells
    assert counted(found) == [["c"]]
    assert [each.same_as for each in cell.methods] == ["b", None, "c"]
    assert (cell.distinct, cell.mean, cell.deviation) == (1, 2.0, None)
    found = row(metrics, [("a/b/b", BASELINE), ("c/b/b", "d/b/b")], Counting.ALL)
    assert counted(found) == [["a", "c", "d"]]
    assert found.cells[0].mean == pytest.approx(4 / 3)


def test_the_first_of_those_with_the_same_pixels_counts_that_has_predictions() -> None:
    found = row({BASELINE: 50.0, "d/b/b": 48.0}, [("a/b/b", "c/b/b", "d/b/b")])
    assert counted(found) == [["d"]]
    assert found.cells[0].methods[0].same_as is None
    assert not any("'a/b/b'" in note for note in found.notes)


def test_the_first_of_equal_methods_is_the_worst() -> None:
    found = row({BASELINE: 50.0, "d/b/b": 45.0, "a/b/b": 45.0, "c/b/b": 47.0}, [])
    worst = found.cells[0].worst
    assert worst is not None
    assert worst.method == "a"


def test_gains_are_stacked_too_and_what_the_set_lacks_is_marked() -> None:
    metrics = {
        BASELINE: 50.0,
        "c/b/b": 51.0,
        "b/a/b": 49.0,
        "c/a/b": 47.0,
        f"{BASELINE}+upsample-nearest": 45.0,
        f"{BASELINE}+fp16": 1.0,
        f"{BASELINE}+box-offset-1": 44.0,
    }
    found = row(metrics, [])
    assert [(step.setting, step.score is not None, step.held) for step in found.steps] == [
        ("c/b/b", True, True),
        ("c/a/b", True, True),
        ("c/a/b+upsample-nearest", False, True),
        ("c/a/b+upsample-nearest+box-offset-1", False, True),
    ]
    assert found.combined is None
    lacking = row({BASELINE: 50.0, "d/b/b": 49.0, "b/a/b": 49.0}, [])
    assert [(step.setting, step.held) for step in lacking.steps] == [
        ("d/b/b", True),
        ("d/a/b", False),
    ]


def test_a_baseline_alone_has_no_columns() -> None:
    found = row({BASELINE: 50.0}, [])
    assert (found.cells, found.steps, found.combined, found.others) == ((), (), None, ())
    assert dict(found.trained) == {"mAP": 50.0}


def test_intervals_are_of_paired_differences() -> None:
    found = row({BASELINE: 50.0, "c/b/b": 48.0, "d/b/b": 44.0}, [])
    # Each resample moves both by the same amount, which cancels.
    assert [each.score.interval for each in found.cells[0].methods] == [(2.0, 2.0), (6.0, 6.0)]
    assert found.cells[0].interval == (4.0, 4.0)
    assert Setting(BASELINE).id not in {each.score.setting for each in found.cells[0].methods}


def test_the_metric_of_the_table_must_have_a_value() -> None:
    figures = Figures({"mAP": None, "AP50": 1.0}, np.zeros(2))
    with pytest.raises(ValueError, match="mAP is the table's own metric"):
        _ = figures.metric
