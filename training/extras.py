"""What this package needs beside the zoo's own dependencies."""

from zoo.extras import require

EXTRA = "train"
TRAINING = ("torch", "torchvision", "datasets", "lightning_fabric", "tensorboard")


def require_training() -> None:
    """Check that all that training needs is installed; none is imported.

    Raises:
        MissingDependencyError: a module is not.
    """
    require(*TRAINING, extra=EXTRA)
