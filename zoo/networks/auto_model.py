"""Networks by the interface of huggingface_hub's `PyTorchModelHubMixin`, for programs that load all their models so."""

from pathlib import Path

from zoo.hub.download import fetch
from zoo.networks.load import load_package
from zoo.networks.network import Network
from zoo.package import NETWORK_FILES, Package


class AutoModel:
    """`AutoModel.from_pretrained("ORG/NAME")`, or a model directory's path: its network, as `zoo.load` gives it.

    A model directory is what the mixin expects, `config.json` and `model.safetensors`, so that classes that derive from
    it read one too; this one finds the network of the variant, checks digests and never reads a pickle.
    """

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        map_location: str = "cpu",
        num_classes: int | None = None,
    ) -> Network:
        """The network of a model directory.

        Arguments:
            pretrained_model_name_or_path: `ORG/NAME` or a path.
            revision: branch, tag or commit; None for the newest.
            cache_dir, force_download, local_files_only, token: as for `huggingface_hub.snapshot_download`.
            map_location: the device that it is moved to.
            num_classes: as for `zoo.load`.

        Raises:
            PackageError: as for `zoo.load`.
        """
        if Path(pretrained_model_name_or_path).is_dir():
            package = Package.open(Path(pretrained_model_name_or_path))
        else:
            package = fetch(
                str(pretrained_model_name_or_path),
                revision,
                NETWORK_FILES,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        return load_package(package, num_classes).to(map_location)
