"""`vqcodec train`: what the options hand to the library."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from vqcodec.errors import ConfigError, ModelFileError, UsageError

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
LOADING = {"workers": None, "memory_bytes": 10**9, "compiled": False}
BITS = {"uniform": 9.0, "histogram": 8.5, "float": 6.25, "integer": 6.26}


@pytest.fixture
def calls(stand_in):
    """Every call of the library: the function and what it got."""
    made = []

    def train_prior(**settings):
        made.append(("train_prior", settings))
        return BITS

    def export_model(*, run, output, name):
        made.append(("export_model", {"run": run, "name": name}))
        output.write_bytes(b"model")
        return "0a0b0c0d"

    stand_in(
        "vqcodec.training.commands",
        train_vqvae=lambda **settings: made.append(("train_vqvae", settings)),
        train_joint=lambda **settings: made.append(("train_joint", settings)),
        train_prior=train_prior,
        export_model=export_model,
    )
    return made


@pytest.fixture
def run(tmp_path):
    """The folder of a run that was begun."""
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@needs_torch
def test_vqvae_hands_its_options_over(vqc, calls):
    options = ["--recipe", "paper-image", "-o", "new", "--steps", "10", "--seed", "3"]
    assert vqc("train", "vqvae", "a", "b", *options).exit_code == 0
    settings = {
        "data": ["a", "b"],
        "recipe": "paper-image",
        "run": Path("new"),
        "steps": 10,
        "seed": 3,
        "device": "cpu",
        "skip_bad": False,
        **LOADING,
    }
    assert calls == [("train_vqvae", settings)]


@needs_torch
def test_joint_can_start_from_another_run_or_a_model(vqc, calls, run):
    assert vqc("train", "joint", "a", "--recipe", "image", "-o", "new").exit_code == 0
    options = ["--recipe", "image", "-o", "new", "--from", run]
    outcome = vqc("train", "joint", "a", *options)
    assert outcome.exit_code == 2
    assert f"--from {run}: the folder holds no training" in outcome.stderr
    (run / "checkpoint.pt").write_bytes(b"")
    assert vqc("train", "joint", "a", *options).exit_code == 0
    assert vqc("train", "joint", "a", *options[:-1], "image").exit_code == 0
    assert [settings["start_from"] for _, settings in calls] == [None, str(run), "image"]
    assert calls[0][1]["steps"] is None
    assert calls[0][1]["seed"] == 0


@needs_torch
def test_a_run_with_a_checkpoint_goes_on_without_its_start(vqc, calls, run):
    options = ["a", "--recipe", "image", "-o", run, "--from", "removed"]
    assert vqc("train", "joint", *options).exit_code == 2
    (run / "checkpoint.pt").write_bytes(b"")
    assert vqc("train", "joint", *options).exit_code == 0
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["vqvae", "joint"])
@needs_torch
def test_resume_never_begins_a_run(vqc, calls, run, kind):
    options = ["a", "--recipe", "image", "--resume"]
    assert vqc("train", kind, *options, "-o", "mistyped").exit_code == 2
    outcome = vqc("train", kind, *options, "-o", run)
    assert outcome.exit_code == 2
    assert "run: has no checkpoint.pt to go on with" in outcome.stderr
    (run / "checkpoint.pt").write_bytes(b"")
    assert vqc("train", kind, *options, "-o", run).exit_code == 0
    assert len(calls) == 1


@needs_torch
def test_prior_prints_bits_per_index(vqc, calls, run):
    outcome = vqc("train", "prior", run, "a", "b")
    lines = [line.split() for line in outcome.stdout.decode().splitlines()]
    assert lines[1:] == [[name, f"{bits:.3f}"] for name, bits in BITS.items()]
    settings = {"run": run, "data": ["a", "b"], "steps": None, "device": "cpu"}
    assert calls == [("train_prior", settings | {"skip_bad": False} | LOADING)]


@needs_torch
def test_prior_takes_the_files_of_the_run_if_none_are_named(vqc, calls, run):
    assert vqc("train", "prior", run, "--steps", "5").exit_code == 0
    settings = {"run": run, "data": (), "steps": 5, "device": "cpu", "skip_bad": False}
    assert calls == [("train_prior", settings | LOADING)]


@needs_torch
def test_bad_inputs_are_skipped_on_demand(vqc, calls, run):
    for command in (["vqvae", "a"], ["joint", "a"]):
        options = ["--recipe", "image", "-o", "new", "--skip-bad"]
        assert vqc("train", *command, *options).exit_code == 0
    assert vqc("train", "prior", run, "--skip-bad").exit_code == 0
    assert [settings["skip_bad"] for _, settings in calls] == [True, True, True]


@needs_torch
def test_prior_prints_bits_as_json(vqc, calls, run):
    record = vqc("train", "prior", "--json", run, "a").json
    assert record == {"run": str(run), "bits_per_index": BITS}


@needs_torch
def test_export_writes_a_model_named_after_its_file(vqc, calls, run, tmp_path):
    outcome = vqc("train", "export", run, "-o", "mine.safetensors")
    assert outcome.exit_code == 0
    assert "model 0a0b0c0d" in outcome.stderr
    assert (tmp_path / "mine.safetensors").read_bytes() == b"model"
    assert calls == [("export_model", {"run": run, "name": "mine"})]
    assert vqc("train", "export", run, "-o", "mine.safetensors").exit_code == 6
    assert vqc("train", "export", run, "-f", "-o", "mine.safetensors", "--name", "x").exit_code == 0
    assert calls[-1][1]["name"] == "x"


@pytest.mark.parametrize(
    "arguments",
    [
        ["prior", "missing", "a"],
        ["export", "missing", "-o", "mine.safetensors"],
        ["export", ".", "-o", "mine.model"],
        ["joint", "a", "--recipe", "image", "-o", "new", "--from", "missing"],
        ["vqvae", "a", "--recipe", "image", "-o", "new", "--steps", "0"],
        ["vqvae", "a", "--recipe", "image", "-o", "new", "--device", "nonsense"],
        ["vqvae", "a", "--recipe", "image"],
        ["vqvae", "--recipe", "image", "-o", "new"],
        ["vqvae", "a", "-o", "new"],
    ],
)
@needs_torch
def test_wrong_usage_reaches_no_training(vqc, calls, arguments):
    assert vqc("train", *arguments).exit_code == 2
    assert calls == []


@needs_torch
def test_an_error_of_the_library_is_one_line(vqc, stand_in):
    def train_vqvae(**settings):
        raise ConfigError("quantizer.levels: 4 is not odd")

    stand_in("vqcodec.training.commands", train_vqvae=train_vqvae)
    outcome = vqc("train", "vqvae", "a", "--recipe", "image", "-o", "new")
    assert (outcome.exit_code, outcome.stderr) == (2, "vqcodec: quantizer.levels: 4 is not odd\n")


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_train_says_how_to_get_torch(vqc, run):
    for command in (["vqvae", "data", "--recipe", "image", "-o", "new"], ["prior", run]):
        result = vqc("train", *command)
        assert result.exit_code == 2
        assert "pip install '.[train]'" in result.stderr
    assert not Path("new").exists()


@needs_torch
def test_data_are_loaded_by_threads_into_a_memory_of_a_size(vqc, calls):
    options = ["--recipe", "image", "-o", "new", "--workers", "0", "--memory", "1.5GiB"]
    assert vqc("train", "joint", "@list", "s.tar", *options).exit_code == 0
    [(_, settings)] = calls
    assert settings["data"] == ["@list", "s.tar"]
    assert settings["workers"] == 0
    assert settings["memory_bytes"] == 3 << 29
    outcome = vqc("train", "joint", "a", *options[:-1], "much")
    assert outcome.exit_code == 2
    assert "--memory much: not a number of bytes" in outcome.stderr


@needs_torch
def test_networks_are_compiled_on_demand(vqc, calls, stand_in, run):
    checked = []
    stand_in("vqcodec.training.compiling", check_compiling=checked.append)
    for command in (["vqvae", "a"], ["joint", "a"]):
        options = ["--recipe", "image", "-o", "new", "--compile"]
        assert vqc("train", *command, *options).exit_code == 0
    assert vqc("train", "prior", run, "--compile").exit_code == 0
    assert [settings["compiled"] for _, settings in calls] == [True, True, True]
    assert checked == ["cpu"] * 3


@needs_torch
def test_nothing_is_trained_if_networks_cannot_be_compiled(vqc, calls, stand_in, run):
    def check_compiling(device):
        raise UsageError(f"--compile: torch.compile does not work for {device}")

    stand_in("vqcodec.training.compiling", check_compiling=check_compiling)
    outcome = vqc("train", "prior", run, "--compile")
    assert outcome.exit_code == 2
    assert outcome.stderr == "vqcodec: --compile: torch.compile does not work for cpu\n"
    assert calls == []


@needs_torch
def test_weights_that_cannot_be_stored_name_the_run(vqc, stand_in, run):
    def export_model(*, run, output, name):
        raise ModelFileError(f"{output}: tensor x has values that are not finite")

    stand_in("vqcodec.training.commands", export_model=export_model)
    outcome = vqc("train", "export", run, "-o", "mine.safetensors")
    assert outcome.exit_code == 4
    assert outcome.stderr == f"vqcodec: {run}: tensor x has values that are not finite\n"
    assert not Path("mine.safetensors").exists()
