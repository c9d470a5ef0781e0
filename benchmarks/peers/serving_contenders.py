"""Servers compared by benchmarks/serving.py, with their commands."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.machine import cores
from zoo.package import Package
from zoo.runtime import Device, Precision

SERVERS = Path(__file__).with_name("servers")
OURS = "ours fp32"
"""Reference with which the others are compared."""
PRECISIONS: Mapping[Device, tuple[Precision, ...]] = {"cpu": ("fp32", "int8"), "cuda": ("fp32", "fp16")}
"""Precisions of our server, by device; the first is the reference."""
PACKAGES = (
    "bentoml",
    "fastapi",
    "litserve",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "pillow",
    "starlette",
    "uvicorn",
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A server."""

    name: str
    command: tuple[str, ...]
    """Command, as for `peers.server_process.Server`."""
    raw: bool = False
    """Whether the body is the image itself instead of a form."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""


def our_server(model: str, precision: Precision, device: Device) -> Contender:
    """`zoo serve` with default settings."""
    options = ("--model", model, "--precision", precision, "--device", device, "--port", "{port}")
    return Contender(f"ours {precision}", (sys.executable, "-m", "zoo", "serve", *options))


def contenders(model: str, peer_python: str, device: Device) -> dict[str, Contender]:
    """All servers by name, ours first.

    Arguments:
        model: model, as for `zoo serve`.
        peer_python: interpreter with the peers' packages.
        device: device to compute on.
    """
    ours, *lower = (our_server(model, precision, device) for precision in PRECISIONS[device])
    bentoml = ("serve", "with_bentoml:Server", "--working-dir", str(SERVERS), "--host", "127.0.0.1")
    fastapi = ("with_fastapi:app", "--app-dir", str(SERVERS), "--log-level", "warning", "--port", "{port}")
    every = (
        ours,
        replace(ours, name="ours fp32, raw body", raw=True),
        *lower,
        Contender("LitServe", (peer_python, str(SERVERS / "with_litserve.py"), "{port}")),
        Contender("BentoML", (peer_python, "-m", "bentoml", *bentoml, "--port", "{port}")),
        Contender("FastAPI", (peer_python, "-m", "uvicorn", *fastapi)),
        Contender(
            "FastAPI, one process per core",
            (peer_python, "-m", "uvicorn", *fastapi, "--workers", str(cores())),
            environment={"THREADS": "1"},
        ),
    )
    return {contender.name: contender for contender in every}


def environment(package: Package, folder: Path, device: Device) -> dict[str, str]:
    """Environment variables of the peers; see `servers/classifier.py`."""
    return {
        "MODEL": str(package.onnx("fp32")),
        "CORES": str(cores()),
        "DEVICE": device,
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "true",
    }


def versions(python: str) -> Mapping[str, Any]:
    """Versions of an interpreter and its packages."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "have = {d.name.lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({'python': platform.python_version()} | {n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    done = subprocess.run([python, "-c", code, *PACKAGES], capture_output=True, text=True, check=True)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found
