"""Every setting of the server, each with its one default and its one explanation."""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from zoo.decode import MAX_PIXELS
from zoo.errors import InputError
from zoo.hub import DEFAULT_MODEL
from zoo.machine import cores
from zoo.options import option
from zoo.runtime import Device, Precision

MAX_BATCH = 32

_MAY_BE_ZERO = ("port", "threads", "max_wait_ms", "drain_seconds")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server runs. For each field `zoo serve` has a flag, `--max-batch`, and a variable, `ZOO_MAX_BATCH`."""

    model: tuple[str, ...] = option(
        (DEFAULT_MODEL,), "Model to serve, several times for several; the first answers requests that name none."
    )
    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 for every network interface.")
    port: int = option(8000, "Port to listen on.")
    device: Device = option("auto", "Where to compute; cuda refuses to start without one.")
    threads: int = option(0, "CPU threads that compute a model; 0 for one a core.")
    precision: Literal["auto", Precision] = option(
        "auto", "Of the ONNX files to serve: fp32, fp16 or int8; auto for what `zoo tune` chose, or fp32."
    )
    max_batch: int = option(MAX_BATCH, "Pictures computed together.")
    max_wait_ms: float = option(2.0, "How long the first picture of a batch waits for others, in milliseconds.")
    max_queue: int = option(256, "Pictures in work for a model, arriving ones too; more are refused with 429.")
    upload_seconds: float = option(30.0, "Longest time for a request's body to arrive, in seconds; then 408.")
    deadline_ms: float = option(10_000.0, "Longest time from a whole request to its answer, in ms; then 504.")
    max_body_bytes: int = option(32 * 2**20, "Bytes in one request.")
    max_pixels: int = option(MAX_PIXELS, "Width x height of one picture.")
    max_files: int = option(32, "Pictures in one request.")
    drain_seconds: float = option(8.0, "How long requests may take to end once the server was told to stop.")
    decode_threads: int = option(
        min(cores(), 4), "Pictures decoded at the same time; a large one takes up to 400 MB meanwhile."
    )

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("model: name at least one model to serve")
        for name, value in ((field.name, getattr(self, field.name)) for field in fields(self)):
            if isinstance(value, int | float) and not (value > 0 or (value == 0 and name in _MAY_BE_ZERO)):
                raise InputError(f"{name} = {value}: it must be {'at least' if name in _MAY_BE_ZERO else 'above'} 0")
        if self.device not in get_args(Device):
            raise InputError(f"device = {self.device!r}: it is one of {', '.join(get_args(Device))}")
        if self.precision not in ("auto", *get_args(Precision)):
            raise InputError(f"precision = {self.precision!r}: it is auto or one of {', '.join(get_args(Precision))}")
        if self.max_files > self.max_queue:
            raise InputError(
                f"max_files = {self.max_files} is above max_queue = {self.max_queue}: a full request would never fit"
            )
