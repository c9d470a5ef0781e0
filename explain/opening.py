"""The network of a model directory, ready to be explained."""

import torch

from zoo.models import load_package
from zoo.network import Network
from zoo.package import Package


def open_network(package: Package) -> Network:
    """In evaluation mode, on the GPU if there is one.

    Raises:
        PackageError: its weights are not there, or not as described.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_package(package).to(device).to(memory_format=torch.channels_last)
