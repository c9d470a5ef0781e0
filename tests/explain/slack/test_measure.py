from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import zoo
from explain.slack.measure import SlackSettings, measure_separation
from zoo.errors import InputError
from zoo.networks.network import Network, Semantics
from zoo.package import Package
from zoo.package.slack import read_slack, write_slack

RunZoo = Callable[..., CompletedProcess[str]]
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SETTINGS = SlackSettings("made", "held-out", 0, "of nothing", "textures")
COUNT = 200


def bright(count: int = COUNT) -> Tensor:
    return torch.full((count, 3, 32, 32), 200, dtype=torch.uint8)


def dark(count: int = COUNT) -> Tensor:
    return torch.full((count, 3, 32, 32), 10, dtype=torch.uint8)


class Made(nn.Module):
    """A network whose share of `none` is high in dark patches, and whose classes are equally sure everywhere."""

    device = torch.device("cpu")

    def semantics(self, pixels: Tensor) -> Semantics:
        level = torch.nn.functional.avg_pool2d(pixels.float().mean(dim=1, keepdim=True), 4) / 255
        none = 1 - level
        assignment = torch.cat([level * 0.75, level * 0.25, none], dim=1)
        patch_logits = torch.tensor([1.0, 0.0])[None, :, None, None].expand_as(assignment[:, :2])
        return Semantics(patch_logits.mean(dim=(2, 3)), patch_logits, assignment, "semantic block")


def measure(network: object, images: Tensor, backgrounds: Tensor) -> zoo.package.slack.SlackMeasurement:
    assert isinstance(network, Network | Made)
    labels = torch.zeros(len(images), dtype=torch.int64)
    return measure_separation(network, images, labels, backgrounds, SETTINGS)  # type: ignore[arg-type]


def test_a_slack_that_marks_the_background() -> None:
    found = measure(Made(), bright(), dark())
    assert found.none == (1, 1, 1)
    assert found.doubt == (0.5, 0.5, 0.5)
    assert found.difference == (0.5, 0.5, 0.5)
    assert found.none_on_object == pytest.approx(1 - 200 / 255, abs=1e-4)
    assert found.none_on_background == pytest.approx(1 - 10 / 255, abs=1e-4)
    assert found.accuracy == 100


def test_a_slack_that_marks_nothing() -> None:
    found = measure(Made(), bright(), bright())
    assert found.none == found.doubt == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("variant", ["wrn16", "wrn16-aux", "wrn16-ours"])
def test_every_variant_has_a_share_of_none(variant: str) -> None:
    found = measure(zoo.create(variant, num_classes=3).eval(), bright(60), dark(60))
    assert 0 <= found.none_on_object <= 1
    assert 0 <= found.none[1] <= found.none[0] <= found.none[2] <= 1


def test_pointing() -> None:
    """Each class is a colour, and its share the level of that colour in a patch."""
    count = 4 * COUNT
    labels = torch.arange(count) % 4

    class Coloured(Made):
        def semantics(self, pixels: Tensor) -> Semantics:
            level = torch.nn.functional.avg_pool2d(pixels.float(), 4) / 255
            shares = torch.cat([level, 1 - level.amax(dim=1, keepdim=True), 0 * level[:, :1]], dim=1)
            return Semantics(shares.mean(dim=(2, 3)), shares[:, :4], shares, "semantic block")

    images = torch.zeros(count, 3, 32, 32, dtype=torch.uint8)
    for label in range(3):
        images[labels == label, label] = 255
    found = measure_separation(Coloured(), images, labels, dark(count), SETTINGS)  # type: ignore[arg-type]
    assert found.pointing == (1, 1, 1)
    few = measure_separation(Made(), bright(count), labels % 2, dark(count), SETTINGS)  # type: ignore[arg-type]
    assert few.pointing is None


def test_too_few_images() -> None:
    with pytest.raises(InputError, match="images = 3"):
        measure(Made(), bright(3), dark(3))


@pytest.mark.slow
def test_the_command_measures_and_records(
    run_zoo: RunZoo, make_package: Callable[..., Package], cifar: Path, tmp_path: Path
) -> None:
    package = make_package(classes=CIFAR_CLASSES)
    model, sheet = f"local-dir:{package.path}", tmp_path / "sheet.png"
    ended = run_zoo("slack", model, "--data", cifar, "--split", "test", "--images", "60", "--record", "--sheet", sheet)
    assert ended.returncode == 0, ended.stderr
    with Image.open(sheet) as image:
        assert len(image.convert("RGB").getcolors(2**24) or ()) > 100
    found = read_slack(package)["textures"]
    assert found.split == "test"
    assert f"{found.none[0]:.3f}" in ended.stdout
    classes = ",".join(package.config.classes[:2])
    options = ("--backgrounds", cifar, "--background-classes", classes)
    ended = run_zoo("slack", model, "--data", cifar, "--split", "test", "--images", "60", *options)
    assert ended.returncode == 0, ended.stderr
    assert list(read_slack(package)) == ["textures"]  # not recorded
    ended = run_zoo("slack", model, "--data", cifar, "--backgrounds", cifar, "--background-classes", "unicorn")
    assert "unicorn" in ended.stderr
    assert ended.returncode == 1


def test_measurements_of_other_weights_are_left_out(make_package: Callable[..., Package]) -> None:
    package = make_package()
    own = replace(measure(Made(), bright(), dark()), digest=package.config.weights_sha256)
    write_slack(package, own)
    write_slack(package, replace(own, backgrounds="flowers"))
    assert set(read_slack(package)) == {"textures", "flowers"}
    write_slack(package, replace(own, digest="of other weights"))
    assert set(read_slack(package)) == {"flowers"}
