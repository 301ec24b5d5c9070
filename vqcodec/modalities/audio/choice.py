"""The choice between the model for voices and the one for all other sounds."""

from __future__ import annotations

from collections.abc import Callable

from vqcodec.modalities.base import ModelChoice
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.sound import Sound
from vqcodec.signals.speech_detection import judge

SPEECH, OTHERS = "speech", "audio"  # names of models
_SPEECH_RATE = 16_000  # Hz


def choose_sound_model(sound: Sound, is_installed: Callable[[str], bool]) -> ModelChoice:
    """Return `speech` for a voice and `audio` for all else, with the reason.

    A voice at a high sample rate is a voice, too: `speech` drops its highest frequencies, and needs
    a fraction of the bits. A sound that is too short or too quiet to be judged goes to `audio`,
    which codes voices as well. Without `audio`, every sound goes to `speech`.

    Raises:
        InputError: the sound's file is damaged.
    """
    judgement = judge(sound)
    if not is_installed(OTHERS):
        if judgement.is_speech is not False:
            return ModelChoice(SPEECH)
        text = f"this is not a voice ({judgement.reason}); the model {SPEECH} cannot code it well"
        return ModelChoice(SPEECH, Note(NoteCode.NOT_SPEECH, text))
    if judgement.is_speech is None:
        text = f"too short or too quiet to tell whether it is a voice: model {OTHERS}"
        return ModelChoice(OTHERS, Note(NoteCode.MODEL_CHOSEN, text))
    if not judgement.is_speech:
        text = f"not a voice ({judgement.reason}): model {OTHERS}; --model overrules"
        return ModelChoice(OTHERS, Note(NoteCode.MODEL_CHOSEN, text))
    more = f"codes what lies above {_SPEECH_RATE // 2000} kHz, too"
    hint = f"--model {OTHERS} {more}" if sound.sample_rate > _SPEECH_RATE else "--model overrules"
    text = f"a voice ({judgement.reason}): model {SPEECH}; {hint}"
    return ModelChoice(SPEECH, Note(NoteCode.MODEL_CHOSEN, text))
