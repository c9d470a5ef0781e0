import json
import logging
import math
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo
from zoo.errors import InputError, PackageError, UnknownNameError, WeightsMismatchError
from zoo.files import sha256
from zoo.networks.mass import kept_shares, solve_mass
from zoo.networks.pooling import AveragePooling, SumPooling, choose_prototypes, make_pooling, match
from zoo.package import CONFIG_FILE, WEIGHTS_FILE, Package

CHANNELS = 24

Pixels = Callable[..., Tensor]


def pooling(mass: float = 0.3) -> SumPooling:
    """Pooling in double precision, whose prototypes are patches of other features."""
    torch.manual_seed(0)
    made = SumPooling(CHANNELS, mass).double()
    made.prototypes.data = choose_prototypes(made.project(features(8, seed=1)))
    return made


def features(count: int = 3, seed: int = 0, rows: int = 5, columns: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, CHANNELS, rows, columns, generator=generator, dtype=torch.float64).relu()


@pytest.mark.parametrize("mass", [0.01, 0.3, 0.8, 0.99])
def test_the_mean_of_what_is_kept_is_the_mass(mass: float) -> None:
    found = pooling(mass)(features())
    assert found.kept is not None
    assert found.kept.shape == (3, 5, 4)
    assert ((found.kept > 0) & (found.kept < 1)).all()
    torch.testing.assert_close(
        found.kept.mean(dim=(1, 2)), torch.full((3,), mass, dtype=torch.float64), atol=1e-7, rtol=0
    )
    assert (found.kept.std(dim=(1, 2)) > 0.03 * min(mass, 1 - mass)).all()


def test_it_is_the_partial_transport_of_the_paper() -> None:
    """By the fixed point of the authors' code, in which r is the residual of each patch and t one number per image."""
    made, given, mass = pooling(0.3), features(), 0.3
    patches = made.project(given).view(3, 20, -1)
    similar = torch.exp(-5 * torch.cdist(patches, made.prototypes)).sum(dim=2)
    t = torch.full((3, 1), mass, dtype=torch.float64)
    for _ in range(2000):
        residual = 1 / 20 / (1 + t * similar)
        t = mass / (residual * similar).sum(dim=1, keepdim=True)
    weights = (1 - 20 * residual) / mass
    found = made(given)
    torch.testing.assert_close(found.kept.flatten(1) / mass, weights, atol=1e-6, rtol=1e-6)
    expected = (weights[:, None] * given.flatten(2)).mean(dim=2)
    torch.testing.assert_close(found.features, expected, atol=1e-6, rtol=1e-6)


def test_the_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    mass, gamma = torch.tensor(0.3).double(), torch.tensor(5.0).double()
    given = features(2, rows=2, columns=3)[:, :4].clone()
    projection, prototypes = (
        torch.randn(rows, columns, generator=generator, dtype=torch.float64) for rows, columns in ((3, 4), (5, 3))
    )
    arguments = [argument.requires_grad_() for argument in (given, projection, prototypes)]
    assert torch.autograd.gradcheck(lambda *own: match(*own, mass, gamma), arguments, atol=1e-6)
    made, given = pooling(), features(1, rows=2, columns=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda own: made(own).features.square().sum(), (given,), atol=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1, 3])
def test_the_gradient_is_that_of_the_steps_once_they_have_converged(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = (scale * torch.randn(4, 16, generator=generator, dtype=torch.float64)).requires_grad_()
    weights, mass = torch.randn(4, 16, generator=generator, dtype=torch.float64), torch.tensor(0.3).double()
    (kept_shares(scores, mass) * weights).sum().backward()
    own, scores.grad = scores.grad, None
    nu = solve_mass(scores.detach(), mass.expand(4))
    for _ in range(3):  # Newton steps, of which autograd sees the last ones
        shares = (scores + nu[:, None]).sigmoid()
        nu = nu - (shares.mean(dim=1) - mass) / (shares * (1 - shares)).mean(dim=1)
    ((scores + nu[:, None]).sigmoid() * weights).sum().backward()
    torch.testing.assert_close(own, scores.grad, atol=1e-9, rtol=1e-9)


def test_the_gradient_by_the_costs_is_that_of_the_paper() -> None:
    """Its closed form is for the plan P and the residual r together; here only r has a gradient."""
    generator, mass, gamma, count = torch.Generator().manual_seed(0), torch.tensor(0.3).double(), 5.0, 12
    costs = torch.rand(6, count, generator=generator, dtype=torch.float64).requires_grad_()
    outer = torch.randn(count, generator=generator, dtype=torch.float64)
    kept = kept_shares((-gamma * costs).exp().sum(dim=0).log()[None], mass)[0]
    (outer * kept).sum().backward()
    r = (1 - kept.detach()) / count
    plan = (-gamma * costs.detach()).softmax(dim=0) * kept.detach() / count
    g0 = r * (-count * outer)  # X * dX of the residual row; those of the plan are 0
    k = g0.sum() - count * (g0 * r).sum()
    b = -k / (1 - mass - count * (r**2).sum())
    expected = -gamma * (0 - count * (g0 + b * r) * plan)
    torch.testing.assert_close(costs.grad, expected, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_near_mass_1_it_tends_to_the_average() -> None:
    average, given = AveragePooling()(features()).features, features()
    distances = [float((pooling(mass)(given).features - average).abs().max()) for mass in (0.3, 0.9, 0.999, 0.999999)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 1e-2
    assert distances[-1] < 1e-5


def test_at_mass_1_it_is_the_average_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = make_pooling("gsp", CHANNELS, 1.0)
    assert type(made) is AveragePooling
    assert "kept_mass = 1 keeps every patch" in caplog.text
    network = zoo.create("wrn16", pooling="gsp", kept_mass=1)
    assert network.state_dict().keys() == zoo.create("wrn16").state_dict().keys()


@pytest.mark.parametrize("mass", [0, -0.1, 1.01, float("nan"), float("inf"), 1e-60])
def test_a_mass_out_of_range(mass: float) -> None:
    with pytest.raises(InputError, match=r"kept_mass = .*: must be above 0 and at most 1"):
        zoo.create("wrn16", pooling="gsp", kept_mass=mass)


def test_an_unknown_pooling() -> None:
    with pytest.raises(UnknownNameError, match="unknown pooling 'max'"):
        zoo.create("wrn16", pooling="max")  # type: ignore[arg-type]


def test_features_that_are_not_a_number_stay_so_in_their_image_alone() -> None:
    made, given = pooling(), features()
    expected = made(given)
    given[1, 3, 2, 2] = torch.nan
    found = made(given)
    assert found.kept[1].isnan().all()
    assert found.features[1].isnan().all()
    for index in (0, 2):
        assert torch.equal(found.kept[index], expected.kept[index])
        assert torch.equal(found.features[index], expected.features[index])


def test_features_of_any_scale_and_alike() -> None:
    made = pooling()
    for given in (1e4 * features(), torch.zeros_like(features()), torch.ones_like(features())):
        found = made(given.requires_grad_())
        found.features.sum().backward()
        assert torch.isfinite(given.grad).all()
    torch.testing.assert_close(found.kept, torch.full_like(found.kept, 0.3))


def test_greedy_k_centre() -> None:
    line = torch.tensor([[0.0], [1.0], [9.0], [10.0], [5.25]])
    assert choose_prototypes(line, 4).flatten().tolist() == [0.0, 10.0, 5.25, 1.0]
    with pytest.raises(InputError, match="6 prototypes need a pool of as many patches, and there are 5"):
        choose_prototypes(line, 6)
    line[3] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        choose_prototypes(line, 2)


@pytest.mark.parametrize("variant", ["wrn16", "wrn16-ours", "dn100-ours-c"])
def test_counts_and_other_weights(variant: str) -> None:
    torch.manual_seed(0)
    average = zoo.create(variant)
    torch.manual_seed(0)
    network = zoo.create(variant, pooling="gsp")
    assert sum(weight.numel() for weight in network.parameters()) == zoo.info(variant).parameters(10, 1, "gsp")
    assert zoo.info(network).parameters == zoo.info(variant).parameters(10, 1, "gsp")
    assert zoo.info(network).pooling == "gsp"
    own, others = network.state_dict(), average.state_dict()
    assert own.keys() - others.keys() == {f"pooling.{name}" for name in ("projection", "prototypes", "mass", "gamma")}
    assert all(torch.equal(own[name], value) for name, value in others.items())


@pytest.mark.parametrize("variant", ["wrn16", "wrn16-conv"])
@torch.inference_mode()
def test_class_activation_maps_weighted_by_what_is_kept_have_the_mean_of_the_logits(
    variant: str, pixels: Pixels
) -> None:
    network = zoo.create(variant, pooling="gsp").eval()
    answer = network.semantics(pixels(2))
    weights = answer.kept / network.pooling.mass
    assert weights.std() > 1e-3
    weighted = (weights[:, None] * answer.patch_logits).mean(dim=(2, 3))
    torch.testing.assert_close(weighted, answer.logits, atol=1e-5, rtol=1e-5)


def test_embeddings_without_a_classifier(pixels: Pixels) -> None:
    network, given = zoo.create("wrn16", pooling="gsp").eval(), pixels(2)
    expected = network.forward_head(network.forward_features(given), pre_logits=True)
    network.reset_classifier(0)
    assert torch.equal(network(given), expected)


def save(folder: str, variant: str = "wrn16", **options: object) -> Package:
    torch.manual_seed(0)
    classes = [f"class {index}" for index in range(10)]
    return zoo.save(zoo.create(variant, **options), folder, classes=classes, data="farm")  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_is_saved_and_loaded(tmp_path, pixels: Pixels) -> None:
    package = save(tmp_path / "gsp", pooling="gsp", kept_mass=0.123456789)
    assert (package.config.pooling, round(package.config.kept_mass, 6)) == ("gsp", 0.123457)
    assert package.config.parameters == zoo.info("wrn16").parameters(10, pooling="gsp")
    network = zoo.load(f"local-dir:{package.path}")
    torch.testing.assert_close(network.predict(pixels(2))["kept_mass"].mean().item(), 0.123457, atol=1e-5, rtol=0)
    network.pooling.gamma.fill_(20)
    again = zoo.save(network, tmp_path / "again", classes=package.config.classes, data="farm")
    assert (again.config.kept_mass, again.config.pooling_gamma) == (package.config.kept_mass, 20)
    assert zoo.load(f"local-dir:{again.path}").pooling.gamma == 20


@pytest.mark.slow
def test_gamma_is_part_of_the_model(tmp_path, pixels: Pixels) -> None:
    package = save(tmp_path / "gsp", pooling="gsp", pooling_gamma=20)
    assert package.config.pooling_gamma == 20
    torch.manual_seed(0)
    created, loaded = zoo.create("wrn16", pooling="gsp", pooling_gamma=20), zoo.load(f"local-dir:{package.path}")
    kept = created.eval().predict(pixels(2))["kept_mass"]
    assert torch.equal(loaded.predict(pixels(2))["kept_mass"], kept)
    torch.manual_seed(0)
    softer = zoo.create("wrn16", pooling="gsp").eval().predict(pixels(2))["kept_mass"]
    assert kept.std() > 2 * softer.std()


@pytest.mark.slow
def test_models_saved_without_gamma_mean_5(tmp_path) -> None:
    package = save(tmp_path / "gsp", pooling="gsp")
    file = package.path / CONFIG_FILE
    config = json.loads(file.read_text())
    assert config.pop("pooling_gamma") == 5
    file.write_text(json.dumps(config))
    network = zoo.load(f"local-dir:{package.path}")
    assert (network.config.pooling_gamma, network.pooling.gamma) == (5, 5)


def test_gamma_out_of_range() -> None:
    for gamma in (0.0, -1.0, 40.5, math.nan, math.inf):
        with pytest.raises(InputError, match=r"pooling_gamma = .*: must be above 0 and at most 40"):
            zoo.create("wrn16", pooling="gsp", pooling_gamma=gamma)


@pytest.mark.parametrize("patches", [4, 441])
def test_the_mass_is_kept_at_the_largest_gamma(patches: int) -> None:
    """Also where one patch, or half of them, is as near to a prototype as can be, and the others as far."""
    generator, mass = torch.Generator().manual_seed(0), torch.tensor(0.3)
    halves = (torch.rand(200, patches, generator=generator) < torch.rand(200, 1, generator=generator)).float()
    one = torch.zeros(1, patches).index_fill(1, torch.tensor([0]), 1)
    for near in (halves, one):
        distances = 2 - 1.95 * near + 0.05 * torch.rand(near.shape, generator=generator)
        kept = kept_shares(-40 * distances, mass)
        torch.testing.assert_close(kept.mean(dim=1), mass.expand(len(kept)), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_weights_of_another_pooling_are_refused(tmp_path) -> None:
    package = save(tmp_path / "gsp", pooling="gsp")
    file = package.path / CONFIG_FILE
    config = json.loads(file.read_text())

    def write(**changes: object) -> None:
        file.write_text(json.dumps(config | changes))

    write(kept_mass=0.5)
    with pytest.raises(WeightsMismatchError, match=r"pooling\.mass is 0\.3.*in the file 0\.5"):
        zoo.load(f"local-dir:{package.path}")
    write(pooling_gamma=20.0)
    with pytest.raises(WeightsMismatchError, match=r"pooling\.gamma is 5\.0.*in the file 20\.0"):
        zoo.load(f"local-dir:{package.path}")
    write(pooling_gamma=41.0)
    with pytest.raises(PackageError, match=r"pooling_gamma = 41\.0: must be above 0 and at most 40"):
        zoo.load(f"local-dir:{package.path}")
    write(pooling="gap", kept_mass=1.0)
    with pytest.raises(WeightsMismatchError, match=r"Unexpected key.*pooling\.projection"):
        zoo.load(f"local-dir:{package.path}")
    weights = {name: value for name, value in load_file(package.path / WEIGHTS_FILE).items() if "pooling" not in name}
    save_file(weights, package.path / WEIGHTS_FILE)
    write(weights_sha256=sha256(package.path / WEIGHTS_FILE))
    with pytest.raises(WeightsMismatchError, match=r"Missing key.*pooling\.projection"):
        zoo.load(f"local-dir:{package.path}")
