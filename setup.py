"""Installs the package ``sysnoise`` and the command of that name.

The folders ``transforms``, ``manifests`` and ``pipelines`` are mapped into the package, so that its
only name is ``sysnoise``. The links in ``sysnoise/`` serve editable checkouts, type checkers and
editors; a built distribution does not need them.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

# A publisher fills in these two, and CITATION.cff: all addresses of the package follow from them.
AUTHOR = "The SysNoise authors"
REPOSITORY = "https://example.org/sysnoise"

ROOT = Path(__file__).parent
FOLDERS = ("transforms", "manifests", "pipelines")
PACKAGES = find_packages(
    str(ROOT), include=[f"{name}{end}" for name in FOLDERS for end in ("", ".*")]
)


def page_of_index() -> str:
    """Return the README for the package index, which has none of the files that it links to."""
    text = (ROOT / "README.md").read_text("utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?!\w+:|#)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(r"(\]\()(?!\w+:|#)", rf"\1{REPOSITORY}/blob/main/", text)


setup(
    name="sysnoise",
    version="0.1.0",
    description="ImageNet and COCO in every decoder x resize x color combination, with Apache Beam",
    long_description=page_of_index(),
    long_description_content_type="text/markdown",
    author=AUTHOR,
    url=REPOSITORY,
    project_urls={
        "Documentation": f"{REPOSITORY}/tree/main/docs",
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
        "Paper": "https://arxiv.org/abs/2307.00280",
    },
    keywords="ImageNet COCO robustness benchmark JPEG decoder resize color preprocessing "
    "deployment Apache-Beam WebDataset Parquet ONNX",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Multimedia :: Graphics :: Graphics Conversion",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    license_expression="Apache-2.0",
    python_requires=">=3.11",
    packages=["sysnoise", *(f"sysnoise.{package}" for package in PACKAGES)],
    package_dir={f"sysnoise.{package}": package.replace(".", "/") for package in PACKAGES},
    package_data={
        "sysnoise": ["py.typed"],
        "sysnoise.manifests": ["*.json", "imagenet_classes.*"],
        "sysnoise.manifests.grids": ["*.yaml"],
        "sysnoise.pipelines.evaluation": ["configs/*.yaml"],
        "sysnoise.pipelines.report": ["page.*", "templates/*"],
    },
    entry_points={"console_scripts": ["sysnoise = sysnoise.pipelines.cli.main:main"]},
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "av>=17,<19",
        "fsspec>=2024.6",
        "isal>=1.7,<2",
        "jinja2>=3.1.6,<4",
        "jsonschema>=4.20,<5",
        "msgspec>=0.20,<1",
        "markupsafe>=2.1,<4",
        "numpy>=2.2,<2.5",
        "packaging>=24.2",
        "opencv-python-headless>=4.12,<6",
        "pillow>=12.1.1,<13",
        "pyarrow>=21,<26",
        "pycocotools>=2.0.10,<3",
        "pyyaml>=6,<7",
        "shtab>=1.7,<2",
        "simplejpeg>=1.8,<2",
        "tenacity>=9,<10",
        "tqdm>=4.66.3,<5",
    ],
    extras_require={
        "dali": ["nvidia-dali-cuda120>=2.4,<3"],
        "dask": ["distributed>=2024.4.2,<2027"],
        "jpeglib": ["jpeglib>=1.0.2,<1.1"],
        "jpegli": ["ajpegli>=1,<2"],
        "jxl": ["imagecodecs>=2026.3"],
        "skia": ["skia-python>=144,<145"],
        "skimage": ["scikit-image>=0.25,<1"],
        "stb": ["libstb>=0.8,<0.9"],
        "vips": ["pyvips>=3,<4", "pyvips-binary>=8.18,<9"],
        "zune": ["kornia-rs>=0.2,<0.3"],
        "stacks": ["sysnoise[evaluate,jpegli,jpeglib,skia,skimage,stb,vips,zune]"],
        "s3": ["aiohttp>=3.13.3", "s3fs>=2024.6"],
        "gs": ["aiohttp>=3.13.3", "gcsfs>=2024.6"],
        "http": ["aiohttp>=3.13.3", "fsspec[http]>=2024.6"],
        "demo": ["scikit-image>=0.25,<1", "scikit-learn>=1.6,<2"],
        "evaluate": [
            "faster-coco-eval>=1.8,<2",
            "onnx>=1.22,<2",
            "onnxruntime>=1.31,<2",
            "protobuf>=6.33.5,<7",
        ],
        # In place of evaluate: each has a build of ONNX Runtime of its own, and these are in the
        # same files.
        "evaluate-gpu": [
            "faster-coco-eval>=1.8,<2",
            "onnx>=1.22,<2",
            "onnxruntime-gpu[cuda,cudnn]>=1.31,<2",
            "protobuf>=6.33.5,<7",
        ],
        "evaluate-openvino": [
            "faster-coco-eval>=1.8,<2",
            "onnx>=1.22,<2",
            "onnxruntime-openvino>=1.24,<2",
            "protobuf>=6.33.5,<7",
        ],
        "report": ["matplotlib>=3.9,<4"],
        "bench": ["imageio-ffmpeg>=0.6,<1", "matplotlib>=3.9,<4"],
        "dev": [
            "datasets>=4,<6",
            "duckdb>=1.2,<3",
            "hypothesis>=6.100,<7",
            "ipykernel>=6.29,<8",
            "mlcroissant>=1.1.1,<2",
            "moto[server]>=5,<6",
            "mypy>=2.4,<3",
            "nbclient>=0.10,<1",
            "playwright>=1.50,<2",
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "readme-renderer[md]>=44,<47",
            "ruff>=0.17,<0.18",
            "s3fs>=2024.6",
            "types-PyYAML",
            "types-jsonschema",
            "types-tqdm",
            "webdataset>=1,<2",
        ],
    },
)
