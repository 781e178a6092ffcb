"""A backbone: a frozen CLIP-like dual encoder with its tokenizer, image preprocessing and stamp."""

import logging
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcompat.backbones.catalog import Kind
from clipcompat.backbones.device import is_out_of_memory
from clipcompat.backbones.image.prompted import FixedPrompts, PromptedTower, prompted_layers, why_no_prompts
from clipcompat.backbones.image.tower import ImageTower, penultimate_width, projection_of
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.backbones.text.parts import exchange, text_state
from clipcompat.backbones.text.tower import TextTower
from clipcompat.common.errors import ConfigError, IncompatibleError, unknown_name
from clipcompat.common.files import digest

FEATURES = ("projected", "penultimate")
Transform = Literal["test"] | tuple[float, float]
"""How pictures become pixels: as in a test, or by random crops of this range; see `Preprocess`."""

_PROMPTS_AT_ONCE = 256
_log = logging.getLogger(__name__)


class Backbone:
    """A frozen dual encoder. Methods never change it.

    Attributes:
        name: the open_clip model name ("ViT-B-16-quickgelu") or a mini name.
        kind: "mini", "public" (an open_clip model, whatever its weights) or "own" (built by the caller).
        stamp: a hash of name, weights, activation and preprocessing; features of different stamps must not be mixed.
        image_stamp: the stamp under which image features are kept; another one only where the image tower is another
            backbone's (`mix_towers`).
        source: where the weights came from, in words.
        preprocess: the train and test transforms (PIL image -> uint8 pixels).
        text: the text tower, from embeddings to features; a prompt vector has length text.width.
        dim: length of the joint features. width, layers, context_length: of the text tower.
        penultimate: length of the image features before their projection; None if the tower has none.
        image_layers: blocks of the image tower if it takes visual prompts, which are `penultimate` wide; 0 if not.
        no_visual_prompts: a half-sentence on why it takes none; None if it does.
        logit_scale: the stored temperature, exp(logit_scale); 100 for OpenAI's CLIP.
        device, dtype: where it runs, and the autocast type of its towers (parameters stay float32).
        memory: the last few image features, so that testing ten plug-ins on one split runs the image tower once.
        together: by transform ("test", or a range of crops as `preprocess` takes them), the kinds of image features
            that one pass makes if any is asked for. A sweep sets it, as it knows what its other runs will ask for.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        preprocess: Preprocess,
        *,
        name: str,
        stamp: str,
        source: str,
        kind: Kind = "own",
        image_stamp: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        self.device, self.dtype = torch.device(device), dtype
        self._model = model.to(self.device).eval().requires_grad_(False)
        self.tokenizer, self.preprocess = tokenizer, preprocess
        self.name, self.stamp, self.source, self.kind = name, stamp, source, kind
        self.image_stamp = image_stamp or stamp
        self.text = TextTower(model, dtype)
        self.dim, self.width, self.layers = self.text.dim, self.text.width, self.text.layers
        self.context_length = self.text.context_length
        self.penultimate = penultimate_width(model.visual)
        self.image_layers, self.no_visual_prompts = prompted_layers(model.visual), why_no_prompts(model.visual)
        self.logit_scale = float(model.logit_scale.exp())
        self.memory: dict[str, Tensor] = {}
        self.together: Mapping[Transform, Collection[str]] = {}

    def with_dtype(self, dtype: torch.dtype | None) -> "Backbone":
        """The same weights at another autocast type; None gives this backbone itself."""
        if dtype is None or dtype == self.dtype:
            return self
        about = {f: getattr(self, f) for f in ("name", "stamp", "image_stamp", "source", "kind")}
        other = Backbone(self._model, self.tokenizer, self.preprocess, **about, device=self.device, dtype=dtype)
        if isinstance(self.__dict__.get("images"), FixedPrompts):  # not asked for, as that would build the tower
            other.images = FixedPrompts(other._prompted, self.images.prompts)
        return other

    def with_memory_budget(self, memory_budget: int | None) -> "Backbone":
        """The same weights with this `memory_budget` of the text tower, in bytes; None gives this backbone itself."""
        if memory_budget is None:
            return self
        if memory_budget < 1:
            raise ConfigError(f"a memory budget is a number of bytes, at least 1, not {memory_budget}.")
        other = copy(self)
        other.text = copy(self.text)
        other.text.memory_budget = memory_budget
        return other

    def with_text_parts(self, donor: "Backbone", parts: Collection[str]) -> "Backbone":
        """This backbone with some parts of another one's text tower; both stay as they are.

        parts: see `clipcompat.backbones.text.parts.exchange`. The image tower is this backbone's own. It is a new
        backbone all the same, with a stamp and features of its own; no parts give this backbone itself.

        Raises:
            UnknownNameError: no such part. ConfigError: the towers differ in shape, or read other tokens.
        """
        if not parts:
            return self
        model = exchange(self._model, donor._model, parts)
        named = sorted(parts)
        about = {
            "name": f"{self.name} with {', '.join(named)} of {donor.name}",
            "stamp": digest([self.stamp, donor.stamp, named]),
            "source": f"{self.source}; {donor.source}",
        }
        return Backbone(model, self.tokenizer, self.preprocess, **about, device=self.device, dtype=self.dtype)

    def with_visual_prompts(self, prompts: Sequence[Tensor]) -> "Backbone":
        """The same weights with these visual prompts in the image tower, for testing: its features are other ones.

        prompts: as for `prompted_features`.
        """
        self._check_visual(prompts)
        other, fixed = copy(self), tuple(p.detach().to(self.device) for p in prompts)
        other.images = FixedPrompts(self._prompted, fixed)
        other.image_stamp = digest([self.image_stamp, [p.tolist() for p in fixed]])
        other.together = {}  # nobody has planned for these prompts
        return other

    @property
    def text_state(self) -> dict[str, Tensor]:
        """The text tower's tensors, under the names of open_clip's `CLIP`."""
        return text_state(self._model)

    @property
    def projection(self) -> tuple[Tensor, Tensor | None]:
        """From penultimate image features to projected ones: a matrix [penultimate, dim], and a bias [dim] or None.

        Raises:
            ConfigError: this image tower has no penultimate features.
        """
        self.feature_width("penultimate")
        return projection_of(self._model.visual)

    @cached_property
    def images(self) -> ImageTower:
        """The image tower, from normalised pixels to features; built on first use."""
        return ImageTower(self._model, self.dtype)

    @cached_property
    def _prompted(self) -> PromptedTower:
        return PromptedTower(self._model, self.dtype)

    @property
    def description(self) -> dict[str, str]:
        """What records and plug-ins store about it, as JSON values."""
        return {"name": self.name, "source": self.source, "stamp": self.stamp, "dtype": str(self.dtype)}

    def __repr__(self) -> str:
        return f"Backbone({self.name}, {self.source}, stamp {self.stamp}, {self.device}, {self.dtype})"

    @torch.no_grad()
    def image_features(self, pixels: Tensor, kind: str = "projected") -> Tensor:
        """Image features, not normalised.

        Args:
            pixels: [batch, 3, h, w]; uint8 from `preprocess`, or normalised floats.
            kind: "projected" into the joint space, or "penultimate", before that projection.

        Returns:
            [batch, dim] or [batch, penultimate], float32.
        """
        self.feature_width(kind)
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ConfigError(f"pixels must be [batch, 3, height, width]; these are {list(pixels.shape)}.")
        return torch.cat([self._encode_pixels(part, kind) for part in pixels.split(self.images.at_once)])

    def project(self, hidden: Tensor) -> Tensor:
        """Penultimate image features [image, penultimate] -> projected ones, [image, dim], both float32.

        They equal those of `image_features`, to the last bit if the pictures came in batches of the same sizes.
        """
        self.feature_width("penultimate")
        parts = hidden.to(self.device).split(self.images.at_once)
        return torch.cat([self.images.project(part) for part in parts])

    def prompted_features(self, pixels: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Projected image features of a tower that also reads prompts; their gradients flow to the prompts.

        Args:
            pixels: [batch, 3, h, w], uint8.
            prompts: [row, penultimate] for blocks 0, 1, … of the image tower, at least one.

        Returns:
            [batch, dim], float32, not normalised.

        Raises:
            IncompatibleError: the tower takes no visual prompts, or not these.
        """
        self._check_visual(prompts)
        return self._prompted(self.preprocess.normalise(pixels.to(self.device)), prompts)

    def _check_visual(self, prompts: Sequence[Tensor]) -> None:
        if self.no_visual_prompts:
            raise IncompatibleError(
                f"the image tower of {self.name} takes no visual prompts: {self.no_visual_prompts}."
            )
        shapes = sorted({tuple(p.shape) for p in prompts})
        fits = len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == self.penultimate
        if not fits or len(prompts) > self.image_layers:
            raise IncompatibleError(
                f"the image tower of {self.name} takes prompts of one shape [row, {self.penultimate}] for at most "
                f"{self.image_layers} blocks; these are {len(prompts)} of the shapes {shapes}."
            )

    def _encode_pixels(self, pixels: Tensor, kind: str) -> Tensor:
        """One batch [batch, 3, h, w] -> [batch, dim]; if memory runs out, in batches of half the size."""
        try:
            part = pixels.to(self.device, non_blocking=True)
            part = self.preprocess.normalise(part) if part.dtype == torch.uint8 else part.float()
            return self.images(part, kind)
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(pixels) == 1:
                raise
        half = len(pixels) // 2  # outside `except`: the exception would keep the failed batch's memory
        _log.warning("memory ran out on %d pictures; they are encoded %d at a time", len(pixels), half)
        return torch.cat([self._encode_pixels(part, kind) for part in pixels.split(half)])

    def feature_width(self, kind: str = "projected") -> int:
        """Length of image features of this kind.

        Raises:
            UnknownNameError: no such kind. ConfigError: this image tower does not have it.
        """
        if kind not in FEATURES:
            raise unknown_name("kind of image features", kind, FEATURES)
        if kind == "penultimate" and self.penultimate is None:
            raise ConfigError(
                f"{self.name} has no penultimate features: they are defined for CLIP's ViT and EVA02-CLIP. "
                "Use features='projected'."
            )
        return self.dim if kind == "projected" else self.penultimate

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Like `image_features`, with unit norm: [batch, 3, h, w] -> [batch, dim]."""
        return F.normalize(self.image_features(pixels), dim=-1)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Texts -> ids [text, token], int64, SOS … EOT, zero-padded to the longest text.

        Raises:
            ConfigError: a text is longer than the context (open_clip would cut it silently).
        """
        if isinstance(texts, str):
            raise ConfigError(f"a list of texts is needed; {texts!r} is a single one. Write [{texts!r}].")
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        rows = [[start, *self.tokenizer.encode(text), end] for text in texts]
        longest = max(range(len(rows)), key=lambda i: len(rows[i]), default=None)
        if longest is None:
            raise ConfigError("no text to tokenize: the list is empty.")
        if len(rows[longest]) > self.context_length:
            text = texts[longest] if len(texts[longest]) <= 80 else f"… {texts[longest][-78:]}"
            raise ConfigError(
                f"{text!r} has {len(rows[longest])} tokens, SOS and EOT included; {self.name} reads "
                f"{self.context_length}. Shorten the class name or the template, or learn fewer context tokens."
            )
        ids = torch.zeros(len(rows), len(rows[longest]), dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        return ids

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Texts -> projected features [text, dim], float32, not normalised."""
        parts = []
        for at in range(0, len(texts), _PROMPTS_AT_ONCE):
            ids = self.tokenize(texts[at : at + _PROMPTS_AT_ONCE])
            # EOT is the largest id of every CLIP vocabulary: its first occurrence ends the text
            eot = ids.argmax(-1)
            prefix = int((ids == ids[0]).all(0).int().cumprod(0).sum())  # e.g. the first words of a template
            parts.append(self.text(self.text.embed(ids), eot, shared=min(prefix, int(eot.min()))))
        return torch.cat(parts) if parts else torch.zeros(0, self.dim, device=self.device)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Like `text_features`, with unit norm: texts -> [text, dim]."""
        return F.normalize(self.text_features(texts), dim=-1)
