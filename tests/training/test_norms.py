from collections.abc import Iterator

import pytest
import torch
import torch.distributed
from torch import nn

from training.norms import SharedBatchNorm2d, share_batch_norms


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of one process: what two do is tested through `zoo train`, in test_processes.py."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture
def norms() -> tuple[nn.BatchNorm2d, nn.BatchNorm2d]:
    """PyTorch's, and ours with the same random weights."""
    own = nn.BatchNorm2d(4)
    nn.init.uniform_(own.weight)
    nn.init.uniform_(own.bias)
    shared = nn.Sequential(nn.BatchNorm2d(4))
    shared[0].load_state_dict(own.state_dict())
    share_batch_norms(shared, torch.device("cpu"))
    return own, shared[0]


@pytest.mark.usefixtures("alone")
def test_it_normalizes_as_batch_norm_does(norms: tuple[nn.BatchNorm2d, nn.BatchNorm2d]) -> None:
    assert isinstance(norms[1], SharedBatchNorm2d)
    x = 3 * torch.randn(5, 4, 6, 7, generator=torch.Generator().manual_seed(0)) + 10
    seen = []
    for norm in norms:
        inputs = x.clone().requires_grad_()
        answers = [norm(inputs), norm(inputs + 1)]
        torch.cat(answers).square().sum().backward()
        seen.append([*answers, inputs.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()])
    torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("alone")
def test_it_keeps_the_type_of_half_precision(norms: tuple[nn.BatchNorm2d, nn.BatchNorm2d]) -> None:
    assert norms[1](torch.randn(3, 4, 2, 2).bfloat16()).dtype == torch.bfloat16


def test_in_evaluation_it_needs_no_processes(norms: tuple[nn.BatchNorm2d, nn.BatchNorm2d]) -> None:
    x = torch.randn(3, 4, 2, 2)
    for norm in norms:
        norm.eval()
    assert torch.equal(norms[1](x), norms[0](x))
