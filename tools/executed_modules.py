"""Number of the project's modules executed by a request, a training step and `zoo.load`.

    python tools/executed_modules.py

A module counts if one of its functions is called during the operation. The request and the training step are measured
after warm-up, when everything is imported; `zoo.load` is measured in a new process, including its imports. The server's
periodic work outside of requests does not count.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("zoo", "serve", "training", "export", "explain", "reproduction")
IMAGE = ROOT / "tests" / "data" / "cat.jpg"
DATA = ROOT / "tests" / "data" / "cifar10"
BESIDE = ("on_tick",)
"""Functions that do not belong to a request, with everything that they call."""


class Recorder:
    """Records the files whose functions are called, in this thread and all threads started after it."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._records = False
        sys.setprofile(self._note)
        threading.setprofile(self._note)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Context in which calls are recorded."""
        self.start()
        yield
        self.stop()

    def start(self) -> None:
        """Start recording."""
        self._records = True

    def stop(self) -> None:
        """Stop recording."""
        self._records = False

    def modules(self) -> list[str]:
        """Paths of the recorded files that belong to the project."""
        inside = (Path(file) for file in self.files if file.startswith(f"{ROOT}/"))
        paths = (file.relative_to(ROOT) for file in inside)
        return sorted(str(path) for path in paths if path.parts[0] in PACKAGES)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if self._records and event == "call" and not _is_beside(frame):
            self.files.add(frame.f_code.co_filename)


def _is_beside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name in BESIDE:
            return True
        frame = frame.f_back
    return False


def request(recorder: Recorder) -> None:
    """Measure one `POST /patch-semantics` with a JPEG, the fourth one to a server with a single process."""
    import socket

    import httpx2

    from zoo.cli import main

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def ask() -> None:
        url, files = f"http://127.0.0.1:{port}", {"file": IMAGE.read_bytes()}
        for _ in range(200):
            try:
                httpx2.get(f"{url}/readyz").raise_for_status()
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        with httpx2.Client(base_url=url) as client:
            for _ in range(3):
                client.post("/patch-semantics", files=files).raise_for_status()
            time.sleep(1)
            with recorder.recording():
                client.post("/patch-semantics", files=files).raise_for_status()
                time.sleep(0.5)
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    sys.argv = ["zoo", "serve", "--port", str(port), "--processes", "1"]
    _run(main)


def step(recorder: Recorder) -> None:
    """Measure the second step of a training run, from the end of the first."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from zoo.cli import main

    ends = iter((recorder.start, recorder.stop))
    register_optimizer_step_post_hook(lambda *_: next(ends, recorder.stop)())
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["zoo", "train", "wrn16-ours", "--data", str(DATA), "--recipe", "smoke", "--out", f"{folder}/out"]
        sys.argv += ["--run-folder", f"{folder}/run"]
        _run(main)


def load(recorder: Recorder) -> None:
    """Measure `zoo.load("wrn16-ours")` in a new process."""
    with recorder.recording():
        import zoo

        zoo.load("wrn16-ours")


MEASURED: dict[str, Callable[[Recorder], None]] = {"request": request, "step": step, "load": load}


def _run(main: Callable[[], None]) -> None:
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=MEASURED, help="operation to measure, listing its modules")
    asked = parser.parse_args().what
    if asked is None:
        for name in MEASURED:
            done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
            print(f"{name}: {len([line for line in done.stdout.splitlines() if line.endswith('.py')])} modules")
    else:
        sys.path.insert(0, str(ROOT))
        recorder = Recorder()
        MEASURED[asked](recorder)
        print(*recorder.modules(), sep="\n")
