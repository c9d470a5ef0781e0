"""Modules that only some commands need, and the extras of the package that bring them."""

import importlib.util

from zoo.errors import MissingDependencyError


def require(*modules: str, extra: str) -> None:
    """Check that modules are installed; none is imported.

    Arguments:
        extra: of the zoo, which brings them.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"this needs {name}: pip install 'template-zoo[{extra}]'")
