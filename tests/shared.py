"""Folders that a whole run of the tests builds once, however many processes it has."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

Build = Callable[[Path], object]


class SharedFolders:
    """The folders below a base that all processes of a run of the tests have in common."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._used: set[str] = set()
        base.mkdir(exist_ok=True)

    def __call__(self, name: str, build: Build) -> Path:
        """Return the folder of a name, which the first process that asks for it builds.

        Args:
            name: the folder's name.
            build: fills the new folder; the same for all who ask for the name.
        """
        folder, record = self._base / name, self._record(name)
        with (self._base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not record.exists():
                shutil.rmtree(folder, ignore_errors=True)  # What a failed attempt left.
                folder.mkdir()
                build(folder)
                record.write_text(json.dumps(_stamps(folder)), "utf-8")
        self._used.add(name)
        return folder

    def changed(self) -> list[str]:
        """Return the paths of the files that were changed, added or removed after building."""
        found = []
        for name in sorted(self._used):
            before = json.loads(self._record(name).read_text("utf-8"))
            now = _stamps(self._base / name)
            paths = sorted(path for path in before | now if before.get(path) != now.get(path))
            found += [f"{name}/{path}" for path in paths]
        return found

    def _record(self, name: str) -> Path:
        return self._base / f"{name}.json"


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Return size and time of change of every file, by relative path."""
    return {
        path.relative_to(folder).as_posix(): [path.stat().st_size, path.stat().st_mtime_ns]
        for path in folder.rglob("*")
        if path.is_file()
    }
