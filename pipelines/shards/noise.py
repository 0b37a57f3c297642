"""The noise of a set in its manifest, from sums over all samples.

It loads no codec, so that ``sysnoise verify`` can compute the same from the tables of samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sysnoise.manifests.manifest import AxisNoise, MostLike
from sysnoise.transforms.difference import Difference, DifferenceDocument, merged
from sysnoise.transforms.variant_ids import changed_axes, varied_axes


class VariantNoise(TypedDict):
    """The noise of a variant in the manifest."""

    difference: DifferenceDocument
    most_like: MostLike | None


def variant_noise(
    variants: Sequence[str], differences: Sequence[Difference], likes: Sequence[MostLike | None]
) -> dict[str, VariantNoise]:
    """Return, by id, how each variant differs from the baseline, and which one it is most like.

    Args:
        variants: ids of the variants, in grid order.
        differences: difference of each variant from the baseline.
        likes: the earlier variant that each is most like.
    """
    return {
        variant: {"difference": difference.document(), "most_like": like}
        for variant, difference, like in zip(variants, differences, likes, strict=True)
    }


def most_like(variants: Sequence[str], counts: Mapping[int, int], own: int) -> MostLike | None:
    """Return the earlier variant that has the same pixels on most images; None where none has.

    Args:
        variants: ids of the variants, in grid order.
        counts: number of shared images by position of the earlier variant.
        own: number of images that are the variant's own, without fallbacks.
    """
    if not counts:
        return None
    earlier, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"variant": variants[earlier], "images": count, "share": count / own}


def axis_noise(
    variants: Sequence[str], baseline: str, differences: Sequence[Difference]
) -> dict[str, AxisNoise]:
    """Return for each axis the pooled difference of the variants that differ in it alone.

    Args:
        variants: ids of the variants, in grid order.
        baseline: id of the baseline.
        differences: difference of each variant from the baseline.
    """
    noise: dict[str, AxisNoise] = {}
    for axis in varied_axes(variants):
        members = [
            difference
            for variant, difference in zip(variants, differences, strict=True)
            if changed_axes(variant, baseline) == (axis,)
        ]
        noise[axis] = {"variants": len(members), **merged(members).document()}
    return noise
