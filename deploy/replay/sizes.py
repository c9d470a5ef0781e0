"""How large the folders of a root are."""

import os
from collections import Counter
from pathlib import Path

MEGABYTE = 1e6


def folder_sizes(root: Path, depth: int) -> Counter[str]:
    """Bytes of the files in each folder so many levels below a root; a file with several names counts once."""
    sizes: Counter[str] = Counter()
    seen = set()
    for folder, _, files in os.walk(root):
        parts = Path(folder).relative_to(root).parts[:depth]
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                sizes["/" + "/".join(parts)] += status.st_size
    return sizes


def print_sizes(title: str, sizes: Counter[str], least: float = 1.0) -> None:
    """A table of those that have at least so many MB, the largest first."""
    print(f"{title}: {sizes.total() / MEGABYTE:.1f} MB")
    for name, size in sizes.most_common():
        if size >= least * MEGABYTE:
            print(f"  {size / MEGABYTE:8.1f} MB  {name}")
