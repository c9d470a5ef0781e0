"""Copy the models of `weights/` into a folder, and add the ONNX files that are too large for the repository.

Exporting is deterministic: the files match `parity.json`, or publishing refuses them. A model whose network ignores its
semantic block is refused.

    python deploy/complete_models.py FOLDER
"""

import shutil
import sys
from pathlib import Path

from export.onnx_file import export_onnx
from zoo.package import ONNX_FILES, Package
from zoo.package.probe import require_used_block

SOURCE = Path(__file__).resolve().parents[1] / "weights"


def complete(folder: Path) -> None:
    """Recreate the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCE, folder)
    for path in sorted(folder.iterdir()):
        package = Package.open(path)
        require_used_block(package)
        if not package.onnx():
            print(f"exporting {package.config.name}", flush=True)
            export_onnx(package, path / ONNX_FILES["fp32"])


if __name__ == "__main__":
    complete(Path(sys.argv[1]))
