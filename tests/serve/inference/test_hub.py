"""The way of a model to others: published, and served and loaded where nothing of it is."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx2
import pytest
import torch
from support.fresh import run_python
from support.fresh import run_zoo as run_zoo_alone
from support.loopback_hub import Hub
from support.process import serving

import zoo
from zoo.hub import open_model

pytestmark = [pytest.mark.process, pytest.mark.slow]

NAME = "wrn16-ours.cifar10"

LOGITS = """
import hashlib, sys, torch, zoo
pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
with torch.inference_mode():
    answer = zoo.load(sys.argv[1]).semantics(pixels)
print(hashlib.sha256(b"".join(part.numpy().tobytes() for part in answer[:3])).hexdigest())
"""


def logits_digest(reference: str) -> str:
    """As `LOGITS` prints it."""
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answer = zoo.load(reference).semantics(pixels)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in answer[:3])).hexdigest()


def test_a_published_model_answers_elsewhere_as_here(
    hub: Hub, tmp_path: Path, photo_file: Path, run_zoo: Callable[..., CompletedProcess[str]]
) -> None:
    local = f"local-dir:{shutil.copytree(open_model(NAME).path, tmp_path / 'model')}"
    publisher = hub.environment(tmp_path / "publisher", hub.token("acme"))
    ended = run_zoo_alone(publisher, "publish", local, "--to", "acme", "--private")
    assert ended.returncode == 0, ended.stderr
    reference = f"hf-hub:acme/{NAME}@{hub.repositories[f'acme/{NAME}'].refs['main']}"

    token = hub.token("acme", "read")
    assert run_python(hub.environment(tmp_path / "loader", token), LOGITS, reference).strip() == logits_digest(local)

    flags = ("--model", reference, "--precision", "int8", "--device", "cpu")
    # The storage's requests from here on are the server's.
    hub.log.clear()
    with serving(*flags, **hub.environment(tmp_path / "server", token)) as (_, url):
        served = httpx2.post(f"{url}/classify?top_k=10", files={"file": photo_file.read_bytes()}).json()
    fetched = {entry.path.rpartition("/")[2] for entry in hub.asked("download")}
    assert fetched == {"model.int8.onnx"}
    with serving("--model", local, *flags[2:]) as (_, url):
        expected = httpx2.post(f"{url}/classify?top_k=10", files={"file": photo_file.read_bytes()}).json()
    assert served["model"] == expected["model"]
    assert served["results"][0]["classes"] == expected["results"][0]["classes"]

    user = hub.environment(tmp_path / "user", token)
    here, there = (
        run_zoo_alone(user, "classify", photo_file, "--model", one, "--json", "--top-k", 10)
        for one in (local, reference)
    )
    assert json.loads(there.stdout) == json.loads(here.stdout)
