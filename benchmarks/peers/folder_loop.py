"""A plain loop over ONNX Runtime that classifies a folder, as a user would write it; run as a process of its own.

    python benchmarks/peers/folder_loop.py ONNX_FILE FOLDER CSV_FILE

Default options of ONNX Runtime, batches of 64 in the order of names, and the decoder of the zoo, so that the answers
are the same.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from zoo.images.decode import read_pixels

BATCH = 64


def main(model: str, folder: str, output: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    size, classes = json.loads(metadata["input_size"]), json.loads(metadata["classes"])
    files = sorted(Path(folder).iterdir())
    with open(output, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "probability"])
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            pixels = np.stack([read_pixels(file, size).pixels for file in batch])
            [logits] = session.run(["logits"], {"image": pixels})
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            for file, own in zip(batch, shares, strict=True):
                writer.writerow([file, classes[own.argmax()], f"{own.max():.6g}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
