"""COCO's average precision on resamples: pycocotools on datasets with copied images."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sysnoise.pipelines.scoring.average_precision import (
    Matches,
    match_boxes,
    mean_average_precision,
)

CATEGORIES = (1, 3, 7)
IMAGES = 6
Entries = list[dict[str, Any]]


def made(seed: int, ties: bool) -> tuple[Entries, Entries]:
    """Objects, some of them crowds, and detections, some near them; over a hundred in an image."""
    generator = np.random.default_rng(seed)
    objects: Entries = []
    detections: Entries = []
    for image in range(1, IMAGES + 1):
        for category in CATEGORIES:
            for _ in range(generator.integers(5)):
                box = np.append(generator.random(2) * 100, 5 + generator.random(2) * 120).round()
                crowd = int(generator.random() < 0.2)
                place = {"image_id": image, "category_id": category}
                objects.append({**place, "bbox": box.tolist(), "area": 50.0, "iscrowd": crowd})
                for _ in range(generator.integers(60 if seed % 5 == 0 else 4)):
                    near = box + (generator.normal(0, 6, 4) * (generator.random() < 0.7)).round()
                    near[2:] = np.maximum(near[2:], 1)
                    score = round(float(generator.random()), 1 if ties else 9)
                    detections.append({**place, "bbox": near.tolist(), "score": score})
    return objects, detections


def reference(objects: Entries, detections: Entries, images: int) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        reader = COCO()
        reader.dataset = {
            "images": [{"id": image} for image in range(1, images + 1)],
            "categories": [{"id": category} for category in CATEGORIES],
            "annotations": [{**each, "id": number} for number, each in enumerate(objects, start=1)],
        }
        reader.createIndex()
        results = reader.loadRes([dict(each) for each in detections])
        evaluation = COCOeval(reader, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def matches(objects: Entries, detections: Entries) -> list[Matches]:
    """The matches of each category, image by image."""
    return [
        _matches_of(
            [each for each in objects if each["category_id"] == category],
            [each for each in detections if each["category_id"] == category],
        )
        for category in CATEGORIES
    ]


def _matches_of(objects: Entries, detections: Entries) -> Matches:
    places: list[int] = []
    scores: list[float] = []
    matched, ignored, counts = [np.zeros((10, 0), bool)], [np.zeros((10, 0), bool)], []
    for image in range(1, IMAGES + 1):
        own = [each for each in objects if each["image_id"] == image]
        best = [each for each in detections if each["image_id"] == image]
        best = sorted(best, key=lambda each: -float(each["score"]))[:100]
        crowd = np.array([each["iscrowd"] for each in own], bool)
        counts.append(int((~crowd).sum()))
        if best:
            boxes = [[each["bbox"] for each in group] for group in (best, own)]
            overlaps = coco_mask.iou(*boxes, crowd.tolist()) if own else np.zeros((len(best), 0))
            one, other = match_boxes(np.asarray(overlaps), crowd)
            matched.append(one)
            ignored.append(other)
        places += [image - 1] * len(best)
        scores += [each["score"] for each in best]
    return Matches(
        images=np.array(places, int),
        scores=np.array(scores),
        matched=np.concatenate(matched, axis=1),
        ignored=np.concatenate(ignored, axis=1),
        objects=np.array(counts),
    ).sorted()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ties", [True, False])
def test_every_image_once_is_pycocotools_own(seed: int, ties: bool) -> None:
    objects, detections = made(seed, ties)
    (value,) = mean_average_precision(matches(objects, detections), np.ones((1, IMAGES), int))
    assert value == pytest.approx(reference(objects, detections, IMAGES), abs=1e-9)


def test_images_that_are_drawn_are_copies() -> None:
    objects, detections = made(1, ties=False)
    generator = np.random.default_rng(2)
    drawn = generator.integers(IMAGES, size=(25, IMAGES))
    counts = np.stack([np.bincount(each, minlength=IMAGES) for each in drawn])
    values = mean_average_precision(matches(objects, detections), counts)
    for images, value in zip(drawn, values, strict=True):
        copied = [_copied(entries, images.tolist()) for entries in (objects, detections)]
        assert value == pytest.approx(reference(copied[0], copied[1], IMAGES), abs=1e-9)


def _copied(entries: Entries, images: list[int]) -> Entries:
    return [
        {**each, "image_id": number}
        for number, image in enumerate(images, start=1)
        for each in entries
        if each["image_id"] == image + 1
    ]


def test_without_objects_there_is_no_value() -> None:
    objects, detections = made(1, ties=False)
    alone = [each for each in objects if each["image_id"] == 1]
    counts = np.array([[0, 2, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    values = mean_average_precision(matches(alone, detections), counts)
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(reference(alone, detections, IMAGES), abs=1e-9)
    nothing = mean_average_precision(matches(objects, []), counts)
    assert nothing.tolist() == [0.0, 0.0]
