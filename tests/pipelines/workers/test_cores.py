"""Cores that a process may use: by affinity, and by the quotas of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysnoise.pipelines.workers import cores
from sysnoise.pipelines.workers.cores import available_cores
from tests.pipelines.readers.layouts import write

CORES = 8

V1 = "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n"


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_cores_by_affinity", lambda: CORES)


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, CORES),
        ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "max 100000\n"}, CORES),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, CORES),
        ("0::/\n", {"cpu.max": "what is this\n"}, CORES),
        # A group has the quotas of those above it too.
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000"}, CORES),
        # In a container without a namespace of its own, the path is that outside of it.
        ("0::/kubepods/pod/x\n", {"cpu.max": "200000 100000"}, 2),
        (V1, {"cpu,cpuacct/docker/x/cpu.cfs_quota_us": "-1\n"}, CORES),
        (
            V1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "50000\n",
            },
            5,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        (V1, {"memory/docker/x/cpu.max": "100000 100000\n"}, CORES),
    ],
)
def test_quotas_of_control_groups_limit_the_cores(
    groups: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    write(tmp_path / "proc" / "self", {"cgroup": groups})
    write(tmp_path / "sys" / "fs" / "cgroup", dict(files))
    assert available_cores(tmp_path) == expected


def test_affinity_limits_the_cores() -> None:
    """A process that is bound to one core, as ``taskset`` and Slurm bind theirs."""
    core = min(os.sched_getaffinity(0))
    code = "from sysnoise.pipelines.workers.cores import available_cores; print(available_cores())"
    bound = f"import os; os.sched_setaffinity(0, {{{core}}}); {code}"
    done = subprocess.run([sys.executable, "-c", bound], capture_output=True, check=True)
    assert done.stdout == b"1\n"
