"""Pipelines on Beam's local runner."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions

from pipelines.beam_options import beam_runner
from pipelines.run_beam import run_locally


def test_a_run_of_few_elements_leaves_the_next_one_its_workers() -> None:
    runner, options = beam_runner([], 3)
    assert runner is not None

    def build(pipeline: beam.Pipeline) -> object:
        return pipeline | beam.Create([1])  # type: ignore[no-untyped-call]

    assert run_locally(build, 1, runner, options) == []
    assert options.view_as(DirectOptions).direct_num_workers == 3
