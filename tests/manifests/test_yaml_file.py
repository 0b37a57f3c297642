"""YAML that is short but stands for something huge, or that PyYAML does not survive."""

from __future__ import annotations

import pytest
import yaml

from sysnoise.manifests.yaml_file import MAX_CHARACTERS, YamlError, read_yaml

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    "aliases": (BOMB, "bomb.yaml:2:8: not valid YAML: aliases are not read"),
    "alias of itself": ("a: &a [*a]", "bomb.yaml:1:8: not valid YAML: aliases are not read"),
    "merged alias": ("a: &a {b: 1}\n<<: *a", "aliases are not read"),
    "deep": ("[" * 70 + "]" * 70, "nested too deeply"),
    "endless": ("[" * 10_000, "nested too deeply"),
    "long": ("# " + "x" * MAX_CHARACTERS, f"longer than {MAX_CHARACTERS} characters"),
    "5,000 digits": ("a: " + "9" * 5000, "not valid YAML"),
    "6,000 digits in base 16": ("a: 0x" + "f" * 6000, "does not fit into 64 bits"),
    "huge key": (f"{2**70}: 1", "does not fit into 64 bits"),
    "time that is none": ("a: !!timestamp no", "not valid YAML"),
    "number that is none": ("a: !!int ''", "not valid YAML"),
    "truth that is none": ("a: !!bool maybe", "not valid YAML"),
    "object": ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
    "list as a key": ("? [1]\n: 2", "not valid YAML"),
    "two documents": ("--- 1\n--- 2", "not valid YAML"),
    "control character": ("a: \x00", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(YamlError, match=message) as caught:
        read_yaml(text, "bomb.yaml")
    assert str(caught.value).startswith("bomb.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "a: [1, {b: 0.5}]\nc: &unused yes\n", "[[[]]]", "a: 1:30"])
def test_other_yaml_is_read_as_by_pyyaml(text: str) -> None:
    assert read_yaml(text, "a.yaml").document == yaml.safe_load(text)
