"""Files that cannot be read, or that vanish: a training names them, and does not end by them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from training_recipes import IMAGE, RESIDUAL, SEED

from vqcodec.errors import ConfigError, InputError
from vqcodec.training.commands import train_joint, train_prior, train_vqvae
from vqcodec.training.manifest import read_manifest


@pytest.fixture
def folder(data_folder, tmp_path):
    """Six pictures, and two files that cannot be read."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in data_folder.glob("*.png"):
        shutil.copy(path, folder)
    whole = (folder / "picture0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:-30])
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    return folder


def joint(run, folder, recipe, *, steps=1, skip_bad=True, memory_bytes=1 << 30):
    train_joint(
        data=[folder],
        recipe=recipe,
        run=run,
        start_from=None,
        steps=steps,
        seed=SEED,
        device="cpu",
        skip_bad=skip_bad,
        memory_bytes=memory_bytes,
    )


def test_all_bad_files_are_named_before_the_first_step(folder, tmp_path, recipes, capsys):
    with pytest.raises(InputError, match=r"2 of 8 inputs cannot be read; --skip-bad goes on"):
        joint(tmp_path / "run", folder, recipes(IMAGE), skip_bad=False)
    named = capsys.readouterr().err.splitlines()
    assert len(named) == 2
    for name in ("cut.png", "script.png"):
        assert any(line.startswith(f"vqcodec: {folder / name}: ") for line in named)
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_training_goes_on_without_bad_files_and_needs_none_later(
    folder, tmp_path, recipes, monkeypatch, capsys
):
    from vqcodec.training.autoencoder import AutoencoderTraining

    validate = AutoencoderTraining.validate

    def with_files_gone(training):
        shutil.rmtree(folder)
        return validate(training)

    monkeypatch.setattr(AutoencoderTraining, "validate", with_files_gone)
    joint(tmp_path / "run", folder, recipes(IMAGE))
    manifest = read_manifest(tmp_path / "run" / "manifest.json")
    assert {Path(name).name for name in manifest.files} == {f"picture{n}.png" for n in range(6)}
    assert "valid_mse@" in (tmp_path / "run" / "log.jsonl").read_text()


def test_a_run_goes_on_without_files_that_are_gone_or_damaged(folder, tmp_path, recipes, capsys):
    run = tmp_path / "run"
    joint(run, folder, recipes(IMAGE))
    train = [Path(n).name for n in read_manifest(run / "manifest.json").train]
    (folder / train[0]).unlink()
    (folder / train[1]).write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="was begun with other files"):
        joint(run, folder, recipes(IMAGE), steps=2, skip_bad=False)
    capsys.readouterr()
    joint(run, folder, recipes(IMAGE), steps=2)
    told = capsys.readouterr().err
    assert f"{folder / train[0]}: was a file of this run, and is gone" in told
    assert f"{folder / train[1]}: " in told
    shutil.copy(folder / train[2], folder / "new.png")
    with pytest.raises(ConfigError, match="new"):  # more files are another training
        joint(run, folder, recipes(IMAGE), steps=3)


def test_a_batch_of_bad_files_is_drawn_again(folder, tmp_path, recipes, capsys):
    for number in range(2, 6):
        (folder / f"picture{number}.png").unlink()
    (folder / "script.png").unlink()
    recipe = IMAGE.replace("batch_size = 2", "batch_size = 1").replace("steps = 6", "steps = 9")
    recipe = recipes(recipe)
    run = tmp_path / "run"
    joint(run, folder, recipe, memory_bytes=1, steps=2)  # finds out when it draws the file
    assert str(folder / "cut.png") in read_manifest(run / "manifest.json").train
    joint(run, folder, recipe, memory_bytes=1, steps=6)
    assert capsys.readouterr().err.count("cut.png: ") == 2
    for number in range(2):
        (folder / f"picture{number}.png").write_bytes((folder / "cut.png").read_bytes())
    with pytest.raises(InputError, match="can be read"):
        joint(run, folder, recipe, memory_bytes=1, steps=7)


def test_a_run_without_bad_files_goes_on_with_less_memory(folder, tmp_path, recipes):
    run = tmp_path / "run"
    joint(run, folder, recipes(IMAGE))
    assert str(folder / "cut.png") not in read_manifest(run / "manifest.json").files
    joint(run, folder, recipes(IMAGE), steps=2, memory_bytes=1)
    assert str(folder / "cut.png") not in read_manifest(run / "manifest.json").files


@pytest.mark.parametrize("fraction", ["0.01", "0.3"])  # one file and several
def test_a_run_without_its_held_out_files_is_refused(folder, tmp_path, recipes, fraction):
    run, recipe = (
        tmp_path / "run",
        IMAGE.replace("valid_fraction = 0.3", f"valid_fraction = {fraction}"),
    )
    joint(run, folder, recipes(recipe))
    for name in read_manifest(run / "manifest.json").valid:
        Path(name).unlink()
    with pytest.raises(InputError, match=r"none of the held-out files( of .*run)? can be read"):
        joint(run, folder, recipes(recipe), steps=2)


def test_figures_of_held_out_files_that_were_interrupted_are_made_later(
    folder, tmp_path, recipes, monkeypatch
):
    from vqcodec.training.autoencoder import AutoencoderTraining

    def interrupted(training):
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(AutoencoderTraining, "validate", interrupted)
        joint(run, folder, recipes(IMAGE))
    assert "valid_mse" not in (run / "log.jsonl").read_text()
    for _ in range(2):
        joint(run, folder, recipes(IMAGE))
        assert (run / "log.jsonl").read_text().count("valid_mse@0") == 1
    assert (run / "log.svg").exists()


def test_priors_are_trained_and_judged_without_bad_files(folder, tmp_path, recipes, capsys):
    run = tmp_path / "run"
    train_vqvae(
        data=[folder],
        recipe=recipes(RESIDUAL),
        run=run,
        steps=1,
        seed=SEED,
        device="cpu",
        skip_bad=True,
    )
    train = read_manifest(run / "manifest.json").train
    Path(train[0]).unlink()
    with pytest.raises(InputError, match="1 of 6 inputs"):
        train_prior(run=run, steps=1)
    assert not (run / "prior.pt").exists()
    assert set(train_prior(run=run, steps=1, skip_bad=True)) >= {"integer", "uniform"}


def test_something_has_to_be_left(folder, tmp_path, recipes):
    for path in folder.glob("picture*.png"):
        path.unlink()
    with pytest.raises(InputError, match="none of the training files can be read"):
        joint(tmp_path / "run", folder, recipes(IMAGE))


def test_a_run_says_from_where_its_files_are_seen(folder, tmp_path, recipes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    joint(Path("run"), "pictures", recipes(IMAGE))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="as seen from the folder in which it was begun"):
        train_prior(run=tmp_path / "run", steps=1)


def test_a_single_picture_is_held_out_and_trained_on_which_is_said(
    folder, tmp_path, recipes, capsys
):
    joint(tmp_path / "run", folder / "picture0.png", recipes(IMAGE))
    assert "those trained on are also the held-out ones" in capsys.readouterr().err
    joint(tmp_path / "other", folder, recipes(IMAGE))
    assert "also the held-out ones" not in capsys.readouterr().err
