"""Images whose predicted class changes between the baseline and a setting, and their crops."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.gallery import (
    DistinctPictures,
    StoredPicture,
    central_crop,
    read_images,
)
from sysnoise.pipelines.scoring.records import PredictedClasses
from sysnoise.transforms.pixels import Pixels

MAX_IMAGES = 24
"""Number of images that are shown at most."""
MAX_FLIPS = 144
"""Number of flips that are shown at most, each with a picture of its own."""

FlipMatrix = NDArray[np.bool_]
"""Whether an image flips in a setting, shape (settings, images)."""


@dataclass(frozen=True)
class Flip:
    """An image whose class in a setting is not that in the baseline.

    Attributes:
        model: the name of the model.
        setting: the setting with the other class.
        key: the key of the image.
        shard: the number of the shard that holds the image.
        label: the label of the image.
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
class FlipSelection:
    """The flips that are shown.

    Attributes:
        baseline: the setting whose classes the others are compared with.
        chosen: the flips, in the order in which they were chosen.
        counts: the number of all flips by model and setting, also where there are none.
        pictures: distinct crops: uint8, shape (H, W, 3), RGB.
        picture_indices: the index of each picture by key and variant, for those variants whose
            images are available.
    """

    baseline: Setting
    chosen: Sequence[Flip]
    counts: Mapping[tuple[str, Setting], int]
    pictures: Sequence[Pixels]
    picture_indices: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class FlipsData:
    """What the script of the page reads of the flips.

    Attributes:
        pictures: the distinct pictures.
        counts: the indices of a model and a setting, and the number of all flips there.
    """

    pictures: Sequence[StoredPicture]
    counts: Sequence[tuple[int, int, int]]


def select_flips(found: FinishedSet, predicted: Mapping[str, PredictedClasses]) -> FlipSelection:
    """Choose flips and read their crops.

    Args:
        found: the set.
        predicted: the predicted classes by model.

    Raises:
        SetError: a file is missing or damaged.
    """
    baseline = Setting(found.baseline)
    settings = ordered_settings({m: each.classes for m, each in predicted.items()}, baseline)
    keys = sorted({key for each in predicted.values() for key in each.keys})
    matrix = _flip_matrix(predicted, baseline, settings, keys)
    chosen = [
        _flip(*settings[setting], predicted, baseline, keys[image])
        for setting, image in chosen_flips(matrix, chosen_images(matrix))
    ]
    counts = dict(zip(settings, matrix.sum(axis=1).tolist(), strict=True))
    return FlipSelection(baseline, chosen, counts, *_read_pictures(found, chosen))


def ordered_settings(
    predicted: Mapping[str, Collection[Setting]], baseline: Setting
) -> list[tuple[str, Setting]]:
    """Return models and settings other than the baseline, in the order in which they take turns.

    Settings that differ in fewer noises come first, then those with the lower id.

    Args:
        predicted: the settings of each model.
        baseline: the setting that the others are compared with.
    """
    settings = {each for model in predicted.values() for each in model} - {baseline}
    ordered = sorted(settings, key=lambda each: (len(each.changes(baseline)), each.id))
    return [
        (model, setting)
        for setting in ordered
        for model, each in predicted.items()
        if setting in each
    ]


def _flip_matrix(
    predicted: Mapping[str, PredictedClasses],
    baseline: Setting,
    settings: Sequence[tuple[str, Setting]],
    keys: Sequence[str],
) -> FlipMatrix:
    columns = {key: column for column, key in enumerate(keys)}
    of_model = {model: [columns[key] for key in each.keys] for model, each in predicted.items()}
    matrix = np.zeros((len(settings), len(keys)), bool)
    for row, (model, setting) in zip(matrix, settings, strict=True):
        classes = predicted[model].classes
        row[of_model[model]] = classes[setting] != classes[baseline]
    return matrix


def chosen_images(matrix: FlipMatrix) -> list[int]:
    """Return the indices of the images that are shown, at most 24.

    One after another, the image is chosen that flips in the most settings in which none before it
    does, the first of equal ones. Once no image flips in any of the remaining settings, all
    settings count again.
    """
    chosen: list[int] = []
    remaining = np.ones(len(matrix), bool)
    while len(chosen) < MAX_IMAGES:
        gains = matrix[remaining].sum(axis=0)
        gains[chosen] = 0
        if gains.any():
            chosen.append(int(gains.argmax()))
            remaining &= ~matrix[:, chosen[-1]]
        elif remaining.all():
            break
        else:
            remaining[:] = True
    return chosen


def chosen_flips(matrix: FlipMatrix, images: Sequence[int]) -> list[tuple[int, int]]:
    """Return the flips of some images that are shown, at most 144: indices of setting and image.

    In turn, each setting adds the flip of the image with the fewest flips so far, the first of
    equal ones.
    """
    remaining = matrix[:, images].copy()
    flips_of_image = np.zeros(len(images), int)
    chosen: list[tuple[int, int]] = []
    while remaining.any() and len(chosen) < MAX_FLIPS:
        for setting in np.flatnonzero(remaining.any(axis=1)).tolist():
            columns = np.flatnonzero(remaining[setting])
            column = int(columns[flips_of_image[columns].argmin()])
            remaining[setting, column] = False
            flips_of_image[column] += 1
            chosen.append((setting, images[column]))
    return chosen[:MAX_FLIPS]


def _flip(
    model: str,
    setting: Setting,
    predicted: Mapping[str, PredictedClasses],
    baseline: Setting,
    key: str,
) -> Flip:
    of_model = predicted[model]
    index = of_model.keys.index(key)
    return Flip(
        model,
        setting,
        key,
        int(of_model.shards[index]),
        int(of_model.labels[index]),
        before=int(of_model.classes[baseline][index]),
        after=int(of_model.classes[setting][index]),
    )


def _read_pictures(
    found: FinishedSet, flips: Sequence[Flip]
) -> tuple[list[Pixels], dict[tuple[str, str], int]]:
    """Return the crops of the flips and of the baseline, and their indices by key and variant."""
    wanted: dict[tuple[str, int], dict[str, None]] = {}
    for flip in flips:
        for variant in {found.baseline: None, flip.setting.variant: None}:
            if variant in found.held:
                wanted.setdefault((variant, flip.shard), {})[flip.key] = None
    pictures = DistinctPictures()
    indices = {}
    for (variant, shard), keys in wanted.items():
        for key, pixels in read_images(found, variant, shard, list(keys)).items():
            indices[key, variant] = pictures.add(central_crop(pixels))
    return pictures.crops, indices
