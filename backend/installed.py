"""Which version of the studio this is."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Our version; "0" from a tree that is not installed."""
    try:
        return version("dllm-studio")
    except PackageNotFoundError:
        return "0"
