"""PyTorch as a predictor."""

from dataclasses import dataclass

import torch

from zoo.models import load_package
from zoo.network import Network
from zoo.package import ModelConfig, Package
from zoo.predictor import Prediction, check_pixels
from zoo.preprocess import Pixels


@dataclass(frozen=True, slots=True)
class TorchPredictor:
    """A network in evaluation mode, in single precision."""

    network: Network
    config: ModelConfig

    @staticmethod
    def open(package: Package) -> "TorchPredictor":
        """The network of a model directory, on the GPU if there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return TorchPredictor(load_package(package).to(device).to(memory_format=torch.channels_last), package.config)

    @property
    def device(self) -> str:
        return f"PyTorch on {next(self.network.parameters()).device}"

    @torch.inference_mode()
    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config, self.config.name)
        semantics = self.network.semantics(torch.from_numpy(pixels).to(next(self.network.parameters()).device))
        assignment = None if semantics.assignment is None else semantics.assignment.cpu().numpy()
        return Prediction(semantics.logits.cpu().numpy(), semantics.patch_logits.cpu().numpy(), assignment)
