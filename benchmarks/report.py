"""Tables and a plot of the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

Results = Mapping[str, Any]


def format_tables(results: Results) -> str:
    """Return the measurements as Markdown tables."""
    machine = results["machine"]
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; start-up "
        f"(one image, one variant) {results['start_up']['seconds']:.1f} s, included everywhere.",
        table(
            ("`imagenet-full`", "images", "command", "floor", "ratio"),
            [
                (
                    f"{row['workers']} worker(s)",
                    row["images"],
                    f"{row['seconds']:.1f} s",
                    f"{row['floor_seconds']:.1f} s",
                    f"**{row['ratio']:.2f}**",
                )
                for row in results["floor"]
            ]
            + [
                (
                    "1 worker, floor with OpenCV's PNG",
                    row["images"],
                    f"{row['seconds']:.1f} s",
                    f"{row['floor_opencv_png_seconds']:.1f} s",
                    f"**{row['ratio_opencv_png']:.2f}**",
                )
                for row in results["floor"][:1]
            ],
        ),
        table(
            ("variants per second, 1 worker", "command", "one at a time", "ratio"),
            [
                (
                    f"`{row['grid']}`",
                    f"{row['variants_per_second']:.0f}",
                    f"{row['original_variants_per_second']:.0f}",
                    f"**{row['ratio']:.1f}**",
                )
                for row in results["original"]
            ],
        ),
        table(
            ("as this grows", "value", "images", "seconds", "ms per image", "driver", "worker"),
            [
                (
                    row["what"],
                    row["value"],
                    *_cost(results, row),
                )
                for row in results["growth"]
            ],
        ),
        table(
            ("grid", "format", "images", "seconds", "ms per image", "driver", "worker"),
            [
                (
                    f"`{row['grid']}`",
                    row["shard_format"],
                    *_cost(results, row),
                )
                for row in results["memory"]
            ],
        ),
        decoder_table(results["decoders"]),
        resize_table(results["resizes"]),
        apply_table(results["apply"]),
    ]
    return "\n".join(parts)


def _cost(results: Results, row: Mapping[str, Any]) -> list[str]:
    """Images, seconds, milliseconds per image with start-up taken off, and memory of a run."""
    spent = row["seconds"] - results["start_up"]["seconds"]
    return [
        f"{row['images']}",
        f"{row['seconds']:.1f}",
        f"{1000 * spent / row['images']:.1f}",
        f"{row['driver_mib']:.0f} MiB",
        f"{row['worker_mib']:.0f} MiB",
    ]


def decoder_table(rows: Iterable[Results]) -> str:
    """Return decoders of extras against their libraries' own calls, as a Markdown table."""
    return table(
        ("decoder", "here", "the library's own call", "ratio"),
        [(f"`{row['decoder']}`", *_against_own_call(row)) for row in rows],
    )


def _against_own_call(row: Results) -> tuple[str, str, str]:
    return (
        f"{row['milliseconds']:.1f} ms",
        f"{row['own_milliseconds']:.1f} ms",
        f"**{row['ratio']:.2f}**",
    )


def resize_table(rows: Iterable[Results]) -> str:
    """Return resizes of extras against their libraries' own calls, as a Markdown table."""
    return table(
        ("resize of 500 x 375", "to", "here", "the library's own call", "ratio"),
        [
            (
                f"`{row['resize']}`",
                "{} x {}".format(*row["size"]),
                *_against_own_call(row),
            )
            for row in rows
        ],
    )


def apply_table(rows: Iterable[Results]) -> str:
    """Return ``apply`` against the library calls that it stands for, as a Markdown table."""
    return table(
        ("decoder", "resize", "file", "`apply`", "the library calls", "ratio"),
        [
            (
                f"`{row['decoder']}`",
                f"`{row['resize']}`",
                "{} x {}".format(*row["size"]),
                f"{row['milliseconds']:.2f} ms",
                f"{row['own_milliseconds']:.2f} ms",
                f"**{row['ratio']:.2f}**",
            )
            for row in rows
        ],
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, with an empty line before it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n" + "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def draw(results: Results, path: Path) -> None:
    """Draw the command against the floor, and memory over images."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    steps = results["floor"][0]["floor_steps"]
    images = results["floor"][0]["images"]
    bars = {
        "floor,\nOpenCV's PNG": {**steps, "encode": steps["opencv-png"]},
        "floor": {**steps, "encode": steps["png"]},
    }
    names = ["decode", "color", "resize", "encode"]
    for position, values in enumerate(bars.values()):
        bottom = 0.0
        for number, name in enumerate(names):
            height = 1000 * values[name] / images
            label = name if position == 0 else None
            left.bar(position, height, 0.6, bottom, color=f"C{number}", label=label)
            bottom += height
    command = 1000 * results["floor"][0]["seconds"] / images
    left.bar(len(bars), command, 0.6, color="0.5", label="whole command")
    left.set_xticks(range(len(bars) + 1), [*bars, "command,\n1 worker"])
    left.set_ylabel("ms per image (132 variants)")
    left.set_title("imagenet-full")
    left.legend(fontsize="small")
    memory = results["memory"]
    right.barh(range(len(memory)), [row["worker_mib"] for row in memory], color="C0")
    labels = [f"{row['grid']}, {row['images']} images, {row['shard_format']}" for row in memory]
    right.set_yticks(range(len(memory)), labels, fontsize="x-small")
    right.invert_yaxis()
    right.set_xlabel("MiB")
    right.set_title("peak memory of a worker")
    figure.savefig(path, dpi=110)
    plt.close(figure)
