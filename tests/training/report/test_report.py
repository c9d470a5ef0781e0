import builtins
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from support.measured import measured_of

from training.report import HISTORY_FIGURE, MATRIX_FIGURE, SHEET, write_report
from training.report.measured import Measured
from zoo.errors import InputError

pytestmark = pytest.mark.slow

FILES = {"classes.csv", "confusion.csv", "confusion.svg", "epochs.svg", "mistakes.csv", "mistakes.png"}


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_all_files_are_written_and_named(measured: Measured, tmp_path: Path) -> None:
    said: list[str] = []
    write_report(tmp_path / "a" / "b", measured, said.append)
    assert names(tmp_path / "a" / "b") == FILES
    assert all(name in said[0] for name in FILES)
    with Image.open(tmp_path / "a" / "b" / SHEET) as sheet:
        assert sheet.format == "PNG"


def test_an_earlier_report_is_replaced(measured: Measured, tmp_path: Path) -> None:
    """Also where there are no mistakes any more; other files stay."""
    (tmp_path / "notes").touch()
    write_report(tmp_path, measured, print)
    write_report(tmp_path, measured_of([0, 1], [0, 1]), print)
    assert names(tmp_path) == FILES - {SHEET} | {"notes"}


def test_without_matplotlib_there_are_no_figures(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def fail(name: str, *arguments: object) -> ModuleType:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return imported(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", fail)
    said: list[str] = []
    write_report(tmp_path, measured, said.append)
    assert names(tmp_path) == FILES - {MATRIX_FIGURE, HISTORY_FIGURE}
    assert "needs matplotlib: pip install 'template-zoo[train]'" in said[0]


def test_a_folder_that_cannot_be_written(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write the report into .*file"):
        write_report(tmp_path / "file", measured, print)
