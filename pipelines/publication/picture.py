"""The picture of a set's noise on its card, drawn from the images that the set stores."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

from sysnoise.manifests import layout
from sysnoise.manifests.errors import SetError
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.pictured import PICTURE_FACTOR, pictured_variants
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.tables import SampleStatus
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.codecs.encoders import encode_png
from sysnoise.transforms.noise_picture import noise_picture
from sysnoise.transforms.pixels import Pixels

FIRST_SAMPLE = "first"
"""What asks for the picture of the first sample."""


def can_draw(held: HeldSet) -> bool:
    """Whether a set holds the images that its picture is drawn from."""
    return {*pictured_variants(held.manifest)} <= {*held.held}


def write_picture(output: Root, held: HeldSet, key: str) -> str:
    """Draw the noise of a sample, and write it as ``noise.png``.

    Args:
        output: the root of the set.
        held: the set, and which variants it holds.
        key: the key of the sample; :data:`FIRST_SAMPLE` for the first one of the set.

    Returns:
        The key.

    Raises:
        UsageError: the set has no such sample, no noise, or lacks the images.
        SetError: a file is missing or damaged.
        OutputError: the picture cannot be written.
    """
    found = FinishedSet(output.url, output.fs, output.path, held.manifest)
    variants = pictured_variants(held.manifest)
    lacking = [each for each in variants if each not in held.held]
    if lacking:
        raise UsageError(
            f"{output.url!r} holds no images of {', '.join(lacking)}, which the picture shows; "
            "draw it where they are"
        )
    if len(variants) == 1:
        raise UsageError(f"no variant of {output.url!r} differs from the baseline: no picture")
    key, shard = _place(found, key)
    baseline, *others = (_image(found, each, shard, key) for each in variants)
    try:
        pixels = noise_picture(baseline, others, PICTURE_FACTOR)
    except ValueError as error:
        raise UsageError(f"drawing the noise of {key!r}: {error}; choose another key") from error
    write_file(output, layout.PICTURE, encode_png(pixels))
    return key


def _place(found: FinishedSet, key: str) -> tuple[str, int]:
    """Return a key that the set holds, and its shard; keys are sorted over all shards."""
    if key == FIRST_SAMPLE:
        for shard in range(found.shards):
            accepted = [row["key"] for row in _rows(found, shard) if _is_accepted(row)]
            if accepted:
                return accepted[0], shard
        raise UsageError(f"{found.url!r} has no sample: there is nothing to draw")
    shards = range(found.shards)
    after = bisect.bisect_right(shards, key, key=lambda shard: _rows(found, shard)[0]["key"])
    shard = max(0, after - 1)
    if not any(row["key"] == key and _is_accepted(row) for row in _rows(found, shard)):
        raise UsageError(f"{found.url!r} has no sample {key!r}; samples/ names those that it has")
    return key, shard


def _rows(found: FinishedSet, shard: int) -> list[dict[str, str]]:
    return found.samples(shard, ["key", "status"])


def _is_accepted(row: Mapping[str, str]) -> bool:
    return row["status"] == SampleStatus.OK.value


def _image(found: FinishedSet, variant: str, shard: int, key: str) -> Pixels:
    for each, data in found.images(variant, shard):
        if each == key:
            return found.decode(variant, shard, key, data)
    raise SetError(
        f"reading {found.shard_file(variant, shard).path!r} of {found.url!r}: it lacks {key!r}, "
        "which the table of samples has; 'sysnoise verify' finds the damage"
    )
