"""Classify an image, and draw its semantic map over it.

To run it:

    pip install 'template-zoo[torch]'
    python examples/classify_and_map.py tests/data/cat.jpg map.png
"""

import sys

import torch

import zoo


def main(file: str, output: str) -> None:
    model = zoo.load("wrn16-ours", pretrained=True)
    classes = model.config.classes
    with torch.inference_mode():
        answer = model.semantics(model.pixels(file))

    probabilities, best = answer.logits[0].softmax(dim=0).topk(3)
    for probability, index in zip(probabilities.tolist(), best.tolist(), strict=True):
        print(f"{classes[index]}: {probability:.1%}")

    # The share of each class in each patch of the 8 x 8 grid; the last entry is `none`, the share of no class.
    shares = answer.assignment[0]
    print(f"patches that look most like a {classes[best[0]]}: {(shares.argmax(dim=0) == best[0]).sum()} of 64")

    # A Pillow image, which a notebook shows. The network sees the centre square of the image; the rest is dimmed.
    zoo.draw(answer, file).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
