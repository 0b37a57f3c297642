"""The documentation as tests read it: its blocks of code, and the commands in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))
)
LANGUAGES = ("sh", "python", "yaml", "bibtex", "text")
PROGRAMS = ("sysnoise", "make", "pip", "dask", "docker", "go", "java", "mvn", "sbatch", "git")
"""The programs that the pages call; any other one fails as not found."""

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_BATCH_JOB = "SLURM_ARRAY_TASK_ID=24 SLURM_CPUS_PER_TASK=8"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its line and its text."""

    language: str
    line: int
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(found[2], text[: found.start()].count("\n") + 1, found[3])
        for found in _FENCED.finditer(text)
    ]


def commands(page: str) -> dict[int, list[list[str]]]:
    """Return what the ``sh`` blocks of a page call, by line of the block, as the shell splits it.

    Variables that a block sets hold in the later ones.
    """
    programs = "".join(f"{name}() {{ printf '%s\\0' {name} \"$@\"; echo; }}\n" for name in PROGRAMS)
    script = [programs, _BATCH_JOB]
    for block in blocks(page):
        if block.language == "sh":
            script += [f"printf '%s\\0' block {block.line}; echo", block.text]
    done = subprocess.run(
        ["bash", "-ec", "\n".join(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{page}: {done.stderr}"
    return dict(_by_block(done.stdout))


def _by_block(output: str) -> Iterator[tuple[int, list[list[str]]]]:
    for part in output.split("block\0")[1:]:
        line, *rest = (line.split("\0")[:-1] for line in part.splitlines())
        yield int(line[0]), rest


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    """Yield page and words of the commands that stand in the text, but for their placeholders."""
    for page in PAGES:
        text = _FENCED.sub("", (ROOT / page).read_text("utf-8"))
        for code in re.findall(r"`((?:sysnoise|make|pip) [^`]+)`", text):
            yield page, code.split()
