"""Damage inside the data of a JPEG whose markers are whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vqcodec.errors import InputError
from vqcodec.notes import NoteCode
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture_files import read_picture

FORMS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 4},
    "grey": {"grey": True},
    "four channels": {"mode": "CMYK"},
}


def jpeg(*, grey: bool = False, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(2).integers(0, 256, (96, 120, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert("L" if grey else mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture(params=FORMS)
def data(request):
    return jpeg(**FORMS[request.param])


def test_a_whole_file_has_no_damage(data):
    assert not [
        note for note in read_picture(io.BytesIO(data)).notes if note.code is NoteCode.DAMAGED
    ]


def test_missing_data_before_an_end_mark_are_refused_or_salvaged(data):
    cut = data[: len(data) // 2] + b"\xff\xd9"
    with pytest.raises(InputError, match="damaged: its data end before its last pixel"):
        read_picture(io.BytesIO(cut))
    salvaged = read_picture(io.BytesIO(cut), options=ReadOptions(salvage=True))
    assert salvaged.pixels.shape[:2] == (96, 120)
    assert NoteCode.DAMAGED in [note.code for note in salvaged.notes]


@pytest.mark.parametrize("form", ["baseline", "progressive", "restarts"])
def test_overwritten_data_are_refused_or_noted(form):
    damaged = bytearray(jpeg(**FORMS[form]))
    middle = len(damaged) // 2
    damaged[middle : middle + 60] = bytes(60)
    try:
        notes = read_picture(io.BytesIO(damaged)).notes
    except InputError as error:
        assert "damaged: its data" in str(error)
    else:
        assert NoteCode.DAMAGED in [note.code for note in notes]
