"""Inputs, outputs and models at URLs; patterns; lists of files."""

import gc
import shutil
import tempfile

import pytest
from tiny import noise_picture, tiny_model_path
from vqcodec.cli.models import load_model

import vqcodec
from vqcodec import storage
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.url_schemes import open_store

pytest.importorskip("fsspec")


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def root(request):
    """The URL of an empty folder."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    import fsspec

    fsspec.filesystem("memory").store.clear()
    return "memory://test"


@pytest.fixture
def pictures(root, photo):
    """A folder in a store with three pictures, and what is none."""
    for name in ("a.png", "sub/b.png", "sub/c.PNG", ".hidden/d.png"):
        storage.put(str(photo), f"{root}/in/{name}", overwrite=False)
    storage.put(__file__, f"{root}/in/notes.txt", overwrite=False)
    return f"{root}/in"


def urls_in(folder):
    """The names below a folder in a store."""
    above, found = storage.search(f"{folder}/")
    return [file.url.removeprefix(above) for file in found]


STREAMS = ["a.vqc", "sub/b.vqc", "sub/c.vqc"]


def test_a_folder_in_a_store_is_mirrored_and_comes_back(vqc, zoo, root, pictures):
    outcome = vqc("compress", pictures, "-o", f"{root}/out")
    assert outcome.exit_code == 0, outcome.stderr
    assert urls_in(f"{root}/out") == STREAMS
    assert "3 compressed" in outcome.stderr
    assert "1 other file left out" in outcome.stderr
    assert vqc("decompress", f"{root}/out/", "-o", f"{root}/back/", "-q").exit_code == 0
    assert urls_in(f"{root}/back") == [f"{name[:-4]}.decoded.png" for name in STREAMS]


def test_a_store_and_a_folder_can_be_mixed(vqc, zoo, root, pictures, tmp_path):
    assert vqc("compress", pictures, "-o", "out").exit_code == 0
    found = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")
    )
    assert found == ["a.vqc", "sub", "sub/b.vqc", "sub/c.vqc"]
    assert vqc("decompress", "out", "-o", f"{root}/back").exit_code == 0
    assert len(urls_in(f"{root}/back")) == 3


def test_one_file_in_a_store(vqc, zoo, root, pictures):
    assert vqc("compress", f"{pictures}/a.png").exit_code == 0
    stream = f"{pictures}/a.vqc"
    assert vqc("verify", stream).stdout == f"{stream}: ok\n".encode()
    assert vqc("info", stream, "--json").json["input"] == stream
    assert vqc("decompress", stream, "-o", f"{root}/new.png").exit_code == 0
    assert storage.read(f"{root}/new.png").startswith(b"\x89PNG")
    assert vqc("decompress", stream, "-o", "-").stdout.startswith(b"\x89PNG")


def test_an_object_is_overwritten_by_force_only(vqc, zoo, root, pictures):
    storage.put(__file__, f"{pictures}/a.vqc", overwrite=False)
    before = storage.read(f"{pictures}/a.vqc")
    outcome = vqc("compress", f"{pictures}/a.png")
    assert outcome.exit_code == OutputError.exit_code
    assert f"{pictures}/a.vqc: exists; -f overwrites it" in outcome.stderr
    assert storage.read(f"{pictures}/a.vqc") == before
    assert vqc("compress", f"{pictures}/a.png", "-f").exit_code == 0
    assert storage.read(f"{pictures}/a.vqc") != before


def test_existing_objects_are_skipped(vqc, zoo, root, pictures):
    for command, source, out in (("compress", "in", "out"), ("decompress", "out", "back")):
        arguments = [command, f"{root}/{source}/", "-o", f"{root}/{out}/", "--skip-existing"]
        assert vqc(*arguments).exit_code == 0
        open_store(root)[0].rm_file(
            f"{root}/{out}/{urls_in(f'{root}/{out}')[1]}".partition("://")[2]
        )
        outcome = vqc(*arguments, "--json")
        assert outcome.exit_code == 0
        existing = [record.get("existing", False) for record in outcome.json["files"]]
        assert existing == [True, False, True]


def test_a_pattern_takes_what_fits(vqc, zoo, root, pictures):
    assert vqc("compress", f"{pictures}/*/*.png", "-o", f"{root}/out").exit_code == 0
    assert urls_in(f"{root}/out") == ["sub/b.vqc"]


def test_a_pattern_of_local_files(vqc, zoo, photo, tmp_path):
    for name in ("x/a.png", "x/b.png", "y/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(photo, tmp_path / name)
    shutil.copy(photo, tmp_path / "[1].png")
    assert vqc("compress", "?/*.png", "-o", "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.vqc")) == [
        "a.vqc",
        "b.vqc",
        "c.vqc",
    ]
    assert vqc("compress", "[1].png").exit_code == 0  # a file of this name exists
    outcome = vqc("compress", "*.wav", "-o", "out")
    assert outcome.exit_code == InputError.exit_code
    assert "*.wav: no match ends in" in outcome.stderr


def test_a_file_url_is_a_path(vqc, zoo, photo, tmp_path):
    assert vqc("compress", f"file://{photo}", "-o", f"file://{tmp_path}/new.vqc").exit_code == 0
    assert (tmp_path / "new.vqc").is_file()


def test_a_list_names_files_anywhere(vqc, zoo, root, pictures, photo, tmp_path):
    names = [f"{pictures}/a.png", f"{pictures}/sub/b.png"]
    (tmp_path / "files.txt").write_text("\r\n".join(names) + "\n\n")
    assert vqc("compress", "@files.txt", "-o", f"{root}/out").exit_code == 0
    assert urls_in(f"{root}/out") == ["a.vqc", "sub/b.vqc"]
    storage.put(str(tmp_path / "files.txt"), f"{root}/list", overwrite=False)
    assert vqc("compress", f"@{root}/list", "-o", "out").exit_code == 0
    assert (tmp_path / "out" / "sub" / "b.vqc").is_file()
    assert (
        vqc("compress", "@-", "-o", "mixed/", stdin=f"{names[0]}\nphoto.png".encode()).exit_code
        == 0
    )
    assert {path.name for path in (tmp_path / "mixed").iterdir()} == {"a.vqc", "photo.vqc"}


def test_lines_of_a_list_are_taken_literally(vqc, zoo, photo, tmp_path):
    (tmp_path / "files.txt").write_text("*.png\n@photo.png\n--force\nphoto.png\nin\n#x\n")
    (tmp_path / "in").mkdir()
    outcome = vqc("compress", "@files.txt", "-o", "out", "--json")
    assert [record["ok"] for record in outcome.json["files"]] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    assert outcome.exit_code == InputError.exit_code


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ("", "names no file"),
        ("a.png\n-\n", "line 2 is not the name of a file"),
        ("a\0b.png\n", "line 1 is not the name of a file"),
    ],
)
def test_a_wrong_list_is_reported(vqc, zoo, tmp_path, contents, words):
    (tmp_path / "files.txt").write_text(contents)
    outcome = vqc("compress", "@files.txt", "-o", "out")
    assert outcome.exit_code == InputError.exit_code
    assert words in outcome.stderr
    assert vqc("compress", "@none.txt", "-o", "out").exit_code == InputError.exit_code


def test_a_file_whose_name_begins_with_an_at_sign_is_a_file(vqc, zoo, photo, tmp_path):
    photo.rename(tmp_path / "@photo.png")
    assert vqc("compress", "@photo.png").exit_code == 0
    assert (tmp_path / "@photo.vqc").is_file()


def test_names_in_a_list_do_not_lead_out_of_the_folder_of_results(vqc, zoo, photo, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "files.txt").write_text("in/../../evil.png\nin/sub/b.png\n")
    outcome = vqc("compress", "@files.txt", "-o", "out")
    assert outcome.exit_code == UsageError.exit_code
    assert (
        "in/../../evil.png: leads out of its folder, so it has no place in -o out" in outcome.stderr
    )
    assert not (tmp_path / "out").exists()


def test_names_in_a_store_do_not_lead_out_of_the_folder_of_results(vqc, zoo, root, photo, tmp_path):
    if root.startswith("memory"):
        pytest.skip("resolves such names itself")
    import s3fs

    s3fs.S3FileSystem().pipe_file(f"{root}/in/../../evil.png", photo.read_bytes())
    outcome = vqc("compress", f"{root}/in/", "-o", "out/deep")
    assert outcome.exit_code == UsageError.exit_code
    assert "has no place in -o out/deep" in outcome.stderr
    assert not list(tmp_path.glob("*.vqc"))


@pytest.mark.parametrize("option", [["--jobs", "2"], ["--ray"]])
def test_files_within_one_process_need_one_process(vqc, zoo, option):
    outcome = vqc("compress", "memory://a.png", "memory://b.png", "-o", "out/", *option)
    assert outcome.exit_code == UsageError.exit_code
    assert "exists in one process only; leave out --jobs and --ray" in outcome.stderr


def test_an_unreadable_object_does_not_stop_the_rest(vqc, zoo, root, pictures):
    outcome = vqc("compress", f"{pictures}/none.png", f"{pictures}/a.png", "-o", f"{root}/out/")
    assert outcome.exit_code == InputError.exit_code
    assert f"vqcodec: {pictures}/none.png: " in outcome.stderr
    assert urls_in(f"{root}/out") == ["a.vqc"]


def test_results_do_not_go_to_a_web_address(vqc, zoo, photo):
    outcome = vqc("compress", photo, "-o", "https://host/a.vqc")
    assert outcome.exit_code == UsageError.exit_code
    assert "https:// is only read" in outcome.stderr


def test_a_model_in_a_store_is_used(vqc, root, tmp_path):
    load_model.cache_clear()
    vqcodec.write(tmp_path / "a.png", noise_picture(24, 16))
    url = f"{root}/own.safetensors"
    storage.put(str(tiny_model_path("image")), url, overwrite=False)
    assert vqc("compress", "a.png", "--model", url).exit_code == 0
    stream = (tmp_path / "a.vqc").read_bytes()
    assert vqc("compress", "a.png", "--model", tiny_model_path("image"), "-f").exit_code == 0
    assert (tmp_path / "a.vqc").read_bytes() == stream
    assert vqc("decompress", "a.vqc", "--model", url).exit_code == 0
    storage.put(__file__, url, overwrite=True)
    load_model.cache_clear()
    outcome = vqc("compress", "a.png", "--model", url, "-f")
    assert outcome.exit_code == 4
    assert f"{url}: not a model file" in outcome.stderr


def test_a_huge_model_is_not_fetched(vqc, root, monkeypatch):
    storage.put(str(tiny_model_path("image")), f"{root}/own.safetensors", overwrite=False)
    monkeypatch.setattr("vqcodec.codec.zoo.LARGEST_MODEL", 1000)
    with pytest.raises(vqcodec.VqcodecError, match="is larger than a model"):
        vqcodec.load(f"{root}/own.safetensors")


def test_streams_of_one_name_in_two_stores_are_refused_before_any_work(
    vqc, zoo, root, photo_stream, tmp_path
):
    for name in ("one/same.vqc", "two/same.vqc", "two/other.vqc"):
        storage.put(str(photo_stream), f"{root}/{name}", overwrite=False)
    same = [f"{root}/{name}/same.vqc" for name in ("one", "two")]
    outcome = vqc("decompress", *same, "-o", "out/", "-f")
    assert outcome.exit_code == UsageError.exit_code
    assert f"{same[0]} and {same[1]}: both would become out/same" in outcome.stderr
    assert not (tmp_path / "out").exists()
    outcome = vqc("decompress", same[0], f"{root}/two/other.vqc", "-o", "out/")
    assert outcome.exit_code == 0, outcome.stderr


def test_an_address_without_a_file_name_needs_an_output(vqc, zoo):
    outcome = vqc("compress", "https://host/")
    assert outcome.exit_code == UsageError.exit_code
    assert "https://host/" in outcome.stderr


def test_a_file_url_is_a_path_for_info_and_speakers(vqc, zoo, photo_stream, voice):
    assert vqc("info", photo_stream.absolute().as_uri()).exit_code == 0
    outcome = vqc("decompress", photo_stream, "--speaker", "file:///none.wav")
    assert "/none.wav: " in outcome.stderr


def test_eval_writes_records_into_a_store_and_does_not_resume_there(vqc, root, tmp_path):
    vqcodec.write(tmp_path / "a.png", noise_picture(24, 16))
    output, model = f"{root}/records.jsonl", tiny_model_path("image")
    outcome = vqc("eval", "a.png", "-o", output, "-q", "--model", model, "--jobs", "1")
    assert outcome.exit_code == 0, outcome.stderr
    assert storage.read(output).startswith(b"{")
    outcome = vqc("eval", "a.png", "-o", output, "--resume")
    assert outcome.exit_code == UsageError.exit_code
    assert "--resume: needs -o FILE.jsonl on this machine" in outcome.stderr


def test_eval_measures_copies_of_what_is_in_a_store(vqc, root, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_model_path("image").parent))
    load_model.cache_clear()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    arguments = ["--model", tiny_model_path("image"), "--json", "-q", "--jobs", "1"]
    for name, count in (("in/", 3), ("in/*.png", 1), ("in/sub/b.png", 1)):
        outcome = vqc("eval", f"{root}/{name}", *arguments)
        assert outcome.exit_code == 0, outcome.stderr
        assert len(outcome.json["records"]) == count
    outcome = vqc("eval", f"{root}/in/*.txt", *arguments)
    assert outcome.exit_code == InputError.exit_code
    assert "*.txt: no match ends in" in outcome.stderr
    assert vqc("eval", f"{root}/none.png", *arguments).exit_code == InputError.exit_code
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []
    outcome = vqc("eval", f"{root}/in/", *arguments, "--ray", "auto")
    assert outcome.exit_code == UsageError.exit_code
    assert "do not have the copies" in outcome.stderr
