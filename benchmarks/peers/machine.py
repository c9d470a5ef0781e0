"""The machine of a measurement: its load, its limits, and versions of packages.

python benchmarks/peers/machine.py DEVICE
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from zoo.machine import cores, processor

PACKAGES = ("torch", "onnx", "onnxruntime", "openvino", "timm", "numpy")


def describe(device: str, threads: int) -> dict[str, Any]:
    """Current state of the machine, as JSON."""
    graphics: dict[str, Any] = {}
    if device.startswith("cuda"):
        graphics = {"gpu": describe_gpu(device)}
        device = graphics["gpu"]["name"]
    distributions = packages_distributions()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": cores(),
        "threads": threads,
        "device": device,
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version()}
        | {name: version(distributions[name][0]) for name in PACKAGES if name in distributions},
    } | graphics


def describe_gpu(device: str) -> dict[str, Any]:
    """Name, memory and driver of a GPU, and versions of the libraries that PyTorch and ONNX Runtime compute with."""
    import torch

    found = torch.cuda.get_device_properties(device)
    libraries = {"CUDA of PyTorch": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
    with suppress(ImportError):
        from onnxruntime.capi.build_and_package_info import cuda_version

        libraries["CUDA of ONNX Runtime"] = cuda_version
    return {
        "name": found.name,
        "memory": found.total_memory,
        "capability": f"{found.major}.{found.minor}",
        "driver": _driver(),
        "libraries": libraries,
    }


def _driver() -> str | None:
    """Version of the NVIDIA driver; None if it cannot be found."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    return None


def measure_roofline(device: str, threads: int) -> dict[str, Any]:
    """Run `roofline.py` in a separate process, so that its threads and memory do not disturb measurements.

    Raises:
        SystemExit: it failed.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("roofline.py")), device],
        env=os.environ | dict.fromkeys(names, str(threads)),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"roofline.py failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@dataclass(frozen=True, slots=True)
class Roofline:
    """Limits of the machine, as the best of several measurements."""

    multiply_adds_per_second: dict[str, float]
    """Multiply-adds per second of the fastest matrix product, by precision, including `fp32`."""
    bytes_per_second: float
    """Bytes per second read and written by the fastest copy."""

    @staticmethod
    def best(measured: Iterable[dict[str, Any]]) -> "Roofline":
        """Best of several results of `measure_roofline`."""
        peaks: dict[str, float] = {}
        copies = []
        for one in measured:
            copies.append(one["bytes_per_second"])
            for precision, libraries in one["multiply_adds_per_second"].items():
                fastest = max(max(speeds.values()) for speeds in libraries.values())
                peaks[precision] = max(peaks.get(precision, 0), fastest)
        return Roofline(peaks, max(copies))

    def limit(self, precision: str, intensity: float) -> float:
        """Upper bound on multiply-adds per second; that of fp32 if the precision was not measured.

        Arguments:
            precision: precision of the computation.
            intensity: multiply-adds per byte of minimal memory traffic.
        """
        peaks = self.multiply_adds_per_second
        return min(peaks.get(precision, peaks["fp32"]), intensity * self.bytes_per_second)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1], cores()), indent=2))
