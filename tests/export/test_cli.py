import subprocess
import sys

import onnx
import pytest
import typer
from typer.testing import CliRunner

from export.cli import add_commands
from export.verify import ParityError
from zoo.errors import InputError, MissingDependencyError
from zoo.package import ONNX_FILES


@pytest.fixture
def zoo():
    app = typer.Typer()
    add_commands(app)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def quick_export(exported, monkeypatch):
    """The exporter takes seconds; here its result lies ready, for whatever size is asked."""
    sizes = []

    def to_onnx(module, size):
        sizes.append(size)
        return onnx.load(exported("wrn16-ours").file)

    monkeypatch.setattr("export.onnx_file.to_onnx", to_onnx)
    return sizes


def test_export_and_verify_complete_a_model_directory(zoo, package, cifar):
    package.onnx().unlink()
    result = zoo("export", f"local-dir:{package.path}")
    assert result.exit_code == 0, result.exception
    assert "wrn16-ours.cifar10" in result.output
    assert package.onnx() is not None

    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 9)
    assert result.exit_code == 0, result.exception
    assert "assignment" in result.output
    assert package.parity()["fp32"]["CPUExecutionProvider"]["images"] == 9

    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 1, "--tolerance", 0)
    assert isinstance(result.exception, ParityError)
    assert package.parity()["fp32"]["CPUExecutionProvider"]["passed"] is False


def test_another_input_size_needs_another_place(zoo, package, tmp_path, quick_export):
    before = package.onnx().read_bytes()
    result = zoo("export", f"local-dir:{package.path}", "--input-size", 40)
    assert isinstance(result.exception, InputError)
    assert "-o" in str(result.exception)
    assert package.onnx().read_bytes() == before

    result = zoo("export", f"local-dir:{package.path}", "--input-size", 40, "-o", tmp_path / "model.onnx")
    assert result.exit_code == 0, result.exception
    assert "[N, 3, 40, 40]" in result.output
    assert quick_export == [40]
    assert (tmp_path / "model.onnx").is_file()


def test_a_place_that_cannot_be_written(zoo, package, tmp_path, quick_export):
    (tmp_path / "file").write_text("")
    result = zoo("export", f"local-dir:{package.path}", "-o", tmp_path / "file" / ONNX_FILES["fp32"])
    assert isinstance(result.exception, InputError)
    assert "cannot write" in str(result.exception)


def test_a_record_that_cannot_be_written(zoo, package, cifar, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "parity.json")

    monkeypatch.setattr("export.verify.write_json", refuse)
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 1)
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "cannot read or write parity.json: Permission denied"


def test_a_missing_library_is_named_with_its_remedy(zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "export.onnx_file", None)
    result = zoo("export", "wrn16")
    assert isinstance(result.exception, MissingDependencyError)
    assert "template-zoo[export]" in str(result.exception)


def test_the_commands_load_nothing_until_they_run():
    code = "import sys, export.cli; sys.exit(bool({'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
