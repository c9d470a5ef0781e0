import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import zoo
from training.data.images import LabelledImages
from training.distillation.teacher import Teacher, open_teacher
from training.feed import BatchStream
from training.recipe import Recipe
from zoo.errors import InputError, PackageError
from zoo.hub import open_model
from zoo.package import WEIGHTS_FILE, Package

CPU = torch.device("cpu")
CLASSES = open_model("wrn16-ours").config.classes
TAUGHT = Recipe(teacher="wrn16-ours", input_size=32, precision="fp32")

First = Callable[[int], LabelledImages]


@pytest.fixture
def teacher() -> Teacher:
    return Teacher.load(open_model("wrn16-ours"), CLASSES, CPU)


@pytest.fixture
def copied(tmp_path: Path) -> Package:
    """A copy of the model directory, to change."""
    return Package.open(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "copied"))


def test_no_teacher(tmp_path: Path) -> None:
    assert open_teacher(Recipe(), CLASSES, tmp_path) is None


@pytest.mark.parametrize(
    ("classes", "difference"),
    [
        (CLASSES[:-1], "only the teacher has truck;"),
        ((*CLASSES, "zebra"), "only the data has zebra;"),
        ((*CLASSES[1:], "zebra"), "only the teacher has airplane; only the data has zebra;"),
        (tuple("abcdef"), "only the data has a, b, c, d, e and others;"),
    ],
)
def test_other_classes_are_named(classes: tuple[str, ...], difference: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'wrn16-ours': the classes of wrn16-ours\.cifar10 are not") as error:
        open_teacher(TAUGHT, classes, tmp_path)
    assert difference in str(error.value)
    assert "choose a teacher that was trained on the same classes" in str(error.value)


def test_the_student_does_not_replace_its_teacher(copied: Package) -> None:
    with pytest.raises(InputError, match="is the model directory that this run writes; choose another one with --out"):
        open_teacher(replace(TAUGHT, teacher=f"local-dir:{copied.path}"), CLASSES, copied.path)


def test_a_teacher_without_its_weights(copied: Package, tmp_path: Path) -> None:
    (copied.path / WEIGHTS_FILE).unlink()
    with pytest.raises(PackageError, match=WEIGHTS_FILE):
        open_teacher(replace(TAUGHT, teacher=f"local-dir:{copied.path}"), CLASSES, tmp_path)


def test_the_logits_are_those_of_the_model(teacher: Teacher, first: First) -> None:
    pixels = first(8).images
    torch.testing.assert_close(teacher.logits(pixels), zoo.load("wrn16-ours")(pixels).detach())
    assert not teacher.logits(pixels).requires_grad


def test_the_classes_may_be_in_another_order(teacher: Teacher, first: First) -> None:
    pixels = first(4).images
    turned = Teacher.load(open_model("wrn16-ours"), CLASSES[::-1], CPU)
    torch.testing.assert_close(turned.logits(pixels), teacher.logits(pixels).flip(1))


@pytest.mark.parametrize("side", [16, 48])
def test_images_are_scaled_to_the_teacher_s_size(teacher: Teacher, first: First, side: int) -> None:
    pixels = F.interpolate(first(4).images / 255, size=(side, side))
    expected = F.interpolate(pixels, size=(32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(teacher.logits(pixels), teacher.logits(expected))
    whole = (255 * pixels).round().byte()
    torch.testing.assert_close(teacher.logits(whole), teacher.logits(whole / 255))


def test_all_images_at_once(teacher: Teacher, first: First, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.distillation.teacher.BATCH", 5)
    seen: list[int] = []
    images = first(12).images
    torch.testing.assert_close(teacher.logits_of_all(images, seen.append), teacher.logits(images))
    assert seen == [5, 10, 12]


def test_soft_targets(teacher: Teacher, first: First) -> None:
    recipe = replace(TAUGHT, batch_size=8, interchange=0.5, distill_temperature=2.0, distill_weight=0.4)
    batch = next(BatchStream(first(8), recipe, CPU).batches())
    alone = teacher.targets(batch, recipe, interchanged=False)
    assert alone[1:] == (2.0, 0.4)
    torch.testing.assert_close(alone.probabilities, torch.softmax(teacher.logits(batch.pixels) / 2, dim=1))
    assert (batch.source != torch.arange(8)).any()
    mixed = teacher.targets(batch, recipe, interchanged=True).probabilities
    torch.testing.assert_close(mixed, 0.75 * alone.probabilities + 0.25 * alone.probabilities[batch.source])
    known = torch.arange(80.0).reshape(8, 10)
    given = teacher.targets(batch._replace(teacher_logits=known), recipe, interchanged=False).probabilities
    torch.testing.assert_close(given, torch.softmax(known / 2, dim=1))


def test_the_time_of_a_step(teacher: Teacher, first: First) -> None:
    assert 0 < teacher.seconds_per_step(BatchStream(first(8), replace(TAUGHT, batch_size=4), CPU)) < 60
