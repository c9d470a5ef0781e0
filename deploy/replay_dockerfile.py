"""Replay the Dockerfile without Docker: carry out its steps in a clean Debian root, start the server there and ask it.

    sudo .venv/bin/python deploy/replay_dockerfile.py                 # the image for the CPU
    sudo .venv/bin/python deploy/replay_dockerfile.py --target cuda
    sudo .venv/bin/python deploy/replay_dockerfile.py -e ZOO_MODEL=hf-hub:ORG/NAME

It needs root, `debootstrap`, `chroot`, `unshare` and `mount`, and a network for Debian's and Python's packages. Instead
of the image python:3.13-slim it takes the suite of Debian that this image is made from, with Debian's own Python of the
same version.
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
    parser.add_argument("--target", default="cpu", help="the stage to make (default: cpu)")
    parser.add_argument("--suite", default="trixie", help="of Debian (default: trixie)")
    parser.add_argument("--mirror", help="of Debian (default: debootstrap's)")
    parser.add_argument(
        "-e",
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the server, as of docker run",
    )
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        image = replay(options.folder, options.target, options.suite, options.mirror)
        try_server(image, dict(word.split("=", 1) for word in options.env))
        return
    if os.geteuid():
        raise SystemExit("this changes its root and mounts: run it as root")
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        # Mounts are seen only in there: here the folder can be removed, whatever happened.
        alone = ["unshare", "--mount", "--propagation", "private"]
        ended = subprocess.run([*alone, sys.executable, *sys.argv, "--folder", folder], check=False)
    sys.exit(ended.returncode)


def replay(folder: Path, target: str, suite: str, mirror: str | None) -> Image:
    """Make a stage in a folder."""
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
    """The base has the Python that the Dockerfile's images have, but for the last number of its version."""
    [python] = (base.path / "usr/bin").glob("python3.[0-9]*[0-9]")
    for stage in stages:
        if wanted := re.fullmatch(r"python:([\d.]+)-slim", stage.base):
            if python.name != f"python{wanted[1]}":
                raise SystemExit(f"the Dockerfile is for {stage.base}, and this suite of Debian has {python.name}")
            print(f"instead of {stage.base}: Debian with its own {python.name}")


def report_sizes(base: Root, image: Image) -> None:
    """Print what the Dockerfile adds to its base image, and what of it is largest."""
    added = folder_sizes(image.root.path, 1) - folder_sizes(base.path, 1)
    print_sizes("added to the base image", added)
    [packages] = image.root.path.glob("venv/lib/python3*/site-packages")
    print_sizes("of it Python packages", folder_sizes(packages, 1), least=5)


def try_server(image: Image, variables: Mapping[str, str]) -> None:
    """Start the server, ask it, and stop it as Docker does."""
    port = free_port()
    with running(image, {**variables, "ZOO_PORT": str(port)}) as server:
        seconds = server.wait_until_healthy(PATIENCE)
        print(f"healthy after {seconds:.1f} s, as user {user_of(server.pid)}, in a root that cannot be written")
        ask(f"http://127.0.0.1:{port}")
        begin = time.monotonic()
        status = server.stop(signal.SIGTERM, PATIENCE)
        print(f"SIGTERM to process 1: exit status {status} after {time.monotonic() - begin:.1f} s")
    if status:
        raise SystemExit("the server did not end as it should")


def ask(url: str) -> None:
    """Is it ready, and what is the image?"""
    with urlopen(f"{url}/readyz") as answer:
        print(f"GET /readyz: {answer.status} {answer.read().decode().strip()}")
    request = Request(f"{url}/classify?top_k=2", IMAGE.read_bytes(), {"Content-Type": "image/jpeg"})
    with urlopen(request) as answer:
        answered = json.load(answer)
    classes = answered["results"][0]["classes"]
    print(f"POST /classify {IMAGE.name}: {answered['model']['name']}: {classes}")
    if classes[0]["label"] != "cat":
        raise SystemExit("that is no cat")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def user_of(process: int) -> int:
    return os.stat(f"/proc/{process}").st_uid


if __name__ == "__main__":
    main()
