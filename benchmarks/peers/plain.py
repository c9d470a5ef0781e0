"""A typical training loop with PyTorch and torchvision: `DataLoader` workers and a transform per image.

The images are held in memory, as by `torchvision.datasets.CIFAR10`. They are converted to tensors before cropping,
which is faster, and passed to the network as uint8, since it normalises them. Network, loss, precision and memory
format are ours.
"""

import sys

import torch
from PIL import Image
from task import Clock, Images, Task
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from zoo.networks.load import create
from zoo.networks.network import Semantics

PATCH_WEIGHT = 0.25


class Images(Dataset[tuple[Tensor, int]]):
    """Augmented images with their labels."""

    def __init__(self, images: Images, size: int) -> None:
        self.pixels = images.pixels.permute(0, 2, 3, 1).numpy()
        self.labels = images.labels.tolist()
        crop = v2.RandomCrop(size, padding=size // 8, padding_mode="reflect")
        self.transform = v2.Compose([v2.ToImage(), crop, v2.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def loss_of(semantics: Semantics, labels: Tensor) -> Tensor:
    """The paper's loss."""
    loss = F.cross_entropy(semantics.logits.float(), labels)
    if semantics.source == "class activation map":
        return loss
    patch_logits = semantics.patch_logits.float()
    patch_labels = labels[:, None, None].expand(-1, *patch_logits.shape[2:])
    return (1 - PATCH_WEIGHT) * loss + PATCH_WEIGHT * F.cross_entropy(patch_logits, patch_labels)


def main(task: Task) -> None:
    images, device = task.images(), torch.device(task.device)
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    network = create(task.variant, num_classes=len(images.classes))
    network = network.to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.15, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.15, total_steps=task.last_step + 1)
    loader = DataLoader(
        Images(images, task.size),
        batch_size=task.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=task.workers,
        persistent_workers=task.workers > 0,
        pin_memory=on_gpu,
    )
    clock = Clock(task)
    for pixels, labels in loader:
        pixels = pixels.to(device, non_blocking=True, memory_format=torch.channels_last)
        labels = labels.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, task.precision == "bf16"):
            semantics = network.semantics(pixels)
        loss = loss_of(semantics, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
        optimizer.step()
        scheduler.step()
        clock.step()
        if clock.steps == task.last_step:
            break
    clock.report()


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
