"""Exit codes, signals, help, and what is imported for them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vqcodec
from vqcodec import errors
from vqcodec.bitstream.header import Header, ImageFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream
from vqcodec.errors import OutputError, VqcodecError

COMMANDS = [
    [],
    ["compress"],
    ["decompress"],
    ["info"],
    ["verify"],
    ["models"],
    ["sample"],
    ["eval"],
    ["train"],
    ["train", "vqvae"],
    ["train", "joint"],
    ["train", "prior"],
    ["train", "export"],
]
ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, VqcodecError)
]


def run_process(*arguments: str, **options):
    """Run the command as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "vqcodec.cli", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(vqc, command):
    outcome = vqc(*command, "--help")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(b"Usage: vqcodec")
    assert vqc(*command, "-h") == outcome
    usage, _, rest = outcome.stdout.decode().partition("\n\n")
    assert "{" not in usage
    assert max(map(len, rest.splitlines())) <= 80
    assert "..." not in rest.partition("Commands:")[2].partition("Exit codes:")[0]  # is cut off


@pytest.mark.parametrize("command", COMMANDS)
def test_options_have_hyphens_and_never_underscores(vqc, command):
    words = vqc(*command, "--help").stdout.decode().split()
    assert not [word for word in words if word.startswith("-") and "_" in word]


def test_the_version_is_the_packages(vqc):
    assert vqc("--version").stdout.decode() == f"vqcodec {vqcodec.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["compress"], ["models", "--nonsense"]])
def test_wrong_usage_ends_with_exit_code_2(vqc, arguments):
    outcome = vqc(*arguments)
    assert outcome.exit_code == 2
    assert outcome.stdout == b""
    assert "Error: " in outcome.stderr


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_becomes_one_line_and_its_exit_code(vqc, stand_in, error):
    def fail(**_):
        raise error("what happened")

    stand_in("vqcodec.codec.zoo", list_models=fail)
    outcome = vqc("models")
    assert outcome.exit_code == error.exit_code
    assert outcome.stderr == "vqcodec: what happened\n"
    assert outcome.stdout == b""


def test_a_bug_shows_its_traceback(vqc, stand_in):
    stand_in("vqcodec.codec.zoo", list_models=lambda **_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        vqc("models")


def test_a_bug_ends_with_exit_code_1(tmp_path):
    script = (
        "import sys; from vqcodec.cli import models, main;"
        "sys.modules['vqcodec.codec.zoo'] = None; sys.argv[1:] = ['models']; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" in done.stderr


def test_an_interruption_ends_with_exit_code_130_and_no_traceback(vqc, stand_in):
    def interrupt(**_):
        raise KeyboardInterrupt

    stand_in("vqcodec.codec.zoo", list_models=interrupt)
    outcome = vqc("models")
    assert outcome.exit_code == 130
    assert "Traceback" not in outcome.stderr


def test_an_interruption_while_a_command_is_imported_has_no_traceback(vqc, monkeypatch):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("vqcodec.cli.main.build_app", interrupt)
    assert vqc("models").exit_code == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_command_leaves_no_partial_file(vqc, zoo, monkeypatch, photo, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests were started so that they ignore it, as by nohup")

    def stop(signal, file, format):
        file.write(b"part")
        os.kill(os.getpid(), number)
        time.sleep(10)

    stream = photo.with_suffix(".vqc")
    stream.write_bytes(make_stream())
    monkeypatch.setattr("vqcodec.signals.files.write_signal", stop)
    outcome = vqc("decompress", stream)
    assert outcome.exit_code == 128 + number
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png", "photo.vqc"]


def test_a_reader_that_goes_away_is_no_news():
    reading, writing = os.pipe()
    os.close(reading)
    done = run_process("--version", stdout=writing)
    os.close(writing)
    assert done.returncode == OutputError.exit_code
    assert done.stderr == ""


def make_stream() -> bytes:
    header = Header(
        fingerprint=bytes.fromhex("0a0b0c0d"),
        rate=0,
        facts=ImageFacts(width=8, height=6, grey=False),
    )
    return build_stream(Stream(header, (Section(Tag.SEGMENT, b""),)))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models"], ["info"], ["verify"]])
def test_quick_commands_import_nothing_heavy(tmp_path, arguments):
    stream = tmp_path / "photo.vqc"
    stream.write_bytes(make_stream())
    if arguments[0] in ("info", "verify"):
        arguments = [*arguments, str(stream)]
    script = (
        "import sys; from vqcodec.cli.main import main\n"
        "HEAVY = {'torch', 'onnxruntime', 'numpy', 'rich', 'PIL'}\n"
        "try: main()\n"
        "finally: print('heavy:', *sorted(HEAVY & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "heavy:"  # a note on the model may come before


@pytest.mark.parametrize(
    ("sample", "others"), [("tulips.png", "soundfile"), ("guitar.flac", "PIL")]
)
def test_commands_do_not_import_the_readers_of_the_other_kind(tmp_path, sample, others):
    source = Path(__file__).parents[2] / "assets" / "samples" / sample
    stream = tmp_path / "file.vqc"
    script = (
        "import sys; from vqcodec.cli.main import main\n"
        f"HEAVY = {{{others!r}, 'numpy.random', 'torch', 'rich'}}\n"
        "try: main()\n"
        "finally: print(*sorted(HEAVY & set(sys.modules)), file=sys.stderr)"
    )
    back = tmp_path / f"back{source.suffix}"
    for arguments in (["compress", source, "-o", stream], ["decompress", stream, "-o", back]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments, "-q"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.strip()) == (0, ""), arguments[0]


def test_the_folder_runs_as_a_program_in_a_checkout():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--version"], cwd=root, capture_output=True, check=False
    )
    assert done.stdout.startswith(b"vqcodec ")


def test_the_package_runs_as_a_program():
    command = [sys.executable, "-m", "vqcodec", "--version"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout.startswith(b"vqcodec ")


def test_help_and_readme_name_the_exit_codes(vqc):
    help_lines = vqc("--help").stdout.decode().split("Exit codes:")[1].splitlines()
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for code in sorted({0, 1, 130, *(error.exit_code for error in ERRORS)}):
        assert [line for line in help_lines if line.split()[:1] == [str(code)]], code
        assert f"| {code} | " in readme


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_had(shell):
    script = run_process(
        "--show-completion",
        shell,
        stdout=subprocess.PIPE,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert script.returncode == 0
    assert "_VQCODEC_COMPLETE" in script.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [("vqcodec comp", "compress"), ("vqcodec compress --skip", "--skip-existing")],
)
def test_a_shell_completes_commands_and_options(line, expected):
    completed = run_process(
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "_VQCODEC_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        },
    )
    assert completed.stdout.split() == [expected]


def test_a_shell_completes_the_names_of_models(tiny_folder):
    completed = run_process(
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "VQCODEC_MODELS": str(tiny_folder),
            "_VQCODEC_COMPLETE": "complete_bash",
            "COMP_WORDS": "vqcodec compress --model residual",
            "COMP_CWORD": "3",
        },
    )
    assert completed.stdout.split() == ["residual-image", "residual-speech"]


def test_a_command_imports_no_other_command():
    script = (
        "import sys; from vqcodec.cli.main import main\n"
        "try: main()\n"
        "finally: print(*sorted(name for name in sys.modules if name.startswith('vqcodec.cli.')))"
    )
    command = [sys.executable, "-c", script, "verify", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    loaded = {name.removeprefix("vqcodec.cli.") for name in done.stdout.splitlines()[-1].split()}
    assert "verify" in loaded
    assert not loaded & {"compress", "decompress", "eval", "train", "sample", "info"}


def test_an_unknown_command_gets_a_suggestion(vqc):
    outcome = vqc("compres")
    assert outcome.exit_code == 2
    assert "compress" in outcome.stderr
