"""The command on a dask.distributed cluster of separate processes, some of which are killed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import RESUME_GENERATING, RESUME_WITHOUT_OVERWRITE
from tests.cluster.running import SHARDS, command
from tests.end_to_end.disturbed import breaking, receipts, wait_for
from tests.end_to_end.reading import tree

pytestmark = pytest.mark.cluster

RUNNER = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"


@dataclass(frozen=True)
class Cluster:
    """The processes of a cluster, and the arguments with which the command uses it."""

    scheduler: psutil.Popen
    workers: list[psutil.Popen]
    arguments: tuple[str, str]

    def start(self, source: Path, output: Path) -> subprocess.Popen[str]:
        """Start the command, with paths relative to a folder where the workers are not."""
        folder = output.parent
        paths = (os.path.relpath(path, folder) for path in (source, output))
        line = command(*paths, *self.arguments)
        return subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True)

    def run(self, source: Path, output: Path) -> tuple[int, str]:
        """Run the command to its end; return its exit code and standard error."""
        return ended(self.start(source, output))


def shard_processes(*workers: psutil.Process) -> list[psutil.Process]:
    """Return the processes in which workers make shards."""
    parents = {worker.pid for worker in workers}
    return [
        process
        for process in psutil.process_iter(["ppid", "cmdline"])
        if process.info["ppid"] in parents
        and "sysnoise.pipelines.workers.worker" in (process.info["cmdline"] or ())
    ]


def done(output: Path) -> int:
    """Return the number of shards that are done."""
    return len(receipts(output))


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, error = process.communicate(timeout=120)
    return process.returncode, error


@contextlib.contextmanager
def dask_cluster(folder: Path, **environment: str) -> Iterator[Cluster]:
    """Start a scheduler and two workers in a folder of theirs, and kill them afterwards."""
    folder.mkdir()
    file = folder / "scheduler.json"
    common = ("--host=127.0.0.1", "--no-dashboard", f"--scheduler-file={file}")

    def start(*arguments: str) -> psutil.Popen:
        line = [sys.executable, "-P", "-m", "dask", *arguments, *common]
        with (folder / "log.txt").open("a") as log:
            return psutil.Popen(
                line, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log
            )

    processes = [start("scheduler", "--port=0")]
    try:
        wait_for(file.exists)
        processes += [start("worker", "--nthreads=1", "--no-nanny") for _ in range(2)]
        yield Cluster(processes[0], processes[1:], (RUNNER, f"--dask_scheduler_file={file}"))
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose processes all live on."""
    with dask_cluster(tmp_path_factory.mktemp("dask") / "cluster") as started:
        yield started


def test_a_killed_worker_changes_no_byte(
    source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "cluster") as cluster:
        run = cluster.start(source, tmp_path / "set")
        victim = cluster.workers[0]
        wait_for(lambda: done(tmp_path / "set") > 2 and shard_processes(victim))
        (shard_process,) = shard_processes(victim)
        victim.kill()
        left = SHARDS - done(tmp_path / "set")
        code, error = ended(run)
        assert code == 0, error
        assert left
        wait_for(lambda: not shard_process.is_running())
        assert done(tmp_path / "set") == SHARDS
    assert tree(tmp_path / "set") == local_tree


def test_a_shard_process_makes_many_shards_and_ends_after_the_run(
    cluster: Cluster, source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    run = cluster.start(source, tmp_path / "set")
    seen: set[psutil.Process] = set()
    while run.poll() is None:
        seen.update(shard_processes(*cluster.workers))
        time.sleep(0.1)
    code, error = ended(run)
    assert code == 0, error
    assert len(seen) == len(cluster.workers)
    assert tree(tmp_path / "set") == local_tree
    wait_for(lambda: not shard_processes(*cluster.workers))


def test_a_source_that_cannot_be_read_is_told_and_the_rerun_goes_on(
    cluster: Cluster, source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "source"))
    image = min((copy / "images").iterdir())
    image.rename(tmp_path / "away")
    image.symlink_to(tmp_path / "nothing")
    code, error = cluster.run(copy, tmp_path / "set")
    assert code == 1, error
    assert f"sysnoise: 1 of {SHARDS} shards failed:\n  reading sample {image.stem} from" in error
    assert done(tmp_path / "set") == SHARDS - 1
    (tmp_path / "away").replace(image)
    assert cluster.run(copy, tmp_path / "set")[0] == 0
    assert tree(tmp_path / "set") == local_tree


def test_a_sample_on_which_the_decoder_crashes_twice_is_rejected(
    source: Path, tmp_path: Path
) -> None:
    image = min((source / "images").iterdir())
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    crashing = breaking(tmp_path / "break", sha256, "os.abort()")
    with dask_cluster(tmp_path / "cluster", **crashing) as cluster:
        for _ in range(2):
            code, error = cluster.run(source, tmp_path / "set")
            assert code == 1, error
            assert f"sysnoise: 1 of {SHARDS} shards failed:\n" in error
            assert re.search(f"shard 0: .*signal 6 .* while making sample '{image.stem}'", error)
        code, error = cluster.run(source, tmp_path / "set")
    assert code == 0, error
    (reject,) = pq.read_table(tmp_path / "set" / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == (image.stem, "crashed")


@pytest.mark.parametrize(
    ("victim", "message"),
    [
        (
            "scheduler",
            f"the runner ended with [0-9]+ of {SHARDS} shards done, but reported no error",
        ),
        ("worker", f"{RUNNER} failed: KilledWorker: .*"),
    ],
    ids=["scheduler", "worker"],
)
def test_an_engine_that_fails_is_told_and_the_rerun_goes_on(
    victim: str,
    message: str,
    cluster: Cluster,
    source: Path,
    local_tree: dict[str, str],
    tmp_path: Path,
) -> None:
    impatient = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with dask_cluster(tmp_path / "cluster", **impatient) as failing:
        run = failing.start(source, tmp_path / "set")
        wait_for(lambda: done(tmp_path / "set") > 2)
        (failing.scheduler if victim == "scheduler" else failing.workers[0]).kill()
        code, error = ended(run)
    assert code == 1, error
    assert re.search(f"\nsysnoise: {message}; {RESUME_GENERATING}\n$", error)
    code, error = cluster.run(source, tmp_path / "set")
    assert code == 0, error
    assert tree(tmp_path / "set") == local_tree


def test_an_interrupt_leaves_the_shards_that_were_begun_and_the_rerun_goes_on(
    cluster: Cluster, source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    run = cluster.start(source, tmp_path / "set")
    wait_for(lambda: done(tmp_path / "set") > 2)
    run.send_signal(signal.SIGINT)
    code, error = ended(run)
    assert code == 1, error
    assert error.endswith(f"sysnoise: interrupted; {RESUME_WITHOUT_OVERWRITE}\n")
    code, error = cluster.run(source, tmp_path / "set")  # While the cluster still works on some.
    assert code == 0, error
    assert tree(tmp_path / "set") == local_tree


def test_an_interrupt_drops_the_shards_that_were_not_begun(
    cluster: Cluster, source: Path, tmp_path: Path
) -> None:
    run = cluster.start(source, tmp_path / "set")
    wait_for(lambda: done(tmp_path / "set") > 2)
    run.send_signal(signal.SIGINT)
    assert ended(run)[0] == 1
    wait_for(lambda: not shard_processes(*cluster.workers))
    assert done(tmp_path / "set") < SHARDS


def test_a_cluster_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    address = ("--dask_client_address=tcp://127.0.0.1:1", "--dask_connection_timeout=1")
    line = command(source, tmp_path / "set", RUNNER, *address)
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert re.search(
        f"\nsysnoise: {RUNNER} failed: OSError: .*; {RESUME_GENERATING}\n$", ended.stderr
    )
