"""PyTorch as a predictor."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.images.preprocess import Pixels
from zoo.networks.load import load_package
from zoo.networks.network import Network
from zoo.package import ModelConfig, Package
from zoo.predictors import Prediction, check_pixels
from zoo.predictors.forks import notify_after_fork


@dataclass(frozen=True, slots=True)
class TorchPredictor:
    """Predictor for a network in evaluation mode, in fp32.

    A process that is forked afterwards computes with one thread, as PyTorch's data loaders do: the others remain in its
    parent, and OpenMP would wait for them forever.
    """

    network: Network
    config: ModelConfig

    def __post_init__(self) -> None:
        notify_after_fork(_one_thread)

    @staticmethod
    def open(package: Package) -> "TorchPredictor":
        """Load the network of a model directory, on the GPU if there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return TorchPredictor(load_package(package).to(device).to(memory_format=torch.channels_last), package.config)

    @property
    def device(self) -> str:
        return f"PyTorch on {self.network.device}"

    @torch.inference_mode()
    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config)
        return predict(self.network, torch.from_numpy(pixels).to(self.network.device))


def predict(network: Network, pixels: Tensor) -> Prediction:
    """The prediction of a network in evaluation mode for pixels [N, 3, H, W] on its device, without TF32."""
    with _without_tf32():
        arrays = network.predict(pixels)
    return Prediction(network.outputs, [arrays[output.name].detach().cpu().numpy() for output in network.outputs])


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Context in which products in fp32 keep all bits of their factors, also where training has allowed fewer."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(products)


class _OneThread:
    def after_fork(self) -> None:
        torch.set_num_threads(1)


_one_thread = _OneThread()
