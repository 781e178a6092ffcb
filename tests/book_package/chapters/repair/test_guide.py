"""Each advice of the guide is the verdict of the records, and nothing in it runs or loads."""

from __future__ import annotations

from clipcompat_book.chapters.chains.warm import WarmRun
from clipcompat_book.chapters.repair.guide import guide
from clipcompat_book.chapters.repair.rows import methods_of
from tests.book_package.chapters.repair.made import made


def runs(lead: float, seeds=(1,)) -> list[WarmRun]:
    row = {
        "new": 60.0,
        "scratch_all": 80.0,
        "carried_all": 80.0 + lead,
        "scratch_2_epochs": 70.0,
        "carried_2_epochs": 75.0,
    }
    return [WarmRun("CoOp", dataset, seed, 16, row) for dataset in ("mini/tints", "mini/shapes") for seed in seeds]


def test_every_method_has_the_advice_of_its_verdict():
    records = [*made("linear_probe", carried=20, repaired=76), *made("coop", carried=60, repaired=62)]
    methods = methods_of(records, "mini")
    probes, prompts, audits = guide(methods, {"CoOp": runs(1.0)}).steps
    ((title, advice),) = probes[1]
    assert title == "linear probe" and advice.startswith("Repair it") and "-100 % carried and 87 % repaired" in advice
    ((title, advice),) = prompts[1]
    assert title == "CoOp" and "with labels, from the carried plug-in" in advice and "1.0 points above" in advice
    assert "5.0 points above it after two epochs (2 datasets, 1 seed)." in advice and len(audits[1]) == 3
    worse = guide(methods, {"CoOp": runs(-1.0)}).steps[1][1][0][1]
    assert "from the carried plug-in (a warm start)" not in worse and "1.0 points below" in worse


def test_seeds_of_warm_starts_are_counted():
    methods = methods_of(made("coop", carried=60, repaired=62), "mini")
    ((_, advice),) = guide(methods, {"CoOp": runs(1.0, seeds=(1, 2, 3))}).steps[0][1]
    assert advice.endswith("(2 datasets, 3 seeds).")


def test_it_opens_on_a_click_without_a_script():
    page = guide(methods_of(made("coop"), "mini"), {})._repr_html_()
    assert page.count("<details") == page.count("<summary") == 6 and "CoOp" in page
    assert not any(word in page for word in ("<script", "http", "onclick", "src="))
