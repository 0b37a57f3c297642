"""scikit-image, from the extra ``skimage``; it works in the thread that calls it."""

from __future__ import annotations

import numpy as np

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import ResizeTask


def resize_scikit_image(task: ResizeTask) -> Pixels:
    """Smooth with a Gaussian, and interpolate linearly, on float64 from 0 to 1.

    The standard deviation is half of what the reduction exceeds 1 by, in source pixels; an
    enlargement is not smoothed. The result times 255 is rounded to the nearest, halves to even.

    Source: scikit-image, ``skimage.transform.resize`` with ``anti_aliasing``, which is its default.
    """
    from skimage import transform  # It comes with an extra.

    width, height = task.size
    resized = transform.resize(task.pixels, (height, width), anti_aliasing=True)
    resized *= 255  # In place, because eight bytes a value are much.
    np.rint(resized, out=resized)
    np.clip(resized, 0, 255, out=resized)
    return task.cropped(resized.astype(np.uint8))
