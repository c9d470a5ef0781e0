"""Replay the Dockerfile without Docker: run its steps in a clean Debian root, start the server there and query it.

    sudo .venv/bin/python deploy/replay_dockerfile.py                 # the image for the CPU
    sudo .venv/bin/python deploy/replay_dockerfile.py --target cuda
    sudo .venv/bin/python deploy/replay_dockerfile.py -e ZOO_MODEL=hf-hub:ORG/NAME

Needs root, `debootstrap`, `chroot`, `unshare` and `mount`, and a network for Debian's and Python's packages. Instead of
the image python:3.13-slim, it uses the Debian suite on which that image is based, with Debian's own Python of the same
version.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import Request, urlopen

from replay.build import Build, Image
from replay.container import running
from replay.context import copy_context
from replay.instructions import Stage, needed, read_stages
from replay.root import Root
from replay.sizes import folder_sizes, print_sizes

SOURCE = Path(__file__).resolve().parents[1]
IMAGE = SOURCE / "tests/data/cat.jpg"
PATIENCE = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cpu", help="stage to build (default: cpu)")
    parser.add_argument("--suite", default="trixie", help="Debian suite (default: trixie)")
    parser.add_argument("--mirror", help="Debian mirror (default: debootstrap's)")
    parser.add_argument(
        "-e",
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="environment variable of the server, as for docker run",
    )
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        image = replay(options.folder, options.target, options.suite, options.mirror)
        try_server(image, dict(word.split("=", 1) for word in options.env))
        return
    if os.geteuid():
        raise SystemExit("changing the root directory and mounting need privileges: run this as root")
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        # Mounts are visible only in that namespace, so the folder can always be removed here.
        alone = ["unshare", "--mount", "--propagation", "private"]
        ended = subprocess.run([*alone, sys.executable, *sys.argv, "--folder", folder], check=False)
    sys.exit(ended.returncode)


def replay(folder: Path, target: str, suite: str, mirror: str | None) -> Image:
    """Build a stage in a folder."""
    stages = needed(read_stages(SOURCE / "Dockerfile"), target)
    context = folder / "context"
    copy_context(SOURCE, context)
    base = Root.bootstrap(folder / "base", suite, mirror)
    check_python(base, stages)
    build = Build(folder, context, base)
    image = [build.replay(stage) for stage in stages][-1]
    report_sizes(base, image)
    return image


def check_python(base: Root, stages: list[Stage]) -> None:
    """Check that the base has the Python of the Dockerfile's images, except for the patch version."""
    [python] = (base.path / "usr/bin").glob("python3.[0-9]*[0-9]")
    for stage in stages:
        if wanted := re.fullmatch(r"python:([\d.]+)-slim", stage.base):
            if python.name != f"python{wanted[1]}":
                raise SystemExit(f"the Dockerfile is for {stage.base}, but this Debian suite has {python.name}")
            print(f"instead of {stage.base}: Debian with its own {python.name}")


def report_sizes(base: Root, image: Image) -> None:
    """Print the size that the Dockerfile adds to its base image, and the largest parts."""
    added = folder_sizes(image.root.path, 1) - folder_sizes(base.path, 1)
    print_sizes("added to the base image", added)
    [packages] = image.root.path.glob("venv/lib/python3*/site-packages")
    print_sizes("of which Python packages", folder_sizes(packages, 1), least=5)


def try_server(image: Image, variables: Mapping[str, str]) -> None:
    """Start the server, query it, and stop it as Docker does."""
    port = free_port()
    with running(image, {**variables, "ZOO_PORT": str(port)}) as server:
        seconds = server.wait_until_healthy(PATIENCE)
        print(f"healthy after {seconds:.1f} s, as user {user_of(server.pid)}, with a read-only root")
        ask(f"http://127.0.0.1:{port}")
        begin = time.monotonic()
        status = server.stop(signal.SIGTERM, PATIENCE)
        print(f"SIGTERM to process 1: exit status {status} after {time.monotonic() - begin:.1f} s")
    if status:
        raise SystemExit("the server did not stop cleanly")


def ask(url: str) -> None:
    """Query readiness and classify an image."""
    with urlopen(f"{url}/readyz") as answer:
        print(f"GET /readyz: {answer.status} {answer.read().decode().strip()}")
    request = Request(f"{url}/classify?top_k=2", IMAGE.read_bytes(), {"Content-Type": "image/jpeg"})
    with urlopen(request) as answer:
        answered = json.load(answer)
    classes = answered["results"][0]["classes"]
    print(f"POST /classify {IMAGE.name}: {answered['model']['name']}: {classes}")
    if classes[0]["label"] != "cat":
        raise SystemExit("wrong class: expected cat")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def user_of(process: int) -> int:
    return os.stat(f"/proc/{process}").st_uid


if __name__ == "__main__":
    main()
