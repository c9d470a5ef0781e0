from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import zoo
from explain.probe.measure import ProbeSettings
from explain.probe.pooling import probe_pooling
from training.data.images import LabelledImages
from zoo.cli import _add_commands
from zoo.cli import app as program
from zoo.errors import InputError, PackageError
from zoo.package import CARD_FILE, POOLING_FILE, Package
from zoo.package.card import write_card
from zoo.package.pooling import read_pooling, write_pooling

pytestmark = pytest.mark.slow

SETTINGS = ProbeSettings("made", "held-out", 0, "of nothing")


@pytest.fixture
def images() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(256, (20, 3, 4, 4), dtype=torch.uint8, generator=generator)
    pixels = blocks.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    return LabelledImages(pixels, torch.arange(20) % 4, tuple("abcd"))


def network(images: LabelledImages) -> zoo.Network:
    torch.manual_seed(0)
    return zoo.create("wrn16", num_classes=4, pooling="gsp").eval()


def test_the_spread_and_the_accuracy_with_all_weights_1(images: LabelledImages) -> None:
    made = network(images)
    with torch.inference_mode():
        answer = made.semantics(images.images)
        weights = (answer.kept / 0.3).flatten(1)
        plain = made.classifier(made.forward_features(images.images).mean(dim=(2, 3))).argmax(dim=1)
        own = answer.logits.argmax(dim=1)
    done: list[int] = []
    found = probe_pooling(made, images, SETTINGS, done.append)
    assert done[-1] == 20
    assert found.spread == pytest.approx(float(weights.std(dim=1, correction=0).mean()), abs=1e-4)
    assert 0 < found.lowest < 1 < found.highest
    assert found.accuracy == pytest.approx(100 * float((own == images.labels).float().mean()))
    assert found.accuracy_unweighted == pytest.approx(100 * float((plain == images.labels).float().mean()))
    assert found.difference[0] == pytest.approx(found.accuracy_unweighted - found.accuracy)
    assert found.changed[0] == pytest.approx(100 * float((plain != own).float().mean()))


def test_without_spread_it_is_the_average(images: LabelledImages) -> None:
    made = network(images)
    made.pooling.prototypes.data.zero_()  # as far from every patch of length 1
    found = probe_pooling(made, images, SETTINGS)
    assert found.spread < 1e-3
    assert found.changed[0] == 0
    with pytest.raises(InputError, match="pools by the plain average"):
        probe_pooling(zoo.create("wrn16", num_classes=4).eval(), images, SETTINGS)


def test_it_is_recorded_for_the_weights_alone(make_package: Callable[..., Package], images: LabelledImages) -> None:
    package = make_package("wrn16", classes=images.classes, pooling="gsp")
    write_card(package)
    assert "run `zoo probe`" in (package.path / CARD_FILE).read_text()
    settings = replace(SETTINGS, digest=package.config.weights_sha256)
    found = probe_pooling(zoo.load(f"local-dir:{package.path}"), images, settings)
    write_pooling(package, found)
    assert read_pooling(package) == found
    write_card(package)
    card = (package.path / CARD_FILE).read_text()
    assert "Pooling: gsp (gamma 5), which keeps 30% of the patches." in card
    assert f"with a standard deviation of {found.spread:.2f}" in card
    write_pooling(package, replace(found, digest="of others"))
    assert read_pooling(package) is None
    (package.path / POOLING_FILE).write_text("{}")
    with pytest.raises(PackageError, match="is not a record of `zoo probe`"):
        read_pooling(package)


def test_the_command_measures_plain_variants_too(make_package: Callable[..., Package], cifar: Path) -> None:
    _add_commands()
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    package = make_package("wrn16", classes=classes, pooling="gsp")
    options = ["probe", f"local-dir:{package.path}", "--data", str(cifar), "--split", "test", "--images", "20"]
    answer = CliRunner().invoke(program, options)
    assert answer.exit_code == 0, answer.output
    assert "with all weights 1" in answer.output
    answer = CliRunner().invoke(program, [*options, "--through", "onnx"])
    assert isinstance(answer.exception, InputError)
    assert "is probed through torch" in str(answer.exception)
