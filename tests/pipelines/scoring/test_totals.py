"""What the tables add up to, against a count by brute force."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from sysnoise import open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.scoring.totals import read_totals
from tests.end_to_end.reading import samples_table


def test_groups_are_those_whose_digests_agree(imagenet_set: Path) -> None:
    found = open_set(str(imagenet_set))
    rows = samples_table(imagenet_set)
    slugs = {each["slug"]: variant for variant, each in found.variants.items()}
    same = {
        frozenset((slugs[one], slugs[other]))
        for one, other in combinations(slugs, 2)
        if all(row[one] == row[other] for row in rows)
    }
    groups = read_totals(SampleTables(found)).groups
    assert {frozenset(pair) for group in groups for pair in combinations(group, 2)} == same
    assert same
