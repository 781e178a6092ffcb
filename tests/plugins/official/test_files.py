"""Official files: found in their folders, read without running anything, refused where they are damaged."""

from __future__ import annotations

import pickle

import pytest
import torch

from clipcompat.common.errors import CheckpointError
from tests.official import DASSL, Bomb, checkpoint, context, refused, write_cache, write_run


@pytest.mark.parametrize("name", DASSL)
def test_a_file_its_folder_and_the_output_folder_are_the_same_plugin(official_run, official_import, name):
    out = official_run(name)
    (folder,) = out.iterdir()
    first = official_import(out, name)
    for place in (folder, folder / "model.pth.tar-50", str(out)):
        again = official_import(place, name)
        assert again.stamp == first.stamp and again.origin == first.origin and again.method == first.method


def test_the_note_of_the_last_file_decides_among_several(old, official_run, official_import):
    out = official_run("coop", epoch=200)
    torch.save(checkpoint(context(old, seed=9), 100), out / "prompt_learner" / "model.pth.tar-100")
    assert official_import(out).origin["epochs"] == 200
    (out / "prompt_learner" / "checkpoint").write_text("model.pth.tar-100\n")
    assert official_import(out).origin["epochs"] == 100
    (out / "prompt_learner" / "checkpoint").unlink()
    with pytest.raises(CheckpointError) as caught:
        official_import(out)
    refused(caught, "2 checkpoints", "model.pth.tar-100, model.pth.tar-200", "Give one of them")
    (out / "prompt_learner" / "model.pth.tar-200").unlink()
    assert official_import(out).origin["epochs"] == 100


@pytest.mark.parametrize("note", ["model.pth.tar-7", "../model.pth.tar-50", "", "\0", "/etc/hostname", "x\n" * 99])
def test_a_note_that_names_no_file_beside_it_is_refused(official_run, official_import, note):
    out = official_run("coop")
    (out / "prompt_learner" / "checkpoint").write_text(note)
    with pytest.raises(CheckpointError) as caught:
        official_import(out)
    refused(caught, "no file beside it")


def test_files_saved_on_a_gpu_are_read_without_one(old, official_import, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:3")
        write_run(tmp_path / "output", context(old))
        write_cache(tmp_path / "cache", old)
    assert b"cuda:3" in (tmp_path / "output" / "prompt_learner" / "model.pth.tar-50").read_bytes()
    assert official_import(tmp_path / "output").tensors["ctx"].device.type == "cpu"
    assert official_import(tmp_path / "cache", "tip_adapter_f").tensors["keys"].device.type == "cpu"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(old, official_import, tmp_path, number):
    state = context(old)
    state["ctx"][1, 2] = number
    with pytest.raises(CheckpointError) as caught:
        official_import(write_run(tmp_path, state))
    refused(caught, "ctx has numbers that are not finite")


@pytest.mark.parametrize("place", ["state_dict", "scheduler", "beside"])
@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_hostile_pickle_is_refused_and_runs_nothing(old, official_run, official_import, tmp_path, place, form):
    content, canary, file = checkpoint(context(old)), tmp_path / "canary", tmp_path / "m"
    if place == "beside":
        content["more"] = Bomb(canary)
    else:
        content[place]["more"] = Bomb(canary)
    if form == "pickle":
        file.write_bytes(pickle.dumps({"state_dict": {"ctx": Bomb(canary)}}))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError) as caught:
        official_import(file)
    assert not canary.exists()
    refused(caught, "m ")
    if form != "pickle":
        refused(caught, "Python object", "nothing of it was run")


def test_the_objects_that_are_taken_are_inert(old, official_import, tmp_path, monkeypatch):
    """Neither torch's optimiser nor its schedule is made or given a state, and nothing stays allow-listed."""
    torch.save(checkpoint(context(old)), tmp_path / "m")
    before = set(torch.serialization.get_safe_globals())

    def official_run(*arguments, **options):
        raise AssertionError("an optimiser or a schedule was made")

    for cls in (torch.optim.SGD, torch.optim.lr_scheduler.CosineAnnealingLR):
        monkeypatch.setattr(cls, "__setstate__", official_run, raising=False)
        monkeypatch.setattr(cls, "__init__", official_run)
    official_import(tmp_path / "m")
    torch.save({"state_dict": Bomb(tmp_path / "canary")}, tmp_path / "m")
    with pytest.raises(CheckpointError):
        official_import(tmp_path / "m")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(official_run, official_import, share, zipped):
    file = official_run("coop", zipped=zipped) / "prompt_learner" / "model.pth.tar-50"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError) as caught:
        official_import(file)
    refused(caught, "model.pth.tar-50", "opy it again")


@pytest.mark.parametrize("data", [b"no checkpoint", b"PK\x03\x04" + bytes(99), b"\x80\x02}q\x00.", bytes(99)])
def test_files_of_another_kind_are_refused(official_import, tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        official_import(tmp_path / "m")
    refused(caught, "m ")


def test_places_without_a_checkpoint_are_refused(official_run, official_import, tmp_path):
    for path, words in ((tmp_path / "none", "no file or folder"), (tmp_path, "it holds nothing")):
        with pytest.raises(CheckpointError) as caught:
            official_import(path)
        refused(caught, words)
    with pytest.raises(CheckpointError) as caught:
        official_import(official_run("clip_adapter"))
    refused(caught, "no folder prompt_learner/", "it holds clip_adapter/")


def test_a_file_without_permission_is_a_sentence(official_run, official_import, monkeypatch):
    file = official_run("coop") / "prompt_learner" / "model.pth.tar-50"

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(CheckpointError) as caught:
        official_import(file)
    refused(caught, "Permission denied")
