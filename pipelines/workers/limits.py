"""The limits that the system sets a process; Windows has none of them."""

from __future__ import annotations

from pathlib import Path

from sysnoise.pipelines.errors import OutputError

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

SPARE_FILES = 64
"""Number of open files that a process needs besides the shards that it writes."""


def address_space() -> int | None:
    """Return the limit of the address space of this process, in bytes; None where there is none."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def check_open_files(shard_files: int) -> None:
    """Raise the limit of open files of this process, which its workers inherit, where needed.

    Args:
        shard_files: number of files that a worker writes at the same time.

    Raises:
        OutputError: the system does not allow that many.
    """
    if resource is None:
        return
    needed = shard_files + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (ValueError, OSError) as error:
            raise OutputError(
                f"a worker writes {shard_files} files at a time, but the system allows only {hard} "
                f"open files (ulimit -Hn); raise that limit to {needed} or use a smaller grid"
            ) from error


def limit_this_process(more_bytes: int, more_seconds: int) -> None:
    """Limit what this process may take beside what it has: memory, and processor time.

    Only Linux says how much memory it has; elsewhere only the time is limited.

    Args:
        more_bytes: address space, in bytes.
        more_seconds: processor time, in seconds.
    """
    if resource is None:
        return
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + more_seconds, most))
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        soft, most = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(statistics.read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + more_bytes
        if soft == resource.RLIM_INFINITY or limit < soft:
            resource.setrlimit(resource.RLIMIT_AS, (limit, most))
