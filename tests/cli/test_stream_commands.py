"""`vqcodec info` and `vqcodec verify`."""

import pytest

from vqcodec.bitstream.stream import parse_stream


@pytest.fixture(autouse=True)
def inspect(stand_in):
    """What the library finds in a stream, made up but for the header and the checksums."""

    def describe(stream):
        header = parse_stream(stream).header
        return {
            "modality": header.modality.name.lower(),
            "fingerprint": header.fingerprint.hex(),
            "model": None,
            "bits_per_pixel": 1 / 3,
            "width": 8,
            "sections": [{"kind": "segment", "size_bytes": 500}],
        }

    stand_in("vqcodec.codec.inspect", describe=describe, verify=parse_stream)


def test_info_shows_every_fact_on_its_line(vqc, photo_stream):
    outcome = vqc("info", photo_stream)
    assert outcome.exit_code == 0
    assert outcome.stdout.decode().splitlines() == [
        f"input: {photo_stream}",
        "modality: image",
        "fingerprint: 0a0b0c0d",
        "model: unknown",
        "bits per pixel: 0.333333",
        "width: 8",
        "sections:",
        "  kind: segment, size bytes: 500",
    ]


def test_info_as_json_has_the_same_facts(vqc, photo_stream):
    record = vqc("info", "--json", photo_stream).json
    assert record["input"] == str(photo_stream)
    assert record["sections"] == [{"kind": "segment", "size_bytes": 500}]
    assert "indices" not in record


def test_info_reads_a_pipe(vqc, photo_stream):
    assert vqc("info", "-", "--json", stdin=photo_stream.read_bytes()).json["input"] == "stdin"


def test_indices_come_one_row_per_codebook(vqc, photo_stream):
    assert vqc("info", "--indices", photo_stream).stdout == b"0 1 2 3 4 5\n6 7 8 9 10 11\n"
    record = vqc("info", "--indices", "--json", photo_stream).json
    assert record["indices"] == [[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]]


def test_info_names_what_it_cannot_read(vqc, photo_stream):
    photo_stream.write_bytes(b"GIF89a")
    outcome = vqc("info", photo_stream)
    assert (outcome.exit_code, outcome.stdout) == (4, b"")
    assert outcome.stderr.startswith(f"vqcodec: {photo_stream}: header: not a vqcodec stream")
    assert vqc("info", "missing.vqc").exit_code == 3


def test_verify_says_ok_for_each_intact_file(vqc, photo_stream, voice_stream):
    outcome = vqc("verify", photo_stream, voice_stream)
    assert outcome.exit_code == 0
    assert outcome.stdout.decode() == f"{photo_stream}: ok\n{voice_stream}: ok\n"
    assert vqc("verify", "-q", photo_stream).stdout == b""


def test_verify_goes_on_after_damage_and_fails_with_its_code(vqc, photo_stream, voice_stream):
    photo_stream.write_bytes(photo_stream.read_bytes()[:-1])
    outcome = vqc("verify", "missing.vqc", photo_stream, voice_stream)
    assert outcome.exit_code == 3
    assert outcome.stdout.decode() == f"{voice_stream}: ok\n"
    files = vqc("verify", "--json", photo_stream, voice_stream).json["files"]
    assert [file["ok"] for file in files] == [False, True]
    assert files[0]["exit_code"] == 4
    assert files[1]["size_bytes"] == voice_stream.stat().st_size


def test_verify_reads_a_pipe(vqc, photo_stream):
    assert vqc("verify", "-", stdin=photo_stream.read_bytes()).stdout == b"stdin: ok\n"
