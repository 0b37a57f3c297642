"""What of a machine decides the last bits of a prediction."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import Any

from sysnoise.pipelines.errors import ShardError
from sysnoise.transforms.libraries import cpu_features


def runtime_identity(packages: Iterable[str]) -> dict[str, Any]:
    """Return the versions of installed packages, and the features of the CPU."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {**versions, "cpu": list(cpu_features())}


def refuse_other_runtime(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse a worker that may predict something else than the command's own process.

    Raises:
        ShardError: this process has other versions or CPU features than were recorded.
    """
    if dict(here) != dict(recorded):
        raise ShardError(
            "this worker's libraries or CPU features differ from those in evaluation.yaml; "
            f"install the same versions on all workers. There: {dict(recorded)}; here: "
            f"{dict(here)}"
        )
