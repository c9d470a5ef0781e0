"""All settings of the server, each with its default and its explanation."""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal, get_args, get_origin, get_type_hints

from serve.logs import LogFormat, LogLevel
from zoo.errors import InputError
from zoo.hub import DEFAULT_MODEL
from zoo.images.decode import MAX_PIXELS
from zoo.machine import cores
from zoo.options import option, require_bounds
from zoo.package import serving_files
from zoo.runtime import Device, Precision

ENVIRONMENT_PREFIX = "ZOO_"
"""Prefix of the environment variables that set the fields of `Settings`."""

MAX_BATCH = 32
BATCH_LIMIT = 4096
QUEUE_PER_CORE = 128

DAY = 86_400
"""Upper bound of all times, in seconds: a longer one was meant in another unit."""
MAX_THREADS = 1024
"""Upper bound of threads: no machine computes faster with more."""
PILLOW_MAX_PIXELS = 178_956_970
"""Width x height of the largest image that Pillow opens."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server runs. For each field `zoo serve` has a flag, `--max-batch`, and a variable, `ZOO_MAX_BATCH`."""

    model: tuple[str, ...] = option(
        (DEFAULT_MODEL,), "Model to serve (repeatable); the first is the default for requests that name none."
    )
    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 for every network interface.")
    port: int = option(8000, "Port to listen on.", least=0, most=65_535)
    root_path: str = option("", "Path under which a proxy serves all of this, such as /zoo; it may cut it off or not.")
    processes: int = option(
        0,
        "Processes that answer, each with its own copy of the models; 0 for one per core, up to 8, and one on CUDA.",
        least=0,
        most=256,
    )
    device: Device = option("auto", "Where to compute; cuda refuses to start without one.")
    threads: int = option(0, "CPU threads that compute a model; 0 for one per core.", least=0, most=MAX_THREADS)
    precision: Literal["auto", Precision] = option(
        "auto", "Precision of the ONNX files to serve: fp32, fp16 or int8; auto for what `zoo tune` chose, or fp32."
    )
    load: Literal["start", "use"] = option(
        "start", "When models are loaded: at the start, or when first asked for; the default one always at the start."
    )
    model_memory_mb: float = option(
        0.0, "Memory of the loaded models, in MB; the least lately used make room for others. 0 for no limit.", least=0
    )
    max_batch: int = option(MAX_BATCH, "Images computed together.", least=1, most=BATCH_LIMIT)
    max_wait_ms: float = option(
        5.0,
        "How long the first image of a batch waits for others that are being decoded, in milliseconds.",
        least=0,
        most=1000 * DAY,
    )
    workers: int = option(1, "Batches of a model that a process computes at the same time.", least=1, most=MAX_THREADS)
    max_queue: int = option(
        QUEUE_PER_CORE * cores(), "Images in flight; requests beyond are refused with 429.", least=1
    )
    max_queue_bytes: int = option(
        256 * 2**20, "Bytes of requests in flight; requests beyond are refused with 429.", least=1
    )
    upload_seconds: float = option(30.0, "Longest time for a request's body to arrive, in seconds; then 408.", most=DAY)
    deadline_ms: float = option(
        10_000.0, "Longest time from a whole request to its answer, in ms; then 504.", most=1000 * DAY
    )
    max_body_bytes: int = option(32 * 2**20, "Bytes in one request.", least=1)
    max_pixels: int = option(MAX_PIXELS, "Width x height of one image.", least=1, most=PILLOW_MAX_PIXELS)
    max_files: int = option(32, "Images in one request.", least=1)
    notice_seconds: float = option(
        0.0,
        "How long requests are still taken, but /readyz says no, once the server was told to stop.",
        least=0,
        most=DAY,
    )
    drain_seconds: float = option(8.0, "How long requests may then take to end.", least=0, most=DAY)
    decode_threads: int = option(
        0,
        "Images that a process decodes at the same time, each in up to 400 MB if it is a PNG of the largest size; "
        "0 for its share of the cores, at least 2.",
        least=0,
        most=MAX_THREADS,
    )
    log_format: LogFormat = option("text", "Lines of the log: text, or json for programs.")
    log_level: LogLevel = option("info", "The least important lines that are logged.")
    api_keys_file: str | None = option(
        None, "File of API keys, NAME:KEY or KEY a line; requests need one of them. It is read again when it changes."
    )
    api_keys: tuple[str, ...] = option(
        (), "API key as in that file, several times for several. A variable or a file is seen by fewer than a flag."
    )
    rate_limit: float = option(
        0.0,
        "Requests a second of one API key, or of one address where there are no keys; then 429. 0 for no limit.",
        least=0,
    )
    rate_burst: int = option(0, "Requests that rate_limit lets pass at once; 0 for those of one second.", least=0)
    cors_origin: tuple[str, ...] = option(
        (), "Origin whose pages may ask, such as https://example.org, several times for several; * for all."
    )
    trusted_proxy: tuple[str, ...] = option(
        ("127.0.0.1", "::1"), "Address or network of a proxy whose X-Forwarded-For says who asks; several for several."
    )
    max_head_bytes: int = option(
        16 * 2**10, "Bytes in a request's URL, and in its headers; then 414 or 431.", least=256
    )
    header_seconds: float = option(
        10.0, "Longest time for a request's head to arrive; then its connection is closed.", most=DAY
    )
    keep_alive_seconds: int = option(
        5, "How long a connection stays open after an answer without a next request.", least=1, most=DAY
    )
    max_connections: int = option(
        1000, "Connections; of more, those that have waited longest for a request are closed.", least=1
    )

    @property
    def decoders(self) -> int:
        """Threads that decode, in one process."""
        return self.decode_threads or cores()

    @property
    def chosen_precision(self) -> Precision | None:
        """The precision that was asked for; None for what each model's `serving.json` says."""
        return None if self.precision == "auto" else self.precision

    @property
    def files(self) -> tuple[str, ...]:
        """Those of a model directory that are needed; what `zoo tune` chose is there since then."""
        return serving_files([self.chosen_precision or "fp32"])

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("model: name at least one model to serve")
        require_bounds(self)
        if not self.host.strip():
            raise InputError(f"host = {self.host!r}: name an address; 0.0.0.0 for every network interface")
        if self.api_keys_file is not None and not self.api_keys_file.strip():
            raise InputError("api_keys_file = '': name a file, or leave it out for a server that needs no keys")
        for name, hint in get_type_hints(Settings).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise InputError(f"{name} = {getattr(self, name)!r}: it is one of {', '.join(get_args(hint))}")
        if not all(key.partition("#")[0].strip() for key in self.api_keys):
            raise InputError("api_keys: one of them is empty; give a key, or leave it out for a server without keys")
        for origin in self.cors_origin:
            if origin != "*" and not re.fullmatch(r"https?://[a-z0-9._:\[\]-]+", origin):
                raise InputError(
                    f"cors_origin = {origin!r}: it is * or like https://example.org, without a path, in lower case and "
                    "one at a time, as browsers send it; in a variable several are separated by spaces"
                )
        if self.root_path and not re.fullmatch(r"(/(?!\.{1,2}(/|$))[\w.~-]+)+", self.root_path):
            raise InputError(
                f"root_path = {self.root_path!r}: it is like /zoo, without a slash at its end, and without . and .. as "
                "a part, which clients resolve"
            )
        for proxy in self.trusted_proxy:
            if proxy != "*" or len(self.trusted_proxy) > 1:
                _require_proxy(proxy)
        if self.rate_burst and not self.rate_limit:
            raise InputError(f"rate_burst = {self.rate_burst} means nothing without rate_limit; set both, or neither")
        if self.max_body_bytes > self.max_queue_bytes:
            raise InputError(
                f"max_body_bytes = {self.max_body_bytes} is above max_queue_bytes = {self.max_queue_bytes}: "
                "a full request would never fit"
            )
        if self.max_files > self.max_queue:
            raise InputError(
                f"max_files = {self.max_files} is above max_queue = {self.max_queue}: a full request would never fit"
            )


def _require_proxy(proxy: str) -> None:
    """Raise `InputError` for what the server would take for an address that no proxy ever has."""
    try:
        ip_network(proxy)
    except ValueError as error:
        raise InputError(
            f"trusted_proxy = {proxy!r}: {error}; it is an address such as 10.0.0.7, a network such as 10.0.0.0/8, or "
            "* alone for all; in a variable several are separated by spaces"
        ) from None
