"""``docs/deployed.md`` and the facts are what the figures of ``make deployed`` say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.deployed.facts import FACTS, OTHERS, facts, facts_json
from benchmarks.deployed.page import FIGURES, PAGE, distance_text, format_page
from sysnoise import load_grid
from sysnoise.manifests.stands_for import StandsFor
from sysnoise.transforms import grid_problems
from sysnoise.transforms.variants import METHODS


@pytest.fixture(scope="module")
def results() -> Any:
    return json.loads(FIGURES.read_text("utf-8"))


def test_page_is_what_the_figures_say(results: Any) -> None:
    assert PAGE.read_text("utf-8") == format_page(results)


def test_facts_are_what_the_figures_say(results: Any) -> None:
    assert FACTS.read_text("utf-8") == facts_json(results)


@pytest.mark.parametrize("name", ["imagenet-stacks", "coco-stacks"])
def test_stacks_say_how_they_were_measured(
    name: str, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_problems, "is_available", lambda method: True)  # None is called.
    measured = {row["stack"]: row for row in results[name]}
    stacks = {stack.name: stack for stack in load_grid(name).stacks}
    assert measured.keys() <= stacks.keys()
    for stack in stacks.values():
        assert "Source: " in stack.stands_for
        if stack.name not in measured:
            assert "The chain was not measured" in stack.stands_for
            continue
        row = measured[stack.name]
        assert row["variant"] == stack.variant.id
        images = row["images"] - row["other_sizes"]
        distance = distance_text(row["distance"]).rpartition(" / ")[0] or "equal"
        assert stack.stands_for.endswith(
            f"Measured with {row['versions']}: {distance} over {images} photographs."
        )


def test_other_programs_name_methods() -> None:
    assert all(set(methods) <= set(METHODS[axis]) for axis, methods in OTHERS.items())


def _row(name: str, nearest: str, *distances: tuple[float, int]) -> dict[str, Any]:
    kinds = ("4:4:4", "4:2:0") if nearest in METHODS["decoder"] else ("reduced", "enlarged")
    return {
        "name": name,
        "versions": "package 1",
        "rounding": "",
        "nearest": nearest,
        "distance": {
            kind: {"mean": mean, "maximum": maximum}
            for kind, (mean, maximum) in zip(kinds, distances, strict=True)
        },
    }


def test_what_is_near_becomes_a_fact() -> None:
    found = facts(
        {
            "photographs": {"count": 2},
            "decoder": [
                _row("equal", "ffmpeg", (0.0, 0), (0.0, 0)),
                _row("far in one kind", "ffmpeg", (0.0, 0), (0.5, 3)),
            ],
            "resize": [
                _row("far where enlarged", "ffmpeg-area", (0.25, 2), (4.0, 90)),
                _row("far where reduced", "ffmpeg-area", (0.25, 3), (0.0, 0)),
                _row("far in a few pixels", "ffmpeg-area", (0.01, 88), (0.0, 0)),
            ],
        }
    )
    how = "2 photographs"
    assert found["decoder"]["ffmpeg"] == [StandsFor("equal", "package 1", 0.0, 0, how)]
    near = StandsFor("far where enlarged", "package 1", 0.25, 2, how)
    few = StandsFor("far in a few pixels", "package 1", 0.01, 88, how)
    assert found["resize"]["ffmpeg-area"] == [few, near]
    assert set(found["decoder"]) == {"ffmpeg", *OTHERS["decoder"]}
