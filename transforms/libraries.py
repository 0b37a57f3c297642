"""Which build of which codec each library uses, and which CPU features.

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

    pattern = re.compile(rb"libjpeg-turbo version ([0-9][0-9.]*)")
    with (
        open(simplejpeg._jpeg.__file__, "rb") as binary,
        mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        match = pattern.search(text)
        found = match.group(1).decode() if match else "not found in the binary"
    return {"version": simplejpeg.__version__, "libjpeg_turbo": found}


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


BUILDS: dict[str, Callable[[], Build]] = {
    "pillow": pillow_build,
    "opencv": opencv_build,
    "simplejpeg": simplejpeg_build,
    "pyav": pyav_build,
    "numpy": numpy_build,
    "isal": isal_build,
    "imagecodecs": imagecodecs_build,
    "jpeglib": jpeglib_build,
    "dali": dali_build,
    "onnx": onnx_build,
    "onnxruntime": onnxruntime_build,
}

IMPORT_NAMES = {
    "pillow": "PIL",
    "opencv": "cv2",
    "simplejpeg": "simplejpeg",
    "pyav": "av",
    "numpy": "numpy",
    "isal": "isal",
    "imagecodecs": "imagecodecs",
    "jpeglib": "jpeglib",
    "dali": "nvidia.dali",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}
"""The Python module of each library in :data:`BUILDS`."""


def is_importable(library: str) -> bool:
    """Whether a library in :data:`BUILDS` is installed here; it is not loaded."""
    try:
        return importlib.util.find_spec(IMPORT_NAMES[library]) is not None
    except ModuleNotFoundError:  # The package of the module is not installed.
        return False


@functools.cache
def library_build(library: str) -> Build:
    """Return the build facts of one library in :data:`BUILDS`; the first key is its version."""
    return BUILDS[library]()


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """Return the SIMD features of this CPU that NumPy finds (``numpy.show_config``), sorted."""
    import numpy

    simd = numpy.show_config(mode="dicts")["SIMD Extensions"]
    return tuple(sorted({*simd["baseline"], *simd.get("found", ())}))
