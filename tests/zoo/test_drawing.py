from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

import zoo
from zoo.errors import ImageError, InputError
from zoo.networks.network import Semantics
from zoo.predictors import Prediction
from zoo.predictors.torch import predict
from zoo.semantic_map import class_colour

CLASSES = ("ant", "bee", "cow")


def answer(*strongest: int, grid: tuple[int, int] = (2, 2), classes: tuple[str, ...] = CLASSES) -> Semantics:
    """An answer in which one class has all patches of an image."""
    count, number = len(strongest), len(CLASSES)
    assignment = torch.zeros(count, number + 1, *grid)
    for row, index in enumerate(strongest):
        assignment[row, index] = 1
    return Semantics(
        assignment[:, :-1].mean(dim=(2, 3)), assignment[:, :-1], assignment, "semantic block", None, classes
    )


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def colour(index: int) -> np.ndarray:
    return np.array(bytearray.fromhex(class_colour(index)[1:]), dtype=float)


GREY = Image.new("RGB", (40, 20), (200, 200, 200))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_seen_part_has_the_colour_of_its_class(index: int) -> None:
    drawn = np.asarray(zoo.draw(answer(index), GREY)).astype(float)
    height, width = 512, 1024
    assert drawn.shape[0] == height
    np.testing.assert_allclose(drawn[height // 2, width // 2], 0.65 * colour(index) + 0.35 * 200, atol=2)
    for column in (10, width - 10):  # beside the centred square: only dimmed
        np.testing.assert_allclose(drawn[height // 2, column], drawn[height // 2, column].mean(), atol=1)


def test_pixels_that_are_not_square_are_seen_whole() -> None:
    drawn = np.asarray(zoo.draw(answer(1, grid=(2, 4)), GREY)).astype(float)
    for column in (10, 500):
        np.testing.assert_allclose(drawn[128, column], 0.65 * colour(1) + 0.35 * 200, atol=2)


def test_an_image_in_any_form_gives_the_same_drawing(tmp_path: Path) -> None:
    expected = zoo.draw(answer(1), GREY)
    GREY.save(file := tmp_path / "grey.png")
    array = np.asarray(GREY)
    pixels = torch.tensor(array).permute(2, 0, 1)
    for image in (file, str(file), file.read_bytes(), array, array / 255, pixels, pixels[None], pixels.float() / 255):
        assert same(zoo.draw(answer(1), image), expected)


def test_each_image_of_an_answer_is_drawn_by_its_index() -> None:
    several = answer(2, 0)
    assert same(zoo.draw(several, GREY, index=0), zoo.draw(answer(2), GREY))
    assert same(zoo.draw(several, GREY, index=-1), zoo.draw(answer(0), GREY))
    pixels = torch.stack([torch.zeros(3, 20, 20), torch.ones(3, 20, 20)])
    assert same(zoo.draw(several, pixels, index=1), zoo.draw(answer(0), pixels[1]))
    assert not same(zoo.draw(several, pixels, index=1), zoo.draw(answer(0), pixels[0]))


def test_names_come_from_the_answer_or_are_given() -> None:
    unnamed = answer(1, classes=())
    assert same(zoo.draw(unnamed, GREY, CLASSES), zoo.draw(answer(1), GREY))
    assert same(zoo.draw(unnamed, GREY), zoo.draw(answer(1), GREY, [f"class {index}" for index in range(3)]))
    assert not same(zoo.draw(unnamed, GREY), zoo.draw(answer(1), GREY))


@pytest.mark.parametrize("variant", ["wrn16-ours", "wrn16-aux", "wrn16"])
@torch.inference_mode()
def test_a_network_and_a_predictor_are_drawn_alike(variant: str, photo_file: Path) -> None:
    model = zoo.load(variant)
    pixels = model.pixels(photo_file)
    drawn = zoo.draw(model.semantics(pixels), photo_file)
    prediction = predict(model, pixels)
    assert isinstance(prediction, Prediction)
    assert same(zoo.draw(prediction, photo_file, model.config.classes), drawn)
    assert drawn.size[1] == 512


def test_answers_may_need_gradients_and_have_half_precision(photo_file: Path) -> None:
    model = zoo.load("wrn16-ours").bfloat16()
    assert zoo.draw(model.semantics(model.pixels(photo_file)), photo_file).mode == "RGB"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((answer(0, 1), GREY), {}, InputError, "has 2 images; give the index"),
        ((answer(0, 1), GREY), {"index": 2}, InputError, "index = 2"),
        ((answer(0), GREY), {"index": -2}, InputError, "index = -2"),
        ((answer(0), GREY, ("ant", "bee")), {}, InputError, "2 names were given for 3 classes"),
        ((torch.zeros(1, 3), GREY), {}, InputError, "got a Tensor"),
        ((answer(0), None), {}, InputError, "NoneType"),
        ((answer(0), "nowhere.png"), {}, ImageError, "nowhere.png"),
        ((answer(0), b"text"), {}, ImageError, "not an image"),
        ((answer(0), torch.zeros(3, 20, 20, dtype=torch.int64)), {}, InputError, "uint8"),
        ((answer(0), torch.zeros(20)), {}, InputError, "shape|array"),
    ],
)
def test_what_cannot_be_drawn(
    arguments: tuple[object, ...], options: dict[str, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        zoo.draw(*arguments, **options)
