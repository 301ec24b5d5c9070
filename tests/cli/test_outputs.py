"""Which files lie in a folder, and which file each input becomes."""

import os
from pathlib import Path

import pytest
from vqcodec.cli.outputs import Outputs, Source, find_sources, require_distinct

from vqcodec.errors import InputError, OutputError, UsageError


@pytest.fixture(autouse=True)
def in_tmp_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("photo.png", None, "photo.vqc"),
        ("a/photo.png", None, "a/photo.vqc"),
        ("a/photo", None, "a/photo.vqc"),
        ("a/photo.png", "other.vqc", "other.vqc"),
        ("a/photo.png", "b", "b/photo.vqc"),
        ("a/photo.png", "b/", "b/photo.vqc"),
        ("a/photo.png", "new/", "new/photo.vqc"),
        ("a/photo.png", "-", "-"),
        ("-", None, "-"),
        ("-", "other.vqc", "other.vqc"),
    ],
)
def test_a_result_goes_where_the_options_say(source, output, expected):
    Path("a").mkdir()
    Path("b").mkdir()
    outputs = Outputs(output, [Source(source)], force=False)
    assert outputs.target(Source(source), ".vqc") == expected
    assert outputs.to_stdout == (expected == "-")
    assert outputs.has_one_name == (expected in ("-", "other.vqc"))
    if expected != "-":
        outputs.check(expected, Source(source))
        with outputs.open(expected, Source(source)) as file:
            file.write(b"result")
        assert Path(expected).read_bytes() == b"result"


@pytest.mark.parametrize(("folder", "found"), [("a", "a/b/photo.png"), (".", "a/b/photo.png")])
@pytest.mark.parametrize("output", [None, "out", "new/deep"])
def test_a_folder_is_mirrored(folder, found, output):
    make(found, "out/x")
    source = Source(found, folder=folder)
    target = Outputs(output, [source], force=False).target(source, ".vqc")
    inside = Path(found).relative_to(folder).with_suffix(".vqc")
    assert Path(target) == Path(output or folder) / inside


@pytest.mark.parametrize("output", ["-", "file.vqc", "existing"])
def test_many_inputs_need_a_folder(output):
    make("existing")
    with pytest.raises(UsageError, match="folder"):
        Outputs(output, [Source("a.png"), Source("b.png")], force=True)


def test_the_hint_makes_a_folder():
    with pytest.raises(UsageError, match="-o new/ makes one"):
        Outputs("new", [Source("a.png"), Source("b.png")], force=True)
    assert Outputs("new/", [Source("a.png"), Source("b.png")], force=True).in_folder


@pytest.mark.parametrize("output", ["-", "existing"])
def test_a_folder_needs_a_folder(output):
    make("existing")
    with pytest.raises(UsageError, match="folder"):
        Outputs(output, [Source("a/b.png", folder="a")], force=True)


def test_stdin_is_not_one_of_many_inputs():
    with pytest.raises(UsageError, match="stdin"):
        Outputs(None, [Source("a.png"), Source("-")], force=False)


def test_stdin_has_no_name_for_a_folder():
    with pytest.raises(UsageError, match="stdin"):
        Outputs(".", [Source("-")], force=False).target(Source("-"), ".vqc")


def test_a_file_where_a_folder_has_to_be_is_reported_before_the_work():
    make("out/sub")
    source = Source("a/sub/b.png", folder="a")
    outputs = Outputs("out", [source], force=True)
    target = outputs.target(source, ".vqc")
    with pytest.raises(OutputError, match="is not a folder"):
        outputs.check(target, source)
    with pytest.raises(OutputError), outputs.open(target, source):
        pass


def test_an_input_is_never_the_output():
    make("photo.vqc")
    Path("link.vqc").symlink_to("photo.vqc")
    for target in ("photo.vqc", "./photo.vqc", "link.vqc"):
        with pytest.raises(UsageError, match="inputs are kept"):
            require_distinct([(Source("photo.vqc"), target)])


def test_two_inputs_never_become_one_output():
    plan = [(Source("photo.png"), "photo.vqc"), (Source("photo.jpg"), "./photo.vqc")]
    with pytest.raises(UsageError, match=r"photo.png and photo.jpg: both would become"):
        require_distinct(plan)
    require_distinct([(Source("-"), "-")])
    plan += [(Source("a.gif"), "a.vqc"), (Source("a.png"), "a.vqc")]
    with pytest.raises(UsageError, match=r"photo.vqc; a.gif and a.png: both would become a.vqc"):
        require_distinct(plan)


def test_a_folder_is_searched_for_what_is_not_hidden():
    make("in/b.PNG", "in/a.txt", "in/.c.png", "in/.hidden/d.png", "in/sub/e.png", "in/a/f.png")
    found = find_sources(["in", "in/a.txt", "-"], {".png"}, left_out=None)
    names = ["in/b.PNG", "in/a/f.png", "in/sub/e.png", "in/a.txt", "-"]
    assert [source.name for source in found.sources] == names
    assert [source.folder for source in found.sources] == ["in"] * 3 + [None] * 2
    assert found.other_files == ("in/a.txt",)


def test_a_pipe_in_a_folder_is_no_input():
    make("in/a.png")
    os.mkfifo("in/b.png")
    found = find_sources(["in"], {".png"}, left_out=None)
    assert [source.name for source in found.sources] == ["in/a.png"]
    assert found.other_files == ("in/b.png",)


def test_results_are_no_inputs():
    make("in/a.png", "in/out/a.png")
    found = find_sources(["in"], {".png"}, left_out="in/out")
    assert [source.name for source in found.sources] == ["in/a.png"]
    assert len(find_sources(["in"], {".png"}, left_out="in").sources) == 2


def test_a_folder_without_such_a_file_is_an_input_error():
    make("in/a.txt")
    with pytest.raises(InputError, match=r"^in: no file in it ends in .jpg, .png"):
        find_sources(["in"], {".png", ".jpg"}, left_out=None)


def test_a_name_that_is_too_long_is_left_to_who_reads_it():
    name = "n" * 300
    assert find_sources([name], (), left_out=None).sources == (Source(name),)
