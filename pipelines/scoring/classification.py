"""Scoring classes: top-1, top-5, flips and McNemar's test."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.errors import MAX_LISTED, InputError, quoted
from sysnoise.pipelines.scoring.class_rows import EXTENSIONS, ClassRows, read_class_rows
from sysnoise.pipelines.scoring.files import SettingParser, prediction_files, refuse, setting_parser
from sysnoise.pipelines.scoring.records import (
    Coverage,
    Figures,
    Intervals,
    PredictedClasses,
    Scored,
)
from sysnoise.pipelines.scoring.statistics import RESAMPLES, mcnemar_p, resampled_means

_UNKNOWN = -1
"""The class of an image without a prediction, and the index of a key that the set lacks."""


@dataclass(frozen=True)
class Labels:
    """The ground truth of a set.

    Attributes:
        places: the index of each image by its key, in key order.
        labels: the labels of the images, in that order.
        shards: the number of the shard that holds each image.
    """

    places: Mapping[str, int]
    labels: NDArray[np.int64]
    shards: NDArray[np.int32]


@dataclass
class SettingPredictions:
    """The predictions of the files for one setting.

    Attributes:
        classes: the best class of each image; -1 where none was read yet.
        top5: whether the label is among the five best; None where a file has only the best.
        repeated, foreign: the keys that came again, and those that the set does not hold: the first
            ones, as many as a message lists.
        repeats, foreigners: how many there are of them.
    """

    classes: NDArray[np.int32]
    top5: NDArray[np.bool_] | None
    repeated: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    repeats: int = 0
    foreigners: int = 0


def read_labels(tables: SampleTables) -> Labels:
    """Read the labels of the images that a set holds.

    Raises:
        SetError: a table is missing or damaged.
        InputError: the set holds no image, or one without label.
    """
    labels: dict[str, int] = {}
    shards: list[int] = []
    for shard in range(tables.found.shards):
        for row in tables.rows(shard, ["key", "label"]):
            labels[row["key"]] = row["label"]
            shards.append(shard)
    without = [key for key, label in labels.items() if label is None]
    if without or not labels:
        raise InputError(
            f"{tables.found.url!r} cannot be scored against: it holds "
            f"{'images without label: ' + quoted(without) if without else 'no image'}"
        )
    places = {key: place for place, key in enumerate(labels)}
    return Labels(places, np.array(list(labels.values()), np.int64), np.array(shards, np.int32))


def score_classes(
    found: FinishedSet,
    truth: Labels,
    trained: str,
    url: str,
    coverage: Coverage,
    intervals: Intervals,
) -> Scored:
    """Score a model's predictions.

    Args:
        found: the set.
        truth: the labels of the set.
        trained: id of the variant that the others are compared with.
        url: path or fsspec URL of the predictions: Parquet or JSON lines, or a folder of such.
        coverage: which images are scored.
        intervals: whether figures get intervals.

    Raises:
        InputError: the predictions cannot be read, or are not of this set.
    """
    baseline = Setting(trained)
    by_setting, problems = _read_predictions(setting_parser(found), truth, url)
    if baseline not in by_setting:
        problems[baseline.id] = "the baseline setting is not among the predictions"
    refuse(url, [*problems.items(), *_key_problems(truth, by_setting, coverage)])
    common = np.ones(len(truth.labels), bool)
    for each in by_setting.values():
        common &= each.classes != _UNKNOWN
    if not common.any():
        raise InputError(f"the predictions {url!r} have no key for all settings in common")
    predicted = _predicted_classes(truth, by_setting, common)
    top5 = {
        setting: None if each.top5 is None else each.top5[common]
        for setting, each in by_setting.items()
    }
    return Scored(
        int(common.sum()),
        _figures(predicted, top5, baseline, intervals),
        () if common.all() else (f"{common.sum()} of {len(common)} images are scored",),
        predicted,
    )


def _predicted_classes(
    truth: Labels, by_setting: Mapping[Setting, SettingPredictions], images: NDArray[np.bool_]
) -> PredictedClasses:
    """Return the predicted classes of some images."""
    return PredictedClasses(
        [key for key, index in truth.places.items() if images[index]],
        truth.shards[images],
        truth.labels[images],
        {setting: each.classes[images] for setting, each in by_setting.items()},
    )


def _read_predictions(
    parse: SettingParser, truth: Labels, url: str
) -> tuple[dict[Setting, SettingPredictions], dict[str, str]]:
    """Return the predictions by setting, and why settings cannot be read, by their texts."""
    root, names = prediction_files(url, EXTENSIONS)
    by_setting: dict[Setting, SettingPredictions] = {}
    problems: dict[str, str] = {}
    has_rows = False
    for name in names:
        for rows in read_class_rows(root, name):
            has_rows = True
            indices = np.array([truth.places.get(key, _UNKNOWN) for key in rows.keys], np.int64)
            settings = np.array(rows.settings, object)
            for text in dict.fromkeys(rows.settings):
                try:
                    setting = parse(text)
                except ValueError as error:
                    problems[text] = str(error)
                    if len(problems) > MAX_LISTED:  # Enough for the message.
                        refuse(url, problems.items())
                    continue
                if setting not in by_setting:
                    unknown = np.full(len(truth.labels), _UNKNOWN, np.int32)
                    by_setting[setting] = SettingPredictions(unknown, np.zeros(len(unknown), bool))
                chosen = np.flatnonzero(settings == text)
                _add(by_setting[setting], rows, chosen, indices, truth.labels)
    if not has_rows:
        raise InputError(f"the predictions {url!r} have no rows")
    return by_setting, problems


def _add(
    predictions: SettingPredictions,
    rows: ClassRows,
    chosen: NDArray[np.intp],
    indices: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> None:
    """Add the chosen rows to the predictions of their setting.

    Args:
        predictions: the predictions of the setting so far.
        rows: the rows of a file.
        chosen: the numbers of those rows that are of the setting.
        indices: the index of each row's image in the set; -1 where the set does not hold it.
        labels: the labels of the set.
    """
    is_held = indices[chosen] != _UNKNOWN
    predictions.foreigners += int((~is_held).sum())
    _list_some(predictions.foreign, rows, chosen[~is_held])
    chosen = chosen[is_held]
    is_first = np.zeros(len(chosen), bool)
    is_first[np.unique(indices[chosen], return_index=True)[1]] = True
    is_first &= predictions.classes[indices[chosen]] == _UNKNOWN
    predictions.repeats += int((~is_first).sum())
    _list_some(predictions.repeated, rows, chosen[~is_first])
    chosen = chosen[is_first]
    images = indices[chosen]
    predictions.classes[images] = rows.classes[chosen, 0]
    if not rows.has_top5:
        predictions.top5 = None
    elif predictions.top5 is not None:
        predictions.top5[images] = (rows.classes[chosen] == labels[images, None]).any(axis=1)


def _list_some(keys: list[str], rows: ClassRows, chosen: NDArray[np.intp]) -> None:
    """Add the keys of rows to a list, until a message has enough of them."""
    keys += [rows.keys[row] for row in chosen[: MAX_LISTED - len(keys)]]


def _some(first: Sequence[str], count: int) -> str:
    """Return the first of some keys in quotes, and how many more there are."""
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return quoted(first) + more


def _key_problems(
    truth: Labels, by_setting: Mapping[Setting, SettingPredictions], coverage: Coverage
) -> Iterator[tuple[str, str]]:
    """Yield settings and what is wrong with their keys."""
    keys = list(truth.places)
    for setting, each in by_setting.items():
        missing = [keys[index] for index in np.flatnonzero(each.classes == _UNKNOWN)]
        if each.repeated:
            some = _some(each.repeated, each.repeats)
            yield setting.id, f"repeated keys ({each.repeats}): {some}"
        if coverage is Coverage.WHOLE and each.foreign:
            some = _some(each.foreign, each.foreigners)
            text = f"keys that are not in the set ({each.foreigners}): {some}"
            are_names = all(posixpath.splitext(key)[0] in truth.places for key in each.foreign)
            yield setting.id, f"{text}; leave out the extension" if are_names else text
        if coverage is Coverage.WHOLE and missing:
            text = f"missing keys ({len(missing)}): {quoted(missing)}; --partial leaves them out"
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
