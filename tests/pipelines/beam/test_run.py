"""Pipelines on Beam's local runner."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions

from sysnoise.pipelines.beam.options import beam_engine
from sysnoise.pipelines.beam.run import run_pipeline


def test_a_run_of_few_elements_leaves_the_next_one_its_workers() -> None:
    engine = beam_engine([], 3)
    assert engine.local_runner is not None

    def build(pipeline: beam.Pipeline) -> object:
        return pipeline | beam.Create([1])  # type: ignore[no-untyped-call]

    assert run_pipeline(engine, build, 1, "") == []
    assert engine.options.view_as(DirectOptions).direct_num_workers == 3
