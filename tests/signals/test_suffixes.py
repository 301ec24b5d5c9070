"""Which files of a folder are taken for sounds and pictures: those that the readers know."""

import pytest
from PIL import Image

from vqcodec.signals import suffixes
from vqcodec.signals.picture_opening import FORMATS
from vqcodec.signals.suffixes import PICTURE_SUFFIXES, SIGNAL_SUFFIXES, SOUND_SUFFIXES


def test_every_suffix_of_a_format_that_pillow_may_open_is_one_of_a_picture():
    known = Image.registered_extensions()
    formats = {*FORMATS, "MPO", "TGA", "HEIF"}
    found = {suffix for suffix, name in known.items() if name in formats}
    assert found - {".icb", ".vda", ".vst"} <= set(PICTURE_SUFFIXES)  # rare, or plug-ins


@pytest.mark.parametrize(
    "suffix", [".mp4", ".mkv", ".mov", ".webm", ".avi", ".vst", ".txt", ".vqc", ".tar"]
)
def test_films_and_other_files_are_no_inputs(suffix):
    assert suffix not in SIGNAL_SUFFIXES


def test_a_suffix_is_of_one_kind_and_in_lower_case():
    assert not set(PICTURE_SUFFIXES) & set(SOUND_SUFFIXES)
    both = [*PICTURE_SUFFIXES, *SOUND_SUFFIXES]
    assert sorted(SIGNAL_SUFFIXES) == sorted(both) == sorted({suffix.lower() for suffix in both})


def test_the_suffixes_that_a_message_names_first_are_the_usual_ones():
    usual = (*suffixes.PICTURE_FORMATS, *suffixes.SOUND_FORMATS)
    assert SIGNAL_SUFFIXES[: len(usual)] == usual
