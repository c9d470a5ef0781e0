"""Train a network of the zoo in a loop of your own, on a folder of your own images, and save it for the server.

The folder has one sub-folder of images per class. Everything but `zoo.*` is plain PyTorch and torchvision.

To run it:

    pip install 'template-zoo[train,export,serve]'
    python examples/own_loop.py my-images models/mine
    zoo serve --model local-dir:models/mine
"""

import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

import zoo
from export.onnx_file import export_onnx
from zoo.package import ONNX_FILES


def main(folder: str, output: str, epochs: str = "10") -> None:
    if Path(output).exists():
        raise SystemExit(f"{output} exists; choose another folder, or remove it first")
    model = zoo.load("wrn16-ours", pretrained=True)
    images = ImageFolder(folder, transform=zoo.transform(model, train=True), loader=zoo.read_image)
    model.reset_classifier(len(images.classes))

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for epoch in range(int(epochs)):
        for pixels, labels in DataLoader(images, batch_size=32, shuffle=True):
            answer = model.semantics(pixels)
            # The label of the image supervises the image, and each of its patches.
            patch_labels = labels[:, None, None].expand(-1, *answer.patch_logits.shape[2:])
            loss = 0.75 * cross_entropy(answer.logits, labels) + 0.25 * cross_entropy(answer.patch_logits, patch_labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f} in the last batch")

    # `zoo export local-dir:models/mine` does the same as the second line.
    package = zoo.save(model, output, classes=images.classes, data="my-images")
    export_onnx(package, package.path / ONNX_FILES["fp32"])
    print(f"zoo serve --model local-dir:{package.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
