"""What runs an ONNX model: ONNX Runtime's execution providers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sysnoise.pipelines.errors import UsageError
from sysnoise.transforms.methods import unknown_name


class Device(Enum):
    """Where a provider works."""

    CPU = "cpu"
    CUDA = "cuda"


BATCH_SIZES: Mapping[Device, int] = {Device.CPU: 4, Device.CUDA: 32}
"""Number of images per batch, where neither the model nor the user says it: a core takes less time
for an image in a small batch, and a GPU in a large one."""


@dataclass(frozen=True)
class Provider:
    """An execution provider of ONNX Runtime.

    Attributes:
        name: its name here.
        official: its name in ONNX Runtime.
        device: where it works.
        extra: the extra of this package that installs a runtime with it.
        options: what it is given, in its own terms; they may decide the last bits.
        others: official names of those that run the nodes that it cannot run, in their order.
    """

    name: str
    official: str
    device: Device
    extra: str
    options: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ("CPUExecutionProvider",)

    @property
    def batch_size(self) -> int:
        """Number of images per batch, where neither the model nor the user says it."""
        return BATCH_SIZES[self.device]


CPU = Provider("cpu", "CPUExecutionProvider", Device.CPU, "evaluate", others=())
CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    Device.CUDA,
    "evaluate-gpu",
    # By default, cuDNN's algorithms are chosen by how long each takes, so that runs may differ.
    (("cudnn_conv_algo_search", "HEURISTIC"),),
)
TENSORRT = Provider(
    "tensorrt",
    "TensorrtExecutionProvider",
    Device.CUDA,
    "evaluate-gpu",
    others=(CUDA.official, CPU.official),
)
OPENVINO = Provider(
    "openvino",
    "OpenVINOExecutionProvider",
    Device.CPU,
    "evaluate-openvino",
    (("device_type", "CPU"), ("num_of_threads", "1")),  # The command's own threads are parallel.
)

PROVIDERS: Mapping[str, Provider] = {each.name: each for each in (CPU, CUDA, TENSORRT, OPENVINO)}
PROVIDER_NOISES: Mapping[str, Provider] = {
    f"provider-{name}": each for name, each in PROVIDERS.items()
}
"""The providers as noises: the same model, run by another one."""


def provider_named(text: str) -> Provider:
    """Return a provider by its name here or in ONNX Runtime.

    Raises:
        UsageError: there is no such provider.
    """
    by_official = {each.official: each for each in PROVIDERS.values()}
    found = PROVIDERS.get(text) or by_official.get(text)
    if found is None:
        raise UsageError(unknown_name("provider", text, PROVIDERS))
    return found
