"""Resuming: the result equals that of an uninterrupted training."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from training_recipes import AUDIO, IMAGE, RESIDUAL, SEED, same

from vqcodec.errors import ConfigError, InputError, OutputError, UsageError
from vqcodec.interrupts import uninterrupted
from vqcodec.training import autoencoder as training_autoencoder
from vqcodec.training import state as training_state
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions, train_autoencoder
from vqcodec.training.prior import PriorTraining
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.state import AveragedWeights, alone_in, load_state, open_run, save_state
from vqcodec.training.trained_run import load_run


def checkpoint(folder, name="checkpoint.pt"):
    return load_state(folder / name)


@pytest.mark.parametrize(
    ("text", "joint"),
    [(RESIDUAL, False), (IMAGE, False), (AUDIO, True)],
    ids=["residual", "image", "audio-jointly"],
)
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, train, text, joint):
    train(tmp_path / "whole", text, joint=joint)
    for steps in (3, 6):
        train(tmp_path / "parts", text, joint=joint, steps=steps)
        assert checkpoint(tmp_path / "parts")["step"] == steps
    assert same(checkpoint(tmp_path / "parts"), checkpoint(tmp_path / "whole"))


def test_a_resumed_training_with_soap_equals_an_uninterrupted_one(tmp_path, train):
    text = IMAGE.replace("steps = 6", 'steps = 34\noptimizer = "soap"', 1)
    train(tmp_path / "whole", text)
    for steps in (11, 25, 34):  # before the first bases, between two of them, and to the end
        train(tmp_path / "parts", text, steps=steps)
    assert same(checkpoint(tmp_path / "parts"), checkpoint(tmp_path / "whole"))


def test_a_resumed_prior_equals_an_uninterrupted_one(tmp_path, train):
    for folder in ("whole", "parts"):
        train(tmp_path / folder, RESIDUAL, joint=False, steps=1)
    PriorTraining(tmp_path / "whole", None, "cpu").run_to(None)
    for steps in (3, 6):
        PriorTraining(tmp_path / "parts", None, "cpu").run_to(steps)
        assert checkpoint(tmp_path / "parts", "prior.pt")["step"] == steps
    assert same(*(checkpoint(tmp_path / name, "prior.pt") for name in ("whole", "parts")))


def test_a_prior_fitted_to_an_earlier_step_is_ignored(tmp_path, train):
    train(tmp_path, AUDIO, joint=True, steps=2)
    PriorTraining(tmp_path, None, "cpu").run_to(2)
    fitted = checkpoint(tmp_path, "prior.pt")["average"]
    loaded = load_run(tmp_path).prior.state_dict()
    assert same({name: loaded[name] for name in fitted}, fitted)
    train(tmp_path, AUDIO, joint=True, steps=4)
    joint = checkpoint(tmp_path)
    prior = load_run(tmp_path).prior.state_dict()
    expected = {f"prior.{name}": value for name, value in prior.items()}
    assert same(expected, {name: (joint["module"] | joint["average"])[name] for name in expected})
    training = PriorTraining(tmp_path, None, "cpu")
    assert training.step == 0


def test_a_finished_training_stays_as_it_is(joint_run, train):
    before = checkpoint(joint_run)
    train(joint_run, IMAGE)
    assert same(checkpoint(joint_run), before)


@pytest.fixture
def stoppable():
    """What the command line does at a signal, also where these tests run in the background."""

    def stop(number, _frame):
        raise SystemExit(128 + number)

    handlers = {signal.SIGTERM: stop, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("stoppable")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_for_the_end_of_the_step(
    tmp_path, train, joint_run, monkeypatch, number
):
    losses = AutoencoderTraining.losses

    def interrupted(self, *arguments):
        if self.step == 2:
            os.kill(os.getpid(), number)
        return losses(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTraining, "losses", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(tmp_path, IMAGE)
    assert checkpoint(tmp_path)["step"] == 3
    train(tmp_path, IMAGE)
    assert same(checkpoint(tmp_path), checkpoint(joint_run))


def test_an_interruption_of_a_validation_saves_the_weights_not_their_average(
    tmp_path, train, monkeypatch
):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    train(tmp_path / "whole", IMAGE, steps=2)
    monkeypatch.setattr(training_autoencoder, "held_out_terms", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", IMAGE, steps=2)
    assert same(checkpoint(tmp_path / "run"), checkpoint(tmp_path / "whole"))


@pytest.mark.usefixtures("stoppable")
def test_an_interrupted_prior_resumes_exactly(tmp_path, train, monkeypatch):
    for folder in ("whole", "parts"):
        train(tmp_path / folder, IMAGE, joint=False, steps=1)
    PriorTraining(tmp_path / "whole", None, "cpu").run_to(None)
    training = PriorTraining(tmp_path / "parts", None, "cpu")
    step = training.train_step

    def interrupted():
        if training.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step()

    monkeypatch.setattr(training, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.run_to(None)
    assert checkpoint(tmp_path / "parts", "prior.pt")["step"] == 3
    PriorTraining(tmp_path / "parts", None, "cpu").run_to(None)
    assert same(*(checkpoint(tmp_path / name, "prior.pt") for name in ("whole", "parts")))


def test_checkpoints_and_reports_are_written_at_intervals(tmp_path, data_folder, monkeypatch):
    options = TrainingOptions(
        run=tmp_path, data=[data_folder], seed=SEED, report_every=3, save_every=2
    )
    saved = []
    monkeypatch.setattr(AutoencoderTraining, "save", lambda self: saved.append(self.step))
    AutoencoderTraining(parse_recipe(IMAGE), options, joint=False).run()
    assert saved == [2, 4, 6]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [3, 6, 6]


def test_an_error_leaves_the_last_checkpoint(tmp_path, train, monkeypatch):
    train(tmp_path, IMAGE, steps=2)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    losses = AutoencoderTraining.losses

    def failing(self, *arguments):
        if self.step == 3:
            raise RuntimeError("out of something")
        return losses(self, *arguments)

    monkeypatch.setattr(AutoencoderTraining, "losses", failing)
    with pytest.raises(RuntimeError, match="out of something"):
        train(tmp_path, IMAGE)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("failure", [OSError("no space left"), RuntimeError("no space left")])
def test_a_save_that_is_cut_short_leaves_the_last_checkpoint(tmp_path, monkeypatch, failure):
    path = tmp_path / "checkpoint.pt"
    save_state(path, {"step": 1})

    def cut_short(value, file):
        file.write(b"half a check")
        raise failure

    monkeypatch.setattr(training_state.torch, "save", cut_short)
    with pytest.raises(OutputError, match=r"checkpoint\.pt: .*no space left"):
        save_state(path, {"step": 2})
    assert load_state(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_state(path)
    with pytest.raises(InputError):
        load_state(tmp_path / "none.pt")


def test_a_checkpoint_with_more_than_tensors_and_numbers_is_refused(tmp_path):
    torch.save({"step": os.system}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError):
        load_state(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": IMAGE.replace("balance = 0.5", "balance = 0.4")}, "differs in objective.balance"),
        ({"text": IMAGE.replace("batch_size = 2", "batch_size = 3")}, "begun with another recipe"),
        ({"joint": False}, "training of the other kind"),
        ({"seed": SEED + 1}, f"begun with seed {SEED}, not {SEED + 1}"),
    ],
)
def test_a_run_does_not_resume_with_other_options(joint_run, train, change, message):
    before = checkpoint(joint_run), (joint_run / "manifest.json").read_text()
    with pytest.raises(ConfigError, match=message):
        train(joint_run, **{"text": IMAGE, **change})
    assert same(checkpoint(joint_run), before[0])
    assert (joint_run / "manifest.json").read_text() == before[1]


@pytest.fixture
def own_data(tmp_path, data_folder):
    """A folder of pictures that may change."""
    return shutil.copytree(data_folder, tmp_path / "data")


def train_on(data, run, *, seed=SEED, steps=None):
    options = TrainingOptions(run=run, data=[data], seed=seed, steps=steps)
    recipe = run.with_suffix(".toml")
    recipe.write_text(IMAGE, encoding="utf-8")
    train_autoencoder(str(recipe), options, joint=False)


@pytest.mark.parametrize("change", ["missing", "new"])
def test_a_run_does_not_resume_with_other_files(own_data, tmp_path, change):
    run = tmp_path / "run"
    train_on(own_data, run, steps=2)
    before = checkpoint(run), (run / "manifest.json").read_bytes()
    picture = own_data / "picture0.png"
    if change == "missing":
        other = picture
        picture.unlink()
    else:
        other = Path(shutil.copy(picture, own_data / "picture9.png"))
    with pytest.raises(ConfigError, match=f"begun with other files: {other} .{change}.$"):
        train_on(own_data, run)
    assert same(checkpoint(run), before[0])
    assert (run / "manifest.json").read_bytes() == before[1]


def test_a_run_without_a_checkpoint_keeps_its_manifest_too(own_data, tmp_path):
    run = tmp_path / "run"
    train_on(own_data, run, steps=1)
    before = (run / "manifest.json").read_bytes()
    (run / "checkpoint.pt").unlink()
    with pytest.raises(ConfigError, match="another seed, which holds out other files"):
        train_on(own_data, run, seed=SEED + 2, steps=1)
    train_on(own_data, run, steps=1)
    assert (run / "manifest.json").read_bytes() == before


def test_a_manifest_and_a_recipe_that_are_cut_short_leave_nothing(own_data, tmp_path, monkeypatch):
    for number, name in enumerate(("manifest.json", "recipe.toml")):
        run = tmp_path / f"run-{number}"
        replace = Path.replace

        def fail(self, target, name=name, replace=replace):
            if target.name == name:
                raise OSError("no space left")
            return replace(self, target)

        def fail_to_link(source, target, name=name, link=os.link):
            if target.name == name:
                raise OSError("no space left")
            link(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            patch.setattr(os, "link", fail_to_link)
            with pytest.raises(OutputError, match=f"{name}: no space left"):
                train_on(own_data, run, steps=1)
        assert not (run / name).exists()


def test_a_run_can_be_prolonged(tmp_path, train):
    constant = IMAGE.replace("steps = 6", "steps = 6\ndecay_fraction = 0.5", 1)
    longer = constant.replace("steps = 6", "steps = 8", 1)
    train(tmp_path / "parts", constant, steps=3)
    train(tmp_path / "parts", longer)
    train(tmp_path / "whole", longer)
    assert checkpoint(tmp_path / "parts")["step"] == 8
    assert same(*(checkpoint(tmp_path / name) for name in ("parts", "whole")))
    assert load_run(tmp_path / "parts").recipe.schedule.steps == 8


def test_the_card_and_the_training_of_the_prior_may_change(tmp_path, train):
    train(tmp_path, IMAGE, steps=1)
    schedule, prior = IMAGE.split("[prior_schedule]")
    changed = schedule + "[prior_schedule]" + prior.replace("6", "9").replace("CC0", "CC-BY-4.0")
    train(tmp_path, changed, steps=1)
    recipe = load_run(tmp_path).recipe
    assert (recipe.prior_schedule.steps, recipe.card) == (9, {"licence": "CC-BY-4.0"})


def test_the_order_of_files_does_not_depend_on_how_they_are_named(own_data, tmp_path, monkeypatch):
    (tmp_path / "z").mkdir()
    for picture in own_data.glob("*[45].png"):
        picture.rename(tmp_path / "z" / picture.name)
    monkeypatch.chdir(tmp_path)
    orders = []
    for other in ("z", tmp_path / "z"):  # a full name comes first
        options = TrainingOptions(run=tmp_path / "run", data=["data", other], seed=SEED, steps=1)
        training = AutoencoderTraining(parse_recipe(IMAGE), options, joint=False)
        orders.append([Path(name).name for name in training.dataset.files])
        if other == "z":
            (tmp_path / "run").mkdir()
            training.manifest.write(tmp_path / "run" / "manifest.json")
    assert orders[0] == orders[1]


ODD = {
    "module": {"a": torch.zeros(1)},
    "average": {},
    "optimizer": {"state": {}},
    "joint": True,
    "step": 1,
    "seed": SEED,
}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("recipe.toml", b"not TOML [", r"recipe\.toml: not a readable recipe|not valid TOML"),
        ("recipe.toml", b"\xff\xfe", r"recipe\.toml: not a readable recipe"),
        ("recipe.toml", None, r"recipe\.toml: not a readable recipe|not trained"),
        ("manifest.json", b"{", r"manifest\.json: not a readable list of files"),
        ("manifest.json", b'{"train": "name", "valid": []}', "not a readable list of files"),
        ("manifest.json", b'{"train": [1], "valid": []}', "not a readable list of files"),
        ("manifest.json", b"[" * 100_000, "not a readable list of files"),
        ("checkpoint.pt", ODD | {"step": "1"}, "not a checkpoint of a training"),
        ("checkpoint.pt", ODD | {"seed": -1}, "not a checkpoint of a training"),
        ("checkpoint.pt", ODD | {"module": [1]}, "not a checkpoint of a training"),
        ("checkpoint.pt", ODD | {"average": {"a": 1}}, "not a checkpoint of a training"),
        ("checkpoint.pt", ODD | {"optimizer": {"state": 1}}, "not a checkpoint of a training"),
        ("checkpoint.pt", ODD, "was not trained with its recipe"),
        ("checkpoint.pt", {"step": 1}, r"checkpoint\.pt: not a checkpoint of a training"),
        ("checkpoint.pt", [1], r"checkpoint\.pt: not a checkpoint of a training"),
    ],
)
def test_a_run_with_a_damaged_file_is_refused(tmp_path, joint_run, train, name, content, message):
    run = Path(shutil.copytree(joint_run, tmp_path / "run"))
    (run / name).unlink()
    if isinstance(content, bytes):
        (run / name).write_bytes(content)
    elif content is not None:
        torch.save(content, run / name)
    with pytest.raises((InputError, ConfigError), match=message):
        load_run(run)
    other = IMAGE.replace("fine_width = 8", "fine_width = 16")
    with pytest.raises((InputError, ConfigError), match=message):
        train(run, other if name == "recipe.toml" else IMAGE)


def test_weights_that_do_not_fit_the_recipe_are_refused(tmp_path, joint_run):
    run = Path(shutil.copytree(joint_run, tmp_path / "run"))
    text = (run / "recipe.toml").read_text().replace("fine_width = 8", "fine_width = 16")
    (run / "recipe.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"was not trained with its recipe\.toml"):
        load_run(run)


def test_a_file_in_place_of_the_folder_is_found_before_the_data_are_read(tmp_path, train):
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, and a run is a folder"):
        train(tmp_path / "run", IMAGE.replace("[data]", "[data]\nfrob = 1"))


def test_a_distortion_is_one_that_the_modality_has(tmp_path, train):
    named = "[objective]\ndistortion = "
    train(tmp_path / "structure", IMAGE.replace("[objective]", f'{named}"ms_ssim"'), steps=1)
    for text, name in ((AUDIO, "ms_ssim"), (IMAGE, "taste")):
        with pytest.raises(ConfigError, match=f"objective.distortion: '{name}'"):
            train(tmp_path / "run", text.replace("[objective]", f'{named}"{name}"'), steps=1)
        assert not (tmp_path / "run").exists()


def test_a_step_that_is_not_finite_changes_no_weight(data_folder, tmp_path):
    options = TrainingOptions(run=tmp_path, data=[data_folder], seed=SEED)
    training = AutoencoderTraining(parse_recipe(IMAGE), options, joint=True)
    training.begin()
    before = {key: value.clone() for key, value in training.module.state_dict().items()}
    distortion = training.modality.distortion

    def infinite(*arguments):
        return {name: term * float("inf") for name, term in distortion(*arguments).items()}

    training.modality.distortion = infinite
    values = training.train_step()
    assert not np.isfinite(values["total"])
    assert same(dict(training.module.state_dict()), before)
    assert training.step == 1


def test_a_step_of_a_prior_that_is_not_finite_changes_no_weight(joint_run):
    training = PriorTraining(joint_run, None, "cpu")
    before = {key: value.clone() for key, value in training.prior.state_dict().items()}
    parameter = next(training.prior.parameters())
    parameter.register_hook(lambda gradient: gradient * float("nan"))
    training.train_step()
    assert same(dict(training.prior.state_dict()), before)


def test_an_average_is_updated_every_few_steps_and_swapped_in():
    module = torch.nn.Linear(2, 1, bias=False)
    average = AveragedWeights(module, decay=0.5)
    start = module.weight.detach().clone()
    with torch.no_grad():
        module.weight += 1
    for step in range(997, 1001):  # one of four
        average.update(module, step)
    with average.in_place_of_weights(module):
        assert torch.allclose(module.weight, start + 1 - 0.5**4)
    assert torch.equal(module.weight, start + 1)
    average.load({"weight": start})
    with pytest.raises(ValueError, match="stop"), average.in_place_of_weights(module):
        assert torch.equal(module.weight, start)
        raise ValueError("stop")
    assert torch.equal(module.weight, start + 1)


@pytest.mark.usefixtures("stoppable")
def test_an_interruption_never_leaves_half_of_an_exchange():
    class Interrupted(dict):
        def items(self):
            for name, value in super().items():
                yield name, value
                os.kill(os.getpid(), signal.SIGINT)

    module = torch.nn.Linear(2, 1)
    average = AveragedWeights(module, decay=0.5)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for value in average.values.values():
        value.add_(1)
    average.values = Interrupted(average.values)
    with pytest.raises(KeyboardInterrupt), average.in_place_of_weights(module):
        pass
    assert same(dict(module.state_dict()), before)


def test_signals_are_not_delayed_outside_the_main_thread():
    done = []

    def work():
        with uninterrupted():
            done.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGINT)]


def test_two_trainings_do_not_share_a_folder(tmp_path):
    with (
        alone_in(tmp_path),
        pytest.raises(UsageError, match="another training runs"),
        alone_in(tmp_path),
    ):
        pass
    with alone_in(tmp_path):
        pass


def test_a_recipe_without_a_checkpoint_may_change(tmp_path):
    run = tmp_path / "run"
    open_run(run, "modality = 'audio'")
    open_run(run, "modality = 'image'")
    assert "image" in (run / "recipe.toml").read_text()
    (run / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match="another recipe"):
        open_run(run, "modality = 'audio'")


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path):
    path = tmp_path / "checkpoint.pt"
    values = torch.arange(1000, dtype=torch.float32)
    save_state(path, {"values": values})
    data = bytearray(path.read_bytes())
    data[data.index(values.numpy().tobytes()) + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_state(path)


def test_a_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no training"):
        load_run(tmp_path)


def test_a_bfloat16_training_resumes_exactly(tmp_path, train, monkeypatch):
    monkeypatch.setattr("vqcodec.training.autoencoder.gains_by_bfloat16", lambda _: True)
    train(tmp_path / "whole", AUDIO, steps=4)
    for steps in (2, 4):
        train(tmp_path / "parts", AUDIO, steps=steps)
    assert same(checkpoint(tmp_path / "parts"), checkpoint(tmp_path / "whole"))
    values = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").open()]
    assert all(value["total"] is not None for value in values if "total" in value)
