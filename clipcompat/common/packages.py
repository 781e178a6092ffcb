"""torch and torchvision of different builds are told apart before open_clip and timm, which are imported late, fail."""

from importlib.metadata import PackageNotFoundError, version

from clipcompat.common.errors import InstallationError


def check_torchvision() -> None:
    """Call this before a late import of open_clip or timm: both import torchvision.

    Raises:
        InstallationError: torchvision cannot be imported, for example since its operators were built for another torch.
    """
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        raise InstallationError(
            f"torch {_version('torch')} and torchvision {_version('torchvision')} do not work together ({error}). They "
            "must be of one release and one build, with CUDA or without: install both with one command, for example "
            "pip install --force-reinstall torch torchvision."
        ) from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
