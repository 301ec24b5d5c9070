"""Every failure that a caller can act on, and the exit code that the command line gives it."""


class VqcodecError(Exception):
    """Something outside the program is wrong; the message is one sentence for the user."""

    exit_code = 2


class UsageError(VqcodecError):
    """An option or an argument has no meaning here."""


class MissingCodecError(UsageError):
    """A codec to compare with is not installed; the message says how to get it."""


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
    """The stream ends before its last section does."""


class ModelFileError(VqcodecError):
    """A model file is damaged, or is not a vqcodec model."""

    exit_code = 4


class UnsupportedStreamError(StreamError):
    """The stream is intact but written by a newer version of the format."""

    exit_code = 5


class MissingModelError(VqcodecError):
    """The stream is intact but names a model that is not installed."""

    exit_code = 5


class OutputError(VqcodecError):
    """The output cannot be written."""

    exit_code = 6
