"""`vqcodec info --bits` with a model that is real, if tiny."""

import pytest
from PIL import Image
from tiny import noise_clip, noise_picture
from vqcodec.cli.models import load_model

from vqcodec.bitstream.stream import parse_stream


@pytest.mark.parametrize(
    ("name", "signal", "numbers"),
    [
        ("residual-image", noise_picture(40, 24), "bits_by_row"),
        ("speech", noise_clip(20_000), "bits_by_second"),
    ],
)
def test_a_stream_alone_says_where_its_bits_went(
    vqc, tiny_folder, tiny_models, tmp_path, monkeypatch, name, signal, numbers
):
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    load_model.cache_clear()
    stream = tiny_models[name].compress(signal, quality=3)
    (tmp_path / "some.vqc").write_bytes(stream)
    record = vqc("info", "some.vqc", "--bits", "bits.png", "--json").json
    (payload,) = parse_stream(stream).segments
    assert record["index_bits"] == pytest.approx(8 * len(payload), abs=12)
    listed = record[numbers] if numbers == "bits_by_row" else record[numbers][0]
    assert len(listed) == 2
    assert sum(listed) == pytest.approx(record["index_bits"])
    assert Image.open(tmp_path / "bits.png").format == "PNG"
