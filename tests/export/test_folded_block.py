import warnings

import pytest
import torch

from export.folded_block import FoldedBlock
from export.onnx_file import OPSET
from zoo.networks.blocks import SemanticBlock
from zoo.networks.matching import ASSIGNMENTS

PROMISED = {"Conv", "Softmax", "MatMul", "Add", "Mul", "Concat", "Slice", "Split", "Gather"}


WITH_TEMPLATES = PROMISED | {"Reshape", "ReduceMax", "Sub", "Exp", "ReduceSum", "Log", "Squeeze"}


def make_block(concat=False, assignment="softmax", classes=10, templates=1):
    torch.manual_seed(0)
    block = SemanticBlock(32, classes, concat=concat, assignment=assignment, templates=templates).eval()
    for name, value in block.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if name.endswith("var") else value.normal_()
    return block


def make_features(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) / 10


@pytest.mark.parametrize(("classes", "templates"), [(2, 1), (100, 1), (2, 8), (10, 3)])
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("concat", [False, True])
def test_the_tap_is_the_same(concat, assignment, classes, templates):
    block, x = make_block(concat, assignment, classes, templates), make_features(3, 32, 5, 7)
    with torch.inference_mode():
        expected, actual = block(x), FoldedBlock(block)(x)
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("assignment", ["softmax", "softmax_no_slack"])
def test_the_assignment_is_a_distribution(assignment):
    with torch.inference_mode():
        shares = FoldedBlock(make_block(assignment=assignment))(make_features(1, 32, 4, 4)).assignment
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(1, 4, 4))


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_none_has_the_semantic_vector_0(assignment, templates):
    assert not FoldedBlock(make_block(assignment=assignment, templates=templates)).values.weight[:, -1].any()


def test_there_are_three_convolutions_and_no_others():
    for concat in (False, True):
        folded = FoldedBlock(make_block(concat))
        convolutions = [module for module in folded.modules() if isinstance(module, torch.nn.Conv2d)]
        assert [conv.out_channels for conv in convolutions] == [32, 11, 4 if concat else 32]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("concat", "assignment", "templates"),
    [(False, "softmax", 1), (True, "softmax", 1), (False, "softmax_no_slack", 1), (True, "softmax", 3)],
)
def test_its_graph_has_only_the_promised_operators(concat, assignment, templates):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            FoldedBlock(make_block(concat, assignment, templates=templates)).eval(),
            (make_features(2, 32, 8, 8),),
            dynamic_shapes=({0: torch.export.Dim("N")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    operators = [node.op_type for node in program.model_proto.graph.node]
    assert set(operators) <= (PROMISED if templates == 1 else WITH_TEMPLATES)
    assert operators.count("Conv") == 3
    assert operators.count("Softmax") == 1
