"""Which folders and archives belong to the split that is asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sysnoise.pipelines.errors import InputError, lines_of, quoted

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""The split that a folder or a word of a file's name stands for, in lower case."""


def files_of_split(archives: Sequence[str], split: str) -> list[str]:
    """Return the archives of a split, where archives are named by split; otherwise all.

    Args:
        archives: paths; an archive is named by the split that is a word of its path.
        split: name of the split.

    Raises:
        InputError: archives are named by splits, and none by this one.
    """
    named = {name: _splits_named(name) for name in archives}
    mine = [name for name in archives if _canonical(split) in named[name]]
    if not mine and any(named.values()):
        raise InputError(f"no file of split {split!r} (--split) among:\n{lines_of(archives)}")
    return mine or list(archives)


def _splits_named(name: str) -> set[str]:
    words = set(re.split(r"[^a-z]+", name.lower()))
    return {_canonical(word) for word in words if word in SPLITS}


def folders_of_split(
    folders: Collection[str], split: str, place: str
) -> tuple[set[str], tuple[str, ...]]:
    """Return the folders that hold the images of a split, where folders are named by split.

    It looks at the first level at which the paths part. That is one of splits where at least half
    of the folders are named by splits, so that a class called ``train`` among others is none.

    Args:
        folders: paths of all folders with images; the root is an empty text.
        split: name of the split.
        place: where they are, for the message.

    Returns:
        The folders, which are all where none is named by a split, and what the user should know of
        folders that belong to no split.

    Raises:
        InputError: folders are named by splits, and none by this one.
    """
    paths = {folder: tuple(folder.split("/")) if folder else () for folder in folders}
    level = _level_of_splits(paths.values())
    if level is None:
        return set(folders), ()
    names = {folder: path[level] if len(path) > level else "" for folder, path in paths.items()}
    mine = {folder for folder, name in names.items() if _canonical(name) == _canonical(split)}
    if not mine:
        raise InputError(
            f"{place}: no images of the split {split!r} (--split); the folders are "
            f"{quoted(sorted({name for name in names.values() if name}))}"
        )
    others = sorted(folder for folder, name in names.items() if name.lower() not in SPLITS)
    others = [folder for folder in others if folder not in mine]
    if not others:
        return mine, ()
    text = f"{place}: images in {len(others)} folder(s) of no split are left out"
    return mine, (f"{text}:\n{lines_of([folder or '.' for folder in others])}",)


def _level_of_splits(paths: Collection[tuple[str, ...]]) -> int | None:
    """Return the level of the folders that are named by splits; None where there is none."""
    for level in range(max(map(len, paths), default=0)):
        found = {path[level] for path in paths if len(path) > level}
        named = sum(name.lower() in SPLITS for name in found)
        if named and 2 * named >= len(found):
            return level
        if len(found) > 1:
            return None
    return None


def _canonical(split: str) -> str:
    return SPLITS.get(split.lower(), split.lower())


def split_of_folder(path: str) -> str | None:
    """Return the split that the last folder of a path is named by, if any."""
    return SPLITS.get(path.rstrip("/").rpartition("/")[2].lower())
