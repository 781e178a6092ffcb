"""Plug-ins from checkpoints of official code: CoOp and its kin, adapters, MaPLe, PromptSRC, PromptKD, DPC, deep ones.

Only learned tensors are taken; the backbone makes the rest again, as for every plug-in. Settings that are not in a file
come from the given method, which must not contradict the file. The class buffers of prompt learners have one use: they
tell whether backbone and class names are those of the training.

Sources: KaiyangZhou/CoOp, htyao89/KgCoOp, gaopengcuhk/CLIP-Adapter, gaopengcuhk/Tip-Adapter, zhengli97/PromptKD,
muzairkhattak/multimodal-prompt-learning and PromptSRC, geekyutao/TaskRes, jusiro/CLAP,
astra-vision/ProLIP, MaxZanella/CLIP-LoRA, JREion/DPC.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError, unknown_name
from clipcompat.data.public.layout import find_layout
from clipcompat.data.sampling import parse_seed, parse_shots
from clipcompat.data.templates import template_for
from clipcompat.methods import KNOWN
from clipcompat.methods.parts.prompts import PromptTable
from clipcompat.methods.tip_adapter import initial_alpha
from clipcompat.plugins.fit import teacher_origin
from clipcompat.plugins.official.dassl import LEARNERS, learned
from clipcompat.plugins.official.dual import dual_tensors, file_over, settings_over
from clipcompat.plugins.official.files import OfficialFile, find_checkpoint
from clipcompat.plugins.official.lora_file import LoRAFile
from clipcompat.plugins.official.tip_cache import TipCache
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.learner import Method

_log = logging.getLogger(__name__)

_TIPS = ("tip_adapter", "tip_adapter_f")
_STYLES = {"kgcoop": "kgcoop", "tip_adapter": "tip7", "tip_adapter_f": "tip7"}  # of templates; the others have CoOp's
_WITH_TEMPLATE = (
    "clip_adapter",
    "taskres",
    "prolip",
    "clip_lora",
    *_TIPS,
)  # their logits contain the zero-shot classifier


def import_plugin(
    path: str | Path,
    method: str | Method,
    backbone: Backbone,
    classnames: Sequence[str],
    *,
    template: str | Sequence[str] | None = None,
    dataset: str | None = None,
    shots: int | None = None,
    seed: int | None = None,
    teacher: tuple[Plugin, Backbone] | None = None,
    init: Plugin | None = None,
) -> Plugin:
    """A plug-in from a checkpoint of the official code. Nothing in the file is executed.

    Args:
        path: Dassl's `model.pth.tar-<epoch>`, its folder (`prompt_learner`) or the output folder above; for Tip-Adapter
            the cache folder, or one of its files; for CLIP-LoRA the file that it saves.
        method: a name: the settings follow the shapes in the file. Or a method, which must agree with the shapes: for
            settings that a file cannot tell (CoOp's position, CLIP-Adapter's ratio, Tip-Adapter's alpha and beta).
        backbone: the one it was tuned on.
        classnames: of the training, in its order.
        template: of the zero-shot classifier; None takes upstream's for the dataset.
        dataset, shots, seed: of the training, if known.
        teacher: of PromptKD, as for `fit`: its class vectors are not in the file.
        init: of DPC, the plug-in of its stage 1, which is a file of its own, imported before. The class names are then
            those of stage 2, the base classes.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or of another method. ConfigError: the settings contradict
        the file, or a setting is missing that it cannot tell. IncompatibleError: it does not fit backbone or classes.
    """
    name = method if isinstance(method, str) else getattr(method, "name", repr(method))
    if name not in KNOWN:
        raise unknown_name("method", name, KNOWN)
    readers = dict.fromkeys(LEARNERS, _from_dassl) | dict.fromkeys(_TIPS, _from_cache)
    readers |= {"clip_lora": _from_lora, "dpc": partial(_from_dpc, init=init, teacher=teacher)}
    if name not in readers:
        known = ", ".join(readers)
        raise ConfigError(f"this library reads no official checkpoints of {name}; it reads those of {known}.")
    if init is not None and name != "dpc":
        raise ConfigError(f"an import of {name} has no init; it is the stage-1 plug-in of dpc.")
    given = None if isinstance(method, str | type) else method
    names, dataset, path = _class_names(classnames), _dataset_name(dataset), Path(path).expanduser()
    origin = {
        "backbone": backbone.description,
        "dataset": dataset,
        "train_stamp": None,
        "classnames": names,
        "template": _template(template, name, dataset),
        "shots": None if shots is None else parse_shots(shots),
        "seed": None if seed is None else parse_seed(seed),
        **dict.fromkeys(("views", "epochs", "seconds", "final_loss", "init", "select_on", "crop")),
    }
    taught = init.method if init is not None else KNOWN[name]
    if (taught.takes_teacher is True) != (teacher is not None):
        wanted = "needs" if teacher is None else "has no"
        over = f" over {init.method.name}" if init is not None else ""
        raise ConfigError(f"an import of {name}{over} {wanted} teacher=(plugin, backbone).")
    plugin, buffers = readers[name](path, name, given, origin, backbone)
    if teacher is not None and init is None:
        classes = {"classes": teacher[0].class_weights(teacher[1], names).float().cpu()}
        origin = {**plugin.origin, "teacher": teacher_origin(*teacher)}
        plugin = replace(plugin, tensors={**plugin.tensors, **classes}, origin=origin)
    file = plugin.origin["source"].removeprefix("imported from ").partition(",")[0]
    if why := plugin.method.mismatch(plugin.tensors, backbone, names):
        advice = "Give the backbone and the class names it was tuned on"
        raise IncompatibleError(f"{file} does not fit {backbone.name}: {why}. {advice}.")
    suffix = [entry for entry in buffers if re.fullmatch(r"(prompt_learner\.)?token_suffix", entry)]
    reader, source = (plugin, backbone) if teacher is None else teacher  # of the class names
    context = next((t for name, t in reader.tensors.items() if name in ("ctx", "parallel.ctx")), None)
    if not suffix or context is None:
        return plugin
    rows = buffers[suffix[0]]
    if teacher is not None and isinstance(rows, Tensor) and len(rows) < len(names):  # upstream keeps it in two halves
        rows = torch.cat([rows, buffers[f"{suffix[0]}2"]])
    words = reader.method.ctx_init if reader.method.needs == "pixels" else None
    agree = _buffers_agree(rows, source, names, context.shape[-2], words)
    if not agree:
        _log.warning(
            f"{file}: the class buffers beside the context are not what {source.name} makes of these {len(names)} "
            "class names. It was tuned on another backbone, or with other class names or another order of them. It is "
            "imported as given."
        )
    return replace(plugin, origin={**plugin.origin, "class_buffers": "agree" if agree else "differ"})


_Imported = tuple[Plugin, Mapping[str, Any]]  # and the entries of the file that were dropped


def _from_dassl(path: Path, name: str, given: Any, origin: dict[str, Any], backbone: Backbone) -> _Imported:
    learner = LEARNERS[name]
    file = OfficialFile.read(find_checkpoint(path, learner.folder))
    tensors, dropped = learned(name, file)
    method = given or KNOWN[name]()
    settings = learner.settings(tensors, method, backbone)
    _check_settings(settings, given, f"the shapes in {file.name} tell")
    epochs = file.content.get("epoch")
    source = {"source": f"imported from {file.source}", "epochs": epochs if type(epochs) is int else None}
    method = method if given else replace(method, **settings)
    return Plugin(method, {**tensors, **learner.constants(method, origin["dataset"])}, origin | source), dropped


def _from_dpc(
    path: Path,
    name: str,
    given: Any,
    origin: dict[str, Any],
    backbone: Backbone,
    init: Plugin | None,
    teacher: tuple[Plugin, Backbone] | None,
) -> _Imported:
    names = origin["classnames"]
    learner = file_over(init, backbone, names)
    file = OfficialFile.read(find_checkpoint(path, learner.folder))
    tensors, dropped = learned(name, file, learner)
    learner.settings(tensors, init.method, backbone)
    settings = settings_over(init)
    _check_settings(settings, given, f"{file.name} and its stage 1 tell")
    epochs = file.content.get("epoch")
    facts = {"source": f"imported from {file.source}", "epochs": epochs if type(epochs) is int else None}
    facts["init"] = init.stamp
    if teacher is not None:
        facts |= {"rows": list(init.row_names), "teacher": teacher_origin(*teacher)}
    method = given or replace(KNOWN[name](), **settings)
    return Plugin(method, dual_tensors(init, tensors, teacher), origin | facts), dropped


def _from_lora(path: Path, name: str, given: Any, origin: dict[str, Any], backbone: Backbone) -> _Imported:
    file = LoRAFile.read(path, backbone)
    _check_settings(file.settings, given, f"{path.name} says")
    method = given or replace(KNOWN[name](), **file.settings)
    return Plugin(method, file.tensors, origin | {"source": f"imported from {file.source}"}), {}


def _check_settings(told: Mapping[str, Any], given: Any, what: str) -> None:
    """Refuse a given method that contradicts what a file tells of its settings. what: "the shapes in X tell"."""
    settings = {field: getattr(given, field) for field in told} if given else dict(told)
    if settings != dict(told):
        raise ConfigError(
            f"{what} {_listed(told)}, but the given {type(given).__name__} has {_listed(settings)}. Give one that "
            f"agrees, or {given.name!r}, which takes from the file what it can tell."
        )


def _from_cache(path: Path, name: str, given: Any, origin: dict[str, Any], backbone: Backbone) -> _Imported:
    trained, classes = name == "tip_adapter_f", len(origin["classnames"])
    cache = TipCache.read(path, trained, origin["shots"])
    if cache.values.shape[1] != classes:
        raise IncompatibleError(
            f"the cache in {path} has {cache.values.shape[1]} classes, and {classes} class names were given. Give "
            "those it was made with, in their order."
        )
    # upstream searches alpha and beta, and prints but does not save them
    method = given or KNOWN[name](search=False)
    alpha = initial_alpha(origin["dataset"]) if method.alpha is None else method.alpha
    if method.alpha is None:
        _log.warning(
            f"alpha and beta are not in Tip-Adapter's files; alpha={alpha:g} and beta={method.beta:g} are used, "
            "upstream's before its search. If you have its log, give the method with the values it found."
        )
    mixture = {"alpha": torch.tensor(float(alpha)), "beta": torch.tensor(float(method.beta))}
    facts = {"source": f"imported from {cache.source}", "shots": cache.shots}
    facts["mixture"] = "upstream's before its search" if method.alpha is None else "as given"
    if trained:
        facts["select_on"] = "test pictures, by upstream: best_F is the epoch of the best test accuracy"
    return Plugin(method, {"keys": cache.keys, "values": cache.values, **mixture}, origin | facts), {}


def _buffers_agree(suffix: Any, backbone: Backbone, names: list[str], n_ctx: int, words: str | None) -> bool:
    """Whether CoOp's `token_suffix` [class, token, width] holds this backbone's embeddings of these class names.

    words: before the name, the first n_ctx of which were learned; None: only learned ones.
    """
    table = PromptTable.of(backbone, names, n_ctx, words=words)
    rows = table.embeddings[:, 1 + n_ctx :]  # padded to the longest name; upstream's to the whole context
    if not isinstance(suffix, Tensor) or suffix.layout != torch.strided or not suffix.is_floating_point():
        return False
    if suffix.is_meta or suffix.ndim != 3 or suffix.shape[::2] != rows.shape[::2] or suffix.shape[1] < rows.shape[1]:
        return False
    real = torch.arange(rows.shape[1], device=rows.device) <= (table.eot - 1 - n_ctx)[:, None]  # [class, token]
    theirs = suffix[:, : rows.shape[1]].to(rows.device, rows.dtype)
    return torch.allclose(theirs[real], rows[real], rtol=5e-3, atol=1e-6)  # the error of rounding to 16 bits


def _class_names(classnames: Sequence[str]) -> list[str]:
    names = [] if isinstance(classnames, str) else list(classnames or ())
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ConfigError(
            "classnames must be the list of class names of the training, in its order (such as data.classnames); "
            f"got {classnames!r:.80}."
        )
    return names


def _dataset_name(dataset: str | None) -> str | None:
    """This library's name of a dataset that it knows; any other name as it is."""
    if dataset is None:
        return None
    name, bracket, part = str(dataset).partition("[")
    try:
        return find_layout(name).name + bracket + part
    except UnknownNameError:
        return str(dataset)


def _template(template: str | Sequence[str] | None, name: str, dataset: str | None) -> str | list[str] | None:
    """As given, or else upstream's for the dataset. None if there is none and no logit depends on it."""
    if template is None and dataset:
        from clipcompat.data.mini.sets import SETS

        plain = dataset.partition("[")[0]
        try:
            template = SETS[plain].template if plain in SETS else template_for(plain, _STYLES.get(name, "coop"))
        except UnknownNameError:
            template = None
    if template is None and name in _WITH_TEMPLATE:
        raise ConfigError(
            f"{name} has the zero-shot classifier in its logits, whose template is not in the file. Give a template, "
            "such as template='a photo of a {}.', or a dataset that this library knows."
        )
    if template is None:
        return None
    several = [template] if isinstance(template, str) else list(template)
    if not several or not all(isinstance(t, str) and "{}" in t for t in several):
        raise ConfigError(f"a template needs {{}} where the class name goes; this is {template!r}.")
    return template if isinstance(template, str) else several


def _listed(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())
