"""The files of predictions, and what is wrong with them."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterable, Sequence

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting, noises_of, parse_setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of, quoted
from sysnoise.pipelines.storage.listing import list_files
from sysnoise.pipelines.storage.root import Root, is_file, is_http, open_root

Parse = Callable[[str], Setting]


def setting_parser(found: FinishedSet) -> Parse:
    """Return the function that reads settings of a set; it raises ValueError for others."""
    noises = noises_of(DatasetKind(found.manifest["dataset"]["kind"]))
    variants = tuple(found.variants)

    @functools.cache
    def parse(text: str) -> Setting:
        return parse_setting(text, variants, noises)

    return parse


def prediction_files(url: str, extensions: Sequence[str]) -> tuple[Root, list[str]]:
    """Find the files of predictions: one, or those in a folder and the folders below it.

    Args:
        url: of the file or folder, path or fsspec URL.
        extensions: of the files that the set's kind of predictions comes in.

    Returns:
        The root, and the paths below it, sorted; an empty one where the root is the file.

    Raises:
        InputError: there is none.
    """
    root = open_root(url)
    # On the web, nothing but its name tells a file from a folder.
    is_one = is_file(root) or (is_http(root) and root.path.endswith(tuple(extensions)))
    names = [""] if is_one else list_files(root)
    chosen = [name for name in names if (name or root.path).endswith(tuple(extensions))]
    if not chosen:
        raise InputError(
            f"the predictions {url!r} are no {' or '.join(extensions)} files, nor a folder of "
            "such, as this set's are"
        )
    return root, chosen


def file_stem(root: Root, name: str) -> str:
    """Return a file's name without folder and extension."""
    return posixpath.splitext(posixpath.basename(name or root.path))[0]


def refuse(url: str, problems: Iterable[tuple[str, str]]) -> None:
    """Raise what is wrong with predictions, if anything is.

    Args:
        url: of the predictions.
        problems: setting, and what is wrong with it.

    Raises:
        InputError: there are problems.
    """
    lines = grouped(problems)
    if lines:
        raise InputError(f"the predictions {url!r} cannot be scored:\n{lines_of(lines)}")


def grouped(remarks: Iterable[tuple[str, str]]) -> list[str]:
    """Return remarks on settings as lines; settings with the same remark share one.

    Args:
        remarks: setting, and what there is to say of it.
    """
    by_remark: dict[str, list[str]] = {}
    for setting, remark in remarks:
        by_remark.setdefault(remark, []).append(setting)
    return [f"{quoted(settings)}: {remark}" for remark, settings in by_remark.items()]
