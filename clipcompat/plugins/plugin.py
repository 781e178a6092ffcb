"""A plug-in: the small tensors that fine-tuning learned, the method that uses them, and where they came from.

Saved as one safetensors file with a JSON header. Class buffers are not stored; each backbone and class list makes its
own. Loading a file executes nothing and trains nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.common.config import from_config, to_config
from clipcompat.common.errors import ClipcompatError, DataError, IncompatibleError, PluginError, unknown_name
from clipcompat.common.files import digest, parse_json, refuse_overwriting, to_json, write_atomic
from clipcompat.common.text import shown
from clipcompat.common.version import __version__
from clipcompat.data.pictures.rgb import is_deep, to_rgb
from clipcompat.data.split import Split
from clipcompat.features.encode import encode_split, warn_if_undrawn
from clipcompat.methods import METHODS
from clipcompat.training.learner import Method, Template

_FORMAT = "clipcompat-plugin-1"
_ORIGIN = "backbone dataset train_stamp classnames template shots seed views epochs seconds".split()


@dataclass(frozen=True)
class Match:
    """Whether a plug-in can act on a backbone.

    kind: "exact" (the backbone it was tuned on), "compatible" (another one that fits), "incompatible". why: a sentence.
    """

    kind: str
    why: str


@dataclass(frozen=True)
class Plugin:
    """What `fit` returns and `save` keeps.

    tensors: float32, on the CPU. origin: backbone (name, stamp), dataset, classnames, template, shots, seed, views,
    epochs, final loss, stamps: all that is needed to say what this is and to train it again.
    """

    method: Method
    tensors: Mapping[str, Tensor]
    origin: Mapping[str, Any]

    def __repr__(self) -> str:
        numbers = sum(t.numel() for t in self.tensors.values())
        dataset, seed = shown(self.origin.get("dataset")), self.origin.get("seed")
        return f"<Plugin {self.method.name}: {numbers:,} numbers, tuned on {dataset}, seed {seed}>"

    @property
    def stamp(self) -> str:
        """A hash of the tensors, names and shapes included."""
        named = sorted((n, t.contiguous().numpy()) for n, t in self.tensors.items())
        return digest([(n, list(a.shape), hashlib.sha256(a.tobytes()).hexdigest()) for n, a in named])

    def match(self, backbone: Backbone | Outline, classnames: Sequence[str] | None = None) -> Match:
        """Can it act on this backbone (and class list)?

        The stamp decides, whatever the backbone is called. An `Outline` reads weights for it, so it is asked for its
        stamp only if it bears the name of the model that the plug-in was tuned on.
        """
        names = list(classnames or self.origin["classnames"])
        why = self.method.mismatch(self.tensors, backbone, names)
        if not why and self.method.class_specific and names != self.origin["classnames"]:
            why = "it has learned vectors for single classes, and these are other classes or another order"
        tuned_on = self.origin["backbone"]
        if why:
            return Match("incompatible", f"{self.method.name} cannot act on {backbone.name}: {why}.")
        same_model = backbone.name == tuned_on["name"]
        if (same_model or isinstance(backbone, Backbone)) and backbone.stamp == tuned_on["stamp"]:
            return Match("exact", f"it was tuned on this very backbone, {backbone.name}.")
        if same_model:
            if backbone.stamp is None:
                return Match("compatible", f"it was tuned on a {backbone.name}; name the weights to compare them.")
            return Match(
                "compatible", f"it was tuned on {backbone.name} with other weights; its tensors fit these too."
            )
        return Match("compatible", f"it was tuned on {tuned_on['name']}; its tensors fit {backbone.name} too.")

    @torch.no_grad()
    def class_weights(self, backbone: Backbone, classnames: Sequence[str], template: Template | None = None) -> Tensor:
        """The text classifier on this backbone: [class, dim], unit norm.

        Raises:
            IncompatibleError: the tensors do not fit. PluginError: the method has no class weights.
        """
        tensors = self._tensors_for(backbone, classnames)
        return self.method.class_weights(tensors, backbone, classnames, template or self.origin["template"])

    @torch.no_grad()
    def logits(self, backbone: Backbone, split: Split, cache: str | Path | None = None, progress=None) -> Tensor:
        """Scaled similarities of every image with every class: [image, class], float32."""
        tensors = self._tensors_for(backbone, split.classnames)
        features = encode_split(backbone, split, cache, progress, self.method.image_features)
        return self.method.logits(tensors, backbone, features, split.classnames, split.template)

    @torch.no_grad()
    def predict(
        self, backbone: Backbone, image: Image.Image | str | Path, classnames: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """One image -> (class name, probability), most probable first; classes default to those it was tuned on."""
        classnames = tuple(classnames or self.origin["classnames"])
        tensors = self._tensors_for(backbone, classnames)
        picture = _read(image)
        warn_if_undrawn(backbone, picture)
        pixels = backbone.preprocess.test(picture)[None]  # [1, 3, height, width]
        features = backbone.image_features(pixels, self.method.image_features)  # [1, dim]
        logits = self.method.logits(tensors, backbone, features, classnames, self.origin["template"])
        probabilities = logits.softmax(-1)[0]  # [class]
        return [(classnames[i], float(probabilities[i])) for i in probabilities.argsort(descending=True).tolist()]

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write tensors and header atomically as safetensors. force: overwrite a file of this name.

        Raises:
            StorageError: the file exists, or it cannot be written.
        """
        refuse_overwriting(path, force)
        from safetensors.torch import save

        header = {
            "format": _FORMAT,
            "version": __version__,
            "method": {"name": self.method.name, "config": to_config(self.method)},
            "origin": dict(self.origin),
            "stamp": self.stamp,
        }
        tensors = {name: t.contiguous() for name, t in self.tensors.items()}
        return write_atomic(path, save(tensors, {"clipcompat": to_json(header, indent=None)}))

    def _tensors_for(self, backbone: Backbone, classnames: Sequence[str]) -> dict[str, Tensor]:
        """The tensors on the backbone's device, if they fit it."""
        match = self.match(backbone, classnames)
        if match.kind == "incompatible":
            raise IncompatibleError(f"{match.why} Tune it again on this backbone.")
        return {name: t.to(backbone.device) for name, t in self.tensors.items()}


def _read(image: Image.Image | str | Path) -> Image.Image:
    try:  # PIL decodes late: load() finds a broken image that open() accepted
        if isinstance(image, Image.Image):
            image.load()
            return to_rgb(image)
        with Image.open(image) as opened:
            deep = is_deep(opened)
            opened.load()
            return to_rgb(opened, deep)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read the image {image}: {error}. It must be a picture PIL can open.") from error


def load_plugin(path: str | Path) -> Plugin:
    """Read what `Plugin.save` wrote.

    Raises:
        PluginError: no such file, or it is damaged, or holds something other than a plug-in.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise PluginError(f"there is no plug-in file {path}; expected what Plugin.save wrote (a .safetensors file).")
    try:
        with safe_open(path, "pt") as file:
            header = parse_json((file.metadata() or {}).get("clipcompat", "null"))
            # copies, because safetensors' memory is not aligned, and some CPUs multiply unaligned tensors with other
            # last bits: a plug-in would not give the same logits before and after it was saved
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise PluginError(f"{path} is not a whole safetensors file ({error}); save the plug-in again.") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise PluginError(f"{path} has no plug-in header of format {_FORMAT}; give a file that Plugin.save wrote.")
    try:
        name = header["method"]["name"]
        if name not in METHODS:
            raise unknown_name("method", name, METHODS, hint=f"{path} may come from a newer version.")
        origin = {**header["origin"], **{part: header["origin"][part] for part in _ORIGIN}}
        origin["backbone"] = {**origin["backbone"], **{p: origin["backbone"][p] for p in ("name", "stamp")}}
        plugin = Plugin(from_config(METHODS[name], header["method"]["config"]), tensors, origin)
        if plugin.stamp != header["stamp"]:
            raise PluginError(f"the tensors in {path} are not those that were saved; the file is damaged.")
        return plugin
    except ClipcompatError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise PluginError(f"the header of {path} is not whole ({error}); save the plug-in again.") from error
