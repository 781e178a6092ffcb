"""How the official Dassl trainers save what they learned: one entry per method in `LEARNERS`.

Dropped: class buffers (`token_prefix`, `token_suffix`), which each backbone makes again, and weights that upstream
builds but never trains or uses (KgCoOp's `bias_vectors` and `meta_net`). MaPLe, PromptSRC and PromptKD save their whole
model: both frozen towers are dropped, and copies of them under other names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import CheckpointError
from clipcompat.methods.deep.taskres import residual_scale
from clipcompat.methods.parts.prompts import readable
from clipcompat.plugins.official.files import OfficialFile

Tensors = Mapping[str, Tensor]
_BUFFERS = (r"token_prefix", r"token_suffix")


@dataclass(frozen=True)
class DasslLearner:
    """One trainer's checkpoint.

    folder: the name its learner is registered under. keys: pattern of an entry -> name of our tensor (which may use the
    pattern's groups); the file must have an entry for each pattern. dropped: patterns of entries to leave out.
    settings: (tensors, method, backbone) -> those fields of the method that the shapes tell.
    constants: (method, dataset or None) -> tensors of the plug-in that are not in the file.
    deep: like keys, but a file may have none. Each has one group, the number of a block; ours is their stack by block.
    first_block: of those numbers.
    """

    folder: str
    keys: Mapping[str, str]
    settings: Callable[[Tensors, Any, Backbone], dict[str, Any]]
    dropped: tuple[str, ...] = ()
    constants: Callable[[Any, str | None], dict[str, Tensor]] = lambda method, dataset: {}
    deep: Mapping[str, str] = field(default_factory=dict)
    first_block: int = 0

    def lacks(self, entries: Mapping[str, Any]) -> list[str]:
        """Entries that are missing."""
        return [k.replace("\\", "") for k in self.keys if not any(re.fullmatch(k, entry) for entry in entries)]

    def unknown(self, entries: Mapping[str, Any]) -> list[str]:
        """Entries that are neither learned nor dropped."""
        return [e for e in entries if not any(re.fullmatch(k, e) for k in (*self.keys, *self.deep, *self.dropped))]


def learned(
    name: str, file: OfficialFile, learner: DasslLearner | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors that the method `name` learned, float32 and under our names; and the dropped entries, unchanged.

    learner: how they are saved; None: as `LEARNERS` says.

    Raises:
        CheckpointError: no state dict, or an entry is missing, unknown or no tensor of finite numbers.
    """
    learner, entries = learner or LEARNERS[name], _entries(file)
    lacking, unknown = learner.lacks(entries), learner.unknown(entries)
    if lacking or unknown:
        raise CheckpointError(f"{file.name} is no checkpoint of {name}: {_difference(entries, lacking, unknown)}")
    tensors, dropped = {}, dict(entries)
    for pattern, ours in learner.keys.items():
        for entry in entries:
            if match := re.fullmatch(pattern, entry):
                tensors[match.expand(ours)] = file.tensor(dropped.pop(entry), entry)
    for pattern, ours in learner.deep.items():
        blocks = {int(match[1]): entry for entry in entries if (match := re.fullmatch(pattern, entry))}
        found = {block: file.tensor(dropped.pop(entry), entry) for block, entry in sorted(blocks.items())}
        if found:
            tensors[ours] = _stack(found, learner.first_block, ours, file.name)
    return tensors, dropped


def _stack(blocks: Mapping[int, Tensor], first: int, ours: str, file: str) -> Tensor:
    """Tensors of one shape by block, from block `first` on -> [block, …].

    Raises:
        CheckpointError: a block is missing, or its tensor has another shape.
    """
    shapes = sorted({tuple(t.shape) for t in blocks.values()})
    if list(blocks) != list(range(first, first + len(blocks))) or len(shapes) > 1:
        raise CheckpointError(
            f"{file} holds {ours} for the blocks {list(blocks)} in the shapes {shapes}; one shape, and every block "
            f"from {first} on were expected. The file is damaged, or of a variant that this library does not know."
        )
    return torch.stack(list(blocks.values()))


def _entries(file: OfficialFile) -> dict[str, Any]:
    content = file.content
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(isinstance(key, str) for key in state):
        raise CheckpointError(
            f"{file.name} holds no `state_dict` (names and tensors) as Dassl's model.pth.tar-<epoch> does. Give such a "
            "file or its folder."
        )
    entries = {key.removeprefix("module."): value for key, value in state.items()}
    if len(entries) < len(state):
        raise CheckpointError(f"{file.name} holds some entries twice, with and without 'module.'; which are meant?")
    return entries


def _difference(entries: Mapping[str, Any], lacking: list[str], unknown: list[str]) -> str:
    parts = [f"it lacks {_listed(lacking)}"] if lacking else []
    parts += [f"it holds {_listed(unknown)}, which this library does not know"] if unknown else []
    like = [n for n, other in LEARNERS.items() if not other.lacks(entries) and not other.unknown(entries)]
    advice = f"It looks like one of {' or '.join(like)}." if like else "Give a file and its own method."
    return f"{' and '.join(parts)}. {advice}"


def _listed(names: list[str]) -> str:
    shown = [ascii(name)[1:-1][:60] for name in names[:5]]  # a name in a file can be any text
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _context(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    shape = list(tensors["ctx"].shape)
    if len(shape) not in (2, 3):
        raise CheckpointError(f"ctx has shape {shape} in this file; [token, channel] was expected, or one per class.")
    rows, settings = shape[-2], {"csc": len(shape) == 3} if hasattr(method, "csc") else {}
    if method.ctx_init and len(backbone.tokenizer.encode(readable(method.ctx_init))) == rows:
        return settings  # it may have started from these words; they overrule n_ctx
    return {**settings, "n_ctx": rows, "ctx_init": None}


def _reduction(weight: Tensor, method: Any) -> dict[str, Any]:
    shape = list(weight.shape)
    hidden, width = shape if len(shape) == 2 else (0, 0)
    fitting = [r for r in (method.reduction, width // max(hidden, 1)) if r and width // r == hidden]
    if not hidden or not fitting:
        raise CheckpointError(
            f"the first layer is {shape} in this file; [channels / reduction, channels] was expected."
        )
    return {"reduction": fitting[0]}


def _cocoop(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    return _context(tensors, method, backbone) | _reduction(tensors["meta_net.linear1.weight"], method)


def _clip_adapter(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    return _reduction(tensors["fc.0.weight"], method)


def _both_towers(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    shape = list(tensors["ctx"].shape)
    if len(shape) != 2:
        raise CheckpointError(f"prompt_learner.ctx has shape {shape} in this file; [token, channel] was expected.")
    settings = {"n_ctx": shape[0], "depth": 1 + len(tensors.get("deep", ()))}
    if method.ctx_init and len(backbone.tokenizer.encode(readable(method.ctx_init))) >= shape[0]:
        return settings  # upstream's words before the name, the first of which were learned
    return {**settings, "ctx_init": None}


def _student(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    for name in ("projector.0.weight", "projector.3.weight"):  # convolutions of one pixel
        tensors[name] = tensors[name].flatten(1)
    return {"n_ctx": len(tensors["visual"]), "depth": 1 + len(tensors.get("deep_visual", ()))}


def _nothing(tensors: Tensors, method: Any, backbone: Backbone) -> dict[str, Any]:
    return {}


_CONTEXT = {"ctx": "ctx"}
_CLAP = (r"base_text_features", r"logit_scale")
_META_NET = {
    rf"meta_net\.linear{n}\.{kind}": f"meta_net.linear{n}.{kind}" for n in (1, 2) for kind in ("weight", "bias")
}
_UNUSED = (*_BUFFERS, r"bias_vectors", r"meta_net\.linear1\.(weight|bias)")
_MAPLE = {
    r"prompt_learner\.ctx": "ctx",
    r"prompt_learner\.proj\.weight": "proj.weight",
    r"prompt_learner\.proj\.bias": "proj.bias",
}
_DEEP_MAPLE = {
    r"prompt_learner\.compound_prompts_text\.(\d+)": "deep",
    r"prompt_learner\.compound_prompt_projections\.(\d+)\.weight": "deep_proj.weight",
    r"prompt_learner\.compound_prompt_projections\.(\d+)\.bias": "deep_proj.bias",
}
_VISUAL, _BLOCK = {r"image_encoder\.VPT": "visual"}, r"transformer\.resblocks\.(\d+)\.VPT_shallow"
_DEEP_VISUAL = {rf"image_encoder\.{_BLOCK}": "deep_visual"}
_TRANS = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
_PROJECTOR = {
    rf"VPT_image_trans\.conv1\.{layer}\.{theirs}": f"projector.{layer}.{ours}"
    for layer in (0, 1, 3)
    for theirs, ours in _TRANS.items()
    if layer == 1 or not theirs.startswith("running")
}
_WHOLE_MODEL = (
    r"prompt_learner\.token_(prefix|suffix)2?",
    r"(prompt_learner\.ZS_image_encoder|image_encoder|(prompt_learner\.)?text_encoder|clip_model)\..*",
    r"logit_scale",
    r"VPT_image_trans\.conv1\.1\.num_batches_tracked",
)
_FC = {r"fc\.0\.weight": "fc.0.weight", r"fc\.2\.weight": "fc.2.weight"}
LEARNERS = {
    "coop": DasslLearner("prompt_learner", _CONTEXT, _context, _BUFFERS),
    "cocoop": DasslLearner("prompt_learner", _CONTEXT | _META_NET, _cocoop, _BUFFERS),
    "kgcoop": DasslLearner("prompt_learner", _CONTEXT, _context, _UNUSED),
    "maple": DasslLearner("MultiModalPromptLearner", _MAPLE, _both_towers, _WHOLE_MODEL, deep=_DEEP_MAPLE),
    "promptsrc": DasslLearner(
        "VLPromptLearner",
        {r"prompt_learner\.ctx": "ctx", **_VISUAL},
        _both_towers,
        _WHOLE_MODEL,
        deep={rf"text_encoder\.{_BLOCK}": "deep", **_DEEP_VISUAL},
        first_block=1,
    ),
    "promptkd": DasslLearner(
        "VLPromptLearner", _VISUAL | _PROJECTOR, _student, _WHOLE_MODEL, deep=_DEEP_VISUAL, first_block=1
    ),
    "clip_adapter": DasslLearner("clip_adapter", _FC, _clip_adapter, (), lambda m, d: {"ratio": torch.tensor(m.ratio)}),
    "taskres": DasslLearner(
        "prompt_learner",
        {r"text_feature_residuals": "residual"},
        _nothing,
        (r"base_text_features",),
        lambda m, dataset: {"alpha": torch.tensor(residual_scale(dataset) if m.alpha is None else m.alpha)},
    ),
    "zs_lp": DasslLearner("adapter", {r"prototypes": "weight"}, _nothing, _CLAP),
    "prolip": DasslLearner("prolip", {r"vit_proj": "projection"}, lambda t, m, b: {"carried": "projection"}),
    "clap": DasslLearner("adapter", {r"prototypes": "weight"}, _nothing, _CLAP),
}
"""Name of a method -> how the official code saves it."""

TEXT_OF_TEACHER = DasslLearner(
    "VLPromptLearner",
    {r"prompt_learner\.ctx": "text.ctx"},
    _nothing,
    deep={rf"text_encoder\.{_BLOCK}": "text.deep"},
    first_block=1,
)
"""What DPC over PromptKD saves beside the student."""
