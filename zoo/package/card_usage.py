"""The part of a model card that says how to use the model: in Python, with ONNX Runtime alone, over HTTP."""

from zoo.package import Package
from zoo.registry import info
from zoo.runtime import Precision


def usage_section(package: Package, repository: str | None) -> str:
    """Examples for a repository `ORG/NAME` on the Hub, or for a local directory."""
    reference = f"hf-hub:{repository}" if repository else "local-dir:PATH"
    parts = [_python(package, reference)]
    if package.precisions:
        parts += [_onnx(package, repository), _server(package, reference)]
    return "\n".join(parts)


def _python(package: Package, reference: str) -> str:
    size, classes = package.config.input_size, len(package.config.classes)
    assignment = (
        f"answer.assignment  # [1, {classes + 1}, h, w]: shares of the classes and, last, of none\n"
        if info(package.config.variant).has_block
        else ""
    )
    return f"""## Use

In Python (`pip install 'template-zoo[torch]'`):

```python
import zoo

model = zoo.load("{reference}")
pixels = model.pixels("photo.jpg")  # [1, 3, {size}, {size}], uint8
answer = model.semantics(pixels)
print(model.config.classes[answer.logits.argmax()])
answer.patch_logits  # [1, {classes}, h, w]: how much each patch looks like each class
{assignment}```
"""


def _onnx(package: Package, repository: str | None) -> str:
    size, classes = package.config.input_size, len(package.config.classes)
    file = package.onnx(package.precisions[0])
    assert file
    path = f'hf_hub_download("{repository}", "{file.name}")' if repository else f'"PATH/{file.name}"'
    imported = "from huggingface_hub import hf_hub_download\n" if repository else ""
    return f"""With ONNX Runtime and nothing of the zoo (`pip install onnxruntime pillow huggingface_hub`), as the \
network normalises its pixels itself:

```python
import json

import numpy as np
import onnxruntime
{imported}from PIL import Image, ImageOps

upright = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")  # not for transparency: lay that over white
picture = ImageOps.fit(upright, ({size}, {size}), Image.Resampling.BICUBIC)
pixels = np.asarray(picture).transpose(2, 0, 1)[None]  # [N, 3, {size}, {size}], uint8
session = onnxruntime.InferenceSession({path})
[logits] = session.run(["logits"], {{"image": pixels}})  # [N, {classes}]; there are patch_logits, too
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print(classes[logits[0].argmax()])
```
"""


def _server(package: Package, reference: str) -> str:
    precisions: tuple[Precision, ...] = package.precisions
    option = "" if "fp32" in precisions else f" --precision {precisions[0]}"
    return f"""As a server (`pip install 'template-zoo[serve]'`):

```sh
zoo serve --model {reference}{option}
curl -F file=@photo.jpg localhost:8000/classify
curl -F file=@photo.jpg -H 'Accept: image/png' localhost:8000/patch-semantics -o map.png
```
"""
