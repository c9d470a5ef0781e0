"""Where named data sets lie: in a folder of one's own, or in the cache of downloads."""

import os
from pathlib import Path

from zoo.errors import InputError
from zoo.files import expand_path
from zoo.registry import DATA_SETS

DATA_VARIABLE = "ZOO_DATA"
"""Environment variable with the folder whose sub-folders are data sets by name, such as `cifar10`."""


def own_folder(name: str) -> Path | None:
    """Folder of a data set in the folder `ZOO_DATA`; None if there is none of this name.

    Raises:
        InputError: `ZOO_DATA` is not a folder.
    """
    if not (text := os.environ.get(DATA_VARIABLE)) or Path(name).name != name:
        return None
    folder = expand_path(text)
    if not folder.is_dir():
        raise InputError(f"{DATA_VARIABLE} = {text}: not a folder; set it to the folder of your data sets, or unset it")
    return folder / name if (folder / name).is_dir() else None


def cached_folder(name: str) -> Path | None:
    """Folder in the cache of downloads with a data set of `DATA_SETS`; None if it has not been downloaded."""
    import datasets

    folder = Path(datasets.config.HF_DATASETS_CACHE) / DATA_SETS[name].replace("/", "___")
    return folder if any(folder.rglob("*.arrow")) else None
