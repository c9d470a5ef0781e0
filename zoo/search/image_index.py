"""Index of images on disk: their vectors, names and thumbnails, with the digest of the model. No torch.

A folder with

index.json       `Header`: format version, model, digest of its weights, shape
vectors.npy      [N, D] embeddings in single precision, or [N, h, w, C + 1] patches in half precision; of length 1
labels.npy       [N] class of each image, -1 where it has none
names.json       names of the images: their paths, or `test/00042` in a data set
thumbnails.bin   WebP files, one after another
thumbnails.npy   [N + 1] where each of them begins and ends

The arrays are memory-mapped. The folder appears when it is complete.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from zoo.errors import ImageIndexError, reading_problem, reason_of
from zoo.files import invalid_fields
from zoo.images.decode import decode
from zoo.package import ModelConfig

HEADER_FILE = "index.json"
VECTORS_FILE, LABELS_FILE, NAMES_FILE = "vectors.npy", "labels.npy", "names.json"
THUMBNAILS_FILE, OFFSETS_FILE = "thumbnails.bin", "thumbnails.npy"

FORMAT_VERSION = 1

Kind = Literal["images", "patches"]
"""What has a vector: each image, its embedding, or each patch, the square roots of its assignment."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Header:
    """Identity of an index."""

    kind: Kind
    model: str
    """Name of the model, `variant.data`."""
    weights_sha256: str
    source: str
    """What was indexed, for people."""
    shape: tuple[int, ...]
    """Of the vectors: N images, perhaps rows and columns of the patch grid, and dimension."""
    classes: tuple[str, ...]
    """Names of the classes of the labels."""
    format_version: int = FORMAT_VERSION

    @property
    def dtype(self) -> type[np.float32 | np.float16]:
        """Type of the vectors: half precision would save memory for embeddings, too, but NumPy multiplies it slowly."""
        return np.float32 if self.kind == "images" else np.float16


@dataclass(frozen=True)
class ImageIndex:
    """Index of N images."""

    folder: Path
    header: Header
    vectors: NDArray[Any]
    """[N, D] or [N, h, w, D], of length 1."""
    labels: NDArray[np.int64]
    """[N], indices of `header.classes`, -1 where an image has none."""
    names: tuple[str, ...]
    offsets: NDArray[np.int64]
    """[N + 1]"""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patch grid, for an index of patches."""
        _, rows, columns, _ = self.header.shape
        return rows, columns

    def label(self, image: int) -> str | None:
        """Class of an image, None where it has none."""
        number = int(self.labels[image])
        return None if number < 0 else self.header.classes[number]

    def thumbnail(self, image: int) -> bytes:
        """Thumbnail of an image, as a WebP file."""
        start, end = self.offsets[image : image + 2].tolist()
        return self._thumbnails[start:end].tobytes()

    def small(self, image: int) -> Image.Image:
        """Thumbnail of an image, decoded."""
        return decode(self.thumbnail(image))

    @cached_property
    def _thumbnails(self) -> NDArray[np.uint8]:
        return np.memmap(self.folder / THUMBNAILS_FILE, np.uint8, "r")

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / HEADER_FILE).is_file()

    @staticmethod
    def open(folder: Path, config: ModelConfig | None = None, kind: Kind | None = None) -> "ImageIndex":
        """Open an index.

        Arguments:
            folder: its folder.
            config: configuration of the model that it must be of; None for any.
            kind: what must have a vector; None for either.

        Raises:
            ImageIndexError: there is none, it is incomplete or damaged, of another version, or of another model.
        """
        header = read_header(folder)
        if config is not None and header.weights_sha256 != config.weights_sha256:
            raise ImageIndexError(
                f"{folder} is an index of another model: of {header.model} with weights of SHA-256 "
                f"{header.weights_sha256[:16]}, not of {config.name} with {config.weights_sha256[:16]}; choose the "
                "model that it was made with, or make it again with `zoo index`"
            )
        if kind is not None and header.kind != kind:
            remedy = "`zoo index --patches` makes one" if kind == "patches" else "`zoo index` makes one"
            raise ImageIndexError(f"{folder} is an index of {header.kind}, not of {kind}; {remedy}")
        try:
            index = _load(folder, header)
            problem = _problem(index)
        except PermissionError as error:
            raise ImageIndexError(reading_problem(error.filename or folder, error)) from None
        except (OSError, ValueError) as error:
            problem = reason_of(error, "").splitlines()[0]
        if problem:
            raise ImageIndexError(f"{folder} is damaged ({problem}); make it again with `zoo index`")
        return index


def read_header(folder: Path) -> Header:
    """Header of an index; raises as `ImageIndex.open`."""
    try:
        content = (folder / HEADER_FILE).read_bytes()
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise ImageIndexError(reading_problem(folder / HEADER_FILE, error)) from None
        raise ImageIndexError(
            f"there is no index in {folder} ({HEADER_FILE}: {reason_of(error, '')}); make one with `zoo index`"
        ) from None
    try:
        version = _object_adapter.validate_json(content).get("format_version")
        if version != FORMAT_VERSION:
            raise ImageIndexError(
                f"{folder} is an index of format version {version}; this version of template-zoo reads "
                f"{FORMAT_VERSION}: make it again with `zoo index`"
            )
        return _header_adapter.validate_json(content)
    except ValidationError as error:
        raise ImageIndexError(
            f"{folder} is not an index ({HEADER_FILE}: {invalid_fields(error)[0]}); make one with `zoo index`"
        ) from None


def _load(folder: Path, header: Header) -> ImageIndex:
    names = json.loads((folder / NAMES_FILE).read_bytes())
    return ImageIndex(
        folder,
        header,
        np.load(folder / VECTORS_FILE, mmap_mode="r"),
        np.load(folder / LABELS_FILE),
        tuple(map(str, names)) if isinstance(names, list) else (),
        np.load(folder / OFFSETS_FILE),
    )


def _problem(index: ImageIndex) -> str:
    """What of the files does not fit the header or each other; empty if all is well."""
    count = index.header.shape[0]
    size = (index.folder / THUMBNAILS_FILE).stat().st_size
    for file, fits in (
        (VECTORS_FILE, index.vectors.shape == index.header.shape and index.vectors.dtype == index.header.dtype),
        (LABELS_FILE, index.labels.shape == (count,) and index.labels.dtype == np.int64),
        (LABELS_FILE, bool((index.labels < len(index.header.classes)).all())),
        (NAMES_FILE, len(index.names) == count),
        (OFFSETS_FILE, index.offsets.shape == (count + 1,) and bool((np.diff(index.offsets) > 0).all())),
        (THUMBNAILS_FILE, size == index.offsets[-1:].sum()),
    ):
        if not fits:
            return f"{file} does not fit {HEADER_FILE}, which has {count} images"
    return ""


_header_adapter = TypeAdapter(Header)
_object_adapter = TypeAdapter(dict[str, Any])
