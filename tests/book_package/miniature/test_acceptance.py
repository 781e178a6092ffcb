"""The committed acceptance is of known old backbones and of today's sets, and meets the four demands."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import clipcompat_book.miniature
from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.mini.manifest import weights
from clipcompat.backbones.mini.models import mini_weights
from clipcompat.common.files import hash_file
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import study_names
from clipcompat.methods import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.studies.accuracy import accuracy
from clipcompat_book.miniature import acceptance

FILE = Path(clipcompat_book.miniature.__file__).with_name("acceptance.jsonl")
LINES = [json.loads(line) for line in FILE.read_text().splitlines()]
_TURNED = 0.16  # another processor's arithmetic may turn 3 of 2,000 pictures; the most seen on all eleven sets is 1
SHIPPED = hash_file(mini_weights("mini-old"))


def test_every_old_backbone_was_asked_about_every_set_with_five_seeds():
    # old 2 made again, and its checkpoints on the way, stand for no old backbone: they serve as twin and as a chain
    known = [(sha, facts) for sha, facts in weights().items() if facts["name"] == "mini-old"]
    olds = {sha for sha, facts in known if not facts.get("again") and facts["steps_taken"] == facts["steps"]}
    assert {x["old"] for x in LINES} == olds and SHIPPED in olds
    for sha in olds:
        assert [x["dataset"] for x in LINES if x["old"] == sha] == list(study_names())
    assert all(x["seeds"] == [1, 2, 3, 4, 5] == list(range(1, len(x["coop"]) + 1)) for x in LINES)


@pytest.mark.parametrize("demand", acceptance.verdict(LINES[:11]))
def test_the_demand_is_met_by_every_old_backbone(demand):
    for sha in dict.fromkeys(x["old"] for x in LINES):
        assert acceptance.verdict([x for x in LINES if x["old"] == sha])[demand], weights()[sha]


def _lines(**changes) -> list[dict]:
    good = {"zero_shot": 50.0, "linear_probe": [60.0, 60.0], "coop": [57.0, 58.0]}
    return [good | changes] + [dict(good) for _ in range(10)]


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"zero_shot": 91.0, "coop": [99.0, 99.0]}, ["zero-shot is 25–90 % on every set"]),
        ({"zero_shot": 24.9}, ["zero-shot is 25–90 % on every set"]),
        ({"coop": [55.0, 61.0]}, ["CoOp's sd over seeds is at most 4 on every set"]),
        ({"coop": [10.0, 10.0]}, ["CoOp is 5 points above on average"]),
        ({"linear_probe": [0.0, 0.0]}, []),
    ],
)
def test_the_verdict_names_what_is_missed(changes, failed):
    assert [demand for demand, met in acceptance.verdict(_lines(**changes)).items() if not met] == failed


def test_eight_sets_with_a_better_linear_probe_are_needed():
    lines = _lines()
    for line in lines[:3]:
        line["linear_probe"] = [54.9, 54.9]
    assert all(acceptance.verdict(lines).values())
    lines[3]["linear_probe"] = [54.9, 54.9]
    assert not acceptance.verdict(lines)["linear probe is 5 points above on 8 sets"]


@pytest.mark.parametrize("name", ["mini/tints", "mini/satellite"])
def test_zero_shot_is_what_was_committed(name):
    data, old = load_dataset(name), load_backbone("mini-old", device="cpu", dtype="fp32")
    (line,) = [x for x in LINES if (x["old"], x["dataset"]) == (SHIPPED, name)]
    measured = accuracy(fit(ZeroShot(), old, data), old, data.test)
    assert abs(measured - line["zero_shot"]) <= _TURNED


@pytest.mark.parametrize("name", ["mini/tints", "mini/satellite"])
def test_the_linear_probe_is_what_was_committed(name):
    data, old = load_dataset(name, shots=16, seed=1), load_backbone("mini-old", device="cpu")
    (line,) = [x for x in LINES if (x["old"], x["dataset"]) == (SHIPPED, name)]
    assert abs(acceptance.linear_probe(old, data) - line["linear_probe"][0]) <= _TURNED


def test_the_probe_s_decay_is_chosen_on_validation_and_not_on_test(monkeypatch):
    """The first decay is right on validation and wrong on test, the others the other way round."""
    features = {
        "train": torch.tensor([[1.0, 1.0], [-1.0, -1.0]]),
        "val": torch.tensor([[1.0, 0.0]]),
        "test": torch.tensor([[0.0, 1.0]]),
    }
    splits = {
        part: SimpleNamespace(part=part, labels=torch.zeros(len(x), dtype=torch.int64)) for part, x in features.items()
    }
    data = SimpleNamespace(**splits, classnames=("a", "b"))
    fitted = iter([torch.eye(2), *[torch.eye(2).flip(0)] * (len(acceptance._DECAYS) - 1)])
    monkeypatch.setattr(acceptance, "encode_split", lambda backbone, split: features[split.part])
    monkeypatch.setattr(
        acceptance, "logistic_regression", lambda *a, **k: {"weight": next(fitted), "bias": torch.zeros(2)}
    )
    assert acceptance.linear_probe(None, data) == 0.0
