"""A plug-in: the small tensors that fine-tuning learned, the method that uses them, and where they came from.

Saved as one safetensors file with a JSON header. Class buffers are not stored; each backbone and class list makes its
own. Loading a file executes nothing and trains nothing.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.common.config import to_config
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError, UnknownNameError
from clipcompat.common.files import digest, refuse_overwriting
from clipcompat.common.text import shown
from clipcompat.common.version import __version__
from clipcompat.data.pictures.images import turn_upright
from clipcompat.data.pictures.rgb import is_deep, to_rgb
from clipcompat.data.split import Split
from clipcompat.features.encode import encode_together, side_by_side, warn_if_undrawn
from clipcompat.methods.parts.parameters import tensor_mismatch
from clipcompat.plugins.file import AGAIN, read_plugin_file, write_plugin_file
from clipcompat.plugins.header import read_method, read_origin
from clipcompat.training.learner import Method, Template

_log = logging.getLogger(__name__)


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
    epochs, final loss, stamps: all that is needed to say what this is and to train it again. It says "unverified"
    if it was read from a file without a checksum.
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

    @property
    def fault(self) -> str | None:
        """A sentence on tensors that are not those that the method learns with its settings; None if all are."""
        return tensor_mismatch(self.tensors, self.method.shapes(len(self.row_names)))

    @property
    def row_names(self) -> Sequence[str]:
        """The classes of `Method.rows_of_classes`: those of stage 1, which may be more than those of stage 2."""
        return self.origin.get("rows") or self.origin["classnames"]

    @property
    def sees_upright(self) -> bool:
        """Whether the pictures that it was tuned on were turned as their EXIF says."""
        return self.origin.get("upright", False)

    def is_tuned_on(self, backbone: Backbone) -> bool:
        """Whether its origin names this very backbone, weights included."""
        return self.origin["backbone"]["stamp"] == backbone.stamp

    def match(self, backbone: Backbone | Outline, classnames: Sequence[str] | None = None) -> Match:
        """Can it act on this backbone (and class list)?

        The stamp decides, whatever the backbone is called. An `Outline` reads weights for it, so it is asked for its
        stamp only if it bears the name of the model that the plug-in was tuned on.
        """
        names = list(classnames or self.origin["classnames"])
        why = self.method.mismatch(self.tensors, backbone, names)
        if not why and self.method.class_specific and names != self.origin["classnames"]:
            why = "it has learned vectors for single classes, and these are other classes or another order"
        known = set(self.row_names)
        if not why and self.method.rows_of_classes and (unknown := [name for name in names if name not in known]):
            why = f"it knows the classes of its training only, and {shown(unknown[0])} is none of them"
        tuned_on = self.origin["backbone"]
        if why:
            return Match("incompatible", f"{self.method.name} cannot act on {backbone.name}: {why}.")
        same_model = backbone.name == tuned_on["name"]
        if (same_model or isinstance(backbone, Backbone)) and backbone.stamp == tuned_on["stamp"]:
            if self.origin.get("unverified"):
                says = f"its file says that it was tuned on this very backbone, {backbone.name}, and has no checksum"
                return Match("compatible", f"{says} that would show whether that was changed.")
            how = "repaired for" if self.origin.get("repair") else "tuned on"
            return Match("exact", f"it was {how} this very backbone, {backbone.name}.")
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
        return self._method.class_weights(tensors, backbone, classnames, template or self.origin["template"])

    @torch.no_grad()
    def logits(self, backbone: Backbone, split: Split, cache: str | Path | None = None, progress=None) -> Tensor:
        """Scaled similarities of every image with every class: [image, class], float32."""
        tensors = self._tensors_for(backbone, split.classnames)
        towers = [(tower, self.method.image_features) for tower in self.method.image_towers(tensors, backbone)]
        features = side_by_side(encode_together(towers, split, cache, progress))
        return self._method.logits(tensors, backbone, features, split.classnames, split.template)

    @torch.no_grad()
    def predict(
        self,
        backbone: Backbone,
        image: Image.Image | str | Path,
        classnames: Sequence[str] | None = None,
        upright: bool | None = None,
    ) -> list[tuple[str, float]]:
        """One image -> (class name, probability), most probable first; classes default to those it was tuned on.

        upright: turn the picture as its EXIF says; None does so if the plug-in was tuned on pictures turned so.
        """
        classnames = tuple(classnames or self.origin["classnames"])
        tensors = self._tensors_for(backbone, classnames)
        picture = _read(image, self.sees_upright if upright is None else upright)
        warn_if_undrawn(backbone, picture)
        pixels = backbone.preprocess.test(picture)[None]  # [1, 3, height, width]
        towers = self.method.image_towers(tensors, backbone)
        features = side_by_side([tower.image_features(pixels, self.method.image_features) for tower in towers])
        logits = self._method.logits(tensors, backbone, features, classnames, self.origin["template"])
        probabilities = logits.softmax(-1)[0]  # [class]
        return [(classnames[i], float(probabilities[i])) for i in probabilities.argsort(descending=True).tolist()]

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write tensors and header atomically as safetensors. force: overwrite a file of this name.

        Raises:
            StorageError: the file exists, or it cannot be written. PluginError: the plug-in has a `fault`.
        """
        refuse_overwriting(path, force)
        if why := self.fault:
            raise PluginError(f"the plug-in is not saved, as {self.method.name} cannot use it: {why}. Tune it again.")
        header = {
            "version": __version__,
            "method": {"name": self.method.name, "config": to_config(self.method)},
            "origin": dict(self.origin),
            "stamp": self.stamp,
        }
        return write_plugin_file(path, header, self.tensors)

    @property
    def _method(self) -> Method:
        return self.method.tuned_on(self.origin["classnames"])

    def _tensors_for(self, backbone: Backbone, classnames: Sequence[str]) -> dict[str, Tensor]:
        """The tensors on the backbone's device, if they fit it."""
        match = self.match(backbone, classnames)
        if match.kind == "incompatible":
            raise IncompatibleError(f"{match.why} Tune it again on this backbone.")
        tensors = {name: t.to(backbone.device) for name, t in self.tensors.items()}
        for rows in tensors.keys() & set(self.method.rows_of_classes):
            place = {name: i for i, name in enumerate(self.row_names)}
            tensors[rows] = tensors[rows][[place[name] for name in classnames]]
        return tensors


def _read(image: Image.Image | str | Path, upright: bool) -> Image.Image:
    try:  # PIL decodes late: load() finds a broken image that open() accepted
        if isinstance(image, Image.Image):
            image.load()
            return to_rgb(turn_upright(image) if upright else image)
        with Image.open(image) as opened:
            deep = is_deep(opened)
            opened.load()
            return to_rgb(turn_upright(opened) if upright else opened, deep)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        what = str(error).rstrip(".")  # some of PIL's sentences end with a full stop
        raise DataError(f"cannot read the image {image}: {what}. It must be a picture PIL can open.") from error


def load_plugin(path: str | Path) -> Plugin:
    """Read what `Plugin.save` wrote, and check it: checksum, types of all entries, names and shapes of all tensors.

    A file of an earlier version has no checksum: it is read with a warning, and its origin says "unverified".

    Raises:
        PluginError: no such file, or it was changed or damaged, or holds something other than a plug-in.
        UnknownNameError: this version does not have its method, or one of its settings.
    """
    path = Path(path)
    header, tensors, verified = read_plugin_file(path)
    try:
        plugin = Plugin(read_method(header), tensors, read_origin(header))
    except UnknownNameError as error:
        raise UnknownNameError(f"{path}: {error}") from error
    except ConfigError as error:
        raise PluginError(f"the header of {path} is not as Plugin.save writes it: {error} {AGAIN}") from error
    if why := plugin.fault:
        raise PluginError(f"{path} does not hold what {plugin.method.name} with its settings learns: {why}. {AGAIN}")
    if plugin.stamp != header.get("stamp"):
        raise PluginError(f"the tensors in {path} are not those that were saved. {AGAIN}")
    if verified:
        return plugin
    _log.warning(f"{path} is of an earlier version, without a checksum: whether it was changed cannot be verified.")
    return replace(plugin, origin={**plugin.origin, "unverified": True})
