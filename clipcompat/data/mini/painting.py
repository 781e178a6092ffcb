"""Shape masks, texture patterns and rendering domains of the procedural world, all in integers. n counts images."""

from functools import lru_cache

import numpy as np

CENTRED = (8, 10, 11)
"""Textures drawn around the object's centre (ringed, shaded, halved); the others get a random phase."""


def _frames() -> np.ndarray:
    edge = np.minimum(np.arange(32), np.arange(32)[::-1])
    depth = np.minimum(edge[:, None], edge[None, :])
    return np.stack([(depth < width) * 255 for width in (2, 3)]).astype(np.int32)


BORDERED = _frames()
"""Masks of a border two or three pixels wide, [2, 32, 32], values 0 or 255."""


@lru_cache(maxsize=1)
def masks() -> np.ndarray:
    """Coverage of every shape at radius 0 … 12, uint8 [shape, radius, 64, 64], centred, 4×4 samples per pixel."""
    bank = np.zeros((12, 13, 64, 64), dtype=np.uint8)
    for radius in range(3, 13):
        fine = (np.arange(256) * 2 + 1 - 256) * 128 // radius  # sample centres; 1024 is the radius
        y, x = fine[:, None], fine[None, :]
        for k, inside in enumerate(_inside(x, y)):
            inside = np.broadcast_to(inside, (256, 256))
            bank[k, radius] = inside.reshape(64, 4, 64, 4).sum(axis=(1, 3)) * 255 // 16  # [256, 256] -> [64, 64]
    return bank


def _inside(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Which points belong to each shape, in the order of `world.SHAPES`; y points down, 1024 is the radius."""
    square = x * x + y * y
    ax, ay = abs(x), abs(y)
    right = [(240, -330), (974, -316), (389, 126), (602, 828)]
    star = [(0, -1024), *right, (0, 408), *((-x, y) for x, y in reversed(right))]
    lobes = ((ax - 480) ** 2 + (y + 380) ** 2 <= 540**2) & (y < 200)
    return [
        square <= 1024**2,
        (ax <= 860) & (ay <= 860),
        (y <= 800) & (ax * 1800 <= (y + 1000) * 1000),
        ax * 10 + ay * 8 <= 8400,
        ((ax <= 300) & (ay <= 1000)) | ((ay <= 300) & (ax <= 1000)),
        (square <= 1024**2) & (square >= 560**2),
        _polygon(x, y, star),
        lobes | ((y >= -250) & (ax * 1250 <= (1000 - y) * 960) & (ax <= 1000)),
        ((y <= 0) & (ax * 1000 <= (y + 1000) * 900)) | ((y >= 0) & (y <= 1000) & (ax <= 280)),
        (ay <= 960) & (ax <= ay * 85 // 100 + 60),
        (square <= 1024**2) & ((x - 420) ** 2 + (y + 160) ** 2 >= 860**2),
        (ax <= 340) & (ay <= 1024),
    ]


def _polygon(x: np.ndarray, y: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        crosses = (y0 > y) != (y1 > y)
        if y1 != y0:
            left = (x - x0) * (y1 - y0) < (x1 - x0) * (y - y0)
            inside ^= crosses & (left if y1 > y0 else ~left & ((x - x0) * (y1 - y0) != (x1 - x0) * (y - y0)))
    return inside


@lru_cache(maxsize=1)
def patterns() -> np.ndarray:
    """Weight of the second tone for every texture at two scales, uint8 [texture, 2, 64, 64], values 0 … 255."""
    y, x = np.mgrid[0:64, 0:64].astype(np.int64) - 32
    bank = np.zeros((12, 2, 64, 64), dtype=np.uint8)
    for scale, p in enumerate((4, 8)):
        h = p // 2
        row, col = (y // h) % 2, (x // h) % 2
        tooth = abs(x % (2 * p) - p)  # 0 … p, a triangle wave, symmetric under a flip
        ring = _root16(x, y)
        speck = (_scramble(x, y, p) % 100) < 40
        layout = [
            np.zeros_like(x),
            row,
            col,
            (x % p - h) ** 2 + (y % p - h) ** 2 <= (1 if p == 4 else 5),
            row ^ col,
            ((y + tooth) // h) % 2,
            ((y + (tooth * tooth) // (2 * p)) // h) % 2,
            (y % p == 0) | ((x + (y // p) % 2 * p) % (2 * p) == 0),
            (ring // (h * 4)) % 2,
            speck,
            np.clip((y + 12) * 255 // 24, 0, 255),
            y >= 0,
        ]
        for k, value in enumerate(layout):
            bank[k, scale] = value if k == 10 else np.asarray(value, dtype=np.int64) * 255
    return bank


def render_domain(canvas: np.ndarray, domain: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """`canvas` [n, 32, 32, 3] as its domain [n] (an index into `world.DOMAINS`) shows it, uint8."""
    out = canvas + grain[..., None]
    light = (canvas * np.array([77, 151, 28])).sum(axis=3) // 256
    for code, transform in enumerate(_TRANSFORMS, start=1):
        hit = np.flatnonzero(domain == code)
        if len(hit):
            out[hit] = transform(canvas[hit], light[hit], grain[hit])
    return np.clip(out, 0, 255).astype(np.uint8)


def _night(canvas, light, grain):
    return canvas * 22 // 100 + light[..., None] * 6 // 100 + np.array([2, 4, 18]) + grain[..., None]


def _thermal(canvas, light, grain):
    stops = np.array([[8, 4, 40], [100, 10, 120], [214, 40, 60], [250, 150, 20], [252, 250, 190]])
    level = np.clip(light + grain, 0, 255) * 4
    low, part = np.minimum(level // 255, 3), level - np.minimum(level // 255, 3) * 255
    return (stops[low] * (255 - part)[..., None] + stops[low + 1] * part[..., None]) // 255


def _edges(canvas: np.ndarray) -> np.ndarray:
    """How much neighbouring pixels differ, 0 … 255, [n, 32, 32]."""
    down = abs(np.diff(canvas, axis=1, append=canvas[:, -1:])).sum(axis=3)
    right = abs(np.diff(canvas, axis=2, append=canvas[:, :, -1:])).sum(axis=3)
    return np.clip(np.maximum(down, right), 0, 255)


def _blueprint(canvas, light, grain):
    line = _edges(canvas)[..., None]
    return (np.array([24, 60, 140]) * (255 - line) + np.array([225, 235, 250]) * line) // 255 + grain[..., None]


def _sketch(canvas, light, grain):
    line = _edges(canvas)[..., None]
    return (np.array([238, 234, 222]) * (255 - line) + np.array([40, 40, 44]) * line) // 255 + grain[..., None]


def _xray(canvas, light, grain):
    return (255 - light - light // 8 + grain)[..., None] * np.array([9, 10, 10]) // 10


def _satellite(canvas, light, grain):
    """From far above: four small copies side by side, greenish."""
    small = (canvas[:, ::2, ::2] + canvas[:, 1::2, ::2] + canvas[:, ::2, 1::2] + canvas[:, 1::2, 1::2]) // 4
    return np.tile(small, (1, 2, 2, 1)) * np.array([17, 20, 15]) // 24 + np.array([20, 34, 18]) + grain[..., None]


def _motion(canvas, light, grain):
    """Blurred sideways over seven pixels; the edge is repeated."""
    wide = np.pad(canvas, ((0, 0), (0, 0), (3, 3), (0, 0)), mode="edge")
    return sum(wide[:, :, k : k + 32] for k in range(7)) // 7 + grain[..., None]


def _neon(canvas, light, grain):
    """Edges glow in their own colour, the rest is black."""
    glow = canvas + (255 - canvas) // 3
    return glow * _edges(canvas)[..., None] // 255 + np.array([10, 4, 18]) + grain[..., None]


def _fog(canvas, light, grain):
    return canvas * 30 // 100 + np.array([158, 160, 166]) + grain[..., None] // 2


_TRANSFORMS = (_night, _thermal, _blueprint, _sketch, _xray, _satellite, _motion, _neon, _fog)


def _root16(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """4·√(x² + y²) rounded down, exactly: the float root is corrected in integers."""
    square = 16 * (x * x + y * y)
    root = np.sqrt(square.astype(np.float64)).astype(np.int32)
    root -= root * root > square
    return root + ((root + 1) * (root + 1) <= square)


def _scramble(x: np.ndarray, y: np.ndarray, salt: int) -> np.ndarray:
    """A fixed pseudo-random value per cell of two pixels."""
    cell = (x // 2 + 64) * 73856093 ^ (y // 2 + 64) * 19349663 ^ salt * 83492791
    return (cell ^ (cell >> 7) ^ (cell >> 13)) % 1009
