"""The software and machine that a set was made with, as far as they can decide its bytes.

Host names, times, paths, kernel and CPU model are left out: the same input, grid, library builds
and CPU features make the same files, manifest included.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable

from sysnoise.manifests.manifest import EnvironmentDocument

ALWAYS = (
    "apache-beam",
    "av",
    "fsspec",
    "imagecodecs",
    "jpeglib",
    "numpy",
    "nvidia-dali-cuda120",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
    "pyarrow",
    "pycocotools",
    "simplejpeg",
    "sysnoise",
)
"""The packages whose versions are recorded where they are installed, whether used or not."""


def describe_environment(libraries: Iterable[str]) -> EnvironmentDocument:
    """Return operating system, CPU, package versions and codec builds, JSON-compatible.

    Args:
        libraries: names of the libraries whose builds are wanted, keys of ``LIBRARIES``.
    """
    from sysnoise.transforms.libraries import LIBRARIES, cpu_features, library_build

    used = sorted(set(libraries))
    extras = (LIBRARIES[each].package for each in used if LIBRARIES[each].extra)
    return {
        "os": {"system": platform.system(), "libc": "-".join(platform.libc_ver())},
        "cpu": {"architecture": platform.machine(), "features": list(cpu_features())},
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": installed_packages({*ALWAYS, *extras}),
        "libraries": {library: library_build(library) for library in used},
    }


def installed_packages(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, sorted by name."""
    versions: dict[str, str] = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # An extra, or the other wheel of the same library.
    return versions
