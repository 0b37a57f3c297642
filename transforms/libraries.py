"""The libraries that do the work: where each comes from, which codecs it uses, which CPU features.

Two machines with the same builds are expected to give the same pixels. The manifest records these
facts, so that the cause of a difference can be found.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sysnoise.transforms.errors import LibraryError, plain_message

Build = dict[str, str | list[str]]
"""Facts about a build by name: versions and settings as text, CPU features as a list."""


def pillow_build() -> Build:
    """Return Pillow's version and those of the codecs linked into it (``PIL.features``)."""
    import PIL
    from PIL import features

    codecs = {"libjpeg_turbo": "libjpeg_turbo", "zlib_ng": "zlib_ng", "libwebp": "webp"}
    versions = {name: features.version(feature) for name, feature in codecs.items()}
    if versions["libjpeg_turbo"] is None:
        versions["libjpeg"] = features.version("jpg")
    return {"version": PIL.__version__, **{k: v for k, v in versions.items() if v is not None}}


def littlecms_build() -> Build:
    """Return the versions of Pillow and of LittleCMS, which its wheel contains."""
    import PIL
    from PIL import features

    return {"version": PIL.__version__, "littlecms": str(features.version("littlecms2"))}


def opencv_build() -> Build:
    """Return OpenCV's version, codec lines of its build report, IPP setting and CPU features.

    IPP and the dispatched SIMD features are recorded because they select code paths that round
    differently (opencv/opencv#22477, opencv/opencv#25018).
    """
    import cv2

    return {
        "version": cv2.__version__,
        "jpeg": _opencv_build_line("JPEG"),
        "png": _opencv_build_line("PNG"),
        "ipp": cv2.ipp.getIppVersion() if cv2.ipp.useIPP() else "off",
        "cpu_features": cv2.getCPUFeaturesLine(),
    }


def _opencv_build_line(label: str) -> str:
    import cv2

    match = re.search(rf"^\s+{label}:\s+(.+?)\s*$", cv2.getBuildInformation(), re.MULTILINE)
    return match.group(1) if match else "not built in"


def simplejpeg_build() -> Build:
    """Return the versions of simplejpeg and of the libjpeg-turbo compiled into its extension.

    simplejpeg does not report the latter, so it is read from the version text of libjpeg-turbo in
    the binary.
    """
    import simplejpeg

    found = _version_in(simplejpeg._jpeg, rb"libjpeg-turbo version ([0-9][0-9.]*)")
    return {"version": simplejpeg.__version__, "libjpeg_turbo": found}


def _version_in(extension: Any, pattern: bytes) -> str:
    """Return the first group of a pattern's first match in the binary of an extension module."""
    with (
        open(extension.__file__, "rb") as binary,
        mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        match = re.search(pattern, text)
        return match.group(1).decode() if match else "not found in the binary"


def pyav_build() -> Build:
    """Return the versions of PyAV and its FFmpeg libraries, and the CPU features FFmpeg can use."""
    import av

    libraries = ("libavcodec", "libavutil", "libswscale")
    versions = {name: ".".join(map(str, av.library_versions[name])) for name in libraries}
    return {"version": av.__version__, **versions, "cpu_features": list(cpu_features())}


def numpy_build() -> Build:
    """Return NumPy's version; its transforms are integer arithmetic, the same on any CPU."""
    import numpy

    return {"version": numpy.__version__}


def isal_build() -> Build:
    """Return the version of isal, with its ISA-L, and the CPU features, which select its code."""
    import isal

    return {"version": isal.__version__, "cpu_features": list(cpu_features())}


def imagecodecs_build() -> Build:
    """Return the versions of imagecodecs and of its libjxl."""
    import imagecodecs

    return {
        "version": importlib.metadata.version("imagecodecs"),
        "libjxl": imagecodecs.jpegxl_version().removeprefix("libjxl "),
    }


def jpeglib_build() -> Build:
    """Return jpeglib's version; its libjpegs have no SIMD code, so the CPU has no effect."""
    import jpeglib

    return {"version": jpeglib.__version__}


def dali_build() -> Build:
    """Return the versions of DALI and of nvImageCodec, its decoder, and the CPU features."""
    from nvidia import dali, nvimgcodec

    return {
        "version": dali.__version__,
        "nvimgcodec": nvimgcodec.__version__,
        "cpu_features": list(cpu_features()),
    }


def onnx_build() -> Build:
    """Return the version of onnx."""
    import onnx

    return {"version": onnx.__version__}


def onnxruntime_build() -> Build:
    """Return the versions of ONNX Runtime and onnx, and the CPU features, which select kernels."""
    import onnx
    import onnxruntime

    return {
        "version": onnxruntime.__version__,
        "onnx": onnx.__version__,
        "cpu_features": list(cpu_features()),
    }


def stb_build() -> Build:
    """Return libstb's version; the CPU has no effect, because stb_image's SSE2 code rounds alike.

    Source: stb_image 2.30, the comment on ``stbi__idct_simd``.
    """
    import libstb

    return {"version": libstb.__version__}


def zune_build() -> Build:
    """Return the versions of kornia-rs and of its zune-jpeg, and the CPU features.

    kornia-rs does not report the latter, so it is read from the source paths in the binary.
    """
    from kornia_rs import kornia_rs

    return {
        "version": importlib.metadata.version("kornia-rs"),
        "zune_jpeg": _version_in(kornia_rs, rb"zune-jpeg-([0-9]+[.][0-9]+[.][0-9]+)"),
        "cpu_features": list(cpu_features()),
    }


def jpegli_build() -> Build:
    """Return ajpegli's version, its jpegli's commit, and the CPU features, which select code."""
    import ajpegli

    return {
        "version": ajpegli.__version__,
        "jpegli": ajpegli.jpegli_commit(),
        "cpu_features": list(cpu_features()),
    }


def vips_build() -> Build:
    """Return the versions of pyvips and libvips, and the CPU features, which select code."""
    import pyvips

    return {
        "version": pyvips.__version__,
        "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
        "cpu_features": list(cpu_features()),
    }


def skia_build() -> Build:
    """Return the version of skia-python, whose first number is Skia's, and the CPU features."""
    import skia

    return {"version": skia.__version__, "cpu_features": list(cpu_features())}


def skimage_build() -> Build:
    """Return the versions of scikit-image and of SciPy, which interpolates and filters for it."""
    import scipy

    return {"version": importlib.metadata.version("scikit-image"), "scipy": scipy.__version__}


@dataclass(frozen=True)
class Library:
    """A library that does the work of methods.

    Attributes:
        name: the name in methods and manifests.
        module: the Python module, as it is imported.
        package: the package on PyPI.
        build: returns the facts about the installed build that decide pixels, its version first.
        extra: the extra of sysnoise that installs the package; None where the core does.
    """

    name: str
    module: str
    package: str
    build: Callable[[], Build]
    extra: str | None = None


LIBRARIES = {
    each.name: each
    for each in (
        Library("pillow", "PIL", "pillow", pillow_build),
        Library("littlecms", "PIL", "pillow", littlecms_build),
        Library("opencv", "cv2", "opencv-python-headless", opencv_build),
        Library("simplejpeg", "simplejpeg", "simplejpeg", simplejpeg_build),
        Library("pyav", "av", "av", pyav_build),
        Library("numpy", "numpy", "numpy", numpy_build),
        Library("isal", "isal", "isal", isal_build),
        Library("imagecodecs", "imagecodecs", "imagecodecs", imagecodecs_build, "jxl"),
        Library("jpeglib", "jpeglib", "jpeglib", jpeglib_build, "jpeglib"),
        Library("dali", "nvidia.dali", "nvidia-dali-cuda120", dali_build, "dali"),
        Library("stb", "libstb", "libstb", stb_build, "stb"),
        Library("zune", "kornia_rs", "kornia-rs", zune_build, "zune"),
        Library("jpegli", "ajpegli", "ajpegli", jpegli_build, "jpegli"),
        Library("vips", "pyvips", "pyvips", vips_build, "vips"),
        Library("skia", "skia", "skia-python", skia_build, "skia"),
        Library("skimage", "skimage", "scikit-image", skimage_build, "skimage"),
        Library("onnx", "onnx", "onnx", onnx_build, "evaluate"),
        Library("onnxruntime", "onnxruntime", "onnxruntime", onnxruntime_build, "evaluate"),
    )
}
"""The libraries of all methods by name."""


def is_importable(library: str) -> bool:
    """Whether a library in :data:`LIBRARIES` is installed here; it is not loaded."""
    try:
        return importlib.util.find_spec(LIBRARIES[library].module) is not None
    except ModuleNotFoundError:  # The package of the module is not installed.
        return False


@functools.cache
def library_build(library: str) -> Build:
    """Return the build facts of one library in :data:`LIBRARIES`; the first key is its version.

    Raises:
        LibraryError: the library is installed, but cannot be loaded.
    """
    try:
        return LIBRARIES[library].build()
    except (ImportError, OSError) as error:  # A wheel may need libraries that the system lacks.
        package = LIBRARIES[library].package
        raise LibraryError(
            f"the package {package!r} is installed, but cannot be loaded: {plain_message(error)}; "
            "install what it needs, or uninstall it"
        ) from error


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """Return the SIMD features of this CPU that NumPy finds (``numpy.show_config``), sorted."""
    import numpy

    simd = numpy.show_config(mode="dicts")["SIMD Extensions"]
    return tuple(sorted({*simd["baseline"], *simd.get("found", ())}))
