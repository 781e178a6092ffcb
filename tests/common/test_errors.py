"""An unknown name is answered by near ones, however many names there are."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import unknown_name

MANY = [f"species {i:05d}" for i in range(30_000)]


def test_few_names_are_all_listed():
    said = str(unknown_name("method", "contcop", ["coop", "contcoop"]))
    assert said == "unknown method 'contcop'. Did you mean 'contcoop'? Known: contcoop, coop."


def test_of_many_names_the_near_ones_are_told_and_how_many_there_are():
    said = str(unknown_name("class", "Species 00012", MANY, "data.classnames lists them."))
    assert said.startswith("unknown class 'Species 00012'. Did you mean 'species 00012' or ")
    assert said.endswith(
        " Known: species 00000, species 00001, species 00002, … (30,000 in all). data.classnames lists them."
    )


@pytest.mark.parametrize("name", ["x" * 10**6, "species", 5, None])
@pytest.mark.parametrize("known", [MANY, ["y" * 10**6] * 3, ["z" * 10**6], []])
def test_the_error_is_short_whatever_came_and_whatever_is_known(name, known):
    assert len(str(unknown_name("class", name, known))) < 600
