"""Wheel, source distribution, zip file and checkout: each is installed, and runs the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("transforms", "manifests", "pipelines")

pytestmark = pytest.mark.slow


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command outside of the checkout, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows, as a clone has them."""
    folder = tmp_path_factory.mktemp("clone") / "sysnoise"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder


def wheel(copy: Path, tmp_path: Path) -> tuple[str, ...]:
    call(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", copy, cwd=tmp_path)
    return (str(next(tmp_path.glob("*.whl"))),)


def source_distribution(copy: Path, tmp_path: Path) -> tuple[str, ...]:
    script = "import setuptools.build_meta as b; b.build_sdist(r'{}')"
    call(sys.executable, "-c", script.format(tmp_path), cwd=copy)
    return (str(next(tmp_path.glob("*.tar.gz"))),)


def zip_without_links(copy: Path, tmp_path: Path) -> tuple[str, ...]:
    """The repository as a zip file, unpacked by a program that writes links as texts."""
    with zipfile.ZipFile(tmp_path / "sysnoise.zip", "w") as archive:
        for path in sorted(copy.rglob("*")):
            name = path.relative_to(copy).as_posix()
            if path.is_symlink():
                archive.writestr(name, str(path.readlink()))
            elif path.is_file():
                archive.write(path, name)
    with zipfile.ZipFile(tmp_path / "sysnoise.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    return (str(tmp_path / "unpacked"),)


def checkout(copy: Path, tmp_path: Path) -> tuple[str, ...]:
    return ("--editable", str(copy))


@pytest.mark.parametrize("made", [wheel, source_distribution, zip_without_links, checkout])
def test_an_installation_runs_the_demo(
    made: Callable[[Path, Path], tuple[str, ...]], copy: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # The dependencies are those of this environment; the package itself is not.
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    (site / "dependencies.pth").write_text("\n".join(_site_packages()), "utf-8")
    call(
        python, "-m", "pip", "install", "--quiet", "--no-deps", *made(copy, tmp_path), cwd=tmp_path
    )
    place = Path(call(python, "-c", "import sysnoise; print(sysnoise.__file__)", cwd=tmp_path))
    assert (copy if made is checkout else site) in place.parents
    for name in FOLDERS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')\n", "utf-8")
        shutil.copytree(ROOT / "docs" / "bench", site / name)  # Somebody else's package.
    command = tmp_path / "venv" / "bin" / "sysnoise"
    printed = call(command, "demo", "--output", "demo", cwd=tmp_path)
    assert "demo/imagenet" in printed
    assert "no problems" in call(command, "verify", "demo/imagenet", "--pixels", cwd=tmp_path)
    assert "no problems" in call(command, "verify", "demo/coco", "--pixels", cwd=tmp_path)


def _site_packages() -> list[str]:
    """Return where this environment has its packages."""
    return [path for path in sys.path if path.endswith("site-packages")]
