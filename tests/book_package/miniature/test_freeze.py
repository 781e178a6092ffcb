"""World, captions, tokenizer, sets and recipes are what they were when the committed numbers were made.

All but the later recipes were frozen by the commit tagged mini-world-1, before the first compatibility number. The
later recipes were tuned after it, on the development sets and old backbones only. Changing one of them makes another
world: new names (`WORLD`), new weights, new acceptance, new records; not a new hash here.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from clipcompat.backbones.mini.tokenizer import MERGES_FILE
from clipcompat.common.config import to_config
from clipcompat.common.files import digest, hash_file
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.datasets import _scenes, load_mini, mini_names
from clipcompat.data.mini.sets import SETS
from clipcompat.data.mini.world import WORLD, draw_many, sample_scenes
from clipcompat.methods import METHODS, TODAY
from clipcompat.methods.defaults import mini_method

FROZEN = {
    "world and captions": "84916408caf36719",
    "tokenizer": "63771229d1b88e23",
    "mini/objects": "ecf77f1b4b877fb7",
    "mini/shapes": "6e5cada66fc44c4f",
    "mini/crests": "267de1c39c814403",
    "mini/makes": "ceae7d649124edbf",
    "mini/tints": "7d449dac99f5c525",
    "mini/fabrics": "6076640f143a5f27",
    "mini/blueprints": "ba30c94b05bfb811",
    "mini/backdrops": "c9c31ae2d1b6903d",
    "mini/textures": "7b04d30c194b9038",
    "mini/satellite": "9edab32782c6343d",
    "mini/actions": "87dc7182530c3a3d",
    "mini/objects-v2": "2bdc1d90e31812c3",
    "mini/objects-sketch": "a0eb10a7432ae8b5",
    "mini/objects-a": "79b0f6d67812344f",
    "mini/objects-r": "858b0f4d804077d7",
    "mini/dev-walls": "fdbc5e6c9fae04ba",
    "mini/dev-neon": "339a53a27332dc64",
    "mini/dev-thermal": "fe61e049c9cd2048",
    "recipe of coop": "071b923097d9fd57",
    "recipe of contcoop": "8aedb066c934d266",
    # tuned after the first compatibility number
    "recipe of zero_shot": "44136fa355b3678a",
    "recipe of linear_probe": "3122470170c3e8e2",
    "recipe of clip_adapter": "7a1db03370cfe0fc",
    "recipe of tip_adapter": "9cb02eb3a1ae2073",
    "recipe of tip_adapter_f": "27f481b514ce2e76",
    "recipe of cocoop": "11004001b2cdf321",
    "recipe of kgcoop": "cfc9b438e464ed8b",
    "recipe of dpc": "d0847b0ee1fc63bd",
    "recipe of maple": "546a1c9c772a2c83",
    "recipe of promptsrc": "46b8433880676eac",
    "recipe of gda": "238d424f97a587ef",
    "recipe of lp_plus_plus": "31fb59ae8dea0a3d",
    "recipe of taskres": "e408bc4ecc348f2b",
    "recipe of zs_lp": "f8c665311585a375",
    "recipe of clap": "a998d81bde049ca6",
    "recipe of prolip": "4d4c3934dd1a5c66",
    "recipe of clip_lora": "5496471841058a94",
}


def _bytes(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _world() -> str:
    index = np.arange(1000)
    scenes = sample_scenes(1, index)
    pictures, said = draw_many(scenes, 1, index), captions(scenes, 1, index)
    return digest([WORLD, _bytes(scenes.astype("<i8")), _bytes(pictures), said])


def _set(name: str) -> str:
    kind, test = SETS[name], load_mini(name).test
    scenes = _scenes(name, 1, np.arange(500)).astype("<i8")
    pictures = np.stack([np.asarray(test.images[i]) for i in range(0, len(test), 20)])
    drawn = [kind.classes, kind.template, len(test), _bytes(scenes), _bytes(pictures)]
    return digest([list(kind.classes), *drawn])


def _settings(name: str) -> dict:
    """A method's settings; what recipes learned to say later, and say nothing new about these, is left out."""
    config = to_config(mini_method(name))
    for later, silent in {"optimizer": "sgd", "eps": 1e-8, "eurosat_epochs": None, "drop_last": True}.items():
        assert config["recipe"].pop(later) == silent
    return config


FOUND = {
    "world and captions": _world,
    "tokenizer": lambda: hash_file(MERGES_FILE)[:16],
    **{name: lambda name=name: _set(name) for name in mini_names()},
    **{f"recipe of {m}": lambda m=m: digest(_settings(m)) for m in ("coop", "contcoop")},
    **{
        f"recipe of {m}": lambda m=m: digest(to_config(mini_method(m)))
        for m in (*METHODS, "dpc", "maple", "promptsrc", *TODAY)
        if m not in ("coop", "contcoop")
    },
}


@pytest.mark.parametrize("what", FOUND)
def test_it_is_what_it_was(what):
    assert FOUND[what]() == FROZEN[what]


def test_the_recipe_of_every_method_is_frozen():
    assert {f"recipe of {name}" for name in (*METHODS, *TODAY)} <= FROZEN.keys() == FOUND.keys()
