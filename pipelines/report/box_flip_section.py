"""The section of the report on boxes that vanish, appear and move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.pipelines.report.box_crops import Box, CropPair
from sysnoise.pipelines.report.box_flips import (
    SAME_OVERLAP,
    STILL_OVERLAP,
    BoxChange,
    BoxFlip,
    BoxFlipSelection,
    ComparedBox,
)
from sysnoise.pipelines.report.content import Choice
from sysnoise.pipelines.report.flips import MAX_FLIPS, MAX_IMAGES, FlipsData
from sysnoise.pipelines.report.gallery import DistinctPictures, stored_picture
from sysnoise.pipelines.report.set_sections import DEFAULT_FACTOR
from sysnoise.pipelines.scoring.detection import SURE_SCORE

MAX_BOXES = 60
"""Number of boxes that are drawn in a picture at most, changes first."""
MAX_LISTED = 8
"""Number of changes that are listed below a picture at most."""


@dataclass(frozen=True)
class DrawnBox:
    """A box of a picture.

    Attributes:
        classes: what becomes of it, and the setting that it is of, as classes of its element.
        box: x, y, width, height in pixels of the stored image.
        title: its category and score.
    """

    classes: str
    box: Box
    title: str


@dataclass(frozen=True)
class CropFigure:
    """A picture of the pixels around the first change of an image.

    Attributes:
        caption: what it shows.
        picture: the index of the picture.
        other: the index of the picture whose difference is shown; None for the picture itself.
        drawn: the boxes.
    """

    caption: str
    picture: int
    other: int | None
    drawn: Sequence[DrawnBox]


@dataclass(frozen=True)
class CropFigures:
    """The pixels around the first change: in the baseline, in the setting, and their difference.

    Attributes:
        view: left, top, width and height in pixels of the stored image, as SVG's ``viewBox``.
        width, height: its size in pixels of the stored image.
        step: every how many pixels one is shown.
        figures: the pictures.
    """

    view: str
    width: int
    height: int
    step: int
    figures: Sequence[CropFigure]


@dataclass(frozen=True)
class BoxFlipCard:
    """An image with the boxes of both settings.

    Attributes:
        model_index, setting_index: the values of the options at which the card is shown.
        model: the name of the model.
        setting: the id of the setting.
        key: the key of the image.
        picture: the index of the picture; None where the baseline's images are not available.
        width, height: the size of the stored image in pixels.
        drawn: the boxes, those that are drawn first, first.
        crops: the pixels around the first change; None where there are none to compare.
        listed: what changes, in words.
        more: the number of changes that are not listed.
        is_repeated: whether a card before it has the same image, so that it is hidden at first.
    """

    model_index: int
    setting_index: int
    model: str
    setting: str
    key: str
    picture: int | None
    width: int
    height: int
    drawn: Sequence[DrawnBox]
    crops: CropFigures | None
    listed: Sequence[str]
    more: int
    is_repeated: bool


@dataclass(frozen=True)
class BoxFlipsContent:
    """The content of the section.

    Attributes:
        cards: the images that are shown.
        choices: the choice of a model, where there are several, and that of a setting.
        has_models: whether there are several models.
        baseline: the id of the baseline.
        data: what the script of the page reads.
        sure_score, same_overlap, still_overlap: the limits of what is compared.
        max_images: the number of images that are shown at most.
        max_flips: the number of cards at most.
        factor: what differences are multiplied by.
    """

    cards: Sequence[BoxFlipCard]
    choices: Sequence[Choice]
    has_models: bool
    baseline: str
    data: FlipsData
    sure_score: float = SURE_SCORE
    same_overlap: float = SAME_OVERLAP
    still_overlap: float = STILL_OVERLAP
    max_images: int = MAX_IMAGES
    max_flips: int = MAX_FLIPS
    factor: int = DEFAULT_FACTOR


def box_flips_content(
    flips: BoxFlipSelection,
    models: Sequence[str],
    settings: Sequence[str],
    choices: Sequence[Choice],
    names: Mapping[int, str],
) -> BoxFlipsContent:
    """Return the content of the section.

    Args:
        flips: the flips.
        models: the names of the models.
        settings: ids of the settings in which an image flips, in the order of the table.
        choices: the choice of a model, and that of a setting.
        names: the names of the categories by id.
    """
    counts = [
        (models.index(model), settings.index(setting.id), count)
        for (model, setting), count in flips.counts.items()
        if count
    ]
    has_models = len(models) > 1
    pictures = DistinctPictures()
    cards = list(_cards(flips, models, settings, names, pictures))
    return BoxFlipsContent(
        cards,
        choices if has_models else choices[1:],
        has_models,
        flips.baseline.id,
        FlipsData([stored_picture(each) for each in pictures.crops], counts),
    )


def _cards(
    flips: BoxFlipSelection,
    models: Sequence[str],
    settings: Sequence[str],
    names: Mapping[int, str],
    pictures: DistinctPictures,
) -> Iterator[BoxFlipCard]:
    """Yield the flips; before a choice is made, each image is shown once."""
    keys: set[str] = set()
    whole = {key: pictures.add(pixels) for key, pixels in flips.pictures.items()}
    for flip, crops in zip(flips.chosen, flips.crops, strict=True):
        changes = [each for each in flip.boxes if each.change is not BoxChange.STAYED]
        width, height = flips.sizes[flip.key]
        yield BoxFlipCard(
            models.index(flip.model),
            settings.index(flip.setting.id),
            flip.model,
            flip.setting.id,
            flip.key,
            whole.get(flip.key),
            width,
            height,
            list(_drawn(flip, names))[::-1],
            _crop_figures(flip, crops, names, pictures) if crops else None,
            [_described(each, names) for each in changes[:MAX_LISTED]],
            max(0, len(changes) - MAX_LISTED),
            is_repeated=flip.key in keys,
        )
        keys.add(flip.key)


def _drawn(flip: BoxFlip, names: Mapping[int, str]) -> Iterator[DrawnBox]:
    """Yield the boxes of a picture; one that stays is drawn once."""
    for each in flip.boxes[:MAX_BOXES]:
        stays = each.change is BoxChange.STAYED
        yield from _sides(each, names, ("after",) if stays else _BOTH)


_BOTH = ("before", "after")
"""The settings that a box can be of: the baseline, and the other."""


def _sides(
    compared: ComparedBox, names: Mapping[int, str], sides: Sequence[str]
) -> Iterator[DrawnBox]:
    """Yield the boxes of an object in some of both settings."""
    boxes = {"before": compared.before, "after": compared.after}
    for side in sides:
        box = boxes[side]
        if box is not None:
            title = _described(compared, names)
            yield DrawnBox(f"{compared.change.value} {side}", box, title)


def _crop_figures(
    flip: BoxFlip, crops: CropPair, names: Mapping[int, str], pictures: DistinctPictures
) -> CropFigures:
    """Return the pictures around the first change, each with the boxes of what it shows."""
    before, after = pictures.add(crops.before), pictures.add(crops.after)
    region = crops.region

    def boxes(*sides: str) -> list[DrawnBox]:
        shown = flip.boxes[:MAX_BOXES]
        return [box for each in shown for box in _sides(each, names, sides)][::-1]

    return CropFigures(
        f"{region.left} {region.top} {region.width} {region.height}",
        region.width,
        region.height,
        region.step,
        [
            CropFigure("baseline", before, None, boxes("before")),
            CropFigure("setting", after, None, boxes("after")),
            CropFigure(f"difference x {DEFAULT_FACTOR}", before, after, boxes(*_BOTH)),
        ],
    )


def _described(compared: ComparedBox, names: Mapping[int, str]) -> str:
    name = names.get(compared.category) or f"category {compared.category}"
    scores = " to ".join(f"{score:.2f}" for score in compared.scores)
    return f"{compared.change.value}: {name} {scores}"
