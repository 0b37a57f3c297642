"""Arguments for Beam: known ones pass, unknown ones are refused."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from pipelines.beam_options import beam_runner
from pipelines.errors import UsageError


def test_local_runner_by_default() -> None:
    runner, options = beam_runner([], 3)
    assert runner is not None
    assert options.view_as(DirectOptions).direct_num_workers == 3


def test_another_runner_is_left_to_beam() -> None:
    runner, options = beam_runner(["--runner=FlinkRunner", "--job_name", "noise"], None)
    assert runner is None
    assert options.view_as(StandardOptions).runner == "FlinkRunner"


@pytest.mark.parametrize(
    ("arguments", "size", "count"),
    [([], 1, None), (["--dask_partition_size=4"], 4, None), (["--dask_npartitions=3"], None, 3)],
)
def test_a_shard_is_a_task_of_dask_by_default(
    arguments: list[str], size: int | None, count: int | None
) -> None:
    name = "apache_beam.runners.dask.dask_runner.DaskRunner"
    runner, options = beam_runner([f"--runner={name}", *arguments], None)
    assert runner is None
    assert options.get_all_options()["partition_size"] == size
    assert options.get_all_options()["npartitions"] == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--job_nam=noise"], "unknown argument '--job_nam=noise', .*did you mean --job_name?"),
        (["stray"], "unknown argument 'stray'"),
    ],
)
def test_unknown_arguments_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        beam_runner(arguments, None)


def test_workers_do_not_go_with_another_runner() -> None:
    with pytest.raises(UsageError, match="--workers counts local processes"):
        beam_runner(["--runner=FlinkRunner"], 2)
