import importlib.util
import sys

import pytest

from zoo.errors import MissingDependencyError
from zoo.extras import MODULES, importing, require


@pytest.mark.parametrize(("extra", "missing"), [("explain", "openTSNE"), ("train", "tensorboard")])
def test_what_is_missing_is_named(extra: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require(extra)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(MissingDependencyError, match=rf"needs {missing}: pip install 'template-zoo\[{extra}\]'"):
        require(extra)
    require(extra, *(name for name in MODULES[extra] if name != missing))


def test_an_import_that_fails_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with (
        pytest.raises(MissingDependencyError, match=r"^this needs ONNX Runtime: pip install 'template-zoo\[onnx\]'$"),
        importing("onnx"),
    ):
        import onnxruntime  # noqa: F401


def test_a_library_that_does_not_load_is_told_apart() -> None:
    with (
        pytest.raises(
            MissingDependencyError, match=r"a map needs torchvision \(libcudart\.so: not found\): pip install"
        ),
        importing("torch", "a map"),
    ):
        raise ImportError("libcudart.so: not found", name="torchvision")


def test_the_remedy_of_what_is_inside_stays() -> None:
    with pytest.raises(MissingDependencyError, match="explain"), importing("onnx"):
        raise MissingDependencyError("this needs jinja2: pip install 'template-zoo[explain]'")
