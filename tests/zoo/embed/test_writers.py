from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from zoo.embed.writers import ROWS, writing_npy, writing_parquet

IDENTITY = {"name": "wrn16.pets"}


@pytest.mark.parametrize("batches", [[1], [64, 64, 1], [ROWS, 10]])
def test_every_row_is_written_once(batches: list[int], tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(sum(batches), 3)).astype(np.float32)
    paths = [f"{index}.png" for index in range(len(vectors))]
    for writing, name in ((writing_npy, "v.npy"), (writing_parquet, "v.parquet")):
        with writing(tmp_path / name, IDENTITY) as writer:
            start = 0
            for size in batches:
                writer.write(paths[start : start + size], vectors[start : start + size])
                start += size
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), vectors, strict=True)
    assert (tmp_path / "v.paths.txt").read_text().splitlines() == paths
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    assert table["path"].to_pylist() == paths
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), vectors)


def test_lines_are_those_of_the_rows_whatever_the_names(tmp_path: Path) -> None:
    names = ["a\nb.png", "c\u2028d.png", "ö.png", "\udcff.png"]
    vectors = np.zeros((4, 2), np.float32)
    for writing, name in ((writing_npy, "v.npy"), (writing_parquet, "v.parquet")):
        with writing(tmp_path / name, IDENTITY) as writer:
            writer.write(names, vectors)
    lines = (tmp_path / "v.paths.txt").read_text(errors="surrogateescape").splitlines()
    assert lines == ["a?b.png", "c?d.png", "ö.png", "\udcff.png"]
    found = pyarrow.parquet.read_table(tmp_path / "v.parquet")["path"].to_pylist()
    assert found == ["a\nb.png", "c\u2028d.png", "ö.png", "\\xff.png"]


@pytest.mark.parametrize(("writing", "name"), [(writing_npy, "v.npy"), (writing_parquet, "v.parquet")])
def test_after_an_error_there_is_no_file(writing, name: str, tmp_path: Path) -> None:
    with suppress(RuntimeError), writing(tmp_path / name, IDENTITY) as writer:
        writer.write(["a.png"], np.zeros((1, 2), np.float32))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
