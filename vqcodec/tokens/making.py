"""A file to its indices, and back to a signal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqcodec import storage
from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.codec.decompress import require_holdable, synthesise
from vqcodec.codec.model import Model
from vqcodec.codec.zoo import load_model
from vqcodec.errors import InputError, UsageError
from vqcodec.notes import Note
from vqcodec.signals.files import Signal, notes_of, open_signal
from vqcodec.signals.options import DEFAULT
from vqcodec.signals.picture import Picture
from vqcodec.tokens.entry import Tokens
from vqcodec.urls import is_url, local_name


def encode_file(
    source: str | Path | BinaryIO,
    model: Model,
    *,
    quality: float = 5.0,
    name: str | None = None,
    on_note: Callable[[Note], None] | None = None,
) -> Tokens:
    """Return the tokens of a picture or a sound; channels are mixed down as in `Model.encode`.

    Args:
        source: a path, a URL, or a file that is open for reading and can seek.
        model: of the file's modality.
        quality: 1 … 10.
        name: of the file, for the entry and for messages; by default the last part of the path.
        on_note: is called with every note on what the tokens leave out.

    Raises:
        InputError: the file cannot be read, or is too large.
        UsageError: it has another modality, or its indices do not fit into memory.
    """
    if isinstance(source, str | Path):
        path = local_name(str(source))
        try:
            with storage.fetch(path) if is_url(path) else Path(path).open("rb") as file:
                return encode_file(
                    file, model, quality=quality, name=name or Path(path).name, on_note=on_note
                )
        except OSError as error:
            raise InputError(f"{source}: {error.strerror or error}") from error
    _require_model(model)
    if not hasattr(source, "read"):
        raise UsageError(f"source: {type(source).__qualname__}, needed a path or a binary file")
    label = name or "file"
    opened = open_signal(source, label, options=DEFAULT)
    signal = model.measured(opened)
    facts = model.parts.modality.facts_of_one_plane(signal)
    rate = model.rate_of(quality)
    num_codebooks = model.parts.quantizer.config.codebooks_at(rate)
    require_holdable(num_codebooks * int(np.prod(model.parts.modality.grid(facts))))
    indices = model.encode(signal, quality=quality).astype(np.uint16)
    if on_note is not None:
        for note in notes_of(signal):
            on_note(note)
    size: dict[str, Any] = (
        {"width": signal.width, "height": signal.height}
        if isinstance(signal, Picture)
        else {
            "duration_s": signal.num_samples / signal.sample_rate,
            "sample_rate": signal.sample_rate,
            "num_samples": signal.num_samples,
        }
    )
    return Tokens(
        indices=indices,
        rate=rate,
        quality=float(quality),
        codebook_size=model.parts.quantizer.codebook_sizes[0],
        file=label,
        fingerprint=model.fingerprint,
        model=model.name,
        **size,
    )


def _require_model(model: object) -> None:
    if not isinstance(model, Model):
        raise UsageError(f"model: {type(model).__qualname__}, needed one from vqcodec.load")


def decode(tokens: Tokens, model: Model | None = None) -> Signal:
    """Return the picture or the mono sound of tokens, in the size and at the rate of the file.

    Args:
        tokens: of one file.
        model: that they were made with; None for the installed model of their fingerprint.

    Raises:
        MissingModelError: it is not installed.
        UsageError: the model is another one, the indices do not fit it, or an argument has another
            type.
    """
    if not isinstance(tokens, Tokens):
        raise UsageError(f"tokens: {type(tokens).__qualname__}, needed one from vqcodec.tokens")
    chosen = load_model(tokens.fingerprint) if model is None else model
    _require_model(chosen)
    if chosen.fingerprint != tokens.fingerprint:
        raise UsageError(
            f"tokens of model {tokens.fingerprint}, not of {chosen.name} {chosen.fingerprint}"
        )
    modality = chosen.parts.modality
    facts = _facts_of(tokens)
    is_picture = isinstance(facts, ImageFacts)
    if is_picture != (chosen.modality == "image"):
        raise UsageError(f"tokens of another kind than {chosen.name}")
    num_codebooks = chosen.parts.quantizer.config.codebooks_at(tokens.rate)
    if tokens.codebook_size != chosen.parts.quantizer.codebook_sizes[0]:
        raise UsageError(f"tokens of {tokens.codebook_size} entries, which {chosen.name} has not")
    if tokens.indices.shape != (num_codebooks, *modality.grid(facts)):
        raise UsageError(f"tokens of shape {tokens.indices.shape} do not fit the size of the file")
    return synthesise(chosen.parts, tokens.indices.astype(np.int64), facts, tokens.rate)


def _facts_of(tokens: Tokens) -> AudioFacts | ImageFacts:
    """Return the size of the file of tokens; a sound has one channel.

    Raises:
        UsageError: the size is not known.
        InputError: the format has no signal of this size.
    """
    if tokens.width is not None and tokens.height is not None:
        return ImageFacts(width=tokens.width, height=tokens.height, grey=False)
    if tokens.num_samples is not None and tokens.sample_rate is not None:
        return AudioFacts(
            num_samples=tokens.num_samples,
            sample_rate=tokens.sample_rate,
            num_channels=1,
            downmixed=False,
        )
    raise UsageError("tokens without the size of their file; Model.decode takes indices alone")
