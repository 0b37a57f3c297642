"""Where a published set is read from, as the examples of its card say it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from sysnoise.manifests.publication import Publication

UNKNOWN = "PATH"
"""What stands in the examples for a place that is not known."""

_NAME = r"[A-Za-z0-9_][\w.-]*"
"""A name that is neither a hidden folder nor an option of a command."""

_HUB = re.compile(rf"https://huggingface\.co/datasets/({_NAME}/({_NAME}))/?", re.ASCII)
_BUCKET = re.compile(rf"(?:s3|gs)://(?:[^/]+/)*({_NAME})/?", re.ASCII)


@dataclass(frozen=True)
class PublishedPlace:
    """Where a set is read from.

    Attributes:
        command: the command that copies the set to the folder; None where its place is not known.
        folder: the folder of the copy.
        repository: what Hugging Face ``datasets`` loads: the folder, or the name of a repository.
    """

    command: str | None
    folder: str
    repository: str


def hub_repository(url: str | None) -> str | None:
    """Return the name of the repository of Hugging Face that a URL is the page of, if it is one."""
    found = _HUB.fullmatch(url or "")
    return found[1] if found else None


def published_place(publication: Publication) -> PublishedPlace:
    """Return where a set is read from.

    A repository of Hugging Face and a folder in a bucket are places to read from; any other web
    address may be a page about the set.
    """
    url = publication.url or ""
    if found := _HUB.fullmatch(url):
        repository, folder = found[1], found[2]
        options = "--repo-type dataset --local-dir"
        return PublishedPlace(f"hf download {repository} {options} {folder}", folder, repository)
    if found := _BUCKET.fullmatch(url):
        folder = found[1]
        command = shlex.join(("sysnoise", "fetch", url, folder))
        return PublishedPlace(command, folder, folder)
    return PublishedPlace(None, UNKNOWN, UNKNOWN)
