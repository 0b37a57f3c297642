"""The environment names the builds that are really installed."""

from __future__ import annotations

import platform

import cv2
import PIL
import simplejpeg
from PIL import features

from sysnoise.manifests.environment import describe_environment


def test_environment_is_what_the_libraries_say() -> None:
    environment = describe_environment(["pillow", "opencv", "simplejpeg", "pyav"])
    libraries = environment["libraries"]
    assert environment["cpu"]["architecture"] == platform.machine()
    assert environment["cpu"]["features"]
    assert environment["packages"]["pillow"] == PIL.__version__
    assert libraries["pillow"]["libjpeg_turbo"] == features.version("libjpeg_turbo")
    assert str(libraries["opencv"]["jpeg"]) in cv2.getBuildInformation()
    assert libraries["opencv"]["cpu_features"] == cv2.getCPUFeaturesLine()
    assert libraries["simplejpeg"]["version"] == simplejpeg.__version__
    assert str(libraries["simplejpeg"]["libjpeg_turbo"]).startswith("3.")
    assert libraries["pyav"]["libavcodec"].count(".") == 2


def test_environment_names_neither_host_nor_kernel() -> None:
    text = str(describe_environment(["pillow"]))
    assert platform.node() not in text
    assert platform.release() not in text
