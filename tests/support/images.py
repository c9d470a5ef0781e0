"""Images, folders and tables of them, made in a test."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from PIL import Image


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def coloured(number: int, width: int = 32, height: int = 32) -> bytes:
    """A PNG file of one colour, which is another for each number."""
    return encode(Image.new("RGB", (width, height), (number * 37 % 256, number * 91 % 256, number * 151 % 256)))


def write_files(root: Path, files: Mapping[str, bytes]) -> str:
    """Write files by their relative paths; a path that ends in `/` is an empty folder."""
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return str(root)


def make_rows(
    images: Sequence[bytes | None], names: tuple[str, ...] = ("no", "yes"), **columns: tuple[Any, list[Any]]
) -> datasets.Dataset:
    """A table of images with labels 0, 1, 0, 1, ..; further columns are a feature and its values, None drops one."""
    given: dict[str, Any] = {
        "image": (datasets.Image(), [image and {"bytes": image, "path": None} for image in images]),
        "label": (datasets.ClassLabel(names=list(names)), [index % 2 for index in range(len(images))]),
        **columns,
    }
    given = {name: column for name, column in given.items() if column is not None}
    features = datasets.Features({name: feature for name, (feature, _) in given.items()})
    return datasets.Dataset.from_dict({name: values for name, (_, values) in given.items()}, features=features)


def write_split(folder: Path, split: str, rows: datasets.Dataset) -> str:
    """Write a table as a split in the Hub's layout."""
    rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return str(folder)
