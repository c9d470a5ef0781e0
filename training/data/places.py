"""Where named data sets lie: in a folder of one's own, or in the cache of downloads."""

import os
from pathlib import Path

from zoo.errors import InputError
from zoo.files import expand_path
from zoo.options import DATA_VARIABLE
from zoo.registry import DATA_SETS


def own_folder(name: str) -> Path | None:
    """Folder of a data set in the folder `ZOO_DATA`; None if there is none of this name.

    Raises:
        InputError: `ZOO_DATA` is not a folder.
    """
    return own_folders().get(name)


def own_folders() -> dict[str, Path]:
    """Folders of all data sets in the folder `ZOO_DATA`, by name.

    Raises:
        InputError: `ZOO_DATA` is not a folder.
    """
    if not (text := os.environ.get(DATA_VARIABLE)):
        return {}
    folder = expand_path(text)
    if not folder.is_dir():
        raise InputError(f"{DATA_VARIABLE} = {text}: not a folder; set it to the folder of your data sets, or unset it")
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def cached_folder(name: str) -> Path | None:
    """Folder in the cache of downloads with a data set of `DATA_SETS`; None if it has not been downloaded."""
    import datasets

    folder = Path(datasets.config.HF_DATASETS_CACHE) / DATA_SETS[name].replace("/", "___")
    return folder if any(folder.rglob("*.arrow")) else None
