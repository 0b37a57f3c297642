"""What the fuzzers share: small real sets, the commands that read them, and what may come of it."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sysnoise import open_set
from sysnoise.manifests.errors import SetError
from sysnoise.pipelines.cli.photographs import write_coco, write_imagenet
from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.damage import reseal
from tests.shared import SharedFolders

CASES = int(os.environ.get("SYSNOISE_CASES", "1000"))
"""Examples of each fuzzer: of each kind of file there are two or more."""

MEMORY = 2**30
"""Bytes by which a case may make the process grow."""

Damage = Callable[[st.DataObject, Path, Path], object]
"""Draws a content from a file, and writes it to another."""

GRID = """
decoders: [pillow, opencv]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: letterbox640
"""

fuzzed = settings(
    max_examples=CASES,
    deadline=timedelta(seconds=60),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)


class Verdicts:
    """What came of the cases of a fuzzer: how often which command did what.

    Attributes:
        work: the only folder that commands may change, two levels below the given one.
        counts: number of cases by command and exit code.
        last: what the last command did.
    """

    def __init__(self, folder: Path) -> None:
        self.work = folder / "surroundings" / "work"
        self.work.mkdir(parents=True)
        for parent in self.work.parents[:2]:
            (parent / "file").write_text("stays", "utf-8")
        self.counts: Counter[str] = Counter()
        self.last = Outcome(0, "", "")
        self._around = self._surroundings()

    def add(self, name: str, run: Callable[[], Outcome]) -> None:
        """Run a case; an error that the command does not expect escapes from it."""
        before = memory_since_now()
        with contextlib.chdir(self.work.parent):
            self.last = done = run()
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.error, done.error
        if done.code:
            assert done.error.strip() or done.out.strip()
        self.counts[f"{name} {done.code}"] += 1
        assert peak_memory() - before < MEMORY, name
        assert self._surroundings() == self._around, name

    def _surroundings(self) -> dict[str, int | None]:
        """What lies around the work, also in the folder where the commands run."""
        found: dict[str, int | None] = {}
        folders = [self.work.parents[1]]
        for folder in folders:
            for entry in os.scandir(folder):
                if entry.path == str(self.work):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                stat = entry.stat(follow_symlinks=False)
                found[entry.path] = None if is_folder else stat.st_mtime_ns
                if is_folder:
                    folders.append(Path(entry.path))
        return found


def memory_since_now() -> int:
    """Return the memory of this process in bytes, and measure its peak from now on (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return peak_memory()


def peak_memory() -> int:
    """Return the largest memory of this process in bytes, since its measurement began."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def build_sets(folder: Path) -> None:
    """Two photographs of each dataset, in sets of two shards, with predictions."""
    write_imagenet(folder / "imagenet", crops=2)
    write_coco(folder / "coco")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    for arguments in sources(folder).values():
        options = (f"--grid={folder / 'grid.yaml'}", "--format=both", "--workers=1")
        split = ("--samples-per-shard=1", "--limit=2")
        output = folder / f"{arguments[0]}-set"
        done = command("generate", *arguments, *options, *split, f"--output={output}")
        assert done.code == 0, done.error
    rows = pq.read_table(folder / "imagenet-set" / "samples").to_pylist()
    variants = [each["id"] for each in open_set(str(folder / "imagenet-set")).manifest["variants"]]
    lines = [
        json.dumps({"setting": variant, "key": row["key"], "class": row["label"]})
        for variant in variants
        for row in rows
    ]
    (folder / "predictions.jsonl").write_text("\n".join(lines), "utf-8")


def sources(folder: Path) -> dict[str, tuple[str, ...]]:
    """The arguments that name the sources of each dataset."""
    images = folder / "imagenet"
    return {
        "imagenet": (
            *("imagenet", f"--images={images / 'images'}", f"--label-file={images / 'val.txt'}"),
        ),
        "coco": (
            *("coco", f"--images={folder / 'coco' / 'images'}"),
            f"--annotations={folder / 'coco' / 'instances_demo.json'}",
        ),
    }


def hostile_sets(shared: SharedFolders) -> Path:
    return shared("hostile", build_sets)


def copied(base: Path, folder: Path, name: str) -> Path:
    """A fresh copy of a set of :func:`build_sets`."""
    copy = folder / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(base / name, copy)
    return copy


def readers(base: Path, output: Path | str, folder: Path) -> dict[str, Callable[[], Outcome]]:
    """The commands that read a set, by name."""
    predictions = base / "predictions.jsonl"
    return {
        "verify": lambda: command("verify", str(output)),
        "verify --pixels": lambda: command("verify", str(output), "--pixels"),
        "report": lambda: command("report", str(output), "-o", str(folder / "report.html")),
        "score": lambda: command("score", str(output), f"--predictions={predictions}"),
        "finish": lambda: command("finish", str(output)),
        "status": lambda: command("status", str(output)),
        "open_set": lambda: read_all(output),
    }


def fuzz_sets(base: Path, folder: Path, files: Iterable[tuple[str, str]], damage: Damage) -> None:
    """Damage one file of a copy of a set, and run a command that reads the set, many times.

    Args:
        base: the folder of :func:`build_sets`.
        folder: where the copies are made.
        files: name of a set, and path of a file in it.
        damage: draws the new content of the file in a copy from the file as it is.
    """
    verdicts, found = Verdicts(folder), sorted(files)

    @fuzzed
    @given(st.data())
    def check(data: st.DataObject) -> None:
        name, path = data.draw(st.sampled_from(found))
        output = copied(base, verdicts.work, name)
        damage(data, base / name / path, output / path)
        if data.draw(st.booleans()):
            resign(output)
        commands = readers(base, output, verdicts.work)
        chosen = data.draw(st.sampled_from(sorted(commands)))
        verdicts.add(chosen, commands[chosen])

    check()


def files_of_sets(base: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each set of :func:`build_sets` with the paths of files that match."""
    for name in ("imagenet-set", "coco-set"):
        for path in (base / name).rglob(pattern):
            yield name, path.relative_to(base / name).as_posix()


def read_all(output: Path | str) -> Outcome:
    """Read everything in a set through the interface for Python."""
    try:
        found = open_set(str(output))
        for variant in found.variants:
            for sample in found.iterate(variant):
                assert sample.image.ndim == 3
        for shard in range(found.shards):
            found.samples(shard, ["key", "status"])
        found.rejects(["key", "reason"])
    except SetError as error:
        return Outcome(1, "", str(error))
    return Outcome(0, "", "")


def resign(output: Path) -> None:
    """Make the sums of a set fit; what is too broken for that stays as it is."""
    try:
        reseal(output)
    except Exception:  # noqa: BLE001 - it reads the hostile files in the simplest way.
        return


HUGE = [2**31, 2**63 - 1, 2**63, 2**70, -1, -(2**63), 10**12, 10**399, 1e25, 1e308, -0.0]
NESTED: list[Any] = [[], {}, [[]], {"a": {"b": []}}, [[[[[[[[1]]]]]]]], [None], [1, "a"]]
TEXTS = ["", "a" * 10_000, "\x00", "\u202e", "../../x", "/etc/passwd", "=1+1", "\ud800", "a\nb"]

values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(HUGE),
    st.sampled_from(NESTED).map(copy.deepcopy),  # Later changes may be in them.
    st.sampled_from(TEXTS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)
"""Values that take the place of others."""


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a document, except that of itself."""
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a document with one to three hostile changes."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            return draw(values)
        *parents, last = draw(st.sampled_from(found))
        holder = document
        for key in parents:
            holder = holder[key]
        change = draw(st.sampled_from(["replace", "replace", "delete", "double", "wrap"]))
        if change == "replace":
            holder[last] = draw(values)
        elif change == "delete":
            del holder[last]
        elif change == "wrap":
            holder[last] = draw(st.sampled_from([[holder[last]], {"a": holder[last]}]))
        elif isinstance(holder, list):
            holder.append(holder[last])
        else:
            holder[f"{last}2"] = holder[last]
    return document


@st.composite
def json_texts(draw: st.DrawFn, document: Any) -> bytes:
    """The bytes of a mutated document, or bytes that are not quite those of one."""
    data = json.dumps(draw(mutated(document))).encode()
    how = draw(st.integers(0, 9))
    if how == 0:
        return data[: draw(st.integers(0, len(data)))]
    if how == 1:
        return flipped(draw, data)
    if how == 2:
        depth = draw(st.sampled_from([65, 500, 990, 100_000]))
        return data.replace(b": ", b": " + b"[" * depth, 1)[:-1] + b"]" * depth + data[-1:]
    if how == 3:
        return data.replace(b": ", b": " + b"9" * draw(st.sampled_from([400, 5000])), 1)
    return data


def flipped(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one to three bits flipped."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3)) if data else 0):
        changed[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)
