"""The upgrades that have a name, and the kind of a backbone or an upgrade. Reading this needs no torch."""

from typing import Literal

from clipcompat.common.errors import ConfigError, unknown_name

Kind = Literal["mini", "public", "own"]
"""mini: of the embedded miniature. public: a model that open_clip knows by name. own: built by the caller."""

# name -> generations, oldest first, each (open_clip or mini model, open_clip tag or None for the shipped weights)
GENERATIONS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "mini": (("mini-old", None), ("mini-new", None), ("mini-newer", None)),
    "mini-large": (("mini-large-old", None), ("mini-large-new", None)),
    # the rest of mini's chain: its second step, and both steps at once
    "mini-next": (("mini-new", None), ("mini-newer", None)),
    "mini-two-steps": (("mini-old", None), ("mini-newer", None)),
    # controls: nothing changes; the activation alone, with old's weights; the image tower alone; the text tower alone
    "mini-identity": (("mini-old", None), ("mini-old", None)),
    "mini-activation-only": (("mini-old", None), ("mini-activation-only", None)),
    "mini-image-only": (("mini-old", None), ("mini-image-only", None)),
    "mini-text-only": (("mini-old", None), ("mini-text-only", None)),
    "clip-to-eva-vit-b-16": (("ViT-B-16-quickgelu", "openai"), ("EVA02-B-16", "merged2b_s8b_b131k")),
    "clip-to-eva-vit-l-14": (("ViT-L-14-quickgelu", "openai"), ("EVA02-L-14", "merged2b_s4b_b131k")),
    # a control: OpenAI's weights with GELU instead of QuickGELU, which open_clip does without an error
    "clip-activation-only-vit-b-16": (("ViT-B-16-quickgelu", "openai"), ("ViT-B-16", "openai")),
}
UPGRADES = tuple(GENERATIONS)
OTHER_ACTIVATION = ("mini-activation-only", "clip-activation-only-vit-b-16")
"""The upgrades whose later generations run weights on purpose with an activation that they were not trained with."""


def generations(name: str) -> tuple[tuple[str, str | None], ...]:
    """Model and weights of every generation of a family, oldest first.

    name: one of `UPGRADES`, or the generations themselves, "MODEL:WEIGHTS,MODEL:WEIGHTS": weights as in
        `load_backbone` (a tag, a file, random:SEED). A mini model without weights has the shipped ones.

    Raises:
        UnknownNameError: no such name. ConfigError: a generation without model or weights, or one generation only.
    """
    if name in GENERATIONS:
        return GENERATIONS[name]
    if not is_spelled_out(name):
        raise unknown_name("upgrade", name, GENERATIONS, hint="Or write its generations: MODEL:WEIGHTS,MODEL:WEIGHTS.")
    found = []
    for part in name.split(","):
        model, _, weights = part.strip().partition(":")
        if not model or (not weights and backbone_kind(model) != "mini"):
            raise ConfigError(
                f"a generation of an upgrade is MODEL:WEIGHTS, for example ViT-B-16-quickgelu:openai, not {part!r}."
            )
        found.append((model, weights or None))
    if len(found) < 2:
        raise ConfigError(f"an upgrade has an old and a new generation, MODEL:WEIGHTS,MODEL:WEIGHTS; {name!r} has one.")
    return tuple(found)


def is_spelled_out(name: str) -> bool:
    """The name of an upgrade is the list of its generations."""
    return name not in GENERATIONS and ("," in name or ":" in name)


def backbone_kind(name: str) -> Kind:
    """The kind of backbone that `load_backbone(name)` makes or, if the name is unknown, would look for."""
    return "mini" if name.partition("-")[0] == "mini" else "public"


def upgrade_kind(name: str) -> Kind:
    """The kind that all generations of an upgrade have; "own" if they differ, or for an unknown name."""
    known = name in GENERATIONS or is_spelled_out(name)
    kinds = {backbone_kind(model) for model, _ in generations(name)} if known else set()
    return kinds.pop() if len(kinds) == 1 else "own"
