"""Controls are told apart by their weights; a training that two upgrades share is found in either's record."""

from __future__ import annotations

import pytest

from clipcompat.runs import titles
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.compatibility.controls import (
    ACTIVATION,
    AGAIN,
    IDENTITY,
    IMAGE_ONLY,
    TEXT_ONLY,
    TWIN,
    UPGRADE,
    by_upgrade,
    gains,
    pairs_table,
    shipped_pair,
    with_retraining,
)
from clipcompat_book.words import with_interval
from tests.runs.test_tables import run

KNOWN = {
    "old-1": {"name": "mini-old", "number": 1},
    "old-2": {"name": "mini-old", "number": 2},
    "new-1": {"name": "mini-new", "number": 1},
    "new-2": {"name": "mini-new", "number": 2},
    "old-3": {"name": "mini-old", "number": 3},
    "new-3": {"name": "mini-new", "number": 3},
    "image-1": {"name": "mini-image-only", "number": 1},
    "text-1": {"name": "mini-text-only", "number": 1},
    "text-again": {"name": "mini-text-only", "number": 1, "again": True},
    **{f"step-{n}": {"name": "mini-new", "number": 1, "steps_taken": n} for n in (4000, 5000)},
}
SHIPPED = {
    "mini": ["old-1", "new-1"],
    "mini-identity": ["old-1", "old-1"],
    "mini-activation-only": ["old-1", "old-1"],
    "mini-image-only": ["old-1", "image-1"],
    "mini-text-only": ["old-1", "text-1"],
}
PLACES = {
    UPGRADE: ("mini", None, None),
    "pair 2": ("mini", "old-2", "new-2"),
    "pair 3": ("mini", "old-3", "new-3"),
    TWIN: ("mini", None, "new-2"),
    "twin of old": ("mini-identity", None, "old-2"),
    IDENTITY: ("mini-identity", None, None),
    ACTIVATION: ("mini-activation-only", None, None),
    IMAGE_ONLY: ("mini-image-only", None, None),
    TEXT_ONLY: ("mini-text-only", None, None),
    TEXT_ONLY + AGAIN: ("mini-text-only", None, "text-again"),
    "after step 4000": ("mini", None, "step-4000"),
    "after step 5000": ("mini", None, "step-5000"),
}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    know_toys(monkeypatch)


def know_toys(monkeypatch) -> None:
    """Let the manifest know the weights of `KNOWN`, each pretrained to its end where not said otherwise."""
    facts = {sha: {"steps": 9, "steps_taken": 9} | known for sha, known in KNOWN.items()}
    monkeypatch.setattr(titles, "weights", lambda: facts)


def toy_run(place: str, gain: float, method: str = "coop", dataset: str = "eurosat", seeds: int = 2, **more) -> Record:
    """A record with `gain` points above zero-shot (50) on new, seeds one point apart around it."""
    upgrade, old, new = PLACES[place]
    weights = {side: w and f"sha256:{w}" for side, w in (("old_weights", old), ("new_weights", new))}
    news = [50 + gain + k - (seeds - 1) / 2 for k in range(seeds)]
    stamps = {str(seed): {"train": f"{dataset}-{seed}", "test": dataset} for seed in range(1, seeds + 1)}
    same = {"shipped": SHIPPED[upgrade], "stamps": stamps, "views": 10, "dtype": "float32"}
    made = run(method, news=news, dataset=dataset, upgrade=upgrade, **weights, **same, **more)
    made.backbones["new"] = {"stamp": new or SHIPPED[upgrade][1]}
    for row in made.per_seed:
        row["old"] = row["new"] if place == IDENTITY else row["old"]
    return made


def toy_records(method: str, more: float = 0.0) -> list[Record]:
    """Two datasets on three upgrades; means 10 on the upgrade, 20 where nothing changed, 1 on the twin."""
    gain = {UPGRADE: 10, TWIN: 1, IDENTITY: 20}
    sets = {"eurosat": -2, "dtd": 2}
    return [toy_run(p, g + more + d, method, name) for p, g in gain.items() for name, d in sets.items()]


@pytest.mark.parametrize(
    ("place", "title"),
    [
        (UPGRADE, "mini"),
        ("pair 2", "mini, pair 2"),
        (TWIN, "mini, old 1 → new 2"),
        ("after step 5000", "mini, step 5000"),
        (IDENTITY, "mini-identity"),
        (TEXT_ONLY + AGAIN, "mini-text-only, made again"),
    ],
)
def test_an_upgrade_is_named_by_what_its_weights_are(place, title):
    assert toy_run(place, 1).titles.upgrade == title
    assert run(new_weights="sha256:unknown", shipped=SHIPPED["mini"]).titles.upgrade == "mini*"


def test_every_kind_of_upgrade_has_its_name_from_nothing_changed_to_nothing_kept():
    assert list(gains([toy_run(place, 1) for place in PLACES])) == [
        IDENTITY,
        ACTIVATION,
        TEXT_ONLY,
        IMAGE_ONLY,
        "after step 4000",
        "after step 5000",
        UPGRADE,
        "pair 2",
        "pair 3",
        TWIN,
    ]


def test_weights_made_again_stand_for_the_first_where_they_cover_its_datasets():
    """The first were never retrained on; a method's rows are of one or the other, never of both."""
    first = [toy_run(TEXT_ONLY, 10, dataset=name) for name in ("eurosat", "dtd")]
    other = toy_run(TEXT_ONLY, 10, "contcoop")
    again = [toy_run(TEXT_ONLY + AGAIN, 20, dataset=name) for name in ("eurosat", "dtd")]
    assert by_upgrade([*first, *again]) == by_upgrade(again) == {TEXT_ONLY: again}
    assert by_upgrade([*first, *again[:1]]) == {TEXT_ONLY: first}, "half of a sweep"
    assert by_upgrade([*first, other, *again]) == {TEXT_ONLY: [other, *again]}, "each method by itself"


def test_a_gain_is_the_mean_over_datasets_and_its_interval_is_over_seeds():
    gain = gains(toy_records("coop"))[UPGRADE]
    assert gain.by_set == {"eurosat": 8.0, "dtd": 12.0} and gain.mean == 10.0
    assert gain.interval == pytest.approx(12.706 * 0.5**0.5 / 2**0.5, rel=1e-3)
    assert gains([toy_run(UPGRADE, 10, seeds=1)])[UPGRADE].interval is None


def test_other_upgrades_and_unknown_weights_are_left_out():
    strange = run(upgrade="mini", new_weights="random:1", shipped=SHIPPED["mini"])
    real = run(upgrade="clip-to-eva-vit-b-16", shipped=[None, None])
    assert gains([strange, real]) == {}
    assert shipped_pair([strange, real, *(toy_run(p, 1) for p in PLACES)]) == [toy_run(UPGRADE, 1)]


def test_a_difference_is_paired_by_seed_and_averaged_over_datasets():
    records = [
        run("coop", (60.0, 70.0)),
        run("contcoop", (61.0, 75.0)),
        run("coop", (50.0, 50.0), dataset="dtd"),
        run("contcoop", (51.0, 53.0), dataset="dtd"),
    ]
    ((pair, cell), (_, mean)) = pairs_table(records, "ContCoOp", "CoOp").rows
    gaps = {("", "eurosat"): (1.0, 5.0), ("", "dtd"): (1.0, 3.0)}
    assert pair == "mini, pair 1" and cell == mean == with_interval(Comparison(gaps), "+")
    assert cell.startswith("+2.5 ± "), "eurosat: (1 + 5) / 2; dtd: (1 + 3) / 2"
    # seeds and datasets without a partner are left out
    more = [*records, run("coop", (1.0,), dataset="pets"), run("contcoop", (61.0,), upgrade="mini-identity")]
    assert pairs_table(more, "ContCoOp", "CoOp").rows == pairs_table(records, "ContCoOp", "CoOp").rows


def test_the_interval_over_pairs_is_of_pairs_datasets_and_seeds():
    gain = {UPGRADE: (12.0, 8.0), "pair 2": (9.0, 15.0), "pair 3": (11.0, 10.0)}
    records, cells = [], {}
    for number, (place, leads) in enumerate(gain.items(), 1):
        for dataset, lead in zip(("dtd", "eurosat"), leads, strict=True):
            records += [toy_run(place, 10.0, dataset=dataset), toy_run(place, lead, "contcoop", dataset, seeds=3)]
            cells[f"pair {number}", dataset] = (lead - 10.5,) * 2  # of three seeds the first two, half a point lower
    table = pairs_table(records, "ContCoOp", "CoOp")
    assert [row[0] for row in table.rows][-2:] == ["mini, pair 3", "mean of 3 pairs"]
    assert table.rows[-1][1] == with_interval(Comparison(cells), "+")
    assert "over pairs, datasets and seeds" in table.caption
    assert table.hover[-1].startswith("2 datasets; seeds 1 2; 1 2 3") and "12 records" in table.hover[-1]


def test_a_pair_without_records_of_both_methods_is_left_out():
    both = [toy_run(UPGRADE, 10), toy_run(UPGRADE, 13, "contcoop")]
    rows = pairs_table([*both, toy_run("pair 2", 5), toy_run("pair 3", 5, "kgcoop")], "ContCoOp", "CoOp").rows
    assert [row[0] for row in rows] == ["mini, pair 1", "mean of 1 pairs"]
    assert pairs_table([toy_run(UPGRADE, 10)], "ContCoOp", "CoOp").rows == (("mean of 0 pairs", "–"),)


def test_two_methods_are_held_against_each_other_pair_by_pair():
    gain = {(UPGRADE, "coop"): 10, (UPGRADE, "contcoop"): 13, ("pair 2", "coop"): 10, ("pair 2", "contcoop"): 9}
    records = [toy_run(place, points, method) for (place, method), points in gain.items()]
    table = pairs_table([*records, toy_run(TWIN, 1), toy_run(TWIN, 5, "contcoop")], "ContCoOp", "CoOp")
    assert table.columns[1] == "ContCoOp minus CoOp on new"
    assert [row[0] for row in table.rows] == ["mini, pair 1", "mini, pair 2", "mean of 2 pairs"]
    assert [row[1].split(" ")[0] for row in table.rows] == ["+3.0", "-1.0", "+1.0"]
    interval = float(table.rows[2][1].partition(" ± ")[2])
    assert interval == pytest.approx(25.4, rel=0.02), "over two pairs: 12.7 · 2.8 / √2, by 10 000 draws"


def test_a_gain_knows_what_retraining_would_have_gained():
    made = toy_records("coop")
    assert gains(made)[UPGRADE].retrained == 40.0, "90 against zero-shot of 50"
    made[0].per_seed[0]["retrained"] = None
    assert gains(made)[UPGRADE].retrained is None and gains(made)[TWIN].retrained == 40.0


def test_retraining_is_found_in_a_record_of_the_same_training_only():
    known, asked = toy_run("pair 2", 1), toy_run(TWIN, 1)
    for row in asked.per_seed:
        row["retrained"] = None

    def filled(*others) -> list[float | None]:
        return [row["retrained"] for row in with_retraining([*others, asked])[-1].per_seed]

    assert filled() == [None, None] and filled(known) == [90.0, 90.0], "both end at new 2"
    assert filled(toy_run(UPGRADE, 1)) == [None, None], "which ends at new 1"
    assert filled(toy_run("pair 2", 1, dataset="dtd")) == [None, None]
    assert filled(toy_run("pair 2", 1, method="contcoop")) == [None, None]
    assert filled(toy_run("pair 2", 1, seeds=1)) == [90.0, None]
    assert asked.per_seed[0]["retrained"] is None, "records stay as they are"


def test_a_backbone_of_old_s_kind_from_another_seed_is_a_seed_twin_too():
    twin = toy_run("twin of old", -3.0)
    assert twin.titles.upgrade == "mini-identity, old 1 → new 2" and by_upgrade([twin]) == {TWIN: [twin]}
