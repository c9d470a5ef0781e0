"""What this package needs beside the zoo's own dependencies."""

import importlib.util

from zoo.errors import MissingDependencyError

TRAINING = ("torch", "torchvision", "datasets", "lightning_fabric", "tensorboard")


def require(*modules: str, extra: str = "train") -> None:
    """Check that modules are installed; none is imported.

    Arguments:
        extra: of the zoo, which brings them.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"this needs {name}: pip install 'template-zoo[{extra}]'")
