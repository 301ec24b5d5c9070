"""The exceptions that callers can handle, each with its exit code."""


class VqcodecError(Exception):
    """The base class of all errors; the message is one sentence for the user."""

    exit_code = 2


class UsageError(VqcodecError):
    """An option or an argument has a wrong type or value."""


class TargetSizeError(UsageError):
    """The smallest stream of a signal is larger than was asked for.

    Attributes:
        least_bytes: its size; 0 if it is not known.
    """

    def __init__(self, message: str, least_bytes: int = 0) -> None:
        super().__init__(message)
        self.least_bytes = least_bytes


class MissingCodecError(UsageError):
    """A codec for comparison is not installed; the message says how to install it."""


class ConfigError(UsageError):
    """A recipe has an unknown key, a wrong type or an impossible value."""


class InputError(VqcodecError):
    """The input file is missing, unreadable, or holds no sound or picture."""

    exit_code = 3


class StreamError(VqcodecError):
    """A stream cannot be decoded."""

    exit_code = 4


class CorruptStreamError(StreamError):
    """The stream is damaged, or is not a vqcodec stream."""


class TruncatedStreamError(CorruptStreamError):
    """The stream ends before the end of its last section."""


class ModelFileError(VqcodecError):
    """A model file is damaged, or is not a vqcodec model."""

    exit_code = 4


class UnsupportedStreamError(StreamError):
    """The stream is intact but has a newer version of the format."""

    exit_code = 5


class MissingModelError(VqcodecError):
    """The stream is intact but needs a model that is not installed."""

    exit_code = 5


class OutputError(VqcodecError):
    """The output cannot be written."""

    exit_code = 6


class NoGainError(VqcodecError):
    """A fitted model is hardly better than the one that it started from, and is not written."""

    exit_code = 7
