import functools
import json
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import identity, train
from torch import Tensor
from torch.nn import functional as F

import zoo
from training import loop
from training.checkpoint import LOG_FILE, CheckpointError, load_checkpoint
from training.data.images import LabelledImages
from training.feed import Batch, BatchStream
from training.loop import DivergedError, EpochSums, TrainedNetwork, TrainingStoppedError, learning_rate, make_optimizer
from training.model import start_network
from training.processes import join_processes
from training.recipe import Recipe
from zoo.errors import InputError, UnknownNameError
from zoo.networks.network import Semantics

pytestmark = pytest.mark.slow

First = Callable[[int], LabelledImages]
DuringStep = Callable[[int, Callable[[], None]], None]


def assert_same(one: TrainedNetwork, other: TrainedNetwork) -> None:
    """Bit by bit."""
    expected, actual = one.network.state_dict(), other.network.state_dict()
    assert expected.keys() == actual.keys()
    assert [name for name in expected if not torch.equal(expected[name], actual[name])] == []
    assert one.history == other.history


def test_the_loss_falls(first: First, tmp_path: Path) -> None:
    recipe = Recipe(epochs=4, batch_size=64, peak_learning_rate=0.02, input_size=32, precision="fp32")
    trained = train("wrn16-ours", first(256), recipe, tmp_path)
    assert [entry["epoch"] for entry in trained.history] == [1, 2, 3, 4]
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] - 0.3
    assert trained.history[-1]["accuracy"] > trained.history[0]["accuracy"]
    assert not trained.network.training
    assert trained.seconds > 0


def test_a_stopped_run_goes_on_to_the_same_weights(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """In the middle of an epoch, at its end, and where the size of the images changes."""
    whole = train("wrn16-ours", first(70), tiny, tmp_path / "whole")
    assert [entry["input_size"] for entry in whole.history] == [16, 16, 32]
    for steps in (2, 4, 8, 9):
        stopped = train("wrn16-ours", first(70), tiny, tmp_path / "parts", stop_after=steps)
        assert len(stopped.history) == steps // 4
    assert_same(train("wrn16-ours", first(70), tiny, tmp_path / "parts"), whole)


@pytest.mark.parametrize("variant", ["rn26-aux", "dn100"])
def test_other_variants_go_on_too(variant: str, first: First, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch_size=8, peak_learning_rate=0.02, input_size=32)
    whole = train(variant, first(24), recipe, tmp_path / "whole")
    train(variant, first(24), recipe, tmp_path / "parts", stop_after=1)
    assert_same(train(variant, first(24), recipe, tmp_path / "parts"), whole)


def test_a_finished_run_trains_no_more(first: First, tiny: Recipe, tmp_path: Path) -> None:
    recipe = replace(tiny, epochs=1, growth=(1.0,))
    whole = train("wrn16", first(32), recipe, tmp_path)
    again = train("wrn16", first(32), recipe, tmp_path)
    assert_same(again, whole)
    assert again.seconds == whole.seconds


def test_the_seed_decides(first: First, tiny: Recipe, tmp_path: Path) -> None:
    def weights(seed: int, run: str) -> Tensor:
        trained = train("wrn16", first(16), replace(tiny, seed=seed), tmp_path / run, stop_after=1)
        return trained.network.stem.weight

    assert torch.equal(weights(1, "a"), weights(1, "b"))
    assert not torch.equal(weights(1, "a"), weights(2, "c"))


def test_the_network_has_the_classes_and_normalization_of_its_data(first: First, tiny: Recipe, tmp_path: Path) -> None:
    data = LabelledImages(first(16).images, first(16).labels % 2, ("no", "yes"))
    recipe = replace(tiny, assignment="bn_relu")
    network = train("wrn16-ours", data, recipe, tmp_path, stop_after=1).network
    assert network.num_classes == 2
    assert network.normalize.mean.flatten().tolist() == pytest.approx(data.normalization().mean)
    assert network.block.assign.norm.num_features == 2


def test_a_run_folder_belongs_to_one_run(first: First, tiny: Recipe, tmp_path: Path) -> None:
    train("wrn16", first(32), tiny, tmp_path, stop_after=1)
    with pytest.raises(CheckpointError, match="variant: wrn16 in the checkpoint, wrn16-ours now"):
        train("wrn16-ours", first(32), tiny, tmp_path)
    with pytest.raises(CheckpointError, match=r"peak_learning_rate: 0\.02 in the checkpoint, 0\.1 now"):
        train("wrn16", first(32), replace(tiny, peak_learning_rate=0.1), tmp_path)
    with pytest.raises(CheckpointError, match=r"data: \w+ in the checkpoint, \w+ now"):
        train("wrn16", first(31), tiny, tmp_path)


def test_fewer_images_than_a_batch(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """There would be no step, and an untrained network."""
    with pytest.raises(InputError, match="batch_size = 16"):
        train("wrn16", first(15), tiny, tmp_path)


def test_an_unknown_variant(first: First, tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean wrn16"):
        train("wrn61", first(16), tiny, tmp_path)


@pytest.fixture
def during_step(monkeypatch: pytest.MonkeyPatch) -> DuringStep:
    """`during_step(step, act)`: do something in the middle of a step, counted from 1."""

    def prepare(step: int, act: Callable[[], None]) -> None:
        steps, compute = iter(range(1, 1000)), loop.semantic_loss

        def acting(*arguments: Any) -> Tensor:
            if next(steps) == step:
                act()
            return compute(*arguments)

        monkeypatch.setattr(loop, "semantic_loss", acting)

    return prepare


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_step_and_saves(
    number: signal.Signals,
    during_step: DuringStep,
    first: First,
    tiny: Recipe,
    tmp_path: Path,
) -> None:
    recipe = replace(tiny, epochs=2)
    whole = train("wrn16", first(48), recipe, tmp_path / "whole")
    handler = signal.getsignal(number)
    during_step(2, lambda: signal.raise_signal(number))
    with pytest.raises(TrainingStoppedError, match=r"stopped after step 2 of 6, saved in .*checkpoint\.pt"):
        train("wrn16", first(48), recipe, tmp_path / "parts")
    assert signal.getsignal(number) is handler
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["step"] == 2
    assert_same(train("wrn16", first(48), recipe, tmp_path / "parts"), whole)


def test_training_in_a_thread(first: First, tiny: Recipe, tmp_path: Path) -> None:
    done: list[TrainedNetwork] = []
    thread = threading.Thread(target=lambda: done.append(train("wrn16", first(16), tiny, tmp_path, stop_after=1)))
    thread.start()
    thread.join(60)
    assert len(done) == 1


@pytest.mark.parametrize(("seconds", "saved"), [(-1, 2), (1000, None)])
def test_what_is_lost_in_a_power_failure(
    seconds: int,
    saved: int | None,
    during_step: DuringStep,
    first: First,
    tiny: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What came after the last checkpoint; there is one every so many seconds."""

    def fail() -> None:
        raise RuntimeError("power failure")

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", seconds)
    during_step(3, fail)
    with pytest.raises(RuntimeError, match="power failure"):
        train("wrn16", first(64), tiny, tmp_path)
    state = load_checkpoint(tmp_path / "checkpoint.pt", identity("wrn16", first(64), tiny))
    assert (state and state["step"]) == saved


def test_the_learning_rate_rises_along_a_line_and_falls_along_a_cosine() -> None:
    recipe = Recipe(peak_learning_rate=0.4, warmup=0.25)
    assert 0 < learning_rate(0, recipe) < 0.001
    assert learning_rate(0.125, recipe) == pytest.approx(0.2)
    assert learning_rate(0.25, recipe) == pytest.approx(0.4)
    assert learning_rate(0.25 + 0.75 / 3, recipe) == pytest.approx(0.3)
    assert learning_rate(0.625, recipe) == pytest.approx(0.2)
    assert learning_rate(1, recipe) == pytest.approx(0)


def test_the_learning_rate_has_one_peak() -> None:
    rates = [learning_rate(step / 100, Recipe()) for step in range(101)]
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert max(rates) == pytest.approx(Recipe().peak_learning_rate)


def test_without_warmup_the_learning_rate_starts_at_its_peak() -> None:
    assert learning_rate(0, Recipe(warmup=0, peak_learning_rate=0.3)) == pytest.approx(0.3)


def test_weight_decay_is_on_matrices_only() -> None:
    network = zoo.create("wrn16-ours")
    decayed, free = make_optimizer(network, Recipe(weight_decay=0.01, momentum=0.8)).param_groups
    assert decayed["weight_decay"] == 0.01
    assert free["weight_decay"] == 0
    assert {weight.dim() for weight in decayed["params"]} == {2, 4}
    assert {weight.dim() for weight in free["params"]} == {1}
    for group in (decayed, free):
        assert group["momentum"] == 0.8
        assert group["nesterov"]


def test_every_weight_is_optimized_once() -> None:
    network = zoo.create("wrn16-ours")
    groups = make_optimizer(network, Recipe()).param_groups
    assert sorted(id(weight) for group in groups for weight in group["params"]) == sorted(map(id, network.parameters()))


def test_the_accuracy_is_of_the_images_with_their_own_assignment() -> None:
    sums = EpochSums.zero(torch.device("cpu"))
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    batch = Batch(torch.empty(0), torch.tensor([0, 1, 1]), torch.empty(0), torch.tensor([0, 1, 0]))
    sums.add(torch.tensor(1.0), Semantics(logits, torch.zeros(3, 2, 1, 1), None, "semantic block"), batch)
    assert sums.means()["accuracy"] == 0.5


@pytest.mark.parametrize(("variant", "same"), [("wrn16-ours", False), ("wrn16-aux", True), ("wrn16", True)])
def test_networks_with_a_block_learn_to_listen_to_it(
    variant: str, same: bool, first: First, tiny: Recipe, tmp_path: Path
) -> None:
    one, other = (
        train(variant, first(32), replace(tiny, interchange=share), tmp_path / str(share)) for share in (0.0, 0.5)
    )
    pairs = zip(one.network.parameters(), other.network.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs) == same


@pytest.mark.parametrize("taught_once", [False, True])
def test_a_stopped_run_with_a_teacher_resumes_to_the_same_weights(
    first: First, tiny: Recipe, tmp_path: Path, taught_once: bool
) -> None:
    recipe = replace(tiny, teacher="wrn16-ours", **({"crop_padding": 0, "flip": "none"} if taught_once else {}))
    whole = train("wrn16-ours", first(70), recipe, tmp_path / "whole", taught_once=taught_once)
    train("wrn16-ours", first(70), recipe, tmp_path / "parts", stop_after=6, taught_once=taught_once)
    assert_same(train("wrn16-ours", first(70), recipe, tmp_path / "parts", taught_once=taught_once), whole)


def test_a_teacher_s_logits_computed_once_are_those_of_each_step(first: First, tiny: Recipe, tmp_path: Path) -> None:
    recipe = replace(tiny, teacher="wrn16-ours", crop_padding=0, flip="none", growth=(1.0,), epochs=1)
    networks = [
        train("wrn16-ours", first(32), recipe, tmp_path / str(once), taught_once=once).network for once in (False, True)
    ]
    alone = train("wrn16-ours", first(32), replace(recipe, teacher=""), tmp_path / "alone").network
    each, once, untaught = (network.classifier.weight for network in (*networks, alone))
    torch.testing.assert_close(once, each, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(untaught, each, rtol=1e-2)


def test_a_student_agrees_with_its_teacher_against_the_labels(first: First, tmp_path: Path) -> None:
    images = first(32)
    wrong = LabelledImages(images.images, (images.labels + 1) % 10, images.classes)
    recipe = Recipe(
        epochs=12,
        batch_size=16,
        peak_learning_rate=0.05,
        input_size=32,
        crop_padding=0,
        flip="none",
        precision="fp32",
        teacher="wrn16-ours",
        distill_weight=1.0,
        distill_temperature=1.0,
    )
    student = train("wrn16", wrong, recipe, tmp_path, taught_once=True).network
    answers, taught = (network(images.images).argmax(1) for network in (student, zoo.load("wrn16-ours")))
    assert int((answers == taught).sum()) > 20
    assert int((answers == wrong.labels).sum()) < 5


def test_sums_of_an_epoch() -> None:
    sums = EpochSums.zero(torch.device("cpu"))
    patch_logits = torch.zeros(2, 2, 1, 2)
    patch_logits[0, 0] = 1
    patch_logits[1, 1, 0, 0] = 1
    batch = Batch(torch.empty(0), torch.tensor([0, 1]), torch.empty(0), torch.arange(2))
    for loss, logits in ((2.0, [[1.0, 0.0], [1.0, 0.0]]), (1.0, [[1.0, 0.0], [0.0, 1.0]])):
        sums.add(torch.tensor(loss), Semantics(torch.tensor(logits), patch_logits, None, "auxiliary head"), batch)
    assert sums.means() == {"loss": 1.5, "accuracy": 0.75, "patch_accuracy": 0.75}
    assert str(sums) == "loss 1.500, accuracy 75.0%, patches 75.0%"


def test_a_loss_that_is_no_number_ends_the_run(first: First, tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="peak_learning_rate = 1e\\+20"):
        train("wrn16", first(64), replace(tiny, peak_learning_rate=1e20, warmup=0.0), tmp_path)


@pytest.mark.parametrize("mixed", [{"mixup": 0.3}, {"canvas": 0.4, "cutmix": 0.4, "patch_loss": "slack"}])
def test_every_setting_resumes_to_the_same_weights(
    mixed: dict[str, Any], first: First, tiny: Recipe, tmp_path: Path
) -> None:
    recipe = replace(tiny, ema_decay=0.9, clip_norm=0.5, cutout=8, label_smoothing=0.1, balance=True, **mixed)
    recipe = replace(recipe, flip="alternating")
    whole = train("wrn16-ours", first(48), recipe, tmp_path / "whole")
    for steps in (1, 4, 8):
        train("wrn16-ours", first(48), recipe, tmp_path / "parts", stop_after=steps)
    assert_same(train("wrn16-ours", first(48), recipe, tmp_path / "parts"), whole)


def test_the_slack_loss_trains_the_assignment_that_is_served(first: First, tiny: Recipe, tmp_path: Path) -> None:
    recipe = replace(tiny, patch_loss="slack", canvas=0.5)
    network = train("wrn16-ours", first(32), recipe, tmp_path).network
    with torch.no_grad():
        semantics = network.semantics(first(32).images)
    assert semantics.assignment is not None
    with_none = F.pad(semantics.patch_logits, (0, 0, 0, 0, 0, 1))
    torch.testing.assert_close(semantics.assignment, with_none.softmax(dim=1))


def test_the_average_of_the_weights(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """After two steps: the first weights are taken as they are, then an exponential average."""
    one, two = (
        train("wrn16", first(16), tiny, tmp_path / str(steps), stop_after=steps).network.stem.weight.clone()
        for steps in (1, 2)
    )
    averaged = train("wrn16", first(16), replace(tiny, ema_decay=0.75), tmp_path / "average", stop_after=2)
    torch.testing.assert_close(averaged.network.stem.weight, 0.75 * one + 0.25 * two)


def test_gradients_are_clipped(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """A step without momentum and weight decay is the learning rate times a gradient of the largest norm."""
    recipe = replace(tiny, clip_norm=0.01, momentum=0.0, weight_decay=0.0, warmup=0.0)
    start = dict(start_network("wrn16", first(16), recipe).network.named_parameters())
    ended = dict(train("wrn16", first(16), recipe, tmp_path, stop_after=1).network.named_parameters())
    moved = torch.cat([(ended[name] - start[name]).detach().flatten() for name in start]).norm()
    assert float(moved) == pytest.approx(recipe.peak_learning_rate * 0.01, rel=1e-3)


def test_the_log_has_an_entry_an_epoch_and_none_twice(first: First, tiny: Recipe, tmp_path: Path) -> None:
    train("wrn16", first(32), tiny, tmp_path, stop_after=3)
    with (tmp_path / LOG_FILE).open("a") as log:
        log.write('{"step": 4, "loss": 1}\n{"step": 6, "lo')
    trained = train("wrn16", first(32), tiny, tmp_path)
    entries = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [2, 4, 6]
    for entry, epoch in zip(entries, trained.history, strict=True):
        assert entry["loss"] == pytest.approx(epoch["loss"], abs=1e-6)
        assert entry["images_per_second"] > 0
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_compiled_code_computes_the_same(
    first: First, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the code generator, which would take a C++ compiler and minutes."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    fabric, _ = join_processes("cpu")
    feed = BatchStream(first(16), tiny, fabric.device)
    weights = []
    for compiled in (False, True):
        network = start_network("wrn16-ours", first(16), tiny).network
        run = tmp_path / str(compiled)
        loop.train(fabric, network, feed, run, {"variant": "wrn16-ours"}, compiled=compiled, stop_after=1)
        weights.append(network.state_dict())
    torch.testing.assert_close(*weights)
