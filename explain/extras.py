"""What this package needs beside the zoo's own dependencies."""

import importlib.util

from zoo.errors import MissingDependencyError

EXPLAINING = (
    "torch",
    "torchvision",
    "datasets",
    "sklearn",
    "openTSNE",
    "pytorch_grad_cam",
    "jinja2",
    "pyarrow",
    "matplotlib",
)


def require(*modules: str) -> None:
    """Check that modules are installed; none is imported.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"this needs {name}: pip install 'template-zoo[explain]'")
