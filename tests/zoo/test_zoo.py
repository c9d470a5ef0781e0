"""The package's public names, and that they cost no PyTorch before it is needed."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import zoo


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.process
def test_nothing_that_serving_needs_imports_torch() -> None:
    ended = run_python(
        "import sys, zoo, zoo.answers, zoo.package.card, zoo.cli, zoo.images.decode, zoo.hub, zoo.predictors.onnx\n"
        "import zoo.package, zoo.predictors.open_predictor, zoo.options, zoo.semantic_map, zoo.images.preprocess\n"
        "zoo.cli._add_commands(); zoo.list_models(pretrained=True); zoo.info('rn26'); zoo.info('rn26.cifar10')\n"
        "zoo.draw; zoo.read_image; zoo.__version__; dir(zoo)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.process
@pytest.mark.parametrize("name", ["load", "create", "Network"])
def test_without_torch_a_network_says_what_to_install(name: str) -> None:
    ended = run_python(
        "import sys; sys.modules['torch'] = None\n"
        "import zoo; from zoo.errors import MissingDependencyError\n"
        f"try: zoo.{name}\n"
        "except MissingDependencyError as error: print(error)"
    )
    assert ended.stdout == f"zoo.{name} needs PyTorch: pip install 'template-zoo[torch]'\n", ended.stderr


@pytest.mark.process
@pytest.mark.parametrize(("chosen", "expected"), [(None, "1"), ("0", "0")])
def test_onnx_runtime_tells_nobody_unless_it_is_asked_to(
    chosen: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if chosen:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", chosen)
    assert run_python("import os, zoo; print(os.environ['ORT_DISABLE_TELEMETRY'])").stdout.strip() == expected


def test_every_public_name_is_there() -> None:
    for name in zoo.__all__:
        assert callable(getattr(zoo, name))
        assert name in dir(zoo)


@pytest.mark.process
def test_importing_the_package_imports_little() -> None:
    ended = run_python(
        "import sys, zoo; zoo.list_models(); zoo.info('rn26')\n"
        "print(*sorted({'numpy', 'PIL', 'pydantic', 'huggingface_hub', 'torch', 'typer'} & sys.modules.keys()))"
    )
    assert ended.stdout == "\n", ended.stderr


def test_the_version_is_the_distributions() -> None:
    assert zoo.__version__ == version("template-zoo")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'laod'"):
        zoo.laod  # noqa: B018
