"""Write the table of exported models and noises: ``python -m tests.exporters.table PAGE``.

Each cell says that a noise is applied, changes nothing and why, or is refused and by which node.
The models that are applied also run, on an image that they were not calibrated with.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.noises import MODEL_NOISES, apply_noises
from tests.exporters.zoo import MODELS, Exporter, ExportError, build, export, image_for

COLUMNS = (
    *("fp16", "int8", "int8 whole graph"),
    *("ceil-mode", "floor-mode", "upsample-bilinear", "upsample-nearest"),
)
"""Groups of noises; the methods of a group mostly have the same answer."""

START = "| model | exporter |"
"""How the table begins on the page, up to the names of its columns."""


def column_of(noise: str) -> str:
    """Return the group of a noise."""
    if noise.endswith("-whole-graph"):
        return "int8 whole graph"
    return next(each for each in COLUMNS if noise.startswith(each))


def answer(model: onnx.ModelProto, noise: str, name: str) -> str:
    """Return what becomes of a noise in a model: ``applied``, ``null: ...`` or ``refused: ...``.

    Raises:
        Exception: the changed model does not run, in the way in which ``evaluate`` runs it.
    """

    def calibration() -> Iterator[np.ndarray[Any, Any]]:
        yield from (image_for(name, seed).numpy() for seed in (3, 4))

    try:
        noisy = apply_noises(model, [noise], calibration, MODELS[name].shape)
    except ModelNoiseError as error:
        return f"refused: {error}"
    if noisy.null:
        return f"null: {MODEL_NOISES[noise].null}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        noisy.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results = session.run(None, {"input": image_for(name).numpy()})
    assert all(np.isfinite(each).all() for each in results if each.dtype == np.float32)
    return "applied"


def row(name: str, exporter: Exporter) -> Mapping[str, str] | str:
    """Return the answers of a model by group; one text where it cannot be exported."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = export(build(name), image_for(name), exporter)
    except ExportError as error:
        return f"PyTorch cannot export it: {textwrap.shorten(str(error), 70, placeholder=' ...')}"
    found: dict[str, dict[str, list[str]]] = {each: {} for each in COLUMNS}
    for noise in MODEL_NOISES:
        print(f"{name}, {exporter.value}, {noise}", file=sys.stderr, flush=True)
        found[column_of(noise)].setdefault(answer(model, noise, name), []).append(noise)
    return {group: _cell(answers) for group, answers in found.items()}


def _cell(answers: Mapping[str, list[str]]) -> str:
    """Return the answers of a group; with the methods that give it where there are several."""
    if len(answers) == 1:
        return next(iter(answers))
    return "; ".join(f"{text} ({', '.join(noises)})" for text, noises in answers.items())


def table() -> str:
    """Return the whole table in Markdown."""
    lines = [f"{START} {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 2) + "|"]
    notes: dict[str, int] = {}
    for name in MODELS:
        for exporter in Exporter:
            cells = row(name, exporter)
            texts = [cells] * len(COLUMNS) if isinstance(cells, str) else list(cells.values())
            marked = [_marked(text, notes) for text in texts]
            lines.append(f"| {name} | {exporter.value} | {' | '.join(marked)} |")
    return "\n".join([*lines, "", *(f"{number}. {text}." for text, number in notes.items())])


def _marked(text: str, notes: dict[str, int]) -> str:
    """Shorten an answer to its words and the number of a note."""
    if text == "applied":
        return text
    number = notes.setdefault(text, len(notes) + 1)
    words = [word for word, sign in _SIGNS.items() if sign in text]
    return f"{', '.join(words)} ({number})"


_SIGNS = {"applied": "applied", "null": "null:", "refused": "refused:", "not exported": "PyTorch"}
"""How an answer is known in a cell of several."""


def main(page: Path) -> None:
    """Replace the table of a page, which goes from its first line to the end."""
    logging.disable(logging.WARNING)  # The quantizer's, about weights with one axis.
    text = page.read_text("utf-8")
    page.write_text(text[: text.index(START)] + table() + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
