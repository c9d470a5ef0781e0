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
DEFAULT = "ours"
"""Our server with the precision that it chooses itself."""
PRECISIONS: Mapping[Device, tuple[Precision, ...]] = {"cpu": ("fp32", "int8"), "cuda": ("fp32", "fp16")}
"""Precisions of our server, by device; the first is the reference."""
PACKAGES = (
    "bentoml",
    "fastapi",
    "httptools",
    "litserve",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "pillow",
    "starlette",
    "uvicorn",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A server."""

    name: str
    command: tuple[str, ...]
    """Command, as for `peers.server_process.Server`."""
    precision: Precision | None = "fp32"
    """Precision of the file that it computes; None if it chooses itself."""
    raw: bool = False
    """Whether the body is the image itself instead of a form."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""


def our_server(model: str, precision: Precision | None, device: Device) -> Contender:
    """`zoo serve` with default settings, except for the precision if it is given."""
    options = ("--model", model, "--device", device, "--port", "{port}")
    name = f"{DEFAULT} {precision}" if precision else DEFAULT
    own = ("--precision", precision) if precision else ()
    return Contender(name, (sys.executable, "-m", "zoo", "serve", *options, *own), precision)


def contenders(model: str, peer_python: str, device: Device) -> dict[str, Contender]:
    """All servers by name, the reference first.

    Arguments:
        model: model, as for `zoo serve`.
        peer_python: interpreter with the peers' packages.
        device: device to compute on.
    """
    ours, *lower = (our_server(model, precision, device) for precision in PRECISIONS[device])
    bentoml = ("serve", "with_bentoml:Server", "--working-dir", str(SERVERS), "--host", "127.0.0.1")
    uvicorn = (peer_python, "-m", "uvicorn", "--app-dir", str(SERVERS), "--log-level", "warning", "--port", "{port}")
    process_per_core = ("--workers", str(cores()))
    every = (
        ours,
        our_server(model, None, device),
        replace(ours, name="ours fp32, raw body", raw=True),
        *lower,
        Contender("LitServe", (peer_python, str(SERVERS / "with_litserve.py"), "{port}")),
        Contender("BentoML", (peer_python, "-m", "bentoml", *bentoml, "--port", "{port}")),
        Contender("FastAPI", (*uvicorn, "with_fastapi:app")),
        Contender(
            "FastAPI, one process per core",
            (*uvicorn, "with_fastapi:app", *process_per_core),
            environment={"THREADS": "1"},
        ),
        *(
            Contender(
                f"FastAPI, tuned, {precision}",
                (*uvicorn, "with_tuned_fastapi:app", *process_per_core, "--loop", "uvloop", "--http", "httptools"),
                precision,
            )
            for precision in PRECISIONS[device]
        ),
    )
    return {contender.name: contender for contender in every}


def environment(contender: Contender, package: Package, folder: Path, device: Device) -> dict[str, str]:
    """Environment variables of a server, its own among them; see `servers/classifier.py`."""
    return {
        **contender.environment,
        "MODEL": str(package.onnx(contender.precision or "fp32")),
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
