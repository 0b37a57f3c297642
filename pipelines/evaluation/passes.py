"""Passes: which images go through which model, as far as an earlier run has not done it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import Noise, Setting
from sysnoise.pipelines.evaluation.predictions import part_path
from sysnoise.pipelines.evaluation.records import Pass, Target
from sysnoise.transforms.model.boxes import BoxOffset

Groups = Mapping[int, Mapping[str, str]]
"""For each shard that holds images, the first variant in grid order with a variant's pixels."""


def pixel_groups(tables: SampleTables, variants: Sequence[str]) -> tuple[Groups, Mapping[int, int]]:
    """Group the variants that have the same pixels on every image of a shard.

    Args:
        tables: the set's tables of samples.
        variants: ids, in the order in which the first of equal ones is chosen.

    Returns:
        The groups, and the number of images by shard.

    Raises:
        SetError: a table of samples is missing or damaged.
    """
    slugs = {each: tables.found.variants[each]["slug"] for each in variants}
    groups, images = {}, {}
    for shard in range(tables.found.shards):
        digests = tables.accepted(shard, list(slugs.values()))
        if not digests.num_rows:
            continue
        first: dict[bytes, str] = {}
        columns = {each: b"".join(digests[slug].to_pylist()) for each, slug in slugs.items()}
        groups[shard] = {each: first.setdefault(column, each) for each, column in columns.items()}
        images[shard] = digests.num_rows
    return groups, images


def model_noises(setting: Setting, given: Collection[str]) -> tuple[str, ...]:
    """Return the noises for which another model runs: those inside, and those that are given."""
    after = setting.method(Noise.POST_PROCESSING)
    return tuple(method for method in setting.methods if method != after or method in given)


def box_offset(setting: Setting, given: Collection[str]) -> BoxOffset:
    """Return how boxes are decoded; a model that is given for that noise has it inside."""
    after = setting.method(Noise.POST_PROCESSING)
    return BoxOffset.NONE if after is None or after in given else BoxOffset(after)


def missing_passes(
    settings: Iterable[Setting],
    given: Collection[str],
    groups: Groups,
    shards: int,
    present: Collection[str],
) -> Iterator[Pass]:
    """Yield the passes through one model that settings need, by shard.

    Args:
        settings: settings with the same noises inside the model.
        given: methods of noises for which a model is given.
        groups: groups of variants with the same pixels.
        shards: number of shards of the set.
        present: paths of the parts that exist.
    """
    wanted = list(settings)
    for shard, first in groups.items():
        targets: dict[str, list[Target]] = {}
        for setting in wanted:
            if part_path(setting.slug, shard, shards) not in present:
                target = Target(setting.slug, box_offset(setting, given))
                targets.setdefault(first[setting.variant], []).append(target)
        for variant, each in targets.items():
            yield Pass(shard, variant, tuple(each))


def passes_together(passes: Iterable[Pass], most: int) -> Iterator[tuple[Pass, ...]]:
    """Yield groups of passes over one shard, for which each source image is decoded once.

    Args:
        passes: the passes, sorted by shard.
        most: largest number of passes in a group.
    """
    for _, group in itertools.groupby(passes, lambda each: each.shard):
        while some := tuple(itertools.islice(group, most)):
            yield some
