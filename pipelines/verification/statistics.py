"""What the samples of a shard add up to, from the columns of their table alone.

Everything is counted in integers, as ``sysnoise generate`` counts it while it makes the samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sysnoise.manifests.layout import variant_slug
from sysnoise.manifests.tables import DecoderStatus
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.transforms.difference import Difference

_WORDS = 4
"""Words of 64 bits in a pixel digest."""

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ShardSums:
    """What the accepted samples of one shard, or of all, add up to.

    Attributes:
        samples: number of samples.
        differences: difference of each variant from the baseline.
        shared: for each variant, how many of its images equal those of each earlier variant, by
            position; fallbacks are left out.
        fallbacks: number of fallbacks by decoder.
    """

    samples: int
    differences: tuple[Difference, ...]
    shared: tuple[Mapping[int, int], ...]
    fallbacks: Mapping[str, int]


@dataclass(frozen=True)
class Columns:
    """The accepted samples of a shard as arrays: one row per variant, one column per sample.

    Attributes:
        digests: pixel digests in words, shape (variants, samples, words).
        own: whether the decoder gave the pixels itself.
        compared: whether there is a difference.
        changed, absolute, squared, maximum: the fields of the differences.
        pixels: number of pixels of each sample, shape (samples,).
    """

    digests: NDArray[np.uint64]
    own: Flags
    compared: Flags
    changed: Numbers
    absolute: Numbers
    squared: Numbers
    maximum: Numbers
    pixels: Numbers


def read_columns(accepted: pa.Table, facts: SetFacts) -> Columns:
    """Return the columns of the accepted samples of a shard as arrays."""
    slugs = [variant_slug(variant) for variant in facts.variants]
    differences = accepted["differences"].combine_chunks()
    structs = [differences.field(slug) for slug in slugs]
    decoders = accepted["decoders"].combine_chunks()
    is_own = {name: _is_own(decoders.field(name)) for name in facts.decoders}
    geometry = accepted["geometry"].combine_chunks()
    sides = (_numbers(geometry.field(f"output_{side}")) for side in ("width", "height"))
    changed, absolute, squared, maximum = (
        np.array([_numbers(each.field(name)) for each in structs], np.int64)
        for name in ("changed_pixels", "absolute_sum", "squared_sum", "maximum")
    )
    return Columns(
        np.array([_digests(accepted[slug].combine_chunks()) for slug in slugs], np.uint64),
        np.array([is_own[variant.split("/")[0]] for variant in facts.variants], np.bool_),
        np.array([_flags(each.is_valid()) for each in structs], np.bool_),
        changed,
        absolute,
        squared,
        maximum,
        np.multiply(*sides),
    )


def _flags(array: pa.Array) -> Flags:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _is_own(statuses: pa.Array) -> Flags:
    return _flags(pc.fill_null(pc.equal(statuses, DecoderStatus.OK.value), False))


def _numbers(array: pa.Array) -> Numbers:
    filled = pc.fill_null(array.cast(pa.int64()), 0)
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)


def _digests(array: pa.Array) -> NDArray[np.uint64]:
    """Return a column of digests as words, shape (samples, words); those that are null as zeros."""
    filled = pc.fill_null(array, bytes(8 * _WORDS))
    data = b"".join(filled.to_pylist())
    return np.frombuffer(data, np.uint64).reshape(len(array), _WORDS)


def add_up(columns: Columns, facts: SetFacts) -> ShardSums:
    """Return what the samples add up to."""
    return ShardSums(
        len(columns.pixels),
        tuple(_difference(columns, position) for position in range(len(facts.variants))),
        tuple(_shared(columns, position) for position in range(len(facts.variants))),
        _fallbacks(columns, facts),
    )


def _difference(columns: Columns, position: int) -> Difference:
    at = columns.compared[position]
    changed = columns.changed[position][at]
    return Difference(
        images=int(at.sum()),
        identical_images=int((changed == 0).sum()),
        pixels=int(columns.pixels[at].sum()),
        changed_pixels=int(changed.sum()),
        absolute_sum=int(columns.absolute[position][at].sum()),
        squared_sum=int(columns.squared[position][at].sum()),
        maximum=int(columns.maximum[position][at].max(initial=0)),
    )


def _shared(columns: Columns, position: int) -> dict[int, int]:
    earlier, own = columns.digests[:position], columns.own
    equal = (earlier == columns.digests[position]).all(axis=2) & own[:position] & own[position]
    counts = equal.sum(axis=1)
    return {int(place): int(counts[place]) for place in np.flatnonzero(counts)}


def _fallbacks(columns: Columns, facts: SetFacts) -> dict[str, int]:
    samples = len(columns.pixels)
    own = {
        variant.split("/")[0]: int(columns.own[position].sum())
        for position, variant in enumerate(facts.variants)
    }
    return {decoder: samples - count for decoder, count in own.items() if count < samples}


def difference_messages(
    columns: Columns, facts: SetFacts, keys: Sequence[str], others: Flags
) -> Iterator[str]:
    """Yield which samples have digests and differences that contradict each other.

    Args:
        columns: the accepted samples of a shard.
        facts: what the set says of itself.
        keys: keys of these samples.
        others: whether a variant's images may be of another size than the baseline's, one row per
            variant, one column per sample.
    """
    baseline = facts.variants.index(facts.baseline)
    same = (columns.digests == columns.digests[baseline]).all(axis=2)
    for text, wrong in (
        ("a difference where the decoder fell back", columns.compared & ~columns.own),
        ("no difference where the decoder did not", ~columns.compared & columns.own & ~others),
        (
            "a difference that its digests contradict",
            columns.compared & _contradicts(columns, same),
        ),
        ("sums of differences that cannot be", columns.compared & _cannot_be(columns)),
        ("other pixels where a decoder fell back", _is_other_fallback(columns, facts)),
    ):
        at = np.flatnonzero(wrong.any(axis=0))
        if len(at):
            yield f"has {text}: {[keys[place] for place in at[:10]]}"


def _contradicts(columns: Columns, same: Flags) -> Flags:
    return np.asarray((columns.changed == 0) != same, np.bool_)


def _cannot_be(columns: Columns) -> Flags:
    """Whether sums contradict each other: every changed pixel adds 1 to 255 in 1 to 3 channels."""
    changed, total = columns.changed, columns.absolute
    squared, maximum = columns.squared, columns.maximum
    fits = (
        (changed >= 0)
        & (changed <= columns.pixels)
        & (total >= changed)
        & (total >= maximum)
        & (total <= 3 * 255 * changed)
        & (squared >= total)
        & (squared <= total * maximum)
        & ((maximum == 0) == (changed == 0))
    )
    return np.asarray(~fits, np.bool_)


def _is_other_fallback(columns: Columns, facts: SetFacts) -> Flags:
    """Whether a fallback has other pixels than the variant of the baseline's decoder."""
    decoder = facts.baseline.split("/")[0]
    positions = {variant: position for position, variant in enumerate(facts.variants)}
    wrong = np.zeros_like(columns.own)
    for variant, position in positions.items():
        twin = positions.get("/".join((decoder, *variant.split("/")[1:])))
        if twin is not None:
            differs = (columns.digests[position] != columns.digests[twin]).any(axis=1)
            wrong[position] = ~columns.own[position] & differs
    return wrong


def merge_sums(one: ShardSums, other: ShardSums) -> ShardSums:
    """Return what the samples of both add up to."""
    return ShardSums(
        one.samples + other.samples,
        tuple(a + b for a, b in zip(one.differences, other.differences, strict=True)),
        tuple(Counter(a) + Counter(b) for a, b in zip(one.shared, other.shared, strict=True)),
        Counter(one.fallbacks) + Counter(other.fallbacks),
    )


def no_sums(variants: int) -> ShardSums:
    """Return what no samples add up to."""
    return ShardSums(0, (Difference(),) * variants, ({},) * variants, {})
