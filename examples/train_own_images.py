"""Train on a folder of your own images, export the model to ONNX and check the file against PyTorch.

The folder has one sub-folder of images per class. The shell commands that do the same are in the README.

To run it:

    pip install 'template-zoo[train,export]'
    python examples/train_own_images.py my-images runs/my-images
"""

import sys
from dataclasses import replace
from pathlib import Path

from export.images import read_folder_pixels
from export.onnx_file import export_onnx
from export.verify import verify
from training import recipes
from training.job import Job, run_job
from zoo.package import ONNX_FILES


def main(images: str, run: str, epochs: str = "20") -> None:
    job = Job(
        variant="wrn16-ours",
        source=images,
        recipe=replace(recipes.get("finetune"), epochs=int(epochs), input_size=32),
        recipe_name="finetune",
        run=Path(run),
        out=Path(run) / "model",
    )
    package = run_job(job, print)  # resumes if it was interrupted

    export_onnx(package, package.path / ONNX_FILES["fp32"])
    pixels = read_folder_pixels(Path(images), package.config.input_size, limit=200)
    parity = verify(package, pixels)  # raises ParityError if the two differ by more than rounding
    print(f"ONNX and PyTorch differ by at most {parity.max_abs_error['logits']:.1e} in {parity.images} images")
    print(f"serve it: zoo serve --model local-dir:{package.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
