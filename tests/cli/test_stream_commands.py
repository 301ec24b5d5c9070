"""`vqcodec info` and `vqcodec verify`."""

import dataclasses

import pytest
from PIL import Image

from vqcodec.bitstream.header import AudioFacts, Header
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream


@pytest.fixture(autouse=True)
def inspect(stand_in):
    """What the library finds in a stream, made up but for the header and the checksums."""

    def describe(stream, _model):
        header = parse_stream(stream).header
        return {
            "modality": header.modality.name.lower(),
            "fingerprint": header.fingerprint.hex(),
            "model": None,
            "bits_per_pixel": 1 / 3,
            "width": 8,
            "sections": [{"tag": "segment", "size_bytes": 500}],
        }

    stand_in(
        "vqcodec.codec.inspect",
        describe=describe,
        verify=lambda stream: parse_stream(stream).header.fingerprint.hex(),
    )


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
        "  tag: segment, size bytes: 500",
    ]


def test_info_as_json_has_the_same_facts(vqc, photo_stream):
    record = vqc("info", "--json", photo_stream).json
    assert record["input"] == str(photo_stream)
    assert record["sections"] == [{"tag": "segment", "size_bytes": 500}]
    assert "indices" not in record


def test_info_reads_a_pipe(vqc, photo_stream):
    assert vqc("info", "-", "--json", stdin=photo_stream.read_bytes()).json["input"] == "stdin"


def test_indices_come_one_row_per_codebook(vqc, photo_stream):
    assert vqc("info", "--indices", photo_stream).stdout == b"0 1 2 3 4 5\n6 7 8 9 10 11\n"
    record = vqc("info", "--indices", "--json", photo_stream).json
    assert record["indices"] == [[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]]


def test_bits_are_drawn_beside_the_facts(vqc, photo_stream, tmp_path):
    outcome = vqc("info", photo_stream, "--bits", "map.png")
    assert outcome.exit_code == 0
    lines = outcome.stdout.decode().splitlines()
    assert lines[-2:] == ["bits output: map.png", "index bits: 10"]
    assert Image.open(tmp_path / "map.png").format == "PNG"


def test_bits_as_json_come_by_row_or_by_second(vqc, photo_stream, voice_stream):
    record = vqc("info", photo_stream, "--bits", "map.png", "--json").json
    assert (record["index_bits"], record["bits_by_row"]) == (10.0, [3.0, 7.0])
    record = vqc("info", voice_stream, "--bits", "time.png", "--json").json
    assert (record["index_bits"], record["bits_by_second"]) == (300.0, [[300.0]])


def test_bits_of_a_long_sound_are_drawn_and_not_listed(vqc, zoo, tmp_path):
    facts = AudioFacts(num_samples=8_016_000, sample_rate=8000, num_channels=1, downmixed=False)
    header = Header(fingerprint=bytes.fromhex(zoo.speech.fingerprint), rate=0, facts=facts)
    stream = build_stream(Stream(header, (Section(Tag.SEGMENT, b"1"),)))
    (tmp_path / "long.vqc").write_bytes(stream)
    record = vqc("info", "long.vqc", "--bits", "time.png", "--json").json
    assert record["index_bits"] == 501_000.0
    assert "bits_by_second" not in record


@pytest.mark.parametrize(
    ("target", "exit_code", "message"),
    [
        ("-", 2, "--bits -: the drawing is written to a file as .png"),
        ("map.jpg", 2, "--bits map.jpg: the drawing is written to a file as .png"),
        ("taken.png", 6, "taken.png: exists; -f overwrites it"),
        ("nowhere/map.png", 6, "nowhere/map.png: no such folder; make it with: mkdir -p nowhere"),
    ],
)
def test_bits_have_to_go_to_a_new_picture(vqc, photo_stream, tmp_path, target, exit_code, message):
    (tmp_path / "taken.png").write_bytes(b"mine")
    outcome = vqc("info", photo_stream, "--bits", target)
    assert (outcome.exit_code, outcome.stdout) == (exit_code, b"")
    assert outcome.stderr == f"vqcodec: {message}\n"
    assert (tmp_path / "taken.png").read_bytes() == b"mine"


def test_bits_overwrite_with_force(vqc, photo_stream, tmp_path):
    (tmp_path / "taken.png").write_bytes(b"mine")
    assert vqc("info", photo_stream, "--bits", "taken.png", "-f").exit_code == 0
    assert Image.open(tmp_path / "taken.png").format == "PNG"


def test_info_names_what_it_cannot_read(vqc, photo_stream):
    photo_stream.write_bytes(b"GIF89a")
    outcome = vqc("info", photo_stream)
    assert (outcome.exit_code, outcome.stdout) == (4, b"")
    assert outcome.stderr.startswith(f"vqcodec: {photo_stream}: header: not a .vqc stream")
    assert vqc("info", "missing.vqc").exit_code == 3


def test_info_as_json_has_a_record_of_a_failure(vqc, photo_stream):
    assert vqc("info", "--json", photo_stream).json["ok"] is True
    outcome = vqc("info", "--json", "missing.vqc")
    message = "missing.vqc: No such file or directory"
    assert outcome.json == {"input": "missing.vqc", "ok": False, "error": message, "exit_code": 3}
    assert (outcome.exit_code, outcome.stderr) == (3, f"vqcodec: {message}\n")


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


@pytest.mark.parametrize("inputs", [["."], ["*.vqc"], ["@list"]])
def test_verify_takes_folders_patterns_and_lists(vqc, photo, photo_stream, voice_stream, inputs):
    names = [photo_stream.name, voice_stream.name]
    photo.with_name("list").write_text("\n".join(names))
    outcome = vqc("verify", *inputs)
    assert outcome.exit_code == 0
    assert outcome.stdout.decode() == "".join(f"{name}: ok\n" for name in names)
    others = "2 other files left out: list, photo.png\n"
    assert outcome.stderr == (others if inputs == ["."] else "")


def test_verify_names_models_that_are_not_installed(vqc, photo_stream, voice_stream):
    parsed = parse_stream(photo_stream.read_bytes())
    header = dataclasses.replace(parsed.header, fingerprint=bytes.fromhex("01234567"))
    stream = build_stream(Stream(header, parsed.sections))
    for name in ("a.vqc", "b.vqc"):
        photo_stream.with_name(name).write_bytes(stream)
    outcome = vqc("verify", "a.vqc", "b.vqc", voice_stream)
    assert outcome.exit_code == 0
    assert outcome.stderr == "2 streams cannot be restored here: model 01234567 is not installed\n"
    told = vqc("verify", "--json", "a.vqc", voice_stream).json
    assert told["missing_models"] == ["01234567"]
    assert told["files"][0]["fingerprint"] == "01234567"


def test_verify_refuses_a_folder_without_streams(vqc, photo):
    outcome = vqc("verify", ".")
    assert (outcome.exit_code, outcome.stderr) == (3, "vqcodec: .: no file in it ends in .vqc\n")


def test_verify_reads_a_pipe(vqc, photo_stream):
    assert vqc("verify", "-", stdin=photo_stream.read_bytes()).stdout == b"stdin: ok\n"
