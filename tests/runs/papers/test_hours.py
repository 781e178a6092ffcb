"""An estimate of GPU hours counts the operations that the specification counts, with the methods' recipes."""

from __future__ import annotations

import pytest

from clipcompat.backbones.catalog import generations
from clipcompat.backbones.weights.architecture import build_model
from clipcompat.data.shifted import SHIFTED
from clipcompat.methods import KNOWN, METHODS, OF_DPC
from clipcompat.runs.papers import hours
from clipcompat.runs.papers.hours import ON_FEATURES, PROMPTS, THROUGHPUT, VIEWS, estimated_hours, gpu_hours, text_flops
from clipcompat.training.loop import DEFAULT_VIEWS

B, L = "clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"


@pytest.mark.parametrize(
    ("tokens", "kept", "base", "large"),
    [(77, 0, 5.96, 13.30), (32, 0, 2.44, 5.47), (22, 0, 1.67, 3.76), (4, 17, 0.305, 0.684), (17, 0, 1.29, 2.90)],
)
def test_a_text_takes_what_the_specification_says(tokens, kept, base, large):
    """open_clip's own profile says 5.96 and 13.3 for 77 tokens."""
    for upgrade, expected in ((B, base), (L, large)):
        assert text_flops(hours.TOWERS[upgrade], tokens, kept) / 1e9 == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", PROMPTS)
def test_the_recipes_are_those_of_the_methods(name):
    method, known = METHODS[name](), PROMPTS[name]
    assert (method.recipe.batch_size, method.n_ctx) == (known.batch_size, known.n_ctx)
    assert method.recipe.epochs_for("dtd", 16, 752) == known.epochs
    assert method.recipe.epochs_for("imagenet", 16, 16_000) == known.epochs_on_imagenet
    assert VIEWS == DEFAULT_VIEWS


@pytest.mark.parametrize(
    ("method", "dataset", "operations"),
    [
        # 2 towers × test pictures, and views of the few-shot set on both towers
        ("zero_shot", "dtd", 2 * 1692 * 35.13e9),
        ("linear_probe", "dtd", (2 * 1692 + 2 * 752) * 35.13e9),
        ("clip_adapter", "DescribableTextures", (2 * 1692 + 20 * 752) * 35.13e9),
        # 23 × 200 steps, twice, forward and backward over 47 classes
        ("coop", "dtd", (2 * 1692 + 20 * 752) * 35.13e9 + 2 * 4600 * 2 * (1.29e9 + 47 * 0.305e9)),
        ("contcoop", "dtd", (2 * 1692 + 20 * 752) * 35.13e9 + 2 * 4600 * 2 * 47 * 1.597e9),
        ("kgcoop", "eurosat", (2 * 8100 + 20 * 160) * 35.13e9 + 2 * 100 * 2 * (0.378e9 + 10 * 0.304e9)),
        # 16 000 × 10 steps of one picture, and three tests
        (
            "cocoop",
            "imagenet",
            (1e5 + 20 * 16_000) * 35.13e9 + (2 * 160_000 * 2 + 3 * 50_000) * (0.378e9 + 1000 * 0.304e9),
        ),
    ],
)
def test_hours_are_operations_by_throughput(method, dataset, operations):
    request = {"method": method, "dataset": dataset, "upgrade": B, "seeds": (1,)}
    assert gpu_hours(request) * 3600 * THROUGHPUT == pytest.approx(operations, rel=0.01)


def test_more_seeds_and_larger_towers_take_more_and_no_retraining_takes_less():
    request = {"method": "coop", "dataset": "dtd", "upgrade": B}
    five = gpu_hours(request | {"seeds": (1, 2, 3, 4, 5)})
    assert gpu_hours(request) < five < gpu_hours(request | {"seeds": (1, 2, 3, 4, 5), "upgrade": L})
    assert gpu_hours(request | {"retrain": False}) < gpu_hours(request)
    assert gpu_hours(request | {"shots": 1}) < gpu_hours(request)


def test_shifted_test_sets_are_counted_where_the_study_tests_on_them():
    request = {"method": "zero_shot", "dataset": "imagenet", "upgrade": B, "seeds": (1,)}
    more = (gpu_hours(request | {"study": "ood"}) - gpu_hours(request)) * 3600 * THROUGHPUT
    assert more == pytest.approx(2 * (10_000 + 50_889 + 7_500 + 30_000) * 35.13e9)
    assert len(SHIFTED["imagenet"]) == 4


@pytest.mark.parametrize("upgrade", [B, L])
def test_the_parameters_are_those_of_the_two_models(upgrade):
    models = [build_model(name, device="meta") for name, _ in generations(upgrade)]
    assert hours.TOWERS[upgrade].parameters == sum(p.numel() for model in models for p in model.parameters())


def test_methods_that_train_on_features_alone_change_no_tower_and_run_no_prompts():
    for name in ON_FEATURES:
        method = KNOWN[name]()
        assert method.needs != "pixels" and name not in (*PROMPTS, *OF_DPC)
    assert {*ON_FEATURES, *PROMPTS, *OF_DPC, "clip_lora"} == set(KNOWN)


@pytest.mark.parametrize(
    "other",
    [{"method": "dpc"}, {"method": "clip_lora"}, {"study": "chain"}, {"upgrade": "mini"}, {"dataset": "mini/tints"}],
)
def test_a_run_whose_operations_nobody_counted_has_no_estimate(other):
    request = {"method": "coop", "dataset": "dtd", "upgrade": B}
    assert estimated_hours(request) == gpu_hours(request) and estimated_hours(request | other) is None
