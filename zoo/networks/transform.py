"""Preprocessing as transforms of torchvision, for data loaders."""

from typing import Any

from PIL import Image

from zoo.extras import importing
from zoo.images.preprocess import CROP_AREA, centre_square, scale_box
from zoo.images.rgb import to_rgb
from zoo.networks.network import Network

with importing("train", "zoo.transform"):
    from torchvision.transforms import v2


def transform(network: Network, train: bool = False) -> v2.Compose:
    """Transform of Pillow images to a network's pixels [3, S, S], uint8, where S is its `input_size`.

    For inference, the result is exactly that of `network.pixels` for the same Pillow image. For training, it is a
    random crop of 35 to 100% of the area, mirrored at random, as `zoo train` crops large images. Pixels are not
    normalised, as the network does that itself. Tensors [3, H, W] and arrays [H, W, 3] are transformed, too.

    Pillow images are not rotated: a file that `zoo.read_image` opened is upright, as in `zoo train` and the server.

    Arguments:
        network: the network.
        train: whether for training.
    """
    size = network.input_size
    if not train:
        return v2.Compose([v2.ToPILImage(), CentreSquare(size), v2.PILToTensor()])
    crop = v2.RandomResizedCrop(size, scale=CROP_AREA, interpolation=v2.InterpolationMode.BICUBIC)
    return v2.Compose([v2.ToPILImage(), RGB(), crop, v2.RandomHorizontalFlip(), v2.PILToTensor()])


class RGB(v2.Transform):  # type: ignore[misc]
    """Conversion of a Pillow image to RGB, with transparency over white."""

    _transformed_types = (Image.Image,)

    def transform(self, inpt: Image.Image, params: dict[str, Any]) -> Image.Image:
        return to_rgb(inpt)


class CentreSquare(v2.Transform):  # type: ignore[misc]
    """The centred square of a Pillow image, scaled to `size` x `size` pixels: bicubic with antialiasing."""

    _transformed_types = (Image.Image,)

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def transform(self, inpt: Image.Image, params: dict[str, Any]) -> Image.Image:
        return scale_box(inpt, centre_square(*inpt.size), self.size)
