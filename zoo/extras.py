"""Optional dependencies: the modules that each extra provides, and errors that name the extra to install."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from zoo.errors import MissingDependencyError

MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "train": ("torch", "torchvision", "datasets", "lightning_fabric", "tensorboard"),
        "explain": (
            "torch",
            "torchvision",
            "datasets",
            "sklearn",
            "openTSNE",
            "pytorch_grad_cam",
            "jinja2",
            "pyarrow",
            "matplotlib",
        ),
    }
)
"""Modules that the commands of an extra need at start-up, by extra."""

_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def require(extra: str, *modules: str) -> None:
    """Check that modules are installed, without importing any.

    Arguments:
        extra: extra that provides them.
        modules: names of modules; `MODULES[extra]` if none are given.

    Raises:
        MissingDependencyError: a module is not installed; names it and the extra.
    """
    for name in modules or MODULES[extra]:
        if importlib.util.find_spec(name) is None:
            raise _missing(name, extra, "this")


@contextmanager
def importing(extra: str, purpose: str = "this") -> Iterator[None]:
    """Context manager that turns failed imports into errors that name the extra to install.

    Arguments:
        extra: extra that provides the imported modules.
        purpose: subject of the error message, such as the feature that needs them.

    Raises:
        MissingDependencyError: an import failed; names the module and the extra.
    """
    try:
        yield
    except MissingDependencyError:
        raise
    except ModuleNotFoundError as error:
        raise _missing(error.name or str(error), extra, purpose) from error
    except ImportError as error:  # installed, but one of its libraries fails to load
        raise _missing(error.name or "a module", extra, purpose, f" ({error})") from error


def _missing(module: str, extra: str, purpose: str, reason: str = "") -> MissingDependencyError:
    name = _NAMES.get(module, module)
    return MissingDependencyError(f"{purpose} needs {name}{reason}: pip install 'template-zoo[{extra}]'")
