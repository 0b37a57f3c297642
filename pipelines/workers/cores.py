"""How many cores this process may use, which on shared machines are fewer than there are."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cores(system: Path = Path("/")) -> int:
    """Return the number of cores that this process may use, at least 1.

    Affinity (taskset, Slurm, Docker's ``--cpuset-cpus``) limits it, and so do the quotas of its
    control groups and of those above them (Docker's ``--cpus``, limits of Kubernetes). A quota of
    one and a half cores counts as two: less would leave some of it unused.

    Args:
        system: the folder of ``proc/self/cgroup`` and ``sys/fs/cgroup``, for tests.
    """
    quotas = (math.ceil(quota) for quota in _quotas(system))
    return max(1, min([_cores_by_affinity(), *quotas]))


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux has it, macOS and Windows do not.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(system: Path) -> Iterator[float]:
    """Yield the quotas, in cores, of the control groups of this process (cgroups(7)).

    Inside of a container, a group's path may be that outside of it, and does not exist; its own
    quota is then at the top.
    """
    top = system / "sys" / "fs" / "cgroup"
    for line in _text(system / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            hierarchies = [top, top / "unified"]
        elif "cpu" in controllers.split(","):
            hierarchies = [top / controllers, top / "cpu"]
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for hierarchy in hierarchies:
            for each in (group, *group.parents):
                yield from _quota(hierarchy / each)


def _quota(group: Path) -> Iterator[float]:
    """Yield the quota of a group, if it has one, from the files of version 2 or 1."""
    texts = _text(group / "cpu.max").split() or [
        *_text(group / "cpu.cfs_quota_us").split(),
        *_text(group / "cpu.cfs_period_us").split(),
    ]
    if len(texts) == 2 and all(text.isdecimal() for text in texts) and int(texts[1]) > 0:
        yield int(texts[0]) / int(texts[1])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
