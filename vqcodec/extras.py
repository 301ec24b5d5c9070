"""The hint at an optional extra of the package that is not installed."""


def install_hint(extra: str) -> str:
    """Return how to install an extra, for the end of a message.

    The command installs from the clone: pip would search for a bare name in its index.
    """
    return f"in the clone of vqcodec, run: pip install '.[{extra}]'"
