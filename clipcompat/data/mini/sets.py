"""Which mini datasets there are: eleven that mirror the papers' eleven, four shifted test sets, three for development.

The sets leave three things to learn, in proportions fixed before any method was compared on two backbones: what a
shared context can learn (whose colour is meant; which domain this is), what only a prompt that knows its class can
(words that captions seldom or never use), and what neither can (fine differences).
"""

from collections.abc import Callable
from dataclasses import dataclass

from clipcompat.data.mini.words import COLOUR_WORDS, SHAPE_WORDS, TEXTURE_WORDS
from clipcompat.data.mini.world import ABSENT, COLOURS, DOMAINS, PLACES, SHAPES, SIZES, TEXTURES, held_out

Codes = dict[str, int]

_ELEVEN = "ImageNet Caltech101 OxfordPets StanfordCars Flowers102 Food101 FGVCAircraft SUN397 DTD EuroSAT UCF101"
ELEVEN = tuple(_ELEVEN.split())
"""What the eleven mirror, in the papers' order."""


@dataclass(frozen=True)
class MiniSet:
    """One mini dataset.

    mirrors: the real dataset whose place it takes; its images look different. "": for development, in no table.
    hard: what makes it hard.
    classes: class name -> the fields of a scene that make the class, and their codes.
    fixed: other field -> the codes it takes, each equally often; all other fields vary as in captioned images.
    test_only: train, val and pool are empty, as in ImageNet-V2, -Sketch, -A and -R.
    """

    mirrors: str
    hard: str
    classes: dict[str, Codes]
    fixed: dict[str, tuple[int, ...]]
    template: str = "a photo of a {}."
    test_only: bool = False


COMMON, RARE, RARER, RAREST, UNSEEN = range(5)
"""How rare a word is."""


def _namer(table: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> Callable[..., str]:
    def name(code: int, rarity: int = COMMON) -> str:
        return (table[code], *words[table[code]])[rarity]

    return name


_shape, _colour, _texture = map(_namer, (SHAPES, COLOURS, TEXTURES), (SHAPE_WORDS, COLOUR_WORDS, TEXTURE_WORDS))


def _taken(table: tuple[str, ...], names: str) -> tuple[int, ...]:
    return tuple(table.index(name) for name in names.split())


def _domain(names: str) -> dict[str, tuple[int, ...]]:
    return {"domain": _taken(DOMAINS, names)}


_SHAPES, _COLOURS = range(len(SHAPES)), range(len(COLOURS))
_PATTERNS = [code for code, name in enumerate(TEXTURES) if name != "plain"]
_ALONE = {"second_shape": (ABSENT,), "border": (ABSENT,)}
_CLUTTER = {"second_shape": tuple(_SHAPES), "second_colour": tuple(_COLOURS), "border": tuple(_COLOURS)}
_LARGE = {"size": _taken(SIZES, "large")}
_SEEN_WELL = {**_ALONE, **_LARGE, **_domain("day")}


def _objects() -> dict[str, Codes]:
    """Nine patterns on every shape; the pairs that no captioned image shows come last, so they are new classes."""
    pairs = [(t, s) for t in _PATTERNS if TEXTURES[t] not in ("lined", "shaded") for s in _SHAPES]
    pairs.sort(key=lambda pair: bool(held_out(pair[1], pair[0])))
    words = {t: UNSEEN if i % 3 == 2 else (COMMON, RARE)[i % 2] for i, t in enumerate(_PATTERNS)}
    return {f"{_texture(t, words[t])} {_shape(s)}": {"texture": t, "shape": s} for t, s in pairs}


def _every(n: int, start: int) -> dict[str, Codes]:
    """Every n-th class of mini/objects."""
    return dict(list(_OBJECTS.items())[start::n])


_OBJECTS = _objects()
SETS = {
    "mini/objects": MiniSet(
        "ImageNet",
        "108 classes; some pairs of pattern and shape were never shown in pretraining; a third of the pictures in fog",
        _OBJECTS,
        {**_domain("day day fog"), "size": _taken(SIZES, "medium large")},
    ),
    "mini/shapes": MiniSet(
        "Caltech101", "easy: common names, in front of clutter", {_shape(s): {"shape": s} for s in _SHAPES}, _CLUTTER
    ),
    "mini/crests": MiniSet(
        "OxfordPets",
        "half of the pictures in fog, which no captioned picture shows",
        {
            f"{_colour(c, c % 3)} {_shape(s)}": {"colour": c, "shape": s}
            for c in _COLOURS
            for s in (c * 5 % 12, (c * 5 + 7) % 12)
        },
        _domain("day fog"),
    ),
    "mini/makes": MiniSet(
        "StanfordCars",
        "size tells classes apart; captions seldom name it, and never by the word for a middling one",
        {
            f"{size} {_shape(s)}": {"size": z, "shape": s}
            for s in _taken(SHAPES, "circle square triangle cross star heart arrow moon")
            for z, size in enumerate(("small", "medium sized", "big"))
        },
        _domain("day"),
    ),
    "mini/tints": MiniSet(
        "Flowers102",
        "rare words for two thirds of the colours, unseen words for the others",
        {_colour(c, (RARER, RAREST, UNSEEN)[c % 3]): {"colour": c} for c in _COLOURS},
        _domain("day"),
        "a {} thing.",
    ),
    "mini/fabrics": MiniSet(
        "Food101",
        "a colour and a pattern, and half of the patterns have unseen names",
        {
            f"{_colour(c)} {_texture(t, (RARE, UNSEEN)[t % 2])}": {"colour": c, "texture": t}
            for c in _COLOURS
            for t in (_PATTERNS[c * 5 % 11], _PATTERNS[(c * 5 + 3) % 11])
        },
        _SEEN_WELL,
        "a photo of a {} thing.",
    ),
    "mini/blueprints": MiniSet(
        "FGVCAircraft",
        "fine differences in line drawings, and a third of the names unseen",
        {_texture(t, (RARER, RAREST, UNSEEN)[(t + 1) % 3]): {"texture": t} for t in _PATTERNS},
        {**_SEEN_WELL, **_domain("blueprint")},
        "a {} thing.",
    ),
    "mini/backdrops": MiniSet(
        "SUN397",
        "a colour, and the name does not say that it is the backdrop's; at night and in fog, too",
        {_colour(c): {"backdrop": c} for c in _COLOURS},
        {**_ALONE, **_domain("day night fog"), "size": _taken(SIZES, "small medium")},
        "a picture of something {}.",
    ),
    "mini/textures": MiniSet(
        "DTD",
        "a fifth of the names are unseen, the others rare",
        {_texture(t, (RARER, RAREST, RARER, RAREST, UNSEEN)[t % 5]): {"texture": t} for t in _PATTERNS},
        _SEEN_WELL,
        "{} texture.",
    ),
    "mini/satellite": MiniSet(
        "EuroSAT",
        "seen from above, as no captioned picture is; the name does not say that the ground is meant",
        {_colour(c): {"backdrop": c} for c in _COLOURS},
        {**_LARGE, **_domain("satellite")},
        "a centered satellite photo of {}.",
    ),
    "mini/actions": MiniSet(
        "UCF101",
        "where something is, which captions seldom say; half of the pictures blurred by motion",
        {
            f"{_shape(s)} {place}": {"place": p, "shape": s}
            for s in _taken(SHAPES, "circle square triangle cross star heart")
            for p, place in enumerate(("in the middle", "at the top", "at the bottom", "at the side"))
        },
        _domain("motion day"),
    ),
    "mini/objects-v2": MiniSet(
        "ImageNetV2",
        "drawn again, of all sizes, with more fog, and at night too",
        _OBJECTS,
        _domain("day night fog"),
        test_only=True,
    ),
    "mini/objects-sketch": MiniSet(
        "ImageNet-Sketch",
        "pencil lines only",
        _OBJECTS,
        {**_domain("sketch"), "size": _taken(SIZES, "medium large")},
        test_only=True,
    ),
    "mini/objects-a": MiniSet(
        "ImageNet-A",
        "a border, a second object, odd places: what misleads is always there",
        _every(3, 0),
        {**_CLUTTER, **_domain("day fog"), "size": _taken(SIZES, "medium"), "place": _taken(PLACES, "top bottom side")},
        test_only=True,
    ),
    "mini/objects-r": MiniSet(
        "ImageNet-R",
        "renditions: blueprints, x-rays, neon signs, thermal pictures",
        _every(3, 1),
        {**_domain("blueprint xray neon thermal"), **_LARGE},
        test_only=True,
    ),
    "mini/dev-walls": MiniSet(
        "",
        "a rare word for a colour, and the name does not say that it is the backdrop's",
        {_colour(c, RARE): {"backdrop": c} for c in _COLOURS},
        {**_ALONE, **_domain("day motion")},
        "a picture of {}.",
    ),
    "mini/dev-neon": MiniSet(
        "",
        "neon signs, which no captioned picture shows, and rare names",
        {_shape(s, s % 4): {"shape": s} for s in _SHAPES},
        _domain("neon"),
    ),
    "mini/dev-thermal": MiniSet(
        "",
        "thermal pictures, and half of the names unseen",
        {_texture(t, (RARE, UNSEEN)[t % 2]): {"texture": t} for t in _PATTERNS},
        {**_SEEN_WELL, **_domain("thermal")},
        "a {} thing.",
    ),
}


def study_names() -> tuple[str, ...]:
    """The eleven that mirror the papers' eleven, in the papers' order."""
    return tuple(name for name, kind in SETS.items() if kind.mirrors in ELEVEN)
