"""Finding the files that annotations name, whatever machine and tool wrote the names.

A name is the file of that very path, where there is one. Otherwise names and paths are compared
without the differences that machines and tools make: NFC and NFD, upper and lower case,
backslashes, ``%20``, ``./``, ``..`` and drive letters. Among files of the same base name

1. the file of the same path below the root is taken;
2. else that with which the name has the most folders in common, counted from the base name up, the
   root's own folders included. The name or the path below the root must end there: where both have
   one more folder, and another one, the file is another folder's picture and is never taken.

No file belongs to two names, and none is taken where two fit. What a name has above the root is the
place of the root on the machine that wrote it, so it must be one place: ``cam1/1.jpg`` and
``cam2/2.jpg`` are not both looked for in one folder. Absolute names, and those with ``..``, have a
place of their own.
"""

from __future__ import annotations

import re
import unicodedata
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Parts = tuple[str, ...]
"""Folders and base name of a path."""

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass
class FoundFiles:
    """The files that were found, and what is wrong with names.

    Attributes:
        files: path below the root of the file of each name; empty where there is none.
        missing: names without a file.
        several: names that fit several files, with these.
        elsewhere: names whose files lie in other folders only, with these.
        shared: files that belong to several names, with these.
        moved: folders that relative names have above the root, and the root has not.
    """

    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def match_names(names: Sequence[str], paths: Sequence[str], root: str) -> FoundFiles:
    """Find the file of each name.

    Args:
        names: the names in the annotations.
        paths: the paths of all files below the root, relative to it.
        root: path of the root; its own folders may be part of names.
    """
    found = FoundFiles()
    exact = set(paths)
    if exact.issuperset(names):
        found.files = list(names)
    else:
        index = _by_base_name(paths)
        place = _compared(_parts(root))
        above: dict[str, Parts] = {}
        for name in names:
            if name in exact:
                found.files.append(name)
            else:
                found.files.append(_match(name, index, place, found, above))
        _refuse_places(found, names, above, place)
    found.shared = list(_shared(names, found.files))
    return found


def _by_base_name(paths: Sequence[str]) -> Mapping[str, list[tuple[Parts, str]]]:
    """Return parts and path of each file, by its base name."""
    index: dict[str, list[tuple[Parts, str]]] = defaultdict(list)
    for path in paths:
        parts = _compared(_parts(path))
        if parts:
            index[parts[-1]].append((parts, path))
    return index


def _match(
    name: str,
    index: Mapping[str, Sequence[tuple[Parts, str]]],
    root: Parts,
    found: FoundFiles,
    above: dict[str, Parts],
) -> str:
    """Return the path of a name's file, or add to what is wrong; add what it has above the root."""
    written = _parts(name)
    parts = _compared(written)
    candidates = index.get(parts[-1], ()) if parts else ()
    fitting = [each for each in candidates if each[0] == parts] or _longest(parts, candidates, root)
    if len(fitting) == 1:
        (own, path) = fitting[0]
        above[name] = written[: max(0, len(parts) - len(own))]
        return path
    texts = " and ".join(path for _, path in fitting or candidates)
    if fitting:
        found.several.append(f"{name}: {texts}")
    elif candidates:
        found.elsewhere.append(f"{name}: {texts}")
    else:
        found.missing.append(name)
    return ""


def _longest(
    parts: Parts, candidates: Sequence[tuple[Parts, str]], root: Parts
) -> list[tuple[Parts, str]]:
    """Return the candidates that have the most parts in common with a name and do not differ."""
    common = [_common(parts, root + own) for own, _ in candidates]
    fitting = [
        (length, each)
        for length, each in zip(common, candidates, strict=True)
        if length >= min(len(parts), len(each[0]))
    ]
    most = max((length for length, _ in fitting), default=0)
    return [each for length, each in fitting if length == most]


def _common(one: Parts, other: Parts) -> int:
    """Return how many last parts are the same."""
    length = 0
    for mine, theirs in zip(reversed(one), reversed(other), strict=False):
        if mine != theirs:
            break
        length += 1
    return length


def _refuse_places(
    found: FoundFiles, names: Sequence[str], above: Mapping[str, Parts], root: Parts
) -> None:
    """Refuse the names of several places above the root, of which it can be only one."""
    for is_placed in (False, True):
        places: dict[Parts, list[str]] = defaultdict(list)
        is_root = False
        for name, folders in above.items():
            if folders and _is_placed(name) is is_placed:
                compared = _compared(folders)
                if _common(compared, root) == len(compared):
                    is_root = True
                else:
                    places[compared].append(name)
        if len(places) + is_root > 1:
            refused = {name for group in places.values() for name in group}
            for position, name in enumerate(names):
                if name in refused:
                    found.elsewhere.append(f"{name}: {found.files[position]}")
                    found.files[position] = ""
        elif places and not is_placed:
            ((first, *_),) = places.values()
            found.moved.append("/".join(above[first]))


def _shared(names: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """Yield the files that belong to several names, with these."""
    kept = [path for path in files if path]
    if len(set(kept)) == len(kept):
        return
    by_file: dict[str, list[str]] = defaultdict(list)
    for name, path in zip(names, files, strict=True):
        if path:
            by_file[path].append(name)
    for path, group in by_file.items():
        if len(group) > 1:
            yield f"{path}: {' and '.join(group)}"


def _is_placed(name: str) -> bool:
    """Whether a name says where it is, and not only from where the images are."""
    text = _slashes(name)
    return text.startswith(("/", "../")) or _DRIVE.match(text) is not None or "://" in text


def _slashes(path: str) -> str:
    """Return a path without what stands for its characters in URLs, with slashes."""
    if "%" in path:
        path = urllib.parse.unquote(path, errors="surrogateescape")
    return path.replace("\\", "/")


def _parts(path: str) -> Parts:
    """Return the parts of a path, without a drive letter and what ``..`` takes back."""
    text = _slashes(path)
    text = text[2:] if _DRIVE.match(text) else text
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def _compared(parts: Parts) -> Parts:
    """Return parts in the form in which they are compared."""
    return tuple(
        part.lower() if part.isascii() else unicodedata.normalize("NFC", _lower(part))
        for part in parts
    )


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
