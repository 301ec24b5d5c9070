"""How indices predict phones, with artificial indices and phones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import phone_recogniser
import phones
import tables
from phone_recogniser import PHONES, SILENCE, phones_at
from phones import NOT_COUNTED, Voice, learn_map, score_map

SIZE = 20  # of the codebook
COMMON = 7  # the phone of most positions
SKEWED = (0.2, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.4, 0.05, 0.05)
EVEN = (0.1,) * 10


def voice(num_positions, *, seed, shares=SKEWED, right=1.0, shuffled=False):
    """Runs of phones, by default mostly COMMON and silence, with two indices for each of the ten.

    A share of the indices that is not `right` is drawn anew.
    """
    generator = np.random.default_rng(seed)
    heard = generator.choice(10, num_positions // 20 + 1, p=shares).repeat(20)[:num_positions]
    indices = 2 * heard + generator.integers(2, size=num_positions)
    wrong = generator.random(num_positions) >= right
    indices[wrong] = generator.integers(SIZE, size=int(wrong.sum()))
    return Voice(indices, generator.permutation(heard) if shuffled else heard)


def scores(**options):
    learnt_from = [voice(20_000, seed=1, **options)]
    return score_map(learn_map(learnt_from, SIZE), [voice(20_000, seed=2, **options)])


def test_an_index_of_a_single_phone_predicts_it():
    found = scores()
    assert found["accuracy"] == 1
    assert found["information_bits"] == pytest.approx(found["entropy_bits"], abs=0.01)
    assert found["num_phones"] == 10
    assert found["num_positions"] == 20_000


def test_chance_is_the_share_of_the_most_frequent_phone():
    found = scores()
    heard = voice(20_000, seed=2).phones
    assert found["chance"] == np.mean(heard == COMMON)
    assert found["chance"] == pytest.approx(0.4, abs=0.05)


def test_shuffled_phones_are_predicted_no_better_than_by_chance():
    found = scores(shuffled=True)
    assert found["accuracy"] == pytest.approx(found["chance"], abs=0.005)
    assert found["accuracy_of_votes"] == pytest.approx(found["chance"], abs=0.005)
    assert found["information_bits"] == pytest.approx(0, abs=0.02)


def test_wrong_indices_predict_less_and_votes_compensate():
    found = scores(right=0.5, shares=EVEN)
    # An index that was drawn anew is still right for its phone in one of ten.
    assert found["accuracy"] == pytest.approx(0.55, abs=0.02)
    assert found["accuracy_of_votes"] > found["accuracy"] + 0.2
    assert 0.1 < found["information_bits"] < 0.7 * found["entropy_bits"]


def test_phones_and_voices_are_also_scored_by_themselves():
    learnt = learn_map([Voice(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))], 2)
    told = Voice(np.array([0, 1, 1]), np.array([0, 1, 1]))
    mistaken = Voice(np.array([1, 1, 0]), np.array([0, 1, 0]))
    found = score_map(learnt, [told, mistaken])
    assert found["voices_above_chance"] == 1  # always saying 0 is as good on the second
    assert found["accuracy_by_phone"] == {PHONES[0]: pytest.approx(2 / 3), PHONES[1]: 1}


def test_information_bits_are_those_of_the_joint_distribution():
    # Two phones, even odds; the index is that of the phone in three of four positions.
    indices = np.array([0, 0, 0, 1, 1, 1, 1, 0] * 1000)
    two = Voice(indices, np.array([1, 1, 1, 1, 2, 2, 2, 2] * 1000))
    found = score_map(learn_map([two], 2), [two])
    assert found["entropy_bits"] == pytest.approx(1)
    binary_entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert found["information_bits"] == pytest.approx(1 - binary_entropy, abs=1e-3)
    assert found["accuracy"] == 0.75


def test_an_index_maps_to_its_most_frequent_phone_and_an_unseen_one_to_that_of_all():
    learnt = learn_map([Voice(np.array([0, 0, 0, 1, 1, 1, 1]), np.array([3, 3, 4, 5, 5, 5, 3]))], 3)
    assert learnt.predict(np.array([0, 1])).tolist() == [3, 5]
    most = learn_map([Voice(np.array([0, 0, 0, 1]), np.array([5, 5, 5, 3]))], 3)
    assert most.predict(np.array([2])).tolist() == [5]
    assert most.given_index.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("num_positions", [1, 2, 5])
def test_votes_at_the_edges_are_of_the_indices_there_are(num_positions):
    learnt = learn_map([voice(5_000, seed=1)], SIZE)
    indices = np.full(num_positions, 2 * COMMON)
    assert learnt.predict(indices, 11).tolist() == [COMMON] * num_positions


def test_votes_are_of_the_indices_around_a_position():
    learnt = learn_map([voice(5_000, seed=1)], SIZE)
    indices = np.repeat([2 * 3, 2 * 4, 2 * 5], 11)
    assert learnt.predict(indices, 11).tolist() == np.repeat([3, 4, 5], 11).tolist()


def test_silence_that_does_not_count_is_neither_learnt_nor_scored():
    spoken = voice(20_000, seed=2).without_silence()
    learnt = learn_map([voice(20_000, seed=1).without_silence()], SIZE)
    found = score_map(learnt, [spoken])
    assert found["num_positions"] == np.count_nonzero(voice(20_000, seed=2).phones != SILENCE)
    assert set(spoken.phones) == {NOT_COUNTED, *range(1, 10)}
    assert found["num_phones"] == 9
    assert SILENCE not in learnt.predict(np.arange(SIZE))
    assert found["chance"] == pytest.approx(0.5, abs=0.06)


def test_a_position_has_the_phone_of_the_window_at_its_middle():
    # Windows of 410 samples every 160: their middles are 205, 365, 525, …; positions' 32, 96, ….
    segments = [("SIL", 0, 1), ("AA", 1, 2), ("+NSN+", 3, 1), ("ZH", 4, 1)]
    found = [PHONES[phone] for phone in phones_at(segments, 16, 64)]
    middles = np.arange(16) * 64 + 32
    expected = np.select(
        [middles < 285, middles < 605, middles < 765, middles < 925],
        ["SIL", "AA", "SIL", "ZH"],
        "SIL",
    )
    assert found == expected.tolist()
    assert {"AA", "ZH"} <= set(found)


def test_a_sound_without_segments_is_silent():
    assert phones_at([], 3, 64).tolist() == [SILENCE] * 3


def test_speakers_are_the_first_part_of_a_name():
    assert phones.speakers_of([Path("a/12-3-0.flac"), Path("12-4-1.wav"), Path("7-1.wav")]) == {
        "12",
        "7",
    }


def test_the_table_shows_shares_as_per_cent_and_bits_of_how_many():
    spoken = {
        "num_phones": 39,
        "num_positions": 1000,
        "chance": 0.1,
        "accuracy": 0.25,
        "accuracy_of_votes": 0.3,
        "information_bits": 1.5,
        "entropy_bits": 5,
    }
    result = {
        "commit": "0123456789",
        "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
        "command": "python benchmarks/phones.py",
        "model": {"name": "paper-audio", "fingerprint": "01234567"},
        "n": 30,
        "num_training_files": 60,
        "num_voters": 11,
        "scores": {"without silence": spoken},
    }
    table = tables.phones_table({"phones": result})
    assert "Learnt from 60 files, scored on 30; model paper-audio 01234567." in table
    row = "| without silence | 39 | 1000 | 10.0 % | 25.0 % | 30.0 % | 1.50 of 5.00 |"
    assert row in table.splitlines()
    assert tables.phones_table({}) == ""


def test_windows_become_the_values_of_their_clusters():
    generator = np.random.default_rng(0)
    places = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    own = np.repeat([0, 1, 2], 50)
    windows = (places[own] + 0.1 * generator.normal(size=(150, 2))).astype(np.float32)
    centres = phones.cluster(windows, 3)
    found = phones.nearest(windows, centres)
    assert len(np.unique(found)) == 3
    assert all(len(np.unique(found[own == cluster])) == 1 for cluster in range(3))
    heard = np.array([SILENCE, 3, 4])[own]
    voice = Voice(np.zeros(0, np.int64), np.zeros(0, np.int64), windows, heard)
    (told,) = phones.in_windows([voice], centres)
    assert score_map(learn_map([told], 3), [told])["accuracy"] == 1
    (spoken,) = phones.in_windows([voice.without_silence()], centres)
    assert score_map(learn_map([spoken], 3), [spoken])["num_positions"] == 100


def test_what_was_heard_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(phone_recogniser, "Recogniser", Heard)
    cache = tmp_path / "heard.json"
    first = phone_recogniser.PhoneCache(cache).segments(Path("a/1.flac"), "a sound")
    monkeypatch.setattr(phone_recogniser, "Recogniser", None)
    assert (
        phone_recogniser.PhoneCache(cache).segments(Path("a/1.flac"), "a sound")
        == first
        == [("AA", 0, 3)]
    )


class Heard:
    """A recogniser that hears the same phone in every sound."""

    def segments(self, clip):
        assert clip == "a sound"
        return [("AA", 0, 3)]
