"""Images that worker processes decode and crop each time they are used."""

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2.functional import pil_to_tensor

from training.data.data_set import EncodedImages
from training.data.decode_all import decode_all
from training.data.images import EVALUATION_BATCH
from zoo.errors import DataError
from zoo.images.preprocess import CROP_AREA, Normalization, Pixels


@dataclass(frozen=True, slots=True)
class StreamedImages:
    """Images too large or too many to hold: decoded each time they are used."""

    encoded: EncodedImages
    size: int
    """Side in pixels for evaluation; in training, each example has its own size."""
    content: str
    """Digest, as of `training.data.images.LabelledImages`."""
    statistics: Normalization
    """Mean and standard deviation of all pixels at `size`."""

    @property
    def labels(self) -> Tensor:
        """[N], int64."""
        return self.encoded.labels

    @property
    def classes(self) -> tuple[str, ...]:
        return self.encoded.classes

    def digest(self) -> str:
        """Short digest of pixels, labels and class names, which identifies a data set."""
        return self.content

    def normalization(self) -> Normalization:
        """Mean and standard deviation of each channel over all pixels in 0..1, to four decimals."""
        return self.statistics

    def pixels(self, index: int) -> Pixels:
        """Centred square of one image, [3, S, S], uint8."""
        return self.encoded.pixels(index, self.size)

    def where(self, index: int) -> str:
        """Location of an image's file."""
        return self.encoded.files.where(index)

    def batches(self, part: slice = slice(None)) -> Iterator[tuple[Pixels, NDArray[np.int64]]]:
        """Pixels [B, 3, S, S] of the centred squares and labels [B], in order, for evaluation.

        Arguments:
            part: part of the images; `slice(rank, None, world)` divides them among processes.

        Raises:
            DataError: an image has become unreadable.
        """
        encoded = self.encoded.select(range(len(self.encoded))[part])
        labels, batch = encoded.labels.numpy(), list[Pixels]()
        for done, pixels in enumerate(decode_all(encoded, self.size), start=1):
            if isinstance(pixels, DataError):
                raise pixels
            batch.append(pixels)
            if len(batch) == EVALUATION_BATCH or done == len(encoded):
                yield np.stack(batch), labels[done - len(batch) : done]
                batch = []


@dataclass(frozen=True, slots=True)
class Example:
    """Specification of a training example, which determines it completely."""

    index: int
    """Index of the image."""
    size: int
    """Side in pixels."""
    seed: int
    """Seed of the crop."""


def stream(
    images: StreamedImages, steps: Iterable[list[Example]], workers: int, pin: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Create the examples of each step, which depend on no random state but their seeds.

    Arguments:
        images: images of the examples.
        steps: examples of each step, all of one size; read a few steps ahead.
        workers: number of worker processes; 0 to work in this process.
        pin: put the results into page-locked memory, for faster copies to a GPU.

    Returns:
        For each step pixels [B, 3, size, size] (uint8) and labels [B]. Closing it early ends the workers.

    Raises:
        DataError: an image has become unreadable.
    """
    loader = DataLoader(
        _Crops(images.encoded),
        batch_sampler=steps,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_loop,
        # Otherwise the loader would draw a seed from the global generator.
        generator=torch.Generator(),
    )
    for made in loader:
        if isinstance(made, DataError):
            raise made
        pixels, labels = made
        yield pixels, labels


def random_crop(encoded: EncodedImages, example: Example) -> Tensor:
    """Random crop of an image, scaled with the filter of `zoo.images.preprocess.to_pixels`: [3, size, size], uint8.

    Raises:
        DataError: the image cannot be read.
    """
    image = encoded.image(example.index)
    crop = RandomResizedCrop(example.size, scale=CROP_AREA, interpolation=InterpolationMode.BICUBIC)
    with torch.random.fork_rng(devices=[]):
        # Not `torch.manual_seed`, which would also seed the GPU's generator.
        torch.default_generator.manual_seed(example.seed)
        return pil_to_tensor(crop(image))


class _Crops(Dataset[Tensor]):
    """Crops of whole steps; an error is returned, not raised, so that its message is kept."""

    def __init__(self, encoded: EncodedImages) -> None:
        self._encoded = encoded

    def __getitems__(self, examples: list[Example]) -> tuple[Tensor, Tensor] | DataError:
        try:
            pixels = torch.stack([random_crop(self._encoded, example) for example in examples])
        except DataError as error:
            return error
        return pixels, self._encoded.labels[[example.index for example in examples]]


def _as_it_is(made: object) -> object:
    return made


def _leave_signals_to_the_loop(worker: int) -> None:
    """Ignore Ctrl-C and SIGTERM, which reach the whole process group: the loop finishes its step, then ends the
    workers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
