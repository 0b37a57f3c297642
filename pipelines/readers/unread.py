"""Formats in which people have images, but which are not read, told by the names of their files.

Reading them takes their own libraries, or does not find an image by its place in a file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

_REPACK = "write its images as files, as a tar or as Parquet with the columns image and label"
_UNPACK = "unpack it; images are read by their place in an uncompressed archive"

_FORMATS = (
    (
        "TFRecord",
        r"\.tfrec(ord)?s?([-.].*)?$|^(train|validation|test)-\d{5}-of-\d{5}$",
        _REPACK,
    ),
    (
        "Arrow, as 'save_to_disk' of Hugging Face's datasets writes it",
        r"\.arrow$",
        "load it with 'load_from_disk' and write it with 'to_parquet'",
    ),
    ("Feather", r"\.feather$", _REPACK),
    ("MosaicML's MDS", r"\.mds(\.\w+)?$", _REPACK),
    ("FFCV", r"\.beton$", "take the images that it was made from"),
    ("LMDB", r"^data\.mdb$|\.lmdb$", _REPACK),
    ("HDF5", r"\.(h5|hdf5|hdf)$", _REPACK),
    ("MXNet's RecordIO", r"\.rec$", _REPACK),
    ("NumPy", r"\.(npy|npz)$", "decoded pixels are no source; take the image files"),
    ("Python's pickle", r"\.(pkl|pickle)$|^(train|val)_data(_batch_\d+)?$", "take the image files"),
    ("a compressed tar", r"\.(tar\.(gz|bz2|xz|zst|lz4|Z)|tgz|tbz2?|txz)$", _UNPACK),
    ("7-Zip", r"\.7z(\.\d+)?$", _UNPACK),
    ("RAR", r"\.rar$", _UNPACK),
    ("a zip in several parts", r"\.z\d\d$|\.zip\.\d+$", "join its parts: zip -s 0 IN --out OUT"),
)
"""Name, pattern of the names of files, and what to do with each format."""


def unread_formats(files: Iterable[str]) -> list[str]:
    """Return, as lines of a message, which formats files have that no images are read from.

    Args:
        files: paths of files, with ``/`` between their parts.

    Returns:
        For each format its name, how many files have it, one of them, and what to do; the most
        frequent first, and none where no file has such a name.
    """
    names = list(files)
    found = []
    for name, pattern, remedy in _FORMATS:
        matching = [each for each in names if re.search(pattern, posixpath.basename(each), re.I)]
        if matching:
            line = f"{name} ({len(matching)} file(s), such as {min(matching)!r}): {remedy}"
            found.append((-len(matching), line))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]
