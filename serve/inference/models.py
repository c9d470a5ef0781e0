"""Served models, loaded at start-up or on first use, within a memory budget."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from serve.errors import ModelUnavailableError
from serve.inference.batcher import Batcher
from serve.inference.memory import loading_alone, used_bytes
from serve.metrics import Metrics
from serve.settings import Settings
from zoo.errors import InputError, ZooError, find_name
from zoo.package import Package
from zoo.package.entities import Entities
from zoo.predictors import Predictor
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.embedding import require_embedding
from zoo.predictors.file_predictor import FilePredictor, require_onnx
from zoo.predictors.onnx_session import OnnxFile, read_declarations
from zoo.registry import info
from zoo.runtime import EXECUTIONS, Execution

_log = logging.getLogger(__name__)

OpenPredictor = Callable[[Package], Predictor]


class LoadError(ZooError):
    """A model failed to open or to compute its first batch; see `__cause__`."""


class LoadedModel(NamedTuple):
    """Predictor of a model, and the batcher that calls it."""

    predictor: Predictor
    batcher: Batcher


@dataclass(slots=True)
class ServedModel:
    """Model that requests may use, loaded or not."""

    package: Package
    loaded: LoadedModel | None = None
    users: int = 0
    """Number of requests using the model."""
    used: float = field(default_factory=time.monotonic)
    """Time of last use."""
    bytes: int = 0
    """Growth of `serve.inference.memory.used_bytes` when the model was loaded; the maximum over all loads."""
    loading: asyncio.Task[LoadedModel] | None = None
    """Load in progress."""
    declaring: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the file is opened for its declarations alone."""
    declared: OnnxFile | None = None
    """Declarations of the ONNX file, once it has been opened."""
    name: str = field(init=False)
    entities: Entities | None = field(init=False)
    """Entities of the model directory, the nearest of which are reported for each patch; None if there are none."""
    identity: dict[str, str] = field(init=False)
    """Name, variant, data set and weights, as in responses."""
    patch_source: str = field(init=False)
    """Source of the patch logits."""

    def __post_init__(self) -> None:
        config = self.package.config
        self.name = config.name
        self.entities = Entities.read(self.package)
        self.identity = config.identity()
        self.patch_source = info(config.variant).patch_source

    @property
    def execution(self) -> Execution | None:
        """Engine and precision that compute the model; None if it is not loaded, or has no ONNX file."""
        predictor = self.loaded and self.loaded.predictor
        return predictor.execution if isinstance(predictor, FilePredictor) else None


class Models(Mapping[str, ServedModel]):
    """Served models by name, the default one first.

    Arguments:
        packages: model directories.
        open_predictor: loads the predictor of a model directory.
        settings: server settings.
        metrics: server metrics.

    Raises:
        InputError: two models have the same name.
        DeviceError: the device is not available.
    """

    def __init__(
        self, packages: Iterable[Package], open_predictor: OpenPredictor, settings: Settings, metrics: Metrics
    ) -> None:
        self._open = open_predictor
        self._settings = settings
        self._metrics = metrics
        # Started now, so that no model is charged for what CUDA itself takes.
        self.device = choose_device(settings.computing_device)
        """Device that computes."""
        self.max_batch = settings.batch_on(self.device)
        """Maximum number of images in a batch."""
        self._loading = asyncio.Lock()
        self._models: dict[str, ServedModel] = {}
        for package in packages:
            info(package.config.variant)  # report an unknown variant before loading anything
            other = self._models.setdefault(package.config.name, ServedModel(package))
            if other.package.path.resolve() != package.path.resolve():
                raise InputError(
                    f"{other.package.path} and {package.path} both contain a model named {package.config.name!r}; "
                    "serve only one of them, or train the other with a different data set name"
                )

    def __getitem__(self, name: str) -> ServedModel:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def named(self, name: str | None) -> ServedModel:
        """Model with this name, the only model of this variant, or the default model for None.

        Raises:
            UnknownNameError: the name is not served.
            AmbiguousNameError: several models of this variant are served.
        """
        if name is None:
            return next(iter(self._models.values()))
        return self._models[find_name("model", name, self._models)]

    @property
    def names(self) -> list[str]:
        """Names accepted in requests: model names, and variants with a single model."""
        variants = Counter(model.package.config.variant for model in self._models.values())
        return [*self._models, *(variant for variant, count in variants.items() if count == 1)]

    @property
    def alive(self) -> bool:
        """Whether the batchers of all loaded models are alive."""
        return all(model.loaded.batcher.alive for model in self._models.values() if model.loaded)

    def load_first(self) -> None:
        """Load the default model, and the others if the setting `load` says so and the memory budget allows.

        Raises:
            ZooError: a model cannot be loaded.
            InputError: the default model alone exceeds the memory budget.
        """
        first, *others = self._models.values()
        self._load(first)
        if self._bytes_over_budget() > 0:
            raise InputError(
                f"model_memory_mb = {self._settings.model_memory_mb:g}: {first.name} alone needs "
                f"{first.bytes / 1e6:.0f} MB; raise the limit, or make a smaller model the default"
            )
        if self._settings.load == "use":
            return
        for model in others:
            self._load(model)
            if self._bytes_over_budget() > 0:
                _log.info("%s: will be loaded on first use, the memory budget is exhausted", model.name)
                self._unload(model).close(self._settings.drain_seconds)

    @asynccontextmanager
    async def use(self, model: ServedModel) -> AsyncIterator[Batcher]:
        """Context with the batcher of a model, which is loaded if necessary and stays loaded inside the context.

        Raises:
            ModelUnavailableError: the model cannot be loaded now.
        """
        model.users += 1
        model.used = time.monotonic()
        try:
            loaded = model.loaded
            if loaded is None:
                model.loading = model.loading or asyncio.create_task(self._load_while_serving(model))
                # Shielded: cancelling one request must not cancel the load for the others.
                loaded = await asyncio.shield(model.loading)
            yield loaded.batcher
        finally:
            model.users -= 1

    def read_declared(self, model: ServedModel) -> OnnxFile:
        """Declarations in the ONNX file of a model; the file is opened if the model is not loaded yet.

        Raises:
            ModelUnavailableError: the file cannot be opened.
        """
        if model.declared is None:
            try:
                execution = self._settings.execution(model.package, self.device)
                model.declared = read_declarations(require_onnx(model.package, EXECUTIONS[execution].file))
            except ZooError as error:
                raise _unavailable(model, error) from None
        return model.declared

    def require_embedding(self, model: ServedModel) -> None:
        """Check that a model embeds images, as searching an index needs.

        Raises:
            NoEmbeddingError: its ONNX file was exported by an earlier version.
        """
        if model.loaded and not isinstance(model.loaded.predictor, FilePredictor):
            return
        require_embedding(self.read_declared(model).outputs, model.name)

    def close(self, timeout: float) -> bool:
        """Finish queued requests and stop; returns whether all finished within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        loaded = [model.loaded for model in self._models.values() if model.loaded]
        done = [each.batcher.close(max(deadline - time.monotonic(), 0)) for each in loaded]
        return all(done)

    async def _load_while_serving(self, model: ServedModel) -> LoadedModel:
        try:
            async with self._loading:
                needed = model.bytes or _file_bytes(model.package)
                idle = self._idle_above_budget(needed)
                if self._bytes_over_budget(needed) > sum(other.bytes for other in idle):
                    raise ModelUnavailableError(
                        f"not enough memory to load the model {model.name} while others are in use; retry later"
                    )
                await self._unload_all(idle)
                loaded = await asyncio.to_thread(self._load, model)
                # Before the first load, its size was only estimated.
                await self._unload_all(self._idle_above_budget())
                return loaded
        except ModelUnavailableError:
            raise
        except (ZooError, OSError, MemoryError) as error:
            raise _unavailable(model, error) from None
        finally:
            model.loading = None

    async def _unload_all(self, models: Sequence[ServedModel]) -> None:
        """Unload models; nothing refers to their predictors afterwards, so that their memory is free."""
        # Without an await in between, so that no request can use one of them again.
        batchers = [self._unload(model) for model in models]
        for batcher in batchers:
            await asyncio.to_thread(batcher.close, self._settings.drain_seconds)

    def _idle_above_budget(self, more: int = 0) -> Sequence[ServedModel]:
        """Idle models to unload, least recently used first, until `more` bytes fit into the budget, or none is left."""
        above = self._bytes_over_budget(more)
        chosen = []
        for model in sorted(self._models.values(), key=lambda model: model.used):
            if above > 0 and model.loaded and not model.users:
                chosen.append(model)
                above -= model.bytes
        return chosen

    def _bytes_over_budget(self, more: int = 0) -> float:
        """Bytes above the budget if `more` are added; 0 or less if they fit."""
        budget = self._settings.model_memory_mb * 1e6 or float("inf")
        return sum(model.bytes for model in self._models.values() if model.loaded) + more - budget

    def _load(self, model: ServedModel) -> LoadedModel:
        started = time.perf_counter()
        try:
            with loading_alone(self.device):
                before = used_bytes(self.device)
                predictor = self._open(model.package)
                grown = used_bytes(self.device) - before
        except ZooError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no common base class
            raise LoadError(
                f"{model.package.path} cannot be loaded: {type(error).__name__}: {error}; export it again, or use more "
                "memory, a smaller max_batch or another device"
            ) from error
        batcher = Batcher(
            predictor,
            max_batch=self.max_batch,
            max_wait=self._settings.max_wait_ms / 1000,
            workers=self._settings.workers,
            observe=self._metrics.observer(model.name),
        )
        model.bytes = max(model.bytes, grown, _file_bytes(model.package))
        model.loaded = LoadedModel(predictor, batcher)
        if isinstance(predictor, FilePredictor):
            model.declared = predictor.declared
        waiting = self._metrics.waiting.labels(model.name)
        self._metrics.watch(waiting, lambda: model.loaded.batcher.depth if model.loaded else 0)
        self._metrics.model_loaded(model.name, model.execution or "", time.perf_counter() - started)
        return model.loaded

    def _unload(self, model: ServedModel) -> Batcher:
        """Unload a model and return its batcher, which the caller must close."""
        assert model.loaded
        self._metrics.model_unloaded(model.name, model.execution or "")
        batcher, model.loaded = model.loaded.batcher, None
        _log.info("%s: unloaded", model.name)
        return batcher


def _unavailable(model: ServedModel, error: Exception) -> ModelUnavailableError:
    _log.error("%s cannot be loaded: %s", model.name, error, exc_info=error.__cause__)
    return ModelUnavailableError(
        f"the model {model.name} cannot be loaded at the moment (see the server log); use another one of /models"
    )


def _file_bytes(package: Package) -> int:
    """Size of a model's largest ONNX file, in bytes: a lower bound of its memory."""
    return max((file.stat().st_size for one in package.precisions if (file := package.onnx(one))), default=0)
