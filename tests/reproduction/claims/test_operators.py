from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from reproduction.claims import operators
from reproduction.claims.finding import ClaimsError
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.plots import draw_operators
from zoo.hub import open_model
from zoo.package import Package


def write_graph(file: Path, block: tuple[str, ...] = (), beside: tuple[str, ...] = ()) -> Path:
    """A chain of operators to `logits`, with others beside it that the logits do not need."""
    names = ["Conv", "Relu", *block, "Gemm"]
    ends = ["image", *(f"x{index}" for index in range(len(names) - 1)), "logits"]
    nodes = [helper.make_node(name, [ends[i]], [ends[i + 1]]) for i, name in enumerate(names)]
    nodes += [helper.make_node(name, ["x0"], [f"patch_logits{index}"]) for index, name in enumerate(beside)]
    value = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], [value])), file)
    return file


@pytest.fixture
def exported(
    inputs: Callable[..., ClaimInputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ClaimInputs]:
    """Inputs whose networks with the block have these operators more."""

    def export(*block: str) -> ClaimInputs:
        for plain, ours in operators.PAIRS:
            write_graph(tmp_path / plain, beside=("Conv",))
            write_graph(tmp_path / ours, block, beside=("Slice",))
        monkeypatch.setattr(operators, "_onnx_file", lambda inputs, variant: tmp_path / variant)
        return inputs()

    return export


def test_only_what_the_class_logits_need_counts(tmp_path: Path) -> None:
    file = write_graph(tmp_path / "x.onnx", ("Conv", "Softmax"), beside=("Slice", "Conv"))
    assert operators._operators(file) == {"Conv": 2, "Gemm": 1, "Relu": 1, "Softmax": 1}


def test_a_block_of_convolutions_and_softmax_holds(exported: Callable[..., ClaimInputs]) -> None:
    finding = operators.measure(exported("Conv", "Conv", "Mul", "Add", "Softmax", "MatMul"))
    assert finding.verdict == "holds"
    assert finding.raw["added"]["wrn16-ours"] == {"Add": 1, "Conv": 2, "MatMul": 1, "Mul": 1, "Softmax": 1}
    assert len(draw_operators(dict(finding.raw)).axes) == 2


@pytest.mark.parametrize("operator", ["BatchNormalization", "Relu", "TopK"])
def test_another_operator_does_not(exported: Callable[..., ClaimInputs], operator: str) -> None:
    finding = operators.measure(exported("Conv", operator))
    assert finding.verdict == "does not hold"
    assert f"It also needs {operator}." in finding.text


def test_the_share_of_the_work_is_that_of_the_registry(exported: Callable[..., ClaimInputs]) -> None:
    shares = [number.value for number in operators.measure(exported("Conv")).numbers]
    assert shares == [pytest.approx(1.126, abs=0.001), pytest.approx(0.926, abs=0.001)]


def test_the_bundled_network_with_the_block() -> None:
    file = open_model("wrn16-ours").onnx()
    assert file is not None
    found = operators._operators(file)
    assert found["Softmax"] == 1
    assert "Slice" not in found


def test_a_network_that_was_not_exported(
    inputs: Callable[..., ClaimInputs],
    make_package: Callable[..., Package],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_package("rn26")
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    with pytest.raises(ClaimsError, match=r"rn26.cifar10 has no ONNX file; create it with: zoo export rn26.cifar10"):
        operators.measure(inputs())
