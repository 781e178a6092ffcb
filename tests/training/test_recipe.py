"""Learning rates and optimiser constants against torch's own schedulers, put together as Dassl does."""

from __future__ import annotations

import math

import pytest
import torch

from clipcompat.common.errors import ConfigError
from clipcompat.training.recipe import COOP, SHIP, Recipe
from tests.reference.dassl import cosine_per_step, learning_rates, sgd_step


@pytest.mark.parametrize("epochs", [1, 5, 10, 50, 200])
def test_rates_equal_dassls_warm_up_and_cosine(epochs):
    rates = learning_rates(epochs)
    ours = [COOP.learning_rate(epoch, epochs) for epoch in range(epochs)]
    assert ours == pytest.approx(rates, rel=1e-12, abs=1e-15)
    assert ours[0] == 1e-5 and (epochs == 1 or ours[1] == 2e-3)


@pytest.mark.parametrize(("epochs", "last"), [(200, 4.93e-7), (10, 1.91e-4), (5, 6.9e-4)])
def test_last_rate_is_the_known_one(epochs, last):
    assert COOP.learning_rate(epochs - 1, epochs) == pytest.approx(last, rel=5e-3)


@pytest.mark.parametrize(("warmup", "rate"), [(0, 1e-5), (3, 1e-4)])
def test_other_warm_ups_equal_dassls_too(warmup, rate):
    recipe = Recipe(lr=0.05, warmup_epochs=warmup, warmup_lr=rate)
    ours = [recipe.learning_rate(epoch, 12) for epoch in range(12)]
    assert ours == pytest.approx(learning_rates(12, 0.05, warmup, rate), rel=1e-12)


def test_the_rate_changes_between_epochs_and_not_within():
    for epoch in (0, 1, 7):
        assert len({COOP.learning_rate(epoch, 10, step, 4) for step in range(4)}) == 1


@pytest.mark.parametrize(("epochs", "steps"), [(5, 1), (4, 7)])
def test_ships_cosine_falls_every_step(epochs, steps):
    ours = [SHIP.learning_rate(epoch, epochs, step, steps) for epoch in range(epochs) for step in range(steps)]
    assert ours == pytest.approx(cosine_per_step(epochs * steps, 2e-3), rel=1e-12)
    assert ours[0] == 2e-3 and all(a > b for a, b in zip(ours, ours[1:], strict=False))


def test_constants_are_those_of_coop_and_ship():
    assert COOP == Recipe() and Recipe.PRESETS == {"coop": COOP, "ship": SHIP}
    assert (COOP.lr, COOP.momentum, COOP.weight_decay, COOP.batch_size, COOP.crop) == (2e-3, 0.9, 5e-4, 32, (0.08, 1.0))
    assert (COOP.warmup_epochs, COOP.warmup_lr, COOP.schedule, COOP.epochs) == (1, 1e-5, "epoch", None)
    assert (SHIP.lr, SHIP.momentum, SHIP.weight_decay, SHIP.batch_size, SHIP.crop) == (2e-3, 0, 0, 256, (0.5, 1.0))
    assert (SHIP.warmup_epochs, SHIP.schedule, SHIP.epochs) == (0, "step", 200)
    assert SHIP.crop_for("imagenet") == (0.08, 1.0) and SHIP.crop_for("dtd") == (0.5, 1.0)
    assert COOP.crop_for("imagenet") == COOP.crop_for("dtd") == (0.08, 1.0)


@pytest.mark.parametrize(
    ("shots", "epochs"), [(None, 200), (32, 200), (16, 200), (8, 200), (4, 100), (2, 100), (1, 50)]
)
def test_epochs_follow_the_shots_and_imagenet_has_50(shots, epochs):
    assert COOP.epochs_for("dtd", shots, 752) == COOP.epochs_for("mini/textures", shots, 752) == epochs
    assert COOP.epochs_for("imagenet", shots, 16000) == COOP.epochs_for("imagenet[base]", shots, 16000) == 50
    assert Recipe(epochs=7).epochs_for("imagenet", shots, 16000) == 7


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3}, {"momentum": 0.0}])
def test_optimizer_steps_as_sgd_by_hand(options):
    parameter = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    value, buffer, rate = parameter.detach().clone(), None, 0.1
    optimizer = Recipe(lr=rate).build_optimizer([{"params": [parameter], **options}])
    for step in range(4):
        gradient = torch.tensor([0.3, -0.1, 0.2]) * (step + 1)
        parameter.grad = gradient.clone()
        optimizer.step()
        value, buffer = sgd_step(value, gradient, buffer, rate, **options)
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schedule", "cosine"),
        ("batch_size", 0),
        ("batch_size", 10**30),
        ("epochs", 10**30),
        ("epochs", 0),
        ("crop", (0.0, 1.0)),
        ("crop", (0.6, 0.5)),
        ("crop", (0.5, 1.1)),
        ("lr", -1.0),
        ("lr", math.nan),
        ("momentum", math.inf),
        ("weight_decay", -1e-4),
        ("warmup_lr", -1.0),
        ("warmup_epochs", -1),
    ],
)
def test_values_that_cannot_be_meant_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Recipe(**{name: value})


@pytest.mark.parametrize(("images", "epochs"), [(192, 17), (1728, 2), (3200, 1), (64_000, 1), (20, 50)])
def test_a_limit_of_steps_cuts_whole_epochs_and_leaves_at_least_one(images, epochs):
    # 192 images are 6 batches of 32, so 17 epochs are the first to reach 100 steps; 20 images are one small batch
    assert Recipe(epochs=50, max_steps=100).epochs_for("dtd", 16, images) == epochs


def test_a_limit_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match="max_steps must be at least 1"):
        Recipe(max_steps=0)
