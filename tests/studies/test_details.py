"""Details of a report against counts made here by hand, and without pandas."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, MissingPackageError, UnknownNameError
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.details import ClassAccuracy, Details, Flip
from clipcompat.training.recipe import Recipe
from tests.studies.test_compatibility import RIGHT, hits, report, told
from tests.toys import NAMES, toy_dataset
from tests.trees import python

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0))

# pictures   a b c d e
HAND = Details(
    ("cat", "dog", "eel"),
    ("a.png", "b.png", "c.png", "d.png", "e.png"),
    labels=(0, 0, 0, 1, 1),
    old=(0, 0, 1, 1, 0),
    new=(0, 2, 0, 0, 0),
)


def test_classes_are_counted_one_by_one():
    cat, dog, eel = HAND.per_class()
    assert (cat.classname, cat.images, cat.negative_flips) == ("cat", 3, 1)
    assert cat.old == cat.new == pytest.approx(200 / 3)
    assert dog == ClassAccuracy("dog", 2, 50.0, 0.0, 1)
    assert eel == ClassAccuracy("eel", 0, None, None, 0)  # no picture, no accuracy


def test_a_row_of_a_confusion_matrix_is_the_right_class():
    assert HAND.confusion("old").tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert HAND.confusion().tolist() == HAND.confusion("new").tolist() == [[2, 0, 1], [2, 0, 0], [0, 0, 0]]
    assert replace(HAND, retrained=HAND.labels).confusion("retrained").tolist() == [[3, 0, 0], [0, 2, 0], [0, 0, 0]]


def test_flips_name_the_picture_and_both_predictions():
    assert HAND.flips() == (Flip(1, "b.png", "cat", "cat", "eel"), Flip(3, "d.png", "dog", "dog", "cat"))
    assert HAND.flips("positive") == (Flip(2, "c.png", "cat", "dog", "cat"),)
    assert [flip.index for flip in HAND.flips("all")] == [1, 2, 3]


def test_there_is_one_row_per_picture():
    rows = HAND.rows()
    assert [row["flip"] for row in rows] == ["", "negative", "positive", "negative", ""]
    assert rows[1] == {
        "index": 1, "image": "b.png", "label": "cat", "old": "cat", "new": "eel", "retrained": None, "flip": "negative"
    }  # fmt: skip
    assert replace(HAND, retrained=(2,) * 5).rows()[4]["retrained"] == "eel"


def test_questions_that_cannot_be_answered_are_a_sentence():
    with pytest.raises(UnknownNameError, match="side of an upgrade 'newer'"):
        HAND.confusion("newer")
    with pytest.raises(UnknownNameError, match="kind of flip 'bad'"):
        HAND.flips("bad")
    with pytest.raises(ConfigError, match="nothing was retrained"):
        HAND.confusion("retrained")


def test_a_report_knows_what_its_plugin_said_of_every_picture(old, new):
    data = toy_dataset(4)
    found = compatibility(told(old=[0] * 15, new=[2] * 15), Upgrade(old, new), data, retrained=told(new=RIGHT)).details
    assert (found.classnames, found.images) == (NAMES, data.test.keys)
    assert found.labels == tuple(RIGHT) == found.retrained
    assert found.old == (0,) * 15 and found.new == (2,) * 15
    assert [flip.index for flip in found.flips()] == [0, 1, 2, 3, 4]


def test_details_add_up_to_the_numbers_of_the_report(old, new):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, views=1)
    whole = compatibility(plugin, Upgrade(old, new), data, retrained=False)
    classes, flips = whole.details.per_class(), whole.details.flips()
    on_old, on_new = hits(plugin, old, data.test), hits(plugin, new, data.test)
    assert [flip.index for flip in flips] == [i for i in range(15) if on_old[i] and not on_new[i]]
    assert sum(c.negative_flips for c in classes) == len(flips) and whole.details.retrained is None
    for side, accuracy in (("old", whole.old), ("new", whole.new)):
        assert sum(getattr(c, side) * c.images for c in classes) / 15 == pytest.approx(accuracy)
        assert 100 * whole.details.confusion(side).trace() / 15 == pytest.approx(accuracy)


def test_details_are_no_part_of_what_is_written_or_compared():
    with_details = replace(report(), details=HAND)
    assert with_details == report() and with_details.to_dict() == report().to_dict()
    assert "details" not in report().to_dict() and "a.png" not in repr(with_details)


def test_frames_have_the_rows_and_columns():
    pytest.importorskip("pandas")
    frame = HAND.to_dataframe()
    assert frame.to_dict("records") == HAND.rows()
    frame = report().to_dataframe()
    assert len(frame) == 1 and frame["h_upgrade"][0] == report().h_upgrade and list(frame) == list(report().to_dict())


@pytest.mark.parametrize("thing", [HAND, report()])
def test_without_pandas_a_sentence_says_what_to_do(thing, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pip install pandas. Or take the same rows as dictionaries"):
        thing.to_dataframe()


def test_details_need_neither_torch_nor_pandas():
    run = python(
        "import sys\n"
        "from clipcompat import Details\n"
        "Details(('a',), ('x',), (0,), (0,), (0,)).confusion('old')\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    assert run.returncode == 0, run.stderr
