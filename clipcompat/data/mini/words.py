"""Names of the things in the procedural world: one common word each, three rarer ones, and one that no caption uses.

The image tower knows every class. The text tower hardly knows a rare word, as in many classes of real datasets; an
unseen word is a row of letters to it. Some rare words are ambiguous on purpose: "target" is a ring or a ringed thing,
"bar" a pillar or a stripe.
"""

# Common word: three rare words, then the unseen word.
_SHAPES = {
    "circle": "disc, coin, roundel, orb", "square": "box, block, quadrate, cube",
    "triangle": "pyramid, wedge, trigon, delta", "diamond": "lozenge, rhombus, kite, rhomb",
    "cross": "plus sign, crucifix, swiss cross, crux", "ring": "doughnut, hoop, target, annulus",
    "star": "pentagram, asterisk, starfish, sunburst", "heart": "valentine, cardiac sign, lovers emblem, amour",
    "arrow": "pointer, cursor, weather vane, dart", "hourglass": "egg timer, sand clock, bow tie, glass timer",
    "moon": "crescent, sickle, croissant, luna", "pillar": "column, post, bar, obelisk",
}  # fmt: skip  # two things per row
_COLOURS = {
    "red": "crimson, scarlet, vermilion, carmine", "orange": "tangerine, amber, apricot, ochre",
    "yellow": "lemon, canary, saffron, mustard", "green": "emerald, olive, jade, viridian",
    "turquoise": "teal, aquamarine, verdigris, cyan", "blue": "cobalt, navy, ultramarine, azure",
    "purple": "violet, plum, amethyst, mauve", "pink": "fuchsia, salmon, carnation, rose",
    "brown": "chestnut, umber, mahogany, sepia", "grey": "ashen, pewter, battleship, slate",
    "white": "ivory, chalky, alabaster, snowy", "black": "ebony, sooty, obsidian, jet",
}  # fmt: skip  # two things per row
_TEXTURES = {
    "plain": "unpatterned, solid, featureless, bare", "striped": "banded, candy striped, barred, streaked",
    "lined": "corduroy, pinstriped, ribbed, fluted", "dotted": "polka dotted, spotted, pimpled, stippled",
    "checked": "chessboard, gingham, tartan, plaid", "zigzag": "herringbone, chevron, sawtooth, jagged",
    "wavy": "rippled, undulating, scalloped, billowy", "bricked": "masonry, cobbled, tiled, walled",
    "ringed": "bullseye, concentric, target, annular", "speckled": "granite, peppered, terrazzo, flecked",
    "shaded": "faded, ombre, graduated, misty", "halved": "two toned, bisected, party coloured, piebald",
}  # fmt: skip  # two things per row

SHAPE_WORDS, COLOUR_WORDS, TEXTURE_WORDS = _TABLES = [
    {common: tuple(others.split(", ")) for common, others in table.items()} for table in (_SHAPES, _COLOURS, _TEXTURES)
]
RARE_SHAPES, RARE_COLOURS, RARE_TEXTURES = ({name: words[:3] for name, words in table.items()} for table in _TABLES)
UNSEEN_SHAPES, UNSEEN_COLOURS, UNSEEN_TEXTURES = ({name: words[3] for name, words in t.items()} for t in _TABLES)

DOMAIN_PHRASES = {
    "night": ("at night", "in the dark"),
    "thermal": ("a thermal picture of", "an infrared picture of"),
    "blueprint": ("a blueprint of", "a technical drawing of"),
    "sketch": ("a sketch of", "a pencil drawing of"),
    "xray": ("an x-ray of", "a radiograph of"),
}
"""How captions name a domain; the other domains have no words."""
