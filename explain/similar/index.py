"""On-disk index of the assignments of all patches of a split, used for entities, slack and search.

A folder with `index.json` (provenance), `shares.npy` [N, h, w, C + 1] in half precision, `pixels.npy` [N, 3, S, S] and
`labels.npy` [N]; the arrays are memory-mapped.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from training.data.images import LabelledImages
from zoo.errors import InputError, reason_of
from zoo.files import write_json
from zoo.outputs import Array
from zoo.package import ModelConfig

INDEX_FILE = "index.json"
INDEX_FOLDER = "index"
"""Name of the index folder inside a report's folder."""
CHUNK = 500
"""Number of images whose shares are in memory at once."""

Half = NDArray[np.float16]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Origin:
    """Provenance of an index."""

    model: str
    weights_sha256: str
    data: str
    split: str
    data_digest: str
    """Digest of pixels, labels and class names; see `training.data.images.LabelledImages.digest`."""
    classes: tuple[str, ...]

    @staticmethod
    def of(config: ModelConfig, images: LabelledImages, data: str, split: str) -> "Origin":
        return Origin(config.name, config.weights_sha256, data, split, images.digest(), images.classes)


@dataclass(frozen=True, slots=True)
class PatchIndex:
    """Index of the patches of N images."""

    folder: Path
    origin: Origin
    shares: Half
    """Assignments, [N, h, w, C + 1], `none` last."""
    pixels: NDArray[np.uint8]
    """Images, [N, 3, S, S]."""
    labels: NDArray[np.int64]
    """Class indices, [N]."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patch grid."""
        return self.shares.shape[1], self.shares.shape[2]

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self) -> Iterator[tuple[int, Array]]:
        """Index of the first image, and shares [n, h * w, C + 1] in single precision that sum to 1, of each chunk."""
        for start in range(0, len(self), CHUNK):
            part = self.shares[start : start + CHUNK].astype(np.float32)
            part = part.reshape(len(part), -1, part.shape[-1])
            yield start, part / part.sum(axis=-1, keepdims=True)

    @staticmethod
    def create(folder: Path, origin: Origin, images: LabelledImages, grid: tuple[int, int]) -> "PatchIndex":
        """Create an index, which is valid once its shares are written and `finish` is called."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX_FILE).unlink(missing_ok=True)
        np.save(folder / "pixels.npy", images.images.numpy())
        np.save(folder / "labels.npy", images.labels.numpy())
        shape = (len(images.labels), *grid, len(images.classes) + 1)
        shares = open_memmap(folder / "shares.npy", mode="w+", dtype=np.float16, shape=shape)
        return PatchIndex(folder, origin, shares, *_load_images(folder))

    def finish(self) -> None:
        assert isinstance(self.shares, np.memmap)
        self.shares.flush()
        write_json(self.folder / INDEX_FILE, asdict(self.origin))

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / INDEX_FILE).is_file()

    @staticmethod
    def open(folder: Path, config: ModelConfig, data_digest: str | None = None) -> "PatchIndex":
        """Open an index of a model's patches.

        Arguments:
            folder: folder of the index.
            config: configuration of the model.
            data_digest: digest of the images to search; None for any.

        Raises:
            InputError: there is no complete index, or it was created from other weights or images.
        """
        remedy = f"remove {folder}, and run the command again with --data to create a new one"
        try:
            origin = _adapter.validate_json((folder / INDEX_FILE).read_bytes())
            shares = np.load(folder / "shares.npy", mmap_mode="r")
            index = PatchIndex(folder, origin, shares, *_load_images(folder))
        except (OSError, ValueError, ValidationError) as error:
            raise InputError(f"{folder} is not a patch index ({reason_of(error).splitlines()[0]}); {remedy}") from None
        _require_same("weights", origin.weights_sha256, config.weights_sha256, folder, remedy)
        if data_digest is not None:
            _require_same("images", origin.data_digest, data_digest, folder, remedy)
        return index


def report_folder(variant: str, data: str, split: str) -> Path:
    """Default folder for the report of `zoo semantics`, which contains the index for `zoo similar`."""
    return Path("runs") / "semantics" / f"{variant}.{data}.{split}"


def _load_images(folder: Path) -> tuple[Any, Any]:
    return np.load(folder / "pixels.npy", mmap_mode="r"), np.load(folder / "labels.npy")


def _require_same(what: str, has: str, wanted: str, folder: Path, remedy: str) -> None:
    if has != wanted:
        raise InputError(
            f"{folder} is stale: it was created from other {what} (digest {has[:16]}, now {wanted[:16]}); {remedy}"
        )


_adapter = TypeAdapter(Origin)
