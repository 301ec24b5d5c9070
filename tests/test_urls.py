"""Names that may be URLs, as text."""

import re

import pytest

from vqcodec import urls


@pytest.mark.parametrize(
    "name", ["s3://b/k", "memory://a", "https://x/y.png", "gs://b", "weird://"]
)
def test_a_url_is_recognised(name):
    assert urls.is_url(name)
    assert urls.local_name(name) == name


@pytest.mark.parametrize("name", ["", "a.png", "/a", "C:/a", "s3:/b", "S3://b", "://b", "-", "@a"])
def test_a_path_is_no_url(name):
    assert not urls.is_url(name)
    assert urls.local_name(name) == name


def test_a_file_url_is_a_path():
    assert not urls.is_url("file:///a/b.png")
    assert urls.local_name("file:///a/b.png") == "/a/b.png"


@pytest.mark.parametrize(
    ("name", "folder", "parts"),
    [
        ("s3://b/in/x/y.png", "s3://b/in", ("x", "y.png")),
        ("s3://b/in/x/y.png", "s3://b/in/", ("x", "y.png")),
        ("s3://b/in//etc/y.png", "s3://b/in/", ("etc", "y.png")),
        ("s3://b/in/./y.png", "s3://b/in/", ("y.png",)),
        ("s3://b/in/y.png", None, ("y.png",)),
        ("in/x/y.png", "in", ("x", "y.png")),
        ("in/x/y.png", None, ("y.png",)),
        ("../in/y.png", "../in", ("y.png",)),
        ("y.png", ".", ("y.png",)),
    ],
)
def test_parts_are_those_below_the_folder(name, folder, parts):
    assert urls.relative_parts(name, folder) == parts


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("s3://b/in/../../etc/y.png", "s3://b/in/"),
        ("s3://b/in/x/..", "s3://b/in/"),
        ("s3://b/in/a\0b.png", "s3://b/in/"),
        ("s3://b/in/", "s3://b/in/"),
        ("in/../../y.png", "in"),
    ],
)
def test_nothing_leads_out_of_the_folder(name, folder):
    with pytest.raises(ValueError, match=re.escape(name)):
        urls.relative_parts(name, folder)


def test_suffix_and_folder_of_a_url():
    assert urls.with_suffix("s3://b.c/in/x.tar.png", ".vqc") == "s3://b.c/in/x.tar.vqc"
    assert urls.with_suffix("a.b/x.png", ".vqc") == "a.b/x.vqc"
    assert urls.join("s3://b/out/", ("x", "y.vqc")) == "s3://b/out/x/y.vqc"
    assert urls.join("out", ("x", "y.vqc")) == "out/x/y.vqc"
    assert urls.parent_of("s3://b/in/x.png") == "s3://b/in"
    assert urls.parent_of("memory://x.png") == "memory://"


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("in/*.png", "in/"), ("in/x?/y/*", "in/"), ("*.png", ""), ("s3://b/[ab]/c", "s3://b/")],
)
def test_the_folder_of_a_pattern_has_no_wildcards(pattern, folder):
    assert urls.has_magic(pattern)
    assert urls.folder_of_pattern(pattern) == folder
