"""Scoring classes: top-1, top-5, flips and McNemar's test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting
from sysnoise.manifests.tables import SampleStatus
from sysnoise.pipelines.errors import InputError, quoted
from sysnoise.pipelines.scoring.class_rows import EXTENSIONS, ClassRows, read_class_rows
from sysnoise.pipelines.scoring.files import Parse, prediction_files, refuse, setting_parser
from sysnoise.pipelines.scoring.records import (
    Coverage,
    Figures,
    Intervals,
    PredictedClasses,
    Scored,
)
from sysnoise.pipelines.scoring.statistics import RESAMPLES, mcnemar_p, resampled_means

METRICS = ("top-1", "top-5")
_UNKNOWN = -1


@dataclass(frozen=True)
class Labels:
    """The ground truth of a set.

    Attributes:
        places: number of each image by its key, in key order.
        labels: of the images, in that order.
        shards: number of the shard that holds each.
    """

    places: Mapping[str, int]
    labels: NDArray[np.int64]
    shards: NDArray[np.int32]


@dataclass
class Answers:
    """What the files say of one setting.

    Attributes:
        classes: the best one of each image; -1 where none is known yet.
        top5: whether the label is among the five best; None where a file says only the best.
        twice, foreign: keys that came again, and those that the set does not hold.
    """

    classes: NDArray[np.int32]
    top5: NDArray[np.bool_] | None
    twice: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def read_labels(found: FinishedSet) -> Labels:
    """Read the labels of the images that a set holds.

    Raises:
        SetError: a table is missing or damaged.
        InputError: the set holds no image, or one without label.
    """
    labels: dict[str, int] = {}
    shards: list[int] = []
    for shard in range(found.shards):
        for row in found.samples(shard, ["key", "status", "label"]):
            if row["status"] == SampleStatus.OK.value:
                labels[row["key"]] = row["label"]
                shards.append(shard)
    without = [key for key, label in labels.items() if label is None]
    if without or not labels:
        raise InputError(
            f"{found.url!r} cannot be scored against: it holds "
            f"{'images without label: ' + quoted(without) if without else 'no image'}"
        )
    places = {key: place for place, key in enumerate(labels)}
    return Labels(places, np.array(list(labels.values()), np.int64), np.array(shards, np.int32))


def score_classes(
    found: FinishedSet, truth: Labels, url: str, coverage: Coverage, intervals: Intervals
) -> Scored:
    """Score a model's predictions.

    Args:
        found: the set.
        truth: its labels.
        url: of the predictions: Parquet or JSON lines, or a folder of such.
        coverage: which images are scored.
        intervals: whether figures get them.

    Raises:
        InputError: the predictions cannot be read, or are not of this set.
    """
    baseline = Setting(found.baseline)
    answers, problems = _gathered(setting_parser(found), truth, url)
    if baseline not in answers:
        problems[baseline.id] = "the baseline setting is not among the predictions"
    known = np.ones(len(truth.labels), bool)
    for each in answers.values():
        known &= each.classes != _UNKNOWN
    refuse(url, [*problems.items(), *_key_problems(truth, answers, coverage)])
    if not known.any():
        raise InputError(f"the predictions {url!r} have no key for all settings in common")
    predicted = PredictedClasses(
        [key for key, place in truth.places.items() if known[place]],
        truth.shards[known],
        truth.labels[known],
        {setting: each.classes[known] for setting, each in answers.items()},
    )
    top5 = {
        setting: None if each.top5 is None else each.top5[known]
        for setting, each in answers.items()
    }
    return Scored(
        int(known.sum()),
        _figures(predicted, top5, baseline, intervals),
        () if known.all() else (f"{known.sum()} of {len(known)} images are scored",),
        predicted,
    )


def _gathered(
    parse: Parse, truth: Labels, url: str
) -> tuple[dict[Setting, Answers], dict[str, str]]:
    """Return the answers by setting, and the settings that cannot be read, with the reason."""
    root, names = prediction_files(url, EXTENSIONS)
    answers: dict[Setting, Answers] = {}
    problems: dict[str, str] = {}
    for name in names:
        for rows in read_class_rows(root, name):
            places = np.array([truth.places.get(key, _UNKNOWN) for key in rows.keys], np.int64)
            settings = np.array(rows.settings, object)
            for text in dict.fromkeys(rows.settings):
                try:
                    setting = parse(text)
                except ValueError as error:
                    problems[text] = str(error)
                    continue
                if setting not in answers:
                    empty = np.full(len(truth.labels), _UNKNOWN, np.int32)
                    answers[setting] = Answers(empty, np.zeros(len(empty), bool))
                _add(answers[setting], rows, np.flatnonzero(settings == text), places, truth.labels)
    return answers, problems


def _add(
    answers: Answers,
    rows: ClassRows,
    chosen: NDArray[np.intp],
    places: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> None:
    """Add those rows that were chosen to the answers of their setting."""
    own = places[chosen] != _UNKNOWN
    answers.foreign += [rows.keys[row] for row in chosen[~own]]
    chosen = chosen[own]
    first = np.zeros(len(chosen), bool)
    first[np.unique(places[chosen], return_index=True)[1]] = True
    first &= answers.classes[places[chosen]] == _UNKNOWN
    answers.twice += [rows.keys[row] for row in chosen[~first]]
    chosen = chosen[first]
    where = places[chosen]
    answers.classes[where] = rows.classes[chosen, 0]
    if not rows.has_top5:
        answers.top5 = None
    elif answers.top5 is not None:
        answers.top5[where] = (rows.classes[chosen] == labels[where, None]).any(axis=1)


def _key_problems(
    truth: Labels, answers: Mapping[Setting, Answers], coverage: Coverage
) -> Iterator[tuple[str, str]]:
    keys = list(truth.places)
    for setting, each in answers.items():
        missing = [keys[place] for place in np.flatnonzero(each.classes == _UNKNOWN)]
        if each.twice:
            yield setting.id, f"keys that come twice ({len(each.twice)}): {quoted(each.twice)}"
        if coverage is Coverage.WHOLE and each.foreign:
            text = f"keys that are not in the set ({len(each.foreign)}): {quoted(each.foreign)}"
            yield setting.id, text
        if coverage is Coverage.WHOLE and missing:
            text = f"missing keys ({len(missing)}): {quoted(missing)}; --partial does without"
            yield setting.id, text


def _figures(
    predicted: PredictedClasses,
    top5: Mapping[Setting, NDArray[np.bool_] | None],
    baseline: Setting,
    intervals: Intervals,
) -> dict[Setting, Figures]:
    """Return the figures of every setting."""
    classes = predicted.classes
    right = {setting: each == predicted.labels for setting, each in classes.items()}
    replicates = np.full((RESAMPLES, len(right)), np.nan)
    if intervals is Intervals.BOOTSTRAP:
        replicates = resampled_means(np.stack([100.0 * each for each in right.values()], axis=1))
    figures = {}
    for (setting, best_five), resampled in zip(top5.items(), replicates.T, strict=True):
        lost = int((right[baseline] & ~right[setting]).sum())
        gained = int((right[setting] & ~right[baseline]).sum())
        figures[setting] = Figures(
            {
                "top-1": _percent(right[setting]),
                "top-5": None if best_five is None else _percent(best_five),
            },
            resampled,
            flip_rate=_percent(classes[setting] != classes[baseline]),
            mcnemar_p=mcnemar_p(lost, gained),
        )
    return figures


def _percent(flags: NDArray[np.bool_]) -> float:
    return 100 * int(flags.sum()) / len(flags)
