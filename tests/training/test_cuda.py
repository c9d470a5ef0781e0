"""Training on a GPU computes what it does on a CPU, captured or not, and its steps wait for nothing."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from support.training import identity, train
from torch import Tensor
from torch.testing import assert_close

import zoo
from training import augment, loop
from training import feed as feed_module
from training.captured_step import Capture
from training.checkpoint import CHECKPOINT_FILE, MODEL_FOLDER, load_checkpoint
from training.data.images import LabelledImages
from training.data.prepare import load_split
from training.evaluate import evaluate
from training.feed import Batch, BatchStream
from training.model import start_network
from training.processes import join_processes
from training.recipe import Recipe
from zoo.package import Package
from zoo.predictors.torch import TorchPredictor

pytestmark = [pytest.mark.cuda, pytest.mark.slow]

First = Callable[[int], LabelledImages]
CPU, GPU = torch.device("cpu"), torch.device("cuda")
EVERYTHING = {"ema_decay": 0.9, "clip_norm": 0.5, "cutout": 8, "label_smoothing": 0.1, "interchange": 0.3}
MIXED = {**EVERYTHING, "mixup": 0.3}
COMPOSED = {**EVERYTHING, "canvas": 0.4, "cutmix": 0.4, "patch_loss": "slack"}


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Single precision without TF32, by algorithms that always sum in the same order."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda precision: None)
    monkeypatch.setattr(loop, "MAX_BENCHMARKED", 0)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
    monkeypatch.undo()
    torch.set_float32_matmul_precision(before)


def eager(step: Callable[[], None]) -> NoReturn:
    """Makes the loop do all steps operation by operation."""
    raise RuntimeError("not captured")


def state_of(run: Path, variant: str, images: LabelledImages, recipe: Recipe) -> dict[str, Any]:
    """What the run saved."""
    state = load_checkpoint(run / CHECKPOINT_FILE, identity(variant, images, recipe))
    assert state is not None
    return state


def relative(actual: Tensor, expected: Tensor) -> float:
    """Norm of the difference relative to that of what is expected."""
    return float((actual.cpu() - expected.cpu()).norm() / expected.cpu().norm().clamp(min=1e-12))


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
@pytest.mark.parametrize("changes", [MIXED, COMPOSED])
@pytest.mark.usefixtures("exact")
def test_captured_steps_are_those_of_the_loop(
    variant: str,
    changes: dict[str, Any],
    first: First,
    tiny: Recipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At two sizes, with a learning rate that changes."""
    recipe = replace(tiny, peak_learning_rate=0.002, **changes)
    runs: dict[str, Capture | None] = {"captured": None, "eager": eager}
    states = []
    for name, capture in runs.items():
        train(variant, first(64), recipe, tmp_path / name, capture=capture, device="cuda")
        assert ("without a CUDA graph" in capsys.readouterr().out) == (name == "eager")
        states.append(state_of(tmp_path / name, variant, first(64), recipe))
    captured, expected = states
    for part in ("network", "average"):
        assert_close(captured[part], expected[part], rtol=1e-4, atol=1e-5)
    for one, other in zip(*(state["optimizer"]["state"].values() for state in states), strict=True):
        assert_close(one["momentum_buffer"], other["momentum_buffer"], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("exact")
def test_a_step_computes_what_it_does_on_a_cpu(first: First, tiny: Recipe, tmp_path: Path) -> None:
    recipe = replace(tiny, growth=(1.0,), warmup=0.0)
    start = start_network("wrn16-ours", first(16), recipe).network.state_dict()
    start = {name: value.clone() for name, value in start.items()}
    states = []
    for device in ("cpu", "cuda"):
        train("wrn16-ours", first(32), recipe, tmp_path / device, stop_after=1, device=device)
        states.append(state_of(tmp_path / device, "wrn16-ours", first(32), recipe))
    expected, actual = states
    assert actual["sums"] == pytest.approx(expected["sums"], rel=1e-5)
    for name, before in start.items():
        if name.endswith("running_mean"):
            assert_close(actual["network"][name], expected["network"][name], rtol=1e-5, atol=1e-5)
        elif name.endswith("weight"):
            assert relative(actual["network"][name] - before, expected["network"][name] - before) < 1e-3


def test_a_run_in_bf16_learns_what_it_does_on_a_cpu(first: First, tmp_path: Path) -> None:
    """The mean loss of the last 5 of 20 steps."""
    recipe = Recipe(epochs=4, batch_size=32, peak_learning_rate=0.02, input_size=32)
    on_cpu, on_gpu = (
        train("wrn16-ours", first(160), recipe, tmp_path / device, device=device).history for device in ("cpu", "cuda")
    )
    assert on_gpu[-1]["loss"] == pytest.approx(on_cpu[-1]["loss"], rel=0.05)


@torch.inference_mode()
def test_bf16_on_a_gpu_answers_as_fp32_on_a_cpu(cifar: Path) -> None:
    """bf16 has 8 significant bits."""
    pixels = load_split(str(cifar), "test").images
    network = zoo.load("wrn16-ours", pretrained=True).eval()
    expected = network(pixels)
    with torch.autocast("cuda", torch.bfloat16):
        actual = network.to(GPU)(pixels.to(GPU)).float().cpu()
    assert relative(actual, expected) < 2e-2
    assert float((actual.argmax(1) == expected.argmax(1)).float().mean()) >= 0.98


def test_dense_networks_do_not_time_their_convolutions(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """`cudnn.benchmark` tries each of their hundred shapes, which takes longer than it saves."""
    for variant, expected in (("wrn16-ours", True), ("dn100-ours-c", False)):
        train(variant, first(16), tiny, tmp_path / variant, stop_after=1, device="cuda")
        assert torch.backends.cudnn.benchmark is expected


def test_augmentation_is_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    shift = torch.randint(-4, 5, (2, 64), generator=generator)
    centre = torch.randint(32, (2, 64), generator=generator)
    mirrored = torch.rand(64, generator=generator) < 0.5
    share = torch.rand(64, generator=generator)
    colour = torch.tensor([1, 2, 3], dtype=torch.uint8)
    targets = torch.eye(64)

    def augmented(device: torch.device) -> list[Tensor]:
        given = (images, shift, centre, mirrored, share, colour, targets)
        pixels, moved, middle, turned, weight, fill, labels = (tensor.to(device) for tensor in given)
        return [
            augment.crop_and_flip(pixels, moved, turned),
            augment.flip(pixels, turned),
            augment.cutout(pixels, 8, middle, fill),
            augment.interchange(turned),
            *augment.mixup(pixels, labels, weight),
            augment.resize(pixels, 24).float(),
        ]

    *exactly, mixed, mixed_targets, resized = zip(augmented(GPU), augmented(CPU), strict=True)
    for on_gpu, on_cpu in exactly:
        assert torch.equal(on_gpu.cpu(), on_cpu)
    for on_gpu, on_cpu in (mixed, mixed_targets):
        assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-6)
    difference = resized[0].cpu() - resized[1]
    assert difference.abs().max() <= 1
    assert abs(float(difference.mean())) < 0.02


@pytest.mark.parametrize("changes", [{}, {"cutout": 8, "flip": "alternating"}, {"cutmix": 0.5}])
@pytest.mark.parametrize("together", [1, 3, 100])
def test_batches_are_the_same(
    changes: dict[str, Any], together: int, first: First, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs, also from the middle; however many steps are augmented at once."""
    recipe = replace(tiny, epochs=2, growth=(1.0,), interchange=0.3, **changes)
    on_cpu = list(BatchStream(first(64), recipe, CPU).batches())
    monkeypatch.setattr(feed_module, "steps_at_once", lambda *arguments: together)
    for start in (0, 3):
        for batch, expected in zip(BatchStream(first(64), recipe, GPU).batches(start), on_cpu[start:], strict=True):
            for field, same in zip(batch, expected, strict=True):
                assert (field is None) == (same is None)
                if field is not None:
                    assert field.device.type == "cuda"
                    assert_close(field.cpu(), same, rtol=0, atol=1e-6)


def test_canvases_are_the_same_up_to_a_level(first: First, tiny: Recipe) -> None:
    recipe = replace(tiny, canvas=0.8)
    batches = [BatchStream(first(64), recipe, device).batches() for device in (GPU, CPU)]
    for batch, expected in zip(*batches, strict=True):
        difference = (batch.pixels.cpu().float() - expected.pixels.float()).abs()
        assert (difference > 1).float().mean() < 1e-3


class _Watched(BatchStream):
    """Batches; from the sixth to the tenth, nothing may wait for the GPU."""

    def batches(self, start: int = 0) -> Generator[Batch, None, None]:
        modes = {5: "error", 10: "default"}
        for step, batch in enumerate(super().batches(start)):
            if step in modes:
                torch.cuda.set_sync_debug_mode(modes[step])
            yield batch


@pytest.fixture
def sync_debug_mode() -> Iterator[None]:
    """Leaves the mode as it was."""
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.usefixtures("sync_debug_mode")
@pytest.mark.parametrize("capture", [None, eager])
@pytest.mark.parametrize("changes", [MIXED, COMPOSED])
def test_a_step_waits_for_nothing(
    capture: Capture | None, changes: dict[str, Any], first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two log entries, over several portions of augmented images."""
    monkeypatch.setattr(loop, "SHOW_SECONDS", 1e9)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    monkeypatch.setattr(feed_module, "steps_at_once", lambda *arguments: 3)
    recipe = Recipe(epochs=1, batch_size=4, peak_learning_rate=0.01, input_size=32, balance=True, **changes)
    fabric, _ = join_processes("cuda")
    watched = _Watched(first(48), recipe, fabric.device)
    assert 10 < watched.steps_per_epoch < loop.LOG_STEPS
    network = start_network("wrn16-ours", first(48), recipe).network
    loop.train(fabric, network, watched, tmp_path, {"variant": "wrn16-ours"}, capture=capture, stop_after=11)


def test_a_resumed_run_ends_with_nearly_the_same_weights(first: First, tiny: Recipe, tmp_path: Path) -> None:
    recipe = replace(tiny, precision="bf16", **MIXED)
    whole = train("wrn16-ours", first(64), recipe, tmp_path / "whole", device="cuda").network
    train("wrn16-ours", first(64), recipe, tmp_path / "parts", stop_after=6, device="cuda")
    resumed = train("wrn16-ours", first(64), recipe, tmp_path / "parts", device="cuda").network
    for (name, weight), same in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert relative(same.detach(), weight.detach()) < 1e-2, name
    state = state_of(tmp_path / "parts", "wrn16-ours", first(64), recipe)
    assert state["step"] == 12


def test_a_network_is_evaluated_as_on_a_cpu(cifar: Path) -> None:
    images = load_split(str(cifar), "test")
    network = zoo.load("wrn16-ours", pretrained=True).eval()
    assert network.config is not None
    pixels = images.images.numpy()
    expected = TorchPredictor(network, network.config)(pixels)
    accuracy = evaluate(TorchPredictor(network, network.config), images).accuracy
    on_gpu = TorchPredictor(network.to(GPU), network.config)
    assert abs(on_gpu(pixels).logits - expected.logits).max() < 1e-3
    assert evaluate(on_gpu, images).accuracy == pytest.approx(accuracy, abs=0.4)  # one image


@pytest.mark.process
def test_two_runs_share_a_gpu(cifar: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zoo", "train", "wrn16", "--data", str(cifar), "--recipe", "smoke"]
    command += ["--device", "cuda"]
    running = [
        subprocess.Popen(
            [*command, "--run-folder", str(tmp_path / name)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for name in ("one", "two")
    ]
    for process, name in zip(running, ("one", "two"), strict=True):
        assert process.wait(timeout=300) == 0
        machine = Package.open(tmp_path / name / MODEL_FOLDER).metrics()["training"]["machine"]
        assert machine["device"] == torch.cuda.get_device_name()
