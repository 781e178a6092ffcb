"""What things in the procedural world are called: one common word each, and rarer ones that captions seldom use.

A class named by a rare word is known to the image tower and hardly to the text tower, as many classes of real sets are;
a class named by an unseen word is, to the text tower, a row of letters.
A few rare words are ambiguous on purpose: "target" may be a ring or a ringed thing, "bar" a pillar or a stripe.
"""

from __future__ import annotations

RARE_SHAPES = {
    "circle": ("disc", "coin", "roundel"), "square": ("box", "block", "quadrate"),
    "triangle": ("pyramid", "wedge", "trigon"), "diamond": ("lozenge", "rhombus", "kite"),
    "cross": ("plus sign", "crucifix", "swiss cross"), "ring": ("doughnut", "hoop", "target"),
    "star": ("pentagram", "asterisk", "starfish"), "heart": ("valentine", "cardiac sign", "lovers emblem"),
    "arrow": ("pointer", "cursor", "weather vane"), "hourglass": ("egg timer", "sand clock", "bow tie"),
    "moon": ("crescent", "sickle", "croissant"), "pillar": ("column", "post", "bar"),
}  # fmt: skip
RARE_COLOURS = {
    "red": ("crimson", "scarlet", "vermilion"), "orange": ("tangerine", "amber", "apricot"),
    "yellow": ("lemon", "canary", "saffron"), "green": ("emerald", "olive", "jade"),
    "turquoise": ("teal", "aquamarine", "verdigris"), "blue": ("cobalt", "navy", "ultramarine"),
    "purple": ("violet", "plum", "amethyst"), "pink": ("fuchsia", "salmon", "carnation"),
    "brown": ("chestnut", "umber", "mahogany"), "grey": ("ashen", "pewter", "battleship"),
    "white": ("ivory", "chalky", "alabaster"), "black": ("ebony", "sooty", "obsidian"),
}  # fmt: skip
RARE_TEXTURES = {
    "plain": ("unpatterned", "solid", "featureless"), "striped": ("banded", "candy striped", "barred"),
    "lined": ("corduroy", "pinstriped", "ribbed"), "dotted": ("polka dotted", "spotted", "pimpled"),
    "checked": ("chessboard", "gingham", "tartan"), "zigzag": ("herringbone", "chevron", "sawtooth"),
    "wavy": ("rippled", "undulating", "scalloped"), "bricked": ("masonry", "cobbled", "tiled"),
    "ringed": ("bullseye", "concentric", "target"), "speckled": ("granite", "peppered", "terrazzo"),
    "shaded": ("faded", "ombre", "graduated"), "halved": ("two toned", "bisected", "party coloured"),
}  # fmt: skip
UNSEEN_SHAPES = {
    "circle": "orb", "square": "cube", "triangle": "delta", "diamond": "rhomb", "cross": "crux", "ring": "annulus",
    "star": "sunburst", "heart": "amour", "arrow": "dart", "hourglass": "glass timer", "moon": "luna",
    "pillar": "obelisk",
}  # fmt: skip
UNSEEN_COLOURS = {
    "red": "carmine", "orange": "ochre", "yellow": "mustard", "green": "viridian", "turquoise": "cyan", "blue": "azure",
    "purple": "mauve", "pink": "rose", "brown": "sepia", "grey": "slate", "white": "snowy", "black": "jet",
}  # fmt: skip
UNSEEN_TEXTURES = {
    "plain": "bare", "striped": "streaked", "lined": "fluted", "dotted": "stippled", "checked": "plaid",
    "zigzag": "jagged", "wavy": "billowy", "bricked": "walled", "ringed": "annular", "speckled": "flecked",
    "shaded": "misty", "halved": "piebald",
}  # fmt: skip
"""Words that no caption uses: the image tower knows what they name, and the text tower cannot."""

DOMAIN_PHRASES = {
    "night": ("at night", "in the dark"), "thermal": ("a thermal picture of", "an infrared picture of"),
    "blueprint": ("a blueprint of", "a technical drawing of"), "sketch": ("a sketch of", "a pencil drawing of"),
    "xray": ("an x-ray of", "a radiograph of"),
}  # fmt: skip
"""How captions say that a picture was made in one of the domains they know; the other domains have no words."""
