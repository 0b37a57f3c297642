"""The command on Beam's portable runners: its own job service, Prism and Flink."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import RESUME_GENERATING
from tests.cluster.running import SHARDS, command
from tests.end_to_end.disturbed import breaking, receipts, wait_for
from tests.end_to_end.reading import tree

pytestmark = pytest.mark.cluster

BIN = Path(sys.executable).parent
FLINK_JARS = Path(sys.prefix) / "flink"
FLINK_SETTINGS = Path(__file__).parent / "flink"
OPENED = ("lang", "lang.reflect", "util", "util.concurrent", "net", "io", "nio", "text", "time")
"""Packages of Java 17 that Flink 1.19 looks into."""


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return int(server.getsockname()[1])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port)):
        return True
    return False


@contextlib.contextmanager
def serving(line: list[str], port: int, folder: Path) -> Iterator[tuple[str, ...]]:
    """Start a job server, give the arguments with which the command uses it, and stop it."""
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(line, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(port))
        endpoint = f"--job_endpoint=localhost:{port}"
        yield "--runner=PortableRunner", endpoint, "--environment_type=LOOPBACK"
    finally:
        server.terminate()
        server.wait()


def job_service(folder: Path) -> AbstractContextManager[tuple[str, ...]]:
    """Beam's own, which works on one shard at a time."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    line = [sys.executable, "-P", "-m", module, f"--job_port={port}", f"--staging_dir={folder}"]
    return serving(line, port, folder)


def prism(folder: Path) -> AbstractContextManager[tuple[str, ...]]:
    """Beam's Go runner, which the command starts and stops."""
    return contextlib.nullcontext(("--runner=PrismRunner", f"--prism_location={BIN / 'prism'}"))


@contextlib.contextmanager
def flink(folder: Path) -> Iterator[tuple[str, ...]]:
    """Flink's embedded cluster, which starts a failed job anew three times."""
    port = free_port()
    line = [
        "java",
        *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
        *("-Xmx1500m", "-cp", f"{FLINK_JARS}/*"),
        "org.apache.beam.runners.flink.FlinkJobServerDriver",
        *("--job-host=localhost", f"--job-port={port}", "--artifact-port=0"),
        *("--expansion-port=0", "--flink-master=[local]", f"--flink-conf-dir={FLINK_SETTINGS}"),
    ]
    with serving(line, port, folder) as arguments:
        yield *arguments, "--parallelism=2"


ENGINES: dict[str, Callable[[Path], AbstractContextManager[tuple[str, ...]]]] = {
    "job service": job_service,
    "prism": prism,
    "flink": flink,
}


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ...]]:
    """The arguments with which the command uses an engine."""
    with ENGINES[request.param](tmp_path_factory.mktemp("engine")) as arguments:
        yield arguments


def run(line: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


def test_the_set_is_the_local_one(
    engine: tuple[str, ...], source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    done = run(command(source, tmp_path / "set", *engine))
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "set") == local_tree


def test_a_sample_on_which_the_decoder_crashes_twice_is_rejected(
    engine: tuple[str, ...], source: Path, tmp_path: Path
) -> None:
    image = min((source / "images").iterdir())
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    crashing = breaking(tmp_path / "break", sha256, "os.abort()")
    line = command(source, tmp_path / "set", *engine)
    for _ in range(2):
        done = run(line, **crashing)
        assert done.returncode == 1, done.stderr
        assert f"sysnoise: 1 of {SHARDS} shards failed:\n" in done.stderr
        assert re.search(f"shard 0: .* while making sample '{image.stem}'", done.stderr)
    done = run(line, **crashing)
    assert done.returncode == 0, done.stderr
    (reject,) = pq.read_table(tmp_path / "set" / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == (image.stem, "crashed")


def test_a_killed_command_goes_on(
    engine: tuple[str, ...], source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    line = command(source, tmp_path / "set", *engine)
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as killed:
        wait_for(lambda: len(receipts(tmp_path / "set")) > 2)
        killed.kill()
    assert len(receipts(tmp_path / "set")) < SHARDS
    done = run(line)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "set") == local_tree


def test_flink_makes_the_shards_of_a_killed_worker_again(
    source: Path, local_tree: dict[str, str], tmp_path: Path
) -> None:
    """The workers are processes, which Beam starts as ``python``."""
    processes = ("--sdk_worker_parallelism=2", "--experiments=use_loopback_process_worker")
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with flink(tmp_path) as arguments:
        line = command(source, tmp_path / "set", *arguments, *processes)
        environment = {**os.environ, "PATH": path}
        with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment) as going:
            wait_for(lambda: len(receipts(tmp_path / "set")) > 2)
            worker = sdk_workers(going.pid)[0]
            worker.kill()
            left = SHARDS - len(receipts(tmp_path / "set"))
            _, error = going.communicate(timeout=300)
    assert going.returncode == 0, error
    assert left
    assert tree(tmp_path / "set") == local_tree


def sdk_workers(command_pid: int) -> list[psutil.Process]:
    """Return the Beam worker processes below a command."""
    return [
        process
        for process in psutil.Process(command_pid).children(recursive=True)
        if any("sdk_worker" in word for word in process.cmdline())
    ]


def test_an_engine_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    line = command(source, tmp_path / "set", "--runner=PrismRunner", "--prism_location=/none")
    done = run(line)
    assert done.returncode == 1
    assert re.search(
        f"\nsysnoise: --runner=PrismRunner failed: .*; {RESUME_GENERATING}\n$", done.stderr
    )
