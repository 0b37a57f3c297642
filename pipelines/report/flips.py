"""Images whose predicted class changes between the baseline and a setting, and their crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from manifests.reading import FinishedSet
from manifests.settings import Setting
from pipelines.report.gallery import Pictures, central_crop, read_images
from pipelines.scoring.records import PredictedClasses
from transforms.arrays import Pixels

IMAGES = 24
"""That are shown at most."""
FLIPS = 144
"""That are shown at most, each with a picture of its own."""


Places = Mapping[tuple[str, Setting], NDArray[np.intp]]
"""Places of images, in their order in the model's predictions, by model and setting."""


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
    places = flipped_places(predicted, baseline)
    chosen = chosen_flips(predicted, places, baseline)
    counts = {pair: len(each) for pair, each in places.items()}
    return Flips(baseline, chosen, counts, *_read_pictures(found, chosen))


def flipped_places(predicted: Mapping[str, PredictedClasses], baseline: Setting) -> Places:
    """Return the places of the images that flip, by model and setting.

    Settings that differ from the baseline in fewer noises come first, then those with the lower
    id; of each setting, the models.
    """
    settings = {each for classes in predicted.values() for each in classes.classes} - {baseline}
    ordered = sorted(settings, key=lambda each: (len(each.changes(baseline)), each.id))
    return {
        (model, setting): np.flatnonzero(each.classes[setting] != each.classes[baseline])
        for setting in ordered
        for model, each in predicted.items()
        if setting in each.classes
    }


def chosen_flips(
    predicted: Mapping[str, PredictedClasses], places: Places, baseline: Setting
) -> list[Flip]:
    """Return the flips that are looked at: at most 144, of at most 24 images.

    By turns, each setting of each model adds its next one: the image that flips most often over
    all settings and models, and the first in key order of such. Once there are 24 images, no
    other is added.

    Args:
        predicted: classes by model.
        places: of the flips, as of :func:`flipped_places`.
        baseline: the setting that they are flips from.
    """
    totals: Counter[str] = Counter()
    for (model, _), each in places.items():
        totals.update(predicted[model].keys[place] for place in each.tolist())
    queues = [
        _ranked(model, predicted[model], setting, baseline, each, totals)
        for (model, setting), each in places.items()
    ]
    chosen: list[Flip] = []
    keys: set[str] = set()
    for flip in filter(None, chain.from_iterable(zip_longest(*queues))):
        if flip.key in keys or len(keys) < IMAGES:
            keys.add(flip.key)
            chosen.append(flip)
        if len(chosen) == FLIPS:
            break
    return chosen


def _ranked(
    model: str,
    predicted: PredictedClasses,
    setting: Setting,
    baseline: Setting,
    places: NDArray[np.intp],
    totals: Mapping[str, int],
) -> Iterator[Flip]:
    """Yield the flips of a setting, those of images that flip most often first."""
    for place in sorted(places.tolist(), key=lambda each: -totals[predicted.keys[each]]):
        yield Flip(
            model,
            setting,
            predicted.keys[place],
            int(predicted.shards[place]),
            int(predicted.labels[place]),
            before=int(predicted.classes[baseline][place]),
            after=int(predicted.classes[setting][place]),
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
