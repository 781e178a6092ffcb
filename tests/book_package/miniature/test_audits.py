"""A line has accuracies as the library measures them, and signs that no label of a test picture changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy
from clipcompat_book.miniature.audits import measure
from tests.toys import toy_dataset


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


@pytest.fixture(scope="module")
def plugin(upgrade):
    return fit(LinearProbe(c=1.0), upgrade.old, toy_dataset(8))


def test_a_line_has_the_accuracies_that_the_library_measures(plugin, upgrade):
    data = toy_dataset(8)
    lines = {line["what"]: line for line in measure(plugin, upgrade, data)}
    repaired = repair(plugin, upgrade, unlabelled_pictures(data, 200, 1))
    zero_shot = fit(ZeroShot(), upgrade.old, data)
    candidates = {"carried": plugin, "repaired": repaired, "zero-shot": zero_shot}
    assert lines.keys() == candidates.keys()
    for what, candidate in candidates.items():
        assert 100 * lines[what]["new"] == pytest.approx(accuracy(candidate, upgrade.new, data.test), abs=1e-3)
        assert 100 * lines[what]["accuracy"] == pytest.approx(accuracy(plugin, upgrade.old, data.test), abs=1e-3)
    json.dumps(lines)


def test_no_label_of_a_test_picture_reaches_a_sign_that_is_told_nothing(plugin, upgrade):
    data = toy_dataset(8)
    turned = replace(data, test=replace(data.test, labels=(data.test.labels + 1) % 3))
    for first, second in zip(measure(plugin, upgrade, data), measure(plugin, upgrade, turned), strict=True):
        seen = [name for name in first if name.endswith(("_val", "_untold")) or name in ("atc", "doc", "frap", "same")]
        assert len(seen) == 10 and all(first[name] == second[name] for name in seen)
