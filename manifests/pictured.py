"""Which variants the picture of a set's noise shows, which follows from its manifest."""

from __future__ import annotations

from sysnoise.manifests.manifest import Manifest
from sysnoise.transforms.variant_ids import ALL_AXES, changed_axes

PICTURE_FACTOR = 16
"""What the differences in the picture are multiplied by."""
MAX_PICTURED = 3
"""Number of variants that the picture shows besides the baseline."""


def pictured_variants(manifest: Manifest) -> list[str]:
    """Return the ids of the variants in the picture: the baseline, then up to three others.

    They are the ones with the largest mean difference of those that differ from the baseline in one
    axis alone, in the order of the axes; where there is no such variant, of all. Variants of
    another geometry are left out: their pixels are of other places.
    """
    baseline = manifest["grid"]["baseline"]
    means = {
        each["id"]: each["difference"]["mean"]
        for each in manifest["variants"]
        if "geometry" not in changed_axes(each["id"], baseline) and each["difference"]["mean"]
    }
    noisiest = sorted(means, key=lambda each: -(means[each] or 0))
    axes = {each: changed_axes(each, baseline) for each in noisiest}
    first = [next((v for v in noisiest if axes[v] == (axis,)), None) for axis in ALL_AXES]
    single = [each for each in first if each is not None]
    return [baseline, *(single or noisiest)[:MAX_PICTURED]]
