"""Stores: memory://, a server that speaks S3, and a store that renames files."""

import io
import subprocess
import sys
import tempfile

import pytest

from vqcodec import storage
from vqcodec.errors import InputError, OutputError, UsageError

pytest.importorskip("fsspec")


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow), "sftp"])
def root(request, tmp_path, monkeypatch):
    """The URL of an empty folder in a store of each kind."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    import fsspec

    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return "memory://test"
    # No server of this kind is at hand: a local folder behind the same calls.
    from fsspec.implementations.local import LocalFileSystem

    class Folder(LocalFileSystem):
        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(str(tmp_path / path.removeprefix("sftp://")))

        @staticmethod
        def _get_kwargs_from_urls(_path):
            return {}

    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _scheme: Folder)
    (tmp_path / "host").mkdir()
    return "sftp://host"


def put(url, data=b"data", *, overwrite=False):
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        storage.put(file.name, url, overwrite=overwrite)


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
def test_what_is_put_is_read(root, data):
    url = f"{root}/new/folder/a.bin"
    put(url, data)
    assert storage.read(url) == data
    if data:
        assert storage.read_start(url, 10) == data[:10]
    with storage.fetch(url) as file:
        assert file.read() == data
    assert storage.has_content(url, io.BytesIO(data))
    assert not storage.has_content(url, io.BytesIO(data + b"more"))


def test_a_file_is_replaced_only_if_that_is_wanted(root):
    url = f"{root}/a.bin"
    put(url, b"old")
    with pytest.raises(OutputError, match="exists, and is kept"):
        put(url, b"new")
    assert storage.read(url) == b"old"
    put(url, b"new", overwrite=True)
    assert storage.read(url) == b"new"
    assert [found.url for found in storage.search(f"{root}/")[1]] == [url]


def test_kinds_are_told_apart(root):
    put(f"{root}/in/a.png")
    assert storage.kind_of(f"{root}/in/a.png") is storage.EntryKind.FILE
    assert storage.kind_of(f"{root}/in") is storage.EntryKind.FOLDER
    assert storage.kind_of(f"{root}/in/b.png") is storage.EntryKind.NOTHING


def test_folders_and_patterns_are_searched(root):
    names = ["a.png", "sub/b.png", "sub/c.wav", ".hidden.png", ".hidden/d.png"]
    for name in names:
        put(f"{root}/in/{name}")
    for url in (f"{root}/in/", f"{root}/in"):
        folder, found = storage.search(url)
        assert folder == f"{root}/in/"
        assert [file.url for file in found] == [f"{root}/in/{name}" for name in names[:3]]
        assert {file.size_bytes for file in found} == {4}
    folder, found = storage.search(f"{root}/in/*/*.png")
    assert (folder, [file.url for file in found]) == (f"{root}/in/", [f"{root}/in/sub/b.png"])
    assert storage.search(f"{root}/in/a.png") is None


def test_existing_files_are_found_by_folder(root):
    put(f"{root}/out/a.vqc")
    put(f"{root}/out/sub/b.vqc")
    wanted = [f"{root}/out/{name}" for name in ("a.vqc", "b.vqc", "sub/b.vqc", "none/c.vqc")]
    assert storage.existing(wanted) == {wanted[0], wanted[2]}
    assert storage.existing([]) == set()


def test_a_file_may_be_in_no_folder():
    put("memory://alone.bin", overwrite=True)
    assert storage.existing(["memory://alone.bin", "memory://none"]) == {"memory://alone.bin"}


def test_what_is_not_there_is_an_input_error(root):
    for read in (storage.read, storage.fetch):
        with pytest.raises(InputError, match=f"^{root}/none.png: "):
            read(f"{root}/none.png")


def test_a_failed_move_leaves_nothing(root, monkeypatch):
    if not root.startswith("sftp"):
        pytest.skip("only for stores that rename")
    from fsspec.implementations.local import LocalFileSystem

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "mv", fail)
    with pytest.raises(OutputError, match="No space left"):
        put(f"{root}/a.bin")
    assert storage.search(f"{root}/")[1] == []


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "github://a", "reference://x", "s3+zip://b", "local://a", "dask://a"]
)
def test_other_kinds_of_url_are_refused(url):
    with pytest.raises(UsageError, match="unknown kind of URL; known are file://, s3://"):
        storage.read(url)


def test_a_name_is_no_chain_of_stores(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for url in (f"memory://x::file://{secret}", f"memory://::file://{secret}"):
        with pytest.raises(InputError):
            storage.read(url)


@pytest.mark.parametrize(
    "url", ["https://host/a.vqc", "http://host/a.vqc", "hf://datasets/a/b.vqc"]
)
def test_some_stores_are_only_read(url):
    with pytest.raises(UsageError, match="is only read"):
        storage.check_writable(url)


def test_a_web_address_is_never_a_folder():
    assert storage.search("https://host/folder/") is None


def test_a_bucket_that_is_not_there_is_named(bucket):
    with pytest.raises(InputError, match=r"s3://nowhere/a\.png: "):
        storage.read("s3://nowhere/a.png")
    with pytest.raises(OutputError, match=r"s3://nowhere/a\.vqc: "):
        put("s3://nowhere/a.vqc")


def test_a_server_without_conditional_requests_is_asked_before(bucket, monkeypatch):
    import s3fs

    original = s3fs.S3FileSystem._put_file

    async def refuse(self, *arguments, mode="overwrite", **options):
        if mode == "create":
            raise OSError(38, "A header you provided implies functionality that is not implemented")
        return await original(self, *arguments, mode=mode, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", refuse)
    put(f"{bucket}/a.bin", b"old")
    with pytest.raises(OutputError, match="exists, and is kept"):
        put(f"{bucket}/a.bin", b"new")
    assert storage.read(f"{bucket}/a.bin") == b"old"


def test_a_missing_package_is_named(monkeypatch):
    with pytest.raises(UsageError, match="needs gcsfs; install it with: pip install gcsfs"):
        storage.read("gs://b/a.png")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"URLs need fsspec; .* pip install '\.\[scale\]'"):
        storage.read("s3://b/a.png")


def test_local_files_need_no_fsspec(tmp_path):
    script = (
        "import sys; from vqcodec.cli.main import main\n"
        "sys.argv[1:] = ['verify', 'none.vqc']\n"
        "try: main()\n"
        "finally: print(*sorted({'fsspec', 'ray', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout.strip()) == (3, "")
