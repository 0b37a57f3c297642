"""jpegli, the JPEG codec of JPEG XL's authors, from the extra ``jpegli``: ajpegli."""

from __future__ import annotations

import numpy as np

from sysnoise.transforms.codecs.jpeg import has_end_of_image
from sysnoise.transforms.codecs.sniff import ImageKind
from sysnoise.transforms.pixels import Pixels


def decode_jpegli(data: bytes) -> Pixels:
    """Decode with jpegli, in the stored orientation; to RGB.

    jpegli would fill up a file without an end, so such a file is refused first. Its warnings go to
    the standard error of the process.

    Source: ``ajpegli.imdecode``.

    Args:
        data: the bytes of a JPEG file.

    Raises:
        ValueError: the data is not a complete JPEG.
        ajpegli.DecodeError: jpegli cannot read the file.
    """
    import ajpegli  # It comes with an extra.

    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    return np.asarray(ajpegli.imdecode(data))


def jpegli_kind(kind: ImageKind) -> bool:
    """Accept Huffman-coded gray and three-component JPEGs of 8 bits."""
    return kind.frame is not None and kind.frame.is_common
