import numpy as np
import torch
from PIL import ImageColor

from explain.slack.sheet import contact_sheet
from zoo.semantic_map import MAX_OPACITY, class_colour


def test_none_is_transparent_and_classes_are_not() -> None:
    images = torch.full((2, 3, 32, 32), 200, dtype=torch.uint8)
    shares = np.zeros((2, 4, 8, 8), np.float32)
    shares[0, 3] = 1
    shares[1, 1] = 1
    sheet = np.asarray(contact_sheet(images, shares, ("a", "b", "c")))
    left, middle, right, last = sheet[40, 40], sheet[40, 120], sheet[40, 210], sheet[40, 290]
    assert left.tolist() == middle.tolist() == right.tolist() == [200] * 3
    colour = np.array(ImageColor.getrgb(class_colour(1))[:3])
    np.testing.assert_allclose(last, 200 + MAX_OPACITY * (colour - 200.0), atol=3)
