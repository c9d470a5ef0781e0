import pytest
import torch

from zoo.networks.mass import solve_mass


def scores(scale: float) -> torch.Tensor:
    return scale * torch.randn(32, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [0.0, 0.1, 1, 10, 100, 1000])
@pytest.mark.parametrize("mass", [0.01, 0.2, 0.5, 0.99])
def test_the_mean_is_the_mass(scale: float, mass: float) -> None:
    nu = solve_mass(scores(scale), torch.full((32,), mass))
    means = (scores(scale) + nu[:, None]).sigmoid().mean(dim=1)
    torch.testing.assert_close(means, torch.full((32,), mass), atol=1e-4, rtol=0)


def test_a_row_with_its_mass_keeps_offset_0() -> None:
    rows = scores(3)
    nu = solve_mass(rows, rows.sigmoid().mean(dim=1))
    assert nu.abs().max() < 1e-5


def test_weights_leave_scores_out() -> None:
    rows = scores(3)
    weights = torch.ones_like(rows)
    weights[:, 40:] = 0
    extreme = rows.masked_fill(weights == 0, 1e6)
    torch.testing.assert_close(
        solve_mass(extreme, torch.full((32,), 0.3), weights), solve_mass(rows[:, :40], torch.full((32,), 0.3))
    )


def test_rows_have_their_own_masses() -> None:
    rows = scores(3)
    masses = torch.linspace(0.1, 0.9, 32)
    means = (rows + solve_mass(rows, masses)[:, None]).sigmoid().mean(dim=1)
    torch.testing.assert_close(means, masses, atol=1e-5, rtol=0)
