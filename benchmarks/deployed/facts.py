"""The facts of ``manifests/stands_for.json``, from the figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sysnoise.manifests.stands_for import StandsFor
from sysnoise.transforms.variants import METHODS

FACTS = Path(__file__).parent.parent.parent / "manifests" / "stands_for.json"
NEAR, NEAR_ON_AVERAGE = 2, 0.05
"""How far what a method stands for is at most, in levels: the largest difference, or the mean."""

EARLIER = "12 photographs, earlier"
"""How the facts of :data:`OTHERS` were found."""

UNRECORDED = "version not recorded"

OTHERS: Mapping[str, Mapping[str, tuple[StandsFor, ...]]] = {
    "decoder": {
        "pillow": (
            StandsFor("Qt, GdkPixbuf, pygame-ce, GraphicsMagick", "Qt 6", 0, 0, EARLIER),
            StandsFor("javax.imageio.ImageIO", "Java 17", 0, 0, EARLIER),
            StandsFor("@napi-rs/canvas", UNRECORDED, 0, 0, EARLIER),
            StandsFor("nvImageCodec on CPUs", UNRECORDED, 0, 0, EARLIER),
        ),
        "simplejpeg-fastdct": (
            StandsFor("nvImageCodec on CPUs, fast_idct", UNRECORDED, 0, 0, EARLIER),
        ),
        "simplejpeg-fastupsample": (
            StandsFor("nvImageCodec on CPUs, fancy_upsampling=0", UNRECORDED, 0, 0, EARLIER),
        ),
    },
    "resize": {
        "pillow-bilinear": (
            StandsFor("image::imageops::resize, Triangle", "Rust image 0.25", 0.157, 1, EARLIER),
            StandsFor("x/image/draw.BiLinear (Ollama)", UNRECORDED, 0.253, 1, EARLIER),
        ),
        "opencv-linear-exact": (
            StandsFor("TensorFlow Lite ResizeBilinear", UNRECORDED, 0.025, 1, EARLIER),
        ),
    },
}
"""Facts on programs that the environment of ``make deployed`` does not have."""


def facts(results: Mapping[str, Any]) -> dict[str, dict[str, list[StandsFor]]]:
    """Return by axis and method what each method stands for, the nearest first.

    It is what differs from it by at most 2 levels or .05 on average, and from no method less; of
    resizes, when they reduce.
    """
    how = f"{results['photographs']['count']} photographs"
    found: dict[str, dict[str, list[StandsFor]]] = {}
    for axis in ("decoder", "resize"):
        by_method: dict[str, list[StandsFor]] = defaultdict(list)
        for row in results[axis]:
            if fact := _fact(axis, row, how):
                by_method[row["nearest"]].append(fact)
        for method, others in OTHERS[axis].items():
            by_method[method] += others
        found[axis] = {
            name: sorted(by_method[name], key=lambda each: (each.maximum > 0, each.mean))
            for name in METHODS[axis]
            if name in by_method
        }
    return found


def _fact(axis: str, row: Mapping[str, Any], how: str) -> StandsFor | None:
    distances = (
        list(row["distance"].values()) if axis == "decoder" else [row["distance"]["reduced"]]
    )
    maximum = max(each["maximum"] for each in distances)
    mean = sum(each["mean"] for each in distances) / len(distances)
    if maximum > NEAR and mean > NEAR_ON_AVERAGE:
        return None
    rounding = f", rounded {row['rounding']}" if row["rounding"] else ""
    return StandsFor(row["name"] + rounding, row["versions"], round(mean, 4), maximum, how)


def facts_json(results: Mapping[str, Any]) -> str:
    """Return the content of ``manifests/stands_for.json``."""
    document = {
        axis: {name: [asdict(each) for each in found] for name, found in methods.items()}
        for axis, methods in facts(results).items()
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
