"""Server settings, with their defaults and descriptions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from types import MappingProxyType
from typing import Literal, get_args, get_origin, get_type_hints

from serve.logs import LogFormat, LogLevel
from zoo.errors import InputError
from zoo.hub import DEFAULT_MODEL
from zoo.images.decode import MAX_PIXELS
from zoo.machine import cores
from zoo.nvidia import nvidia_driver
from zoo.options import option, require_bounds
from zoo.package import Package, serving_files
from zoo.predictors.choice import choose_execution, fast_files
from zoo.runtime import ChosenDevice, ComputePrecision, Device, Engine, Execution, execution_of

ENVIRONMENT_PREFIX = "ZOO_"
"""Prefix of the environment variables that set the fields of `Settings`."""

MAX_BATCH: Mapping[ChosenDevice, int] = MappingProxyType({"cpu": 32, "cuda": 256})
"""Default maximum number of images in a batch."""
BATCH_LIMIT = 4096
QUEUE_PER_CORE = 128

DAY = 86_400
"""Upper bound of all durations, in seconds: a longer one was probably meant in another unit."""
MAX_THREADS = 1024
"""Upper bound of thread counts: no machine is faster with more."""
PILLOW_MAX_PIXELS = 178_956_970
"""Width x height of the largest image that Pillow opens."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Server settings. Each field is an option of `zoo serve` (`--max-batch`) and an environment variable
    (`ZOO_MAX_BATCH`).
    """

    model: tuple[str, ...] = option(
        (DEFAULT_MODEL,),
        "Model to serve (repeatable): VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION; see "
        "`zoo --help`. The first is the default for requests that name none.",
        group="Models and machine",
    )
    precision: Literal["auto", ComputePrecision] = option(
        "auto",
        "Precision to compute in: fp32, fp16, int8, or bf16 with OpenVINO. auto is what `zoo tune` saved for the "
        "device; otherwise on the CPU the fastest on this processor whose recorded accuracy is within 0.3 points of "
        "fp32's, and on CUDA fp16 if there is such a file.",
    )
    engine: Literal["auto", Engine] = option(
        "auto",
        "What computes on the CPU: onnxruntime, or openvino (template-zoo[openvino]); auto as for --precision.",
    )
    load: Literal["start", "use"] = option(
        "start",
        "When to load models: at start-up (start) or on first use (use); the default model is always loaded at "
        "start-up.",
    )
    model_memory_mb: float = option(
        0.0,
        "Memory for the loaded models of the whole server, in MB (10^6 bytes), of which each process has an equal "
        "part; the least recently used are unloaded to make room. On CUDA, it is the GPU's memory. 0 for no limit.",
        least=0,
    )
    index: str | None = option(
        None,
        "Folder of an index of images, made by `zoo index` with one of the models: /search then finds the images most "
        "like others, and the page shows them.",
    )
    device: Device = option(
        "auto",
        "Device to compute on; auto is the GPU if it can be used, and cuda fails if it cannot. With several GPUs, it "
        "is the first in CUDA_VISIBLE_DEVICES.",
    )
    processes: int = option(
        0,
        "Server processes, each with its own copy of the models; 0 for one per core (at most 8) on the CPU, or one on "
        "CUDA.",
        least=0,
        most=256,
    )
    threads: int = option(
        0,
        "CPU threads for inference in the whole server, divided among the batches that its processes compute at the "
        "moment; 0 for one per core.",
        least=0,
        most=MAX_THREADS,
    )
    workers: int = option(1, "Batches of one model that each process computes at once.", least=1, most=MAX_THREADS)
    max_batch: int = option(
        0,
        f"Maximum number of images in a batch; 0 for {MAX_BATCH['cpu']} on the CPU, or {MAX_BATCH['cuda']} on CUDA.",
        least=0,
        most=BATCH_LIMIT,
    )
    max_wait_ms: float = option(
        5.0,
        "Maximum time that the first image of a batch waits for others that are being decoded, in milliseconds.",
        least=0,
        most=1000 * DAY,
    )
    decode_threads: int = option(
        0,
        "Threads of each process that decode images, each with up to 8 bytes per pixel (400 MB at the default "
        "--max-pixels); 0 for its part of the cores, at least 2. Small images need none where a process has one core.",
        least=0,
        most=MAX_THREADS,
    )
    host: str = option(
        "127.0.0.1", "Address to listen on; 0.0.0.0 for every network interface.", group="Address and stopping"
    )
    port: int = option(8000, "Port to listen on; 0 for any that is free.", least=0, most=65_535)
    root_path: str = option(
        "", "Path prefix under which a proxy exposes the server, such as /zoo, whether or not the proxy strips it."
    )
    notice_seconds: float = option(
        0.0,
        "Seconds in which the server still accepts requests after a stop signal (SIGTERM or Ctrl-C), with /readyz at "
        "503, so that load balancers notice.",
        least=0,
        most=DAY,
    )
    drain_seconds: float = option(
        8.0,
        "Seconds, after those of --notice-seconds, in which requests in flight may finish before they are dropped.",
        least=0,
        most=DAY,
    )
    max_queue: int = option(
        QUEUE_PER_CORE * cores(),
        "Maximum number of images in flight in the whole server; further requests get 429.",
        least=1,
        shown=f"{QUEUE_PER_CORE} per core",
        group="Limits",
    )
    max_queue_bytes: int = option(
        256 * 2**20,
        "Maximum bytes of request bodies in flight in the whole server; further requests get 429.",
        least=1,
    )
    max_body_bytes: int = option(32 * 2**20, "Maximum bytes of a request body; a larger one gets 413.", least=1)
    max_files: int = option(32, "Maximum number of images in a request; more get 413.", least=1)
    max_pixels: int = option(
        MAX_PIXELS,
        "Maximum number of pixels of an image, width times height; a larger one gets 413.",
        least=1,
        most=PILLOW_MAX_PIXELS,
    )
    upload_seconds: float = option(30.0, "Time limit for receiving a request body, in seconds; then 408.", most=DAY)
    deadline_ms: float = option(
        10_000.0,
        "Time limit for the response once the request body has arrived, in milliseconds; then 504.",
        most=1000 * DAY,
    )
    max_head_bytes: int = option(
        16 * 2**10, "Maximum bytes of the URL, and of all headers; beyond it 414 or 431.", least=256
    )
    header_seconds: float = option(
        10.0, "Time limit for receiving the request headers, in seconds; then the connection is closed.", most=DAY
    )
    keep_alive_seconds: int = option(
        5, "Time after which a connection without a further request is closed, in seconds.", least=1, most=DAY
    )
    max_connections: int = option(
        1000,
        "Maximum number of open connections of the whole server, of which each process has an equal part; beyond it, "
        "those idle longest are closed.",
        least=1,
    )
    api_keys_file: str | None = option(
        None,
        "File with one API key per line, NAME:KEY or KEY, reloaded when it changes. Requests send a key as "
        "`Authorization: Bearer KEY` or `X-API-Key: KEY`. Without any keys, the server is open to everyone.",
        group="Access",
    )
    api_keys: tuple[str, ...] = option(
        (),
        "API key, as in that file (repeatable). Command lines are visible to other users; prefer the environment "
        "variable or a file.",
    )
    rate_limit: float = option(
        0.0,
        "Requests per second, in the whole server, with the keys of one name (a KEY without NAME counts alone), or "
        "from one address if there are no keys; then 429. 0 for no limit.",
        least=0,
    )
    rate_burst: int = option(
        0, "Requests that --rate-limit allows at once after a pause; 0 for its value, rounded up.", least=0
    )
    cors_origin: tuple[str, ...] = option(
        (), "Origin whose pages may call the server, such as https://example.org (repeatable); * for all."
    )
    trusted_proxy: tuple[str, ...] = option(
        ("127.0.0.1", "::1"), "Address or network of a proxy whose X-Forwarded-For header is trusted (repeatable)."
    )
    log_format: LogFormat = option("text", "Log format: text, or json for one JSON object per line.", group="Logging")
    log_level: LogLevel = option("info", "Minimum level of logged records: debug, info, warning or error.")

    @property
    def decoders(self) -> int:
        """Number of decoding threads in one process."""
        return self.decode_threads or cores()

    def batch_on(self, device: ChosenDevice) -> int:
        """Maximum number of images in a batch on a device."""
        return self.max_batch or MAX_BATCH[device]

    @property
    def computing_device(self) -> Device:
        """Device to compute on; OpenVINO computes on the CPU."""
        return "cpu" if self.engine == "openvino" else self.device

    def execution(self, package: Package, device: ChosenDevice) -> Execution:
        """Engine and precision of a model on a device."""
        engine = None if self.engine == "auto" else self.engine
        precision = None if self.precision == "auto" else self.precision
        return choose_execution(package, device, engine, precision)

    @property
    def files(self) -> tuple[str, ...]:
        """Files of a model directory to fetch; if `zoo tune` chose another precision, its file is already there."""
        if self.precision != "auto":
            return serving_files(["fp32" if self.precision == "bf16" else self.precision])
        cuda = self.computing_device != "cpu" and nvidia_driver()
        return serving_files(["fp32", "fp16"] if cuda else dict.fromkeys(["fp32", *fast_files()]))

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("model: name at least one model to serve")
        require_bounds(self)
        if not self.host.strip():
            raise InputError(f"host = {self.host!r}: set an address, or 0.0.0.0 for every network interface")
        if self.api_keys_file is not None and not self.api_keys_file.strip():
            raise InputError("api_keys_file = '': name a file, or leave it unset to serve without API keys")
        for name, hint in get_type_hints(Settings).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise InputError(f"{name} = {getattr(self, name)!r}: must be one of {', '.join(get_args(hint))}")
        if self.index is not None and not self.index.strip():
            raise InputError("index = '': name the folder of an index, or leave it unset to serve without one")
        if not all(key.partition("#")[0].strip() for key in self.api_keys):
            raise InputError("api_keys: one of the keys is empty; set a key, or leave it unset to serve without keys")
        if self.engine == "openvino" and self.device == "cuda":
            raise InputError("engine = 'openvino' computes on the CPU only: set device to cpu, or engine to auto")
        if self.engine != "auto" and self.precision != "auto":
            execution_of(self.engine, self.precision)
        for origin in self.cors_origin:
            if origin != "*" and not re.fullmatch(r"https?://[a-z0-9._:\[\]-]+", origin):
                raise InputError(
                    f"cors_origin = {origin!r}: must be * or an origin as browsers send it, such as "
                    "https://example.org, in lower case and without a path; in the environment variable, separate "
                    "several by spaces"
                )
        if self.root_path and not re.fullmatch(r"(/(?!\.{1,2}(/|$))[\w.~-]+)+", self.root_path):
            raise InputError(
                f"root_path = {self.root_path!r}: must be a path such as /zoo, without a trailing slash and without "
                ". or .. segments, which clients resolve"
            )
        for proxy in self.trusted_proxy:
            if proxy != "*" or len(self.trusted_proxy) > 1:
                _require_proxy(proxy)
        if self.rate_burst and not self.rate_limit:
            raise InputError(f"rate_burst = {self.rate_burst} has no effect without rate_limit; set both, or neither")
        if self.max_body_bytes > self.max_queue_bytes:
            raise InputError(
                f"max_body_bytes = {self.max_body_bytes} is above max_queue_bytes = {self.max_queue_bytes}: "
                "the largest allowed request would always be refused; lower the former or raise the latter"
            )
        if self.max_files > self.max_queue:
            raise InputError(
                f"max_files = {self.max_files} is above max_queue = {self.max_queue}: the largest allowed request "
                "would always be refused; lower the former or raise the latter"
            )


def _require_proxy(proxy: str) -> None:
    """Raise `InputError` for a value that uvicorn would silently treat as an address that never matches."""
    try:
        ip_network(proxy)
    except ValueError as error:
        raise InputError(
            f"trusted_proxy = {proxy!r}: {error}; set an address such as 10.0.0.7, a network such as 10.0.0.0/8, or "
            "* alone for all; in the environment variable, separate several by spaces"
        ) from None
