"""Arguments for Beam: known ones pass, unknown ones are refused."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from sysnoise.pipelines.beam.options import beam_engine
from sysnoise.pipelines.errors import UsageError


def test_local_runner_by_default() -> None:
    engine = beam_engine([], 3)
    assert engine.local_runner is not None
    assert engine.options.view_as(DirectOptions).direct_num_workers == 3


def test_another_runner_is_left_to_beam() -> None:
    engine = beam_engine(["--runner=FlinkRunner", "--job_name", "noise"], None)
    assert engine.local_runner is None
    assert engine.options.view_as(StandardOptions).runner == "FlinkRunner"


@pytest.mark.parametrize(
    ("arguments", "size", "count"),
    [([], 1, None), (["--dask_partition_size=4"], 4, None), (["--dask_npartitions=3"], None, 3)],
)
def test_a_shard_is_a_task_of_dask_by_default(
    arguments: list[str], size: int | None, count: int | None
) -> None:
    name = "apache_beam.runners.dask.dask_runner.DaskRunner"
    engine = beam_engine([f"--runner={name}", *arguments], None)
    assert engine.local_runner is None
    assert engine.options.get_all_options()["partition_size"] == size
    assert engine.options.get_all_options()["npartitions"] == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--job_nam=noise"], "unknown argument '--job_nam=noise', .*did you mean --job_name"),
        (["stray"], "unknown argument 'stray'"),
    ],
)
def test_unknown_arguments_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        beam_engine(arguments, None)


def test_workers_do_not_go_with_another_runner() -> None:
    with pytest.raises(UsageError, match="--workers counts local processes"):
        beam_engine(["--runner=FlinkRunner"], 2)
