"""What the methods stand for: every fact is of a method, and says how near it is."""

from __future__ import annotations

import pytest

from sysnoise.manifests.stands_for import StandsFor, all_facts, stands_for, stands_for_text
from sysnoise.transforms.variants import METHODS


def test_every_fact_names_a_method() -> None:
    facts = all_facts()
    assert set(facts) == {"decoder", "resize"}
    for axis, methods in facts.items():
        assert set(methods) <= set(METHODS[axis])
        assert all(methods.values())


def test_the_nearest_comes_first() -> None:
    for methods in all_facts().values():
        for facts in methods.values():
            distances = [(each.maximum > 0, each.mean) for each in facts]
            assert distances == sorted(distances)


def test_tensorflows_default_is_found() -> None:
    equal = [each.what for each in stands_for("decoder", "simplejpeg-fastdct") if not each.maximum]
    assert "tf.io.decode_jpeg" in equal


def test_unknown_methods_stand_for_nothing() -> None:
    assert stands_for("decoder", "no-such-method") == ()
    assert stands_for_text("color", "rgb") == ""


@pytest.mark.parametrize(
    ("mean", "maximum", "expected"),
    [(0.0, 0, "equal"), (0.0251, 1, "0.025 / 1"), (0.00004, 1, "< .001 / 1")],
    ids=["equal", "near", "nearly-equal"],
)
def test_distance_as_text(mean: float, maximum: int, expected: str) -> None:
    fact = StandsFor("f", "package 1", mean, maximum, "3 photographs")
    assert fact.text == f"f (package 1): {expected}"
