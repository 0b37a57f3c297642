"""The examples in the docstrings of the public names."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import ModuleType

import pytest

from sysnoise.manifests import grids, reading
from sysnoise.transforms import digests, grid, online, variants

EXAMPLES = {
    digests: ["pixel_digest"],
    grid: ["Grid"],
    grids: ["grid_names", "load_grid"],
    online: ["apply", "apply_all"],
    reading: ["open_set"],
    variants: ["Variant"],
}


@pytest.mark.parametrize("module", EXAMPLES, ids=lambda module: module.__name__)
def test_examples_give_what_they_show(
    module: ModuleType, one_image_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    Path("demo/imagenet").symlink_to(one_image_set)
    tests = [each for each in doctest.DocTestFinder().find(module) if each.examples]
    assert [each.name.removeprefix(f"{module.__name__}.") for each in tests] == EXAMPLES[module]
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
