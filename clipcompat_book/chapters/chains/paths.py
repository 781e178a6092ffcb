"""Tables of upgrade paths: which published weights can exchange which plug-ins, from architectures alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clipcompat.backbones.catalog import generations
from clipcompat.backbones.load import load_outline
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.published import Published
from clipcompat.methods import METHODS
from clipcompat.plugins.paths import carries
from clipcompat.runs.tables import Table
from clipcompat_book.means import groups
from clipcompat_book.words import name_title


@dataclass(frozen=True)
class Shape:
    """Published weights whose lengths are equal, so that they exchange plug-ins of every method that they can have."""

    outline: Outline
    names: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Text width, joint dim, length of the hidden image feature, text layers."""
        own = self.outline
        return own.width, own.dim, own.penultimate, own.layers

    @property
    def models(self) -> list[str]:
        """The models, without tags."""
        return list(dict.fromkeys(name.partition(":")[0] for name in self.names))


def shapes_of(published: Iterable[Published]) -> list[Shape]:
    """The shapes of the weights that this library runs, the most frequent first."""
    usable = [p for p in published if p.outline is not None]
    grouped = groups(usable, lambda p: (p.outline.width, p.outline.dim, p.outline.penultimate, p.outline.layers))
    found = [Shape(same[0].outline, tuple(p.name for p in same)) for same in grouped.values()]
    return sorted(found, key=lambda shape: -len(shape.names))


def pair_counts(shapes: Sequence[Shape], methods: Iterable[str] = METHODS) -> dict[str, int]:
    """Method -> how many ordered pairs of different published weights can carry its plug-ins."""
    counts = dict.fromkeys(methods, 0)
    for name in counts:
        method = METHODS[name]()
        for one in shapes:
            for other in shapes:
                if carries(method, one.outline, other.outline).kind == "compatible":
                    counts[name] += len(one.names) * len(other.names) - len(one.names) * (one is other)
    return counts


def shapes_table(shapes: Sequence[Shape]) -> Table:
    """One row per shape: its lengths, how many weights, which models, and which plug-ins lead to other shapes."""
    rows = []
    for shape in shapes:
        models = shape.models
        named = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
        lengths = ["–" if n is None else str(n) for n in shape.sizes]
        rows.append((named, *lengths, str(len(shape.names)), _leads(shape, shapes)))
    columns = ("models", "text width", "joint dim", "hidden image", "text layers", "weights", "prompts also fit")
    caption = "Weights of one row exchange every plug-in. Last column: weights of other rows that take CoOp's prompts."
    return Table(columns, tuple(rows), caption)


def pairs_table(shapes: Sequence[Shape]) -> Table:
    """Per method: how many pairs of published weights can carry its plug-ins."""
    count = sum(len(shape.names) for shape in shapes)
    total = count * (count - 1)
    rows = [(name_title(m), f"{n:,}", f"{100 * n / total:.0f} %") for m, n in pair_counts(shapes).items()]
    caption = f"Ordered pairs of the {count} published weights that this library runs, {total:,} in all."
    return Table(("method", "pairs that can carry it", "share"), tuple(rows), caption)


def families_table(upgrades: Sequence[str]) -> Table:
    """One row per step of listed upgrades: the plug-ins that can, and cannot, be carried."""
    rows = []
    for upgrade in upgrades:
        chain = generations(upgrade)
        for (old, old_tag), (new, new_tag) in zip(chain, chain[1:], strict=False):
            pair = load_outline(old), load_outline(new)
            matches = {m: carries(kind(), *pair) for m, kind in METHODS.items()}
            lost = [name_title(m) for m, match in matches.items() if match.kind == "incompatible"]
            rows.append((f"{old} ({old_tag})", f"{new} ({new_tag})", ", ".join(lost) or "every plug-in fits"))
    return Table(("from", "to", "cannot be carried"), tuple(rows), "Steps between published weights.")


def reasons_table(published: Iterable[Published]) -> Table:
    """Why this library does not run the other published weights, and how many that are."""
    reasons = groups([p for p in published if p.outline is None], _reason)
    rows = [
        (reason, str(len(same)), ", ".join(list(dict.fromkeys(p.name.partition(":")[0] for p in same))[:3]))
        for reason, same in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]
    return Table(("incompatible, because", "weights", "such as"), tuple(rows))


def _leads(shape: Shape, shapes: Sequence[Shape]) -> str:
    coop = METHODS["coop"]()
    others = [s for s in shapes if s is not shape and carries(coop, shape.outline, s.outline).kind == "compatible"]
    return f"{sum(len(s.names) for s in others)} of {len(others)} rows" if others else "none"


_REASONS = {
    "writes captions": "the text tower writes captions too (CoCa)",
    "model of Hugging Face": "the text tower is another model (roberta, NLLB, …)",
    "reads the tokens": "the text tower reads other tokens (SigLIP, CLIPA, MetaCLIP 2)",
    "no causal mask": "the text tower has no causal mask",
    "were trained with": "named with the other activation; the same weights are listed under the right name",
    "pictures resized": "pictures are resized in another way",
}


def _reason(published: Published) -> str:
    return next((short for words, short in _REASONS.items() if words in published.why), published.why)
