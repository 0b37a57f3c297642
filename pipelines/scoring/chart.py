"""The losses of a model's settings as bars of block characters, for a terminal."""

from __future__ import annotations

from sysnoise.pipelines.scoring.blocks import CHANCE_MARK, delta_text, has_stacks_alone
from sysnoise.pipelines.scoring.compose import Table
from sysnoise.transforms.text_table import GAP

MOST_BARS = 20
"""Number of settings that the chart has bars of."""
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
"""Blocks of no, one, ... seven eighths of a character's width."""
WHOLE = "█"


def loss_chart(table: Table, width: int) -> list[str]:
    """Return a bar for each setting that loses something, the largest loss first.

    Args:
        table: the table.
        width: number of characters of a line.

    Returns:
        The lines; none where there are several models, or no setting that loses anything.
    """
    scores = table.rows[0].scores
    losing = sorted((each for each in scores if each.delta > 0), key=lambda each: -each.delta)
    if len(table.rows) > 1 or not losing:
        return []
    shown = losing[:MOST_BARS]
    stacks = table.stack_names
    names = [_cut(stacks.get(each.setting, each.setting), width // 2) for each in shown]
    deltas = [_aligned(delta_text(each)) for each in shown]
    columns = [max(map(len, texts)) for texts in (names, deltas)]
    room = width - sum(columns) - 2 * len(GAP)
    unit = "stack" if has_stacks_alone(table) else "setting"
    lines = [f"Loss by {unit}, the largest first"]
    for score, name, delta in zip(shown, names, deltas, strict=True):
        bar = _bar(room * score.delta / losing[0].delta)
        lines.append(GAP.join([name.ljust(columns[0]), delta.rjust(columns[1]), bar]).rstrip())
    less, nothing = len(losing) - len(shown), len(scores) - len(losing)
    lines += [f"and {less} more that lose less"] if less else []
    lines += [f"and {nothing} more that lose nothing"] if nothing else []
    return lines


def _cut(name: str, longest: int) -> str:
    """Return a name whose middle is left out where it is too long."""
    if len(name) <= longest:
        return name
    start = longest // 2
    return f"{name[:start]}…{name[start + 1 - longest :]}"


def _aligned(delta: str) -> str:
    """Return a delta with the place of the mark behind it, so that digits are below each other."""
    return delta if delta.endswith(CHANCE_MARK) else f"{delta} "


def _bar(length: float) -> str:
    """Return a bar that is some characters long, to an eighth of one."""
    whole, eighths = divmod(round(8 * length), 8)
    return WHOLE * whole + EIGHTHS[eighths]
