"""ONNX Runtime as a predictor, on CUDA or the CPU."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.errors import DigestError, MissingDependencyError, PackageError, ZooError
from zoo.package import CONFIG_FILE, PARITY_FILE, ModelConfig, Package, config_from_metadata, sha256
from zoo.predictor import OUTPUTS, Prediction, check_pixels
from zoo.preprocess import Pixels

Device = Literal["auto", "cpu", "cuda"]

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class DeviceError(ZooError):
    """A device was asked for that is not there."""


@dataclass(frozen=True, slots=True)
class OnnxPredictor:
    """An ONNX Runtime session with the identity that its file carries."""

    session: Any
    config: ModelConfig

    @staticmethod
    def open(package: Package, device: Device = "auto", threads: int = 0) -> "OnnxPredictor":
        """The ONNX file of a model directory.

        Arguments:
            package: the model directory.
            device: `cuda` fails where there is none; `auto` takes CUDA where it works, else the CPU.
            threads: that compute one operation on the CPU; 0 for one a core.

        Raises:
            PackageError: there is no ONNX file, or it was exported from other weights than the directory holds.
            DigestError: it is not the file that `parity.json` was written for.
            DeviceError: CUDA was asked for and cannot be used.
        """
        if package.onnx is None:
            raise PackageError(f"{package.path} has no ONNX file; make one with `zoo export`")
        proven, digest = package.parity().get("onnx_sha256"), sha256(package.onnx)
        if proven not in (None, digest):
            raise DigestError(
                f"{package.onnx} has SHA-256 {digest}, but {PARITY_FILE} was written for {proven}; "
                "the file is damaged or was replaced: export and verify it again"
            )
        predictor = OnnxPredictor.open_file(package.onnx, device, threads)
        own, expected = asdict(predictor.config), asdict(package.config)
        if own != expected:
            differing = ", ".join(name for name in own if own[name] != expected[name])
            raise PackageError(
                f"{package.onnx} was not exported from this model directory: {differing} differ from {CONFIG_FILE}; "
                "export it again"
            )
        return predictor

    @staticmethod
    def open_file(file: Path, device: Device = "auto", threads: int = 0) -> "OnnxPredictor":
        """An ONNX file that `zoo export` wrote; see `open`."""
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session = _open_session(ort, file, options, device)
        except DeviceError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no common base of their own
            raise PackageError(f"ONNX Runtime cannot open {file}: {error}") from None
        metadata = session.get_modelmeta().custom_metadata_map
        return OnnxPredictor(session, config_from_metadata(metadata, str(file)))

    @property
    def device(self) -> str:
        return f"ONNX Runtime on {'CUDA' if _CUDA in self.session.get_providers() else 'the CPU'}"

    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config, self.config.name)
        names = [output.name for output in self.session.get_outputs()]
        arrays: dict[str, Any] = dict.fromkeys(OUTPUTS)
        arrays |= zip(names, self.session.run(None, {"image": pixels}), strict=True)
        return Prediction(**arrays)


def _open_session(ort: Any, file: Path, options: Any, device: Device) -> Any:
    if device == "cpu" or (device == "auto" and not _nvidia_driver()):
        return ort.InferenceSession(file, options, providers=[_CPU])
    if _CUDA not in ort.get_available_providers():
        if device == "auto":
            return ort.InferenceSession(file, options, providers=[_CPU])
        raise DeviceError(
            f"CUDA was asked for, but this ONNX Runtime was built without it (it has "
            f"{', '.join(ort.get_available_providers())}); install onnxruntime-gpu, or ask for the CPU"
        )
    # CUDA and cuDNN may lie in Python packages, where the dynamic loader does not look by itself.
    ort.preload_dlls()
    session = ort.InferenceSession(file, options, providers=[_CUDA, _CPU])
    # ONNX Runtime falls back to the CPU in silence when CUDA does not load.
    if device == "cuda" and _CUDA not in session.get_providers():
        why = "its libraries did not load" if _nvidia_driver() else "there is no NVIDIA driver on this machine"
        raise DeviceError(
            f"CUDA was asked for, but {why}; run on a host with an NVIDIA GPU (docker run --gpus all), "
            "install template-zoo[cuda], or ask for the CPU"
        )
    return session


def _nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/dxg").exists()


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(f"this needs ONNX Runtime ({error}): pip install 'template-zoo[onnx]'") from None
    return onnxruntime
