"""The files of predictions, and the messages on what is wrong with them."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterable, Sequence

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting, noises_of, parse_setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of, quoted
from sysnoise.pipelines.storage.listing import list_files
from sysnoise.pipelines.storage.reading import kind_of_file
from sysnoise.pipelines.storage.root import Root, is_file, is_http, open_root

SettingParser = Callable[[str], Setting]
"""A function that reads a setting, and raises ValueError for one that the set cannot have."""


def setting_parser(found: FinishedSet) -> SettingParser:
    """Return the function that reads settings of a set."""
    noises = noises_of(DatasetKind(found.manifest["dataset"]["kind"]))
    variants = tuple(found.variants)

    @functools.cache
    def parse(text: str) -> Setting:
        return parse_setting(text, variants, noises)

    return parse


def prediction_files(url: str, extensions: Sequence[str]) -> tuple[Root, list[str]]:
    """Find the files of predictions: one file, or those in a folder and the folders below it.

    Args:
        url: path or fsspec URL of the file or folder.
        extensions: the extensions of the files that hold predictions for this kind of set.

    Returns:
        The root, and the sorted paths below it; one empty path where the root is the file.

    Raises:
        InputError: there is no such file.
    """
    root = open_root(url)
    # On the web, only its name tells a file from a folder.
    is_single = is_file(root) or (is_http(root) and root.path.lower().endswith(tuple(extensions)))
    names = [""] if is_single else list_files(root)
    chosen = [name for name in names if (name or root.path).lower().endswith(tuple(extensions))]
    if not chosen:
        raise InputError(
            f"the predictions {url!r} are no {_one_of(extensions)} files, nor a folder of "
            f"such, as this set's are; found {_found(root, names)}"
        )
    return root, chosen


def _one_of(extensions: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(extensions[:-1]), extensions[-1])))


def _found(root: Root, names: Sequence[str]) -> str:
    """Return what is there instead of predictions, for a message."""
    if names != [""]:
        return quoted(names) or "no files"
    try:
        kind = kind_of_file(root, "")
    except OSError as error:
        raise InputError(f"reading the predictions {root.url!r}: {error}") from error
    return kind or f"a file that is named {posixpath.splitext(root.path)[1] or 'without an ending'}"


FIXED_STEM = "predictions"
"""The name that Ultralytics gives its results, whatever they are of: the folder's name tells."""


def setting_text(root: Root, name: str) -> str:
    """Return the setting that a file's name says, or its folder's where the name is fixed."""
    path = posixpath.join(root.path, name) if name else root.path
    stem = posixpath.splitext(posixpath.basename(path))[0]
    return stem if stem != FIXED_STEM else posixpath.basename(posixpath.dirname(path))


def refuse(url: str, problems: Iterable[tuple[str, str]]) -> None:
    """Raise an error that lists what is wrong with predictions, if anything is.

    Args:
        url: path or fsspec URL of the predictions.
        problems: pairs of a setting and what is wrong with it.

    Raises:
        InputError: there are problems.
    """
    lines = grouped(problems)
    if lines:
        raise InputError(f"the predictions {url!r} cannot be scored:\n{lines_of(lines)}")


def grouped(remarks: Iterable[tuple[str, str]]) -> list[str]:
    """Return remarks on settings as lines; settings with the same remark share one.

    Args:
        remarks: pairs of a setting and what there is to say of it.
    """
    by_remark: dict[str, list[str]] = {}
    for setting, remark in remarks:
        by_remark.setdefault(remark, []).append(setting)
    return [f"{quoted(settings)}: {remark}" for remark, settings in by_remark.items()]
