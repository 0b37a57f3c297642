"""The loop that a user would write with ONNX Runtime: tars to classes, on all cores.

``python -m benchmarks.plain_loop MODEL CONFIG SET OUT VARIANT...``; it knows nothing of this
project but where shards lie, and takes of the config what it needs.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from PIL import Image

BATCH = 4


def main(model: str, config_path: str, folder: str, out: str, *variants: str) -> None:
    """Write setting, key and class of each image."""
    config = yaml.safe_load(Path(config_path).read_text("utf-8"))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name, output = config["input"]["name"], config["output"]
    mean, scale = np.float32(config["input"]["mean"]), np.float32(config["input"]["scale"])
    rows: list[tuple[str, str, int]] = []
    for variant in variants:
        for keys, images in batches(sorted(Path(folder, "variants", variant).glob("*.tar"))):
            tensors = [((each.astype(np.float32) - mean) / scale) for each in images]
            tensor = np.stack(tensors).transpose(0, 3, 1, 2)
            (logits,) = session.run([output], {name: np.ascontiguousarray(tensor)})
            classes = logits.argmax(axis=1).tolist()
            rows += zip([variant] * len(keys), keys, classes, strict=True)
    columns = dict(zip(("setting", "key", "class"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), out)


def batches(shards: list[Path]) -> Iterator[tuple[list[str], list[NDArray[np.uint8]]]]:
    """Yield keys and images."""
    keys: list[str] = []
    images: list[NDArray[np.uint8]] = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                opened = tar.extractfile(member)
                if opened is None or not member.name.endswith(".png"):
                    continue
                keys.append(member.name.removesuffix(".png"))
                images.append(np.asarray(Image.open(io.BytesIO(opened.read()))))
                if len(keys) == BATCH:
                    yield keys, images
                    keys, images = [], []
    if keys:
        yield keys, images


if __name__ == "__main__":
    main(*sys.argv[1:])
