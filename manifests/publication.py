"""What a publisher says about a set: title, author, license, citation, date, version, URL."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysnoise.manifests.manifest import Manifest

FIRST_VERSION = "1.0.0"
LONGEST_LINE = 200
"""Number of characters of a title or a name."""
SPDX_LICENSES = "https://spdx.org/licenses/"

_SYSNOISE = """@inproceedings{wang2023sysnoise,
  title = {{SysNoise}: Exploring and Benchmarking Training-Deployment System Inconsistency},
  author = {Wang, Yan and Li, Yuhang and Gong, Ruihao and Liu, Aishan and Wang, Yanfei and
            Hu, Jian and Yao, Yongqiang and Zhang, Yunchen and Xiao, Tianzi and Yu, Fengwei and
            Liu, Xianglong},
  booktitle = {Proceedings of Machine Learning and Systems},
  volume = {5},
  year = {2023},
  eprint = {2307.00280},
  archivePrefix = {arXiv}
}
"""
_IMAGENET = """@article{russakovsky2015imagenet,
  title = {{ImageNet} Large Scale Visual Recognition Challenge},
  author = {Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and
            Satheesh, Sanjeev and Ma, Sean and Huang, Zhiheng and Karpathy, Andrej and
            Khosla, Aditya and Bernstein, Michael and Berg, Alexander C. and Fei-Fei, Li},
  journal = {International Journal of Computer Vision},
  volume = {115},
  number = {3},
  pages = {211--252},
  year = {2015},
  doi = {10.1007/s11263-015-0816-y}
}
"""
_COCO = """@inproceedings{lin2014coco,
  title = {Microsoft {COCO}: Common Objects in Context},
  author = {Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and
            Perona, Pietro and Ramanan, Deva and Doll{\\'a}r, Piotr and Zitnick, C. Lawrence},
  booktitle = {Computer Vision -- ECCV 2014},
  pages = {740--755},
  year = {2014},
  doi = {10.1007/978-3-319-10602-1_48}
}
"""


@dataclass(frozen=True)
class Dataset:
    """A published dataset that sets are made of.

    Attributes:
        title: name of the dataset.
        home: URL of the dataset.
        terms: URL of the dataset's own terms.
        citation: BibTeX of the dataset's paper.
        task: task that the dataset is used for, by Hugging Face's name.
        splits: number of images of each published split.
    """

    title: str
    home: str
    terms: str
    citation: str
    task: str
    splits: tuple[int, ...]


DATASETS = {
    "imagenet": Dataset(
        title="ImageNet",
        home="https://www.image-net.org/",
        terms="https://www.image-net.org/download",
        citation=_IMAGENET,
        task="image-classification",
        splits=(50_000, 1_281_167),
    ),
    "coco": Dataset(
        title="COCO",
        home="https://cocodataset.org/",
        terms="https://cocodataset.org/#termsofuse",
        citation=_COCO,
        task="object-detection",
        splits=(5_000, 40_504, 82_783, 118_287),
    ),
}
"""The datasets by the value of ``DatasetKind``, whose module would load Arrow."""


@dataclass(frozen=True)
class Publication:
    """What a publisher says about a set.

    Attributes:
        license: SPDX id or URL; by default the URL of the dataset's own terms.
        citation: BibTeX; by default of the SysNoise paper and of the dataset's.
        date: date of the publication, ``YYYY-MM-DD``; by default none is given.
        version: version of the published set.
        url: where the set is published, a web address or the URL of a folder in a bucket; by
            default none is given.
        title: name of the set; by default :func:`set_title` names it.
        author: who made the set; by default nobody is named.
        contact: mail or web address of the author.
        picture: key of the sample whose noise ``noise.png`` shows; by default there is no picture.
    """

    license: str | None = None
    citation: str | None = None
    date: str | None = None
    version: str = FIRST_VERSION
    url: str | None = None
    title: str | None = None
    author: str | None = None
    contact: str | None = None
    picture: str | None = None


def check_publication(publication: Publication) -> None:
    """Refuse values that would break the layout of a card, or put something else on it.

    Raises:
        ValueError: something else than text, a license that is neither an SPDX id nor a web
            address, a date, version or address that is none, a citation with a fence or with
            hidden characters, a title or author that is no line, or a contact without an author.
    """
    for name, value in vars(publication).items():
        if value is None and name != "version":
            continue
        if not isinstance(value, str) or not _FITS[name](value):
            raise ValueError(f"the {name} cannot stand on a card: {str(value)[:80]!r}")
    if publication.contact is not None and publication.author is None:
        raise ValueError("the contact cannot stand on a card without an author; give both")


def _is_license(text: str) -> bool:
    return is_url(text) or re.fullmatch(r"[A-Za-z0-9.+-]+", text) is not None


def _is_citation(text: str) -> bool:
    shown = re.sub(r"[\t\r\n]", "", text)
    return "```" not in text and shown.isprintable()


def is_line(text: str) -> bool:
    """Whether a text can be a title or a name: a line of up to 200 characters that are seen."""
    return text.isprintable() and bool(text.strip()) and len(text) <= LONGEST_LINE


def is_mail(text: str) -> bool:
    """Whether a text is a mail address, without the characters that few have."""
    return re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text) is not None


def is_contact(text: str) -> bool:
    """Whether a text is a mail address or a web address."""
    return is_mail(text) or is_url(text)


def is_bucket(text: str) -> bool:
    """Whether a text is the URL of a folder in a bucket of S3 or Google."""
    return re.fullmatch(r"(s3|gs)://[A-Za-z0-9._+/=-]+", text) is not None


def is_place(text: str) -> bool:
    """Whether a text is a web address, or the URL of a folder in a bucket."""
    return is_url(text) or is_bucket(text)


def is_key(text: str) -> bool:
    """Whether a text can be the key of a sample."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,90}", text) is not None


def is_date(text: str) -> bool:
    """Whether a text is a date as ``YYYY-MM-DD``."""
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_version(text: str) -> bool:
    """Whether a text is ``MAJOR.MINOR.PATCH``."""
    return re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}", text) is not None


def dataset_of(manifest: Manifest) -> Dataset:
    """Return the dataset that a set was made of."""
    return DATASETS[manifest["dataset"]["kind"]]


def license_url(publication: Publication, dataset: Dataset) -> str:
    """Return the URL of the license's text: SPDX's page of an id."""
    given = publication.license or dataset.terms
    return given if is_url(given) else f"{SPDX_LICENSES}{given}.html"


def given_license(url: str) -> str:
    """Return what :func:`license_url` gives a URL for: the SPDX id, or the URL itself."""
    if not url.startswith(SPDX_LICENSES):
        return url
    return url.removeprefix(SPDX_LICENSES).removesuffix(".html")


def bibtex(publication: Publication, dataset: Dataset) -> str:
    """Return the BibTeX entries to cite, without line ends around them."""
    return (publication.citation or f"{_SYSNOISE}\n{dataset.citation}").strip()


def is_url(text: str) -> bool:
    """Whether a text is a web address, without the characters that no address has (RFC 3986)."""
    return text.isprintable() and re.fullmatch(r"https?://[^\s<>\"\\^`{|}]+", text) is not None


_FITS: Mapping[str, Callable[[str], bool]] = {
    "license": _is_license,
    "citation": _is_citation,
    "date": is_date,
    "version": is_version,
    "url": is_place,
    "title": is_line,
    "author": is_line,
    "contact": is_contact,
    "picture": is_key,
}
"""What says whether a text can be the value of a field of :class:`Publication`."""
