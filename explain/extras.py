"""What this package needs beside the zoo's own dependencies."""

from zoo.extras import require

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


def require_explaining() -> None:
    """Check that all of it is installed; none is imported.

    Raises:
        MissingDependencyError: a module is not.
    """
    require(*EXPLAINING, extra="explain")
