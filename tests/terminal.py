"""The command in a pseudo-terminal of a given width."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Shown:
    """What a command showed.

    Attributes:
        code: its exit code.
        text: standard output and standard error, as the terminal got them.
    """

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        """All lines, also those that were written over."""
        return written_lines(self.text)


def written_lines(text: str) -> list[str]:
    """Return the lines of what a terminal got, also those that were written over."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def widest(lines: list[str]) -> int:
    """Return the number of characters of the longest line."""
    return max(map(len, lines))


def in_terminal(
    columns: int, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> Shown:
    """Run the command in a terminal of so many columns."""
    kept = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with _opened(columns) as (ours, theirs):
        process = subprocess.Popen(
            [sys.executable, "-m", "sysnoise.pipelines.cli.main", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**kept, "PYTHONUTF8": "1", **(environment or {})},
        )
        os.close(theirs)
        data = b"".join(_read(ours))
        return Shown(process.wait(), data.decode())


@contextlib.contextmanager
def terminal_file(columns: int) -> Iterator[tuple[TextIO, int]]:
    """Open a terminal of so many columns: a file to write to, and a descriptor to read from."""
    with _opened(columns) as (ours, theirs), os.fdopen(theirs, "w", encoding="utf-8") as opened:
        yield opened, ours


@contextlib.contextmanager
def _opened(columns: int) -> Iterator[tuple[int, int]]:
    """Open a terminal: the descriptor of its screen, and that of the program, which is closed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def _read(descriptor: int) -> Iterator[bytes]:
    """Yield what is written until all who write are gone, which Linux tells by an error."""
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, 65536):
            yield data
