import subprocess
import sys

import onnx
import pytest
import typer
from typer.testing import CliRunner

from export.cli import add_commands
from export.parity import ParityError
from export.verify import verify
from zoo.errors import InputError, MissingDependencyError, PackageError
from zoo.files import write_json
from zoo.package import ONNX_FILES, PARITY_FILE, Package

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo():
    app = typer.Typer()
    add_commands(app)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def quick_export(exported, monkeypatch):
    """The exporter takes seconds; here its result lies ready, for whatever size is asked."""
    sizes = []

    def to_onnx(module, outputs, size):
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

    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 1, "--atol", 0)
    assert isinstance(result.exception, InputError)
    assert "add --precision" in str(result.exception)
    limits = ("--precision", "fp32", "--atol", 0, "--rtol", 0)
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 1, *limits)
    assert isinstance(result.exception, ParityError)
    assert "deviates too much from PyTorch" in " ".join(result.output.split())
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


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "model.int8.onnx"])
def test_no_other_file_of_the_model_is_replaced(zoo, package, name, quick_export):
    (package.path / name).touch()
    before = (package.path / name).read_bytes()
    result = zoo("export", f"local-dir:{package.path}", "-o", package.path / name)
    assert isinstance(result.exception, InputError)
    assert f"{name}: it is an input file" in str(result.exception)
    assert (package.path / name).read_bytes() == before
    assert quick_export == []


def test_a_place_that_cannot_be_written(zoo, package, tmp_path, quick_export):
    (tmp_path / "file").write_text("")
    result = zoo("export", f"local-dir:{package.path}", "-o", tmp_path / "file" / ONNX_FILES["fp32"])
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(f"cannot write {tmp_path / 'file' / ONNX_FILES['fp32']}: Not a directory; ")


def test_8_bits(zoo, package, cifar, monkeypatch):
    monkeypatch.setattr("export.quantize.MAX_PART_SHARE", 0)
    result = zoo("export", f"local-dir:{package.path}", "--precision", "int8")
    assert isinstance(result.exception, InputError)
    assert "--data" in str(result.exception)

    result = zoo("export", f"local-dir:{package.path}", "--precision", "int8", "--data", cifar)
    assert result.exit_code == 0, result.exception
    assert "int8" in result.output
    assert package.precisions == ("fp32", "int8")

    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 5)
    assert result.exit_code == 0 or isinstance(
        result.exception, ParityError
    )  # its random weights may differ in one of 5
    assert set(package.parity()) == {"fp32", "int8"}
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 4, "--precision", "fp32")
    assert result.exit_code == 0, result.exception
    images = {name: record["CPUExecutionProvider"]["images"] for name, record in package.parity().items()}
    assert images == {"fp32": 4, "int8": 5}


def test_images_are_for_8_bits(zoo, package, cifar):
    result = zoo("export", f"local-dir:{package.path}", "--data", cifar)
    assert isinstance(result.exception, InputError)
    assert "only used with --precision int8" in str(result.exception)


def test_a_new_file_loses_the_proof_of_the_old_one(zoo, package, pixels, quick_export, exported, monkeypatch):
    result = zoo("export", f"local-dir:{package.path}")
    assert result.exit_code == 0
    assert "no; run zoo verify" in result.output
    verify(package, pixels(1))
    record = (package.path / PARITY_FILE).read_bytes()
    result = zoo("export", f"local-dir:{package.path}")
    assert result.exit_code == 0
    assert "passed, with identical bytes (parity.json)" in result.output
    assert not result.stderr
    assert (package.path / PARITY_FILE).read_bytes() == record
    verified = package.verified_sha256("fp32")
    with pytest.raises(ParityError):
        verify(package, pixels(1), atol=0, rtol=0)
    assert "failed, with identical bytes (parity.json)" in zoo("export", f"local-dir:{package.path}").output

    other = onnx.load(exported("wrn16-ours").file)
    other.graph.name = "another"
    monkeypatch.setattr("export.onnx_file.to_onnx", lambda *_: other)
    # By another spelling of its place, too.
    same_place = package.path / ".." / package.path.name / ONNX_FILES["fp32"]
    result = zoo("export", f"local-dir:{package.path}", "-o", same_place)
    assert result.exit_code == 0
    assert package.verified_sha256("fp32") is None
    assert "no; run zoo verify" in result.output
    assert result.stderr.startswith("parity.json: dropped the fp32 records (CPUExecutionProvider; images: 1, torch ")
    assert f"SHA-256 {verified}" in result.stderr


def test_an_export_without_the_file_says_that_it_is_not_the_one_that_was_verified(
    zoo, package, pixels, quick_export, exported, monkeypatch
):
    verify(package, pixels(1))
    package.onnx().unlink()
    other = onnx.load(exported("wrn16-ours").file)
    other.graph.name = "what another version writes"
    monkeypatch.setattr("export.onnx_file.to_onnx", lambda *_: other)
    result = zoo("export", f"local-dir:{package.path}")
    assert result.exit_code == 0
    assert package.parity() == {}
    assert "parity.json: dropped the fp32 records (CPUExecutionProvider" in result.stderr


def test_an_export_to_elsewhere_leaves_the_records(zoo, package, pixels, quick_export, tmp_path):
    verify(package, pixels(1))
    record = (package.path / PARITY_FILE).read_bytes()
    result = zoo("export", f"local-dir:{package.path}", "-o", tmp_path / "elsewhere.onnx")
    assert result.exit_code == 0
    assert (package.path / PARITY_FILE).read_bytes() == record


def test_a_damaged_record_is_found_before_anything_is_exported(zoo, package, quick_export):
    (package.path / PARITY_FILE).write_text('{"fp32": {"CPUExecutionProvider": 3}}')
    before = package.onnx().read_bytes()
    result = zoo("export", f"local-dir:{package.path}")
    assert isinstance(result.exception, PackageError)
    assert not quick_export
    assert package.onnx().read_bytes() == before


def test_verifying_another_file_says_which_records_it_replaces(zoo, package, pixels, cifar):
    verify(package, pixels(1))
    record = package.parity()
    record["fp32"]["CUDAExecutionProvider"] = record["fp32"]["CPUExecutionProvider"]
    write_json(package.path / PARITY_FILE, record)
    verified = package.verified_sha256("fp32")
    arguments = ("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 2)
    result = zoo(*arguments)
    assert result.exit_code == 0, result.exception
    assert not result.stderr
    assert set(package.parity()["fp32"]) == {"CPUExecutionProvider", "CUDAExecutionProvider"}

    model = onnx.load(package.onnx())
    model.graph.name = "another"
    onnx.save(model, package.onnx())
    result = zoo(*arguments)
    assert result.exit_code == 0, result.exception
    assert set(package.parity()["fp32"]) == {"CPUExecutionProvider"}
    assert "dropped the fp32 records (CPUExecutionProvider, CUDAExecutionProvider;" in result.stderr
    assert f"SHA-256 {verified}" in result.stderr


def test_verifying_on_fewer_images_says_so(zoo, package, cifar):
    arguments = ("verify", f"local-dir:{package.path}", "--data", cifar, "--images")
    assert not zoo(*arguments, 3).stderr
    result = zoo(*arguments, 2)
    assert result.exit_code == 0, result.exception
    assert result.stderr == "parity.json: replaced the fp32 record of CPUExecutionProvider on 3 images by one on 2\n"
    assert not zoo(*arguments, 2).stderr


def test_an_input_size_is_checked_before_images_are_read(zoo, package, cifar, tmp_path):
    place = ("-o", tmp_path / "model.onnx", "--precision", "int8", "--data", cifar)
    result = zoo("export", f"local-dir:{package.path}", "--input-size", -5, *place)
    assert isinstance(result.exception, InputError)
    assert "input_size = -5: must be at least 32" in str(result.exception)


def test_compact(zoo, package, tmp_path):
    result = zoo("compact", f"local-dir:{package.path}", "-o", tmp_path / "small")
    assert result.exit_code == 0, result.exception
    assert "zoo eval local-dir:" in result.output
    assert Package.open(tmp_path / "small").weights().is_file()

    (tmp_path / "file").write_text("")
    result = zoo("compact", f"local-dir:{package.path}", "-o", tmp_path / "file" / "small")
    assert isinstance(result.exception, InputError)
    assert "cannot write" in str(result.exception)


def test_a_record_that_cannot_be_written(zoo, package, cifar, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "parity.json")

    monkeypatch.setattr("export.verify.write_json", refuse)
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 1)
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith("cannot read or write parity.json: Permission denied; check")


def test_a_missing_library_is_named_with_its_remedy(zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "export.onnx_file", None)
    result = zoo("export", "wrn16")
    assert isinstance(result.exception, MissingDependencyError)
    assert "template-zoo[export]" in str(result.exception)


@pytest.mark.process
def test_the_commands_load_nothing_until_they_run():
    code = "import sys, export.cli; sys.exit(bool({'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_verifying_with_an_engine_that_is_not_installed(zoo, package, cifar, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--engine", "openvino")
    assert isinstance(result.exception, MissingDependencyError)
    assert "needs OpenVINO" in str(result.exception)


def test_verifying_with_openvino(zoo, package, cifar, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr("zoo.predictors.choice.find_spec", lambda name: name)
    result = zoo("verify", f"local-dir:{package.path}", "--data", cifar, "--images", 4, "--engine", "openvino")
    assert result.exit_code == 0, result.exception
    assert "OpenVINO in fp32 matches PyTorch" in result.output
    assert set(package.parity()) == {"openvino-fp32"}
    for precision, problem in (("fp16", "does not compute in fp16"), ("int8", "has no ONNX file in int8")):
        command = ("verify", f"local-dir:{package.path}", "--data", cifar, "--engine", "openvino")
        assert problem in str(zoo(*command, "--precision", precision).exception)
