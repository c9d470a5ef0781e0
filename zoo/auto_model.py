"""Networks by huggingface_hub's own interface, for programs that load all their models so."""

from pathlib import Path
from typing import Any

from huggingface_hub import PyTorchModelHubMixin

from zoo.hub_download import fetch
from zoo.models import load_package
from zoo.network import Network
from zoo.package import ONNX_FILES, PUBLISHED_FILES, Package


class AutoModel(PyTorchModelHubMixin, library_name="template-zoo"):
    """`AutoModel.from_pretrained("ORG/NAME")`, or a model directory's path: its network, as `zoo.load` gives it.

    A model directory is what the mixin expects, `config.json` and `model.safetensors`, so that other classes that
    derive from it read one too; this one finds the network of the variant, checks digests and never reads a pickle.
    """

    @classmethod
    def _from_pretrained(  # type: ignore[override]  # its families are functions, so that there is no class to be of
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        map_location: str = "cpu",
        num_classes: int | None = None,
        **config: Any,
    ) -> Network:
        """The network of a model directory.

        Arguments:
            model_id: `ORG/NAME` or a path.
            revision: branch, tag or commit; None for the newest.
            cache_dir, force_download, local_files_only, token: as for `huggingface_hub.snapshot_download`.
            map_location: the device that it is moved to.
            num_classes: as for `zoo.load`.
            config: what the mixin found in `config.json`, which is read again and checked.

        Raises:
            PackageError: as for `zoo.load`.
        """
        if Path(model_id).is_dir():
            package = Package.open(Path(model_id))
        else:
            package = fetch(
                model_id,
                revision,
                [file for file in PUBLISHED_FILES if file not in ONNX_FILES.values()],
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        return load_package(package, num_classes).to(map_location)
