"""A procedural world of 32×32 images: a scene is a few integers, an image is drawn from it on demand.

All arithmetic is in integers and every random number is a hash of (seed, index, slot): one scene and seed give the same
bytes on every platform. n counts images.
"""

from dataclasses import dataclass

import numpy as np

from clipcompat.data.mini.painting import BORDERED, CENTRED, masks, patterns, render_domain

WORLD = "mini-world-1"
"""Names the tables below and the drawing code; part of every fingerprint of drawn images."""

SIDE = 32
SHAPES = tuple("circle square triangle diamond cross ring star heart arrow hourglass moon pillar".split())
TEXTURES = tuple("plain striped lined dotted checked zigzag wavy bricked ringed speckled shaded halved".split())
PALETTE = {
    "red": (214, 38, 38), "orange": (240, 138, 28), "yellow": (240, 222, 50), "green": (46, 160, 60),
    "turquoise": (60, 200, 196), "blue": (40, 80, 214), "purple": (128, 50, 170), "pink": (244, 130, 190),
    "brown": (122, 76, 40), "grey": (128, 128, 128), "white": (240, 240, 240), "black": (24, 24, 24),
}  # fmt: skip  # four colours per row
COLOURS = tuple(PALETTE)
SIZES = ("small", "medium", "large")
PLACES = ("middle", "top", "bottom", "side")
DOMAINS = ("day", "night", "thermal", "blueprint", "sketch", "xray", "satellite", "motion", "neon", "fog")
_DOMAIN_PERCENT = (78, 6, 4, 4, 4, 4)
"""Share of each domain in captioned images; pretraining never shows the last four domains."""
_RADIUS = ((7, 7, 7), (9, 9, 9), (11, 11, 12))
_PLACE_PERCENT = (82, 6, 6, 6)
ABSENT = -1


@dataclass(frozen=True)
class Scene:
    """The content of an image; every field is an index into its table above, or ABSENT."""

    shape: int
    colour: int
    texture: int
    backdrop: int
    size: int
    place: int
    border: int = ABSENT
    second_shape: int = ABSENT
    second_colour: int = ABSENT
    domain: int = 0


FIELDS = tuple(Scene.__dataclass_fields__)


def hashed(seed: int, index: np.ndarray, slots: int) -> np.ndarray:
    """Random 64-bit integers [n, slots], each a function of (seed, index, slot) only (splitmix64)."""
    counter = np.asarray(index, dtype=np.uint64)[:, None] * np.uint64(4096) + np.arange(slots, dtype=np.uint64)
    start = (int(seed) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
    return _mix(_mix(counter * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)) ^ np.uint64(start))


def sample_scenes(seed: int, index: np.ndarray) -> np.ndarray:
    """Scenes of captioned images, int64 [n, field]; a ninth of the (shape, texture) pairs never occurs."""
    draw = hashed(seed, index, 16)

    def pick(slot: int, n: int) -> np.ndarray:
        return (draw[:, slot] % np.uint64(n)).astype(np.int64)

    shape, colour, texture = pick(0, len(SHAPES)), pick(1, len(COLOURS)), pick(2, len(TEXTURES))
    texture = np.where(held_out(shape, texture), 0, texture)
    backdrop = (colour + 1 + pick(3, len(COLOURS) - 1)) % len(COLOURS)  # never the object's own colour
    border = (backdrop + 1 + pick(7, len(COLOURS) - 1)) % len(COLOURS)
    second_colour = (backdrop + 1 + pick(10, len(COLOURS) - 1)) % len(COLOURS)
    has_border, has_second = pick(6, 100) < 20, pick(8, 100) < 20
    place = np.searchsorted(np.cumsum(_PLACE_PERCENT), pick(5, 100), side="right")
    domain = np.searchsorted(np.cumsum(_DOMAIN_PERCENT), pick(11, 100), side="right")
    border, second_shape = np.where(has_border, border, ABSENT), np.where(has_second, pick(9, len(SHAPES)), ABSENT)
    second_colour, size = np.where(has_second, second_colour, ABSENT), pick(4, len(SIZES))
    columns = (shape, colour, texture, backdrop, size, place, border, second_shape, second_colour, domain)  # as FIELDS
    return np.stack(columns, axis=1).astype(np.int64)


def held_out(shape: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Which (shape, texture) pairs pretraining never shows (about 11 %); it shows all plain ones."""
    return ((shape * 7 + texture * 3) % 9 == 0) & (texture != 0)


def draw(scene: Scene, seed: int, index: int = 0) -> np.ndarray:
    """One image, uint8 [32, 32, 3]; (seed, index) fixes position, shade, phase and noise."""
    row = np.array([[getattr(scene, name) for name in FIELDS]], dtype=np.int64)
    return draw_many(row, seed, np.array([index]))[0]


def draw_many(scenes: np.ndarray, seed: int, index: np.ndarray) -> np.ndarray:
    """Images of `scenes` [n, field], uint8 [n, 32, 32, 3]; image i depends on scenes[i], seed and index[i] only."""
    s = {name: scenes[:, i] for i, name in enumerate(FIELDS)}
    draw = hashed(seed ^ 0x5EED, index, 32)

    def span(slot: int, low: int, high: int) -> np.ndarray:
        return low + (draw[:, slot] % np.uint64(high - low + 1)).astype(np.int32)

    n = len(scenes)
    palette = np.array([PALETTE[name] for name in COLOURS], dtype=np.int32)

    def shade(colour: np.ndarray, slot: int, spread: int = 20) -> np.ndarray:
        jitter = np.stack([span(slot + c, -spread, spread) for c in range(3)], axis=1)
        return np.clip(palette[np.maximum(colour, 0)] + jitter, 0, 255)[:, None, None, :]

    radius = np.array(_RADIUS)[s["size"], span(0, 0, 2)]
    room = np.maximum(15 - radius, 1)
    dx, dy = span(1, -1, 1), span(2, -1, 1)
    dy = np.where(s["place"] == 1, -(room * 2) // 3, np.where(s["place"] == 2, (room * 2) // 3, dy))
    side = np.where(span(3, 0, 1) == 0, -1, 1)  # left or right: a flip must not change a class
    dx = np.where(s["place"] == 3, side * ((room * 2) // 3), dx)

    canvas = np.broadcast_to(shade(s["backdrop"], 4), (n, SIDE, SIDE, 3)).astype(np.int32)
    slope = (span(7, -24, 24)[:, None] * (np.arange(SIDE) - 16) // 16)[:, :, None, None]
    canvas = np.clip(canvas + slope, 0, 255)

    # main object: its texture alternates between the colour and a darker (or, for dark colours, a lighter) tone
    tone = shade(s["colour"], 8)
    bright = tone.sum(axis=3, keepdims=True) > 240
    other = np.where(bright, tone * span(11, 25, 45)[:, None, None, None] // 100, 255 - (255 - tone) * 55 // 100)
    centred = np.isin(s["texture"], CENTRED)
    phase_y, phase_x = (np.where(centred, 0, span(k, 0, 1)) for k in (12, 13))
    weight = _gather(patterns()[s["texture"], np.minimum(span(14, 0, 3), 1)], dy - phase_y, dx - phase_x)[..., None]
    body = (tone * (255 - weight) + other * weight) // 255
    canvas = _blend(canvas, body, _gather(masks()[s["shape"], radius], dy, dx))

    # a small second object in a corner, on the far side of the main one
    has_second = s["second_shape"] >= 0
    corner_y = np.where(dy > 0, -10, 10)
    corner_x = np.where(dx > 0, -10, 10)
    small = _gather(masks()[np.maximum(s["second_shape"], 0), np.full(n, 5)], corner_y, corner_x)
    canvas = _blend(canvas, shade(s["second_colour"], 15), small * has_second[:, None, None])

    frame = BORDERED[span(18, 0, 1)] * (s["border"] >= 0)[:, None, None]
    canvas = _blend(canvas, shade(s["border"], 19), frame)

    grain = _gather(_grain()[np.zeros(n, dtype=np.int32)], span(22, 0, 31) - 16, span(23, 0, 31) - 16)
    return render_domain(canvas, s["domain"], grain)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _gather(bank: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """The 32×32 windows of 64×64 `bank` [n, 64, 64] whose content has moved by (dy, dx), int64 [n, 32, 32]."""
    rows = 16 + np.arange(SIDE)[None, :] - np.clip(dy, -15, 15)[:, None]
    cols = 16 + np.arange(SIDE)[None, :] - np.clip(dx, -15, 15)[:, None]
    n = np.arange(len(bank))[:, None, None]
    return bank[n, rows[:, :, None], cols[:, None, :]].astype(np.int32)


def _blend(canvas: np.ndarray, paint: np.ndarray, cover: np.ndarray) -> np.ndarray:
    cover = cover[..., None]
    return (canvas * (255 - cover) + paint * cover) // 255


def _grain() -> np.ndarray:
    noise = hashed(7, np.arange(1), 64 * 64).reshape(1, 64, 64)
    return (noise % np.uint64(17)).astype(np.int32) - 8
