"""Images whose predicted class changes between the baseline and a setting, and their crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.gallery import Pictures, central_crop, read_images
from sysnoise.pipelines.scoring.records import PredictedClasses
from sysnoise.transforms.pixels import Pixels

IMAGES = 24
"""That are shown at most."""
FLIPS = 144
"""That are shown at most, each with a picture of its own."""


Marks = NDArray[np.bool_]
"""Which image flips in which setting, shape (settings, images)."""


@dataclass(frozen=True)
class Flip:
    """An image whose class in a setting is not that in the baseline.

    Attributes:
        model: its name.
        setting: with the other class.
        key: of the image.
        shard: number of the one that holds it.
        label: of the image.
        before, after: the class in the baseline, and in the setting.
    """

    model: str
    setting: Setting
    key: str
    shard: int
    label: int
    before: int
    after: int


@dataclass(frozen=True)
class Flips:
    """Those that are looked at.

    Attributes:
        baseline: the setting that they are flips from.
        chosen: in the order in which they were.
        counts: number of all flips by model and setting, also where there are none.
        pictures: distinct crops: uint8, shape (H, W, 3), RGB.
        numbers: of the pictures by key and variant, of variants that are at hand.
    """

    baseline: Setting
    chosen: Sequence[Flip]
    counts: Mapping[tuple[str, Setting], int]
    pictures: Sequence[Pixels]
    numbers: Mapping[tuple[str, str], int]


def make_flips(found: FinishedSet, predicted: Mapping[str, PredictedClasses]) -> Flips:
    """Choose flips and read their crops.

    Args:
        found: the set.
        predicted: classes by model.

    Raises:
        SetError: a file is missing or damaged.
    """
    baseline = Setting(found.baseline)
    settings = ordered_settings(predicted, baseline)
    keys = sorted({key for each in predicted.values() for key in each.keys})
    marks = _marks(predicted, baseline, settings, keys)
    chosen = [
        _flip(*settings[setting], predicted, baseline, keys[image])
        for setting, image in chosen_flips(marks, chosen_images(marks))
    ]
    counts = dict(zip(settings, marks.sum(axis=1).tolist(), strict=True))
    return Flips(baseline, chosen, counts, *_read_pictures(found, chosen))


def ordered_settings(
    predicted: Mapping[str, PredictedClasses], baseline: Setting
) -> list[tuple[str, Setting]]:
    """Return models and settings other than the baseline, in the order of their turns.

    Settings that differ in fewer noises come first, then those with the lower id.
    """
    settings = {each for model in predicted.values() for each in model.classes} - {baseline}
    ordered = sorted(settings, key=lambda each: (len(each.changes(baseline)), each.id))
    return [
        (model, setting)
        for setting in ordered
        for model, each in predicted.items()
        if setting in each.classes
    ]


def _marks(
    predicted: Mapping[str, PredictedClasses],
    baseline: Setting,
    settings: Sequence[tuple[str, Setting]],
    keys: Sequence[str],
) -> Marks:
    places = {key: place for place, key in enumerate(keys)}
    where = {model: [places[key] for key in each.keys] for model, each in predicted.items()}
    marks = np.zeros((len(settings), len(keys)), bool)
    for row, (model, setting) in zip(marks, settings, strict=True):
        classes = predicted[model].classes
        row[where[model]] = classes[setting] != classes[baseline]
    return marks


def chosen_images(marks: Marks) -> list[int]:
    """Return the images that are looked at, at most 24.

    One after another, the image that flips in the most settings in which none before it does, the
    first of equal ones; and anew once no image flips in any of the settings that are left.
    """
    chosen: list[int] = []
    left = np.ones(len(marks), bool)
    while len(chosen) < IMAGES:
        gains = marks[left].sum(axis=0)
        gains[chosen] = 0
        if gains.any():
            chosen.append(int(gains.argmax()))
            left &= ~marks[:, chosen[-1]]
        elif left.all():
            break
        else:
            left[:] = True
    return chosen


def chosen_flips(marks: Marks, images: Sequence[int]) -> list[tuple[int, int]]:
    """Return the flips of some images that are looked at, at most 144: setting and image.

    By turns each setting adds one: that of the image with the fewest so far, the first of equal
    ones.
    """
    left = marks[:, images].copy()
    shown = np.zeros(len(images), int)
    chosen: list[tuple[int, int]] = []
    while left.any() and len(chosen) < FLIPS:
        for setting in np.flatnonzero(left.any(axis=1)).tolist():
            places = np.flatnonzero(left[setting])
            place = int(places[shown[places].argmin()])
            left[setting, place] = False
            shown[place] += 1
            chosen.append((setting, images[place]))
    return chosen[:FLIPS]


def _flip(
    model: str,
    setting: Setting,
    predicted: Mapping[str, PredictedClasses],
    baseline: Setting,
    key: str,
) -> Flip:
    of_model = predicted[model]
    place = of_model.keys.index(key)
    return Flip(
        model,
        setting,
        key,
        int(of_model.shards[place]),
        int(of_model.labels[place]),
        before=int(of_model.classes[baseline][place]),
        after=int(of_model.classes[setting][place]),
    )


def _read_pictures(
    found: FinishedSet, flips: Sequence[Flip]
) -> tuple[list[Pixels], dict[tuple[str, str], int]]:
    """Return the crops of the flips and of the baseline, and their numbers by key and variant."""
    wanted: dict[tuple[str, int], dict[str, None]] = {}
    for flip in flips:
        for variant in {found.baseline: None, flip.setting.variant: None}:
            if variant in found.held:
                wanted.setdefault((variant, flip.shard), {})[flip.key] = None
    pictures = Pictures()
    numbers = {}
    for (variant, shard), keys in wanted.items():
        for key, pixels in read_images(found, variant, shard, list(keys)).items():
            numbers[key, variant] = pictures.add(central_crop(pixels))
    return pictures.crops, numbers
