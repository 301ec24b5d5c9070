"""The order of channels: by speakers as in WAV files everywhere here, and that of Vorbis and Opus.

Ogg has its own order for three to eight channels (Vorbis I specification, 4.3.9; RFC 7845,
5.1.1.2). libsndfile reads and writes channels as they are stored.
"""

from __future__ import annotations

from vqcodec.signals.sound import Waveform

# Speakers in the order of the bits of a WAV file's mask: front, low frequencies, back, side.
_WAVE_ORDER = ("FL", "FR", "FC", "LFE", "BL", "BR", "BC", "SL", "SR")
_VORBIS_ORDER = {
    3: ("FL", "FC", "FR"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FC", "FR", "BL", "BR"),
    6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    7: ("FL", "FC", "FR", "SL", "SR", "BC", "LFE"),
    8: ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"),
}


def speakers_of(num_channels: int) -> tuple[str, ...]:
    """Return the speakers of three to eight channels in the order of WAV files; else none."""
    return tuple(sorted(_VORBIS_ORDER.get(num_channels, ()), key=_WAVE_ORDER.index))


def from_vorbis_order(block: Waveform) -> Waveform:
    """Return samples [C, n] of an Ogg file in the order of WAV files."""
    stored = _VORBIS_ORDER.get(len(block))
    return block if stored is None else block[[stored.index(s) for s in speakers_of(len(block))]]


def to_vorbis_order(block: Waveform) -> Waveform:
    """Return samples [C, n] in the order of Ogg files."""
    stored, speakers = _VORBIS_ORDER.get(len(block)), speakers_of(len(block))
    return block if stored is None else block[[speakers.index(s) for s in stored]]
