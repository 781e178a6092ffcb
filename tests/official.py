"""Files as the official code writes them: Dassl's checkpoints with their pickled schedule, Tip-Adapter's caches."""

from __future__ import annotations

from collections import OrderedDict

import torch

from clipcompat.methods.parts.prompts import PromptTable
from clipcompat.plugins.official.importer import import_plugin
from tests.tiny import numbers
from tests.toys import NAMES

PHOTO = "a photo of a {}."
DASSL = ("coop", "cocoop", "kgcoop", "clip_adapter")


def learned(shape, seed=1, size=0.03):
    """Numbers that float16 holds exactly, so that what comes back can be compared to the last bit."""
    return numbers(shape, seed, size).half().float()


def context(backbone, tokens=4, classes=None, seed=1):
    return {"ctx": learned((tokens, backbone.width) if classes is None else (classes, tokens, backbone.width), seed)}


def meta_net(backbone, reduction=16, seed=2):
    hidden = backbone.dim // reduction
    return {
        "meta_net.linear1.weight": learned((hidden, backbone.dim), seed, 0.5),
        "meta_net.linear1.bias": learned((hidden,), seed + 1, 0.5),
        "meta_net.linear2.weight": learned((backbone.width, hidden), seed + 2, 0.5),
        "meta_net.linear2.bias": learned((backbone.width,), seed + 3, 0.03),
    }


def dead_weights(backbone):
    """What KgCoOp's learner has and nothing uses."""
    names = {"meta_net.linear1.weight": (backbone.width, backbone.width), "meta_net.linear1.bias": (backbone.width,)}
    return {name: learned(shape, 7) for name, shape in (names | {"bias_vectors": (1, backbone.width)}).items()}


def adapter(backbone, reduction=4):
    hidden = backbone.dim // reduction
    return {
        "fc.0.weight": learned((hidden, backbone.dim), 5, 0.5),
        "fc.2.weight": learned((backbone.dim, hidden), 6, 0.5),
    }


def buffers(backbone, names, tokens=4):
    """CoOp's class buffers: SOS; and name, period, EOT and padding up to the whole context."""
    rows = PromptTable.of(backbone, names, tokens).embeddings
    padding = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64)).expand(len(rows), -1, -1)
    missing = backbone.context_length - rows.shape[1]
    return {
        "token_prefix": rows[:, :1],
        "token_suffix": torch.cat([rows[:, 1 + tokens :], padding.expand(-1, missing, -1)], dim=1),
    }


def towers(backbone):
    """The frozen towers of a whole model, and copies of them that upstream saves under other names."""
    frozen = {"image_encoder.class_embedding": (backbone.penultimate,), "text_encoder.ln_final.weight": (8,)}
    copies = {"prompt_learner.ZS_image_encoder.proj": (4, 4), "prompt_learner.text_encoder.ln_final.bias": (8,)}
    named = frozen | copies | {"clip_model.text_projection": (4, 4), "logit_scale": ()}
    return {name: learned(shape, 9) for name, shape in named.items()}


def maple(backbone, tokens=2, deep=2):
    """Entry of the official file -> tensor, and what the plug-in should hold."""
    width, seen = backbone.width, backbone.penultimate
    ours = {
        "ctx": learned((tokens, width)),
        "proj.weight": learned((seen, width), 2),
        "proj.bias": learned((seen,), 3),
        "deep": learned((deep, tokens, width), 4),
        "deep_proj.weight": learned((deep, seen, width), 5),
        "deep_proj.bias": learned((deep, seen), 6),
    }
    theirs = {f"prompt_learner.{name}": ours[name] for name in ("ctx", "proj.weight", "proj.bias")}
    for block in range(deep):
        theirs[f"prompt_learner.compound_prompts_text.{block}"] = ours["deep"][block]
        for kind in ("weight", "bias"):
            theirs[f"prompt_learner.compound_prompt_projections.{block}.{kind}"] = ours[f"deep_proj.{kind}"][block]
    return theirs, ours


def promptsrc(backbone, tokens=4, deep=2):
    ours = {
        "ctx": learned((tokens, backbone.width)),
        "visual": learned((tokens, backbone.penultimate), 2),
        "deep": learned((deep, tokens, backbone.width), 4),
        "deep_visual": learned((deep, tokens, backbone.penultimate), 5),
    }
    theirs = {"prompt_learner.ctx": ours["ctx"], "image_encoder.VPT": ours["visual"]}
    for block in range(deep):
        at = f"transformer.resblocks.{block + 1}.VPT_shallow"
        theirs |= {f"text_encoder.{at}": ours["deep"][block], f"image_encoder.{at}": ours["deep_visual"][block]}
    return theirs, ours


def promptkd(backbone, dim, tokens=4, deep=2):
    """dim: of the teacher."""
    ours = {
        "visual": learned((tokens, backbone.penultimate), 2),
        "deep_visual": learned((deep, tokens, backbone.penultimate), 5),
        "projector.0.weight": learned((dim, backbone.dim), 6),
        "projector.3.weight": learned((dim, dim), 7),
        **{f"projector.{layer}.bias": learned((dim,), 10 + layer) for layer in (0, 1, 3)},
        "projector.1.weight": learned((dim,), 14, 0.9),
        "projector.1.mean": learned((dim,), 15, 0.9),
        "projector.1.variance": 1 + learned((dim,), 16, 0.5),
    }
    theirs = {"image_encoder.VPT": ours["visual"]}
    for block in range(deep):
        theirs[f"image_encoder.transformer.resblocks.{block + 1}.VPT_shallow"] = ours["deep_visual"][block]
    names = {"mean": "running_mean", "variance": "running_var"}
    for name, tensor in ours.items():
        if name.startswith("projector"):
            _, layer, kind = name.split(".")
            pixel = tensor[:, :, None, None] if tensor.ndim == 2 else tensor  # a convolution
            theirs[f"VPT_image_trans.conv1.{layer}.{names.get(kind, kind)}"] = pixel
    theirs["VPT_image_trans.conv1.1.num_batches_tracked"] = torch.tensor(7)
    return theirs, ours


def checkpoint(state, epoch=50, prefix="", dtype=torch.float16):
    """Dassl's dictionary after a few steps: an optimiser with momentum, and a schedule that holds its successor."""
    state = {prefix + name: t.to(dtype) for name, t in state.items()}
    parameters = [torch.nn.Parameter(t.clone()) for t in state.values()]
    optimizer = torch.optim.SGD(parameters, lr=0.002, momentum=0.9, weight_decay=5e-4)
    successor = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(epoch))
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        successor.step()
    scheduler = {"successor": successor, "warmup_epoch": 1, "cons_lr": 1e-5, "base_lrs": [0.002], "last_epoch": epoch}
    return {
        "state_dict": OrderedDict(state),
        "epoch": epoch,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler,
        "val_result": None,
    }


def write_run(out, state, folder="prompt_learner", epoch=50, **how):
    """An output folder: the learner's folder, its last checkpoint and Dassl's note of it; gives the output folder."""
    place = out / folder
    place.mkdir(parents=True, exist_ok=True)
    zipped = how.pop("zipped", True)
    file = place / f"model.pth.tar-{epoch}"
    torch.save(checkpoint(state, epoch, **how), file, _use_new_zipfile_serialization=zipped)
    (place / "checkpoint").write_text(f"{file.name}\n")
    return out


def write_cache(folder, backbone, classes=3, shots=2, dtype=torch.float16, wrap=lambda tensor: tensor):
    """Keys [image, dim], trained keys [image, dim] and values [image, class] of a cache, after writing its files."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = torch.nn.functional.normalize(numbers((classes * shots, backbone.dim), 3), dim=-1).to(dtype).float()
    trained = learned((classes * shots, backbone.dim), 4, 0.2)
    values = torch.eye(classes).repeat_interleave(shots, 0)
    torch.save(wrap(keys.T.to(dtype)), folder / f"keys_{shots}shots.pt")
    torch.save(wrap(values.to(dtype)), folder / f"values_{shots}shots.pt")
    torch.save(torch.nn.Parameter(trained.to(dtype)), folder / f"best_F_{shots}shots.pt")
    return keys, trained, values


class Bomb:
    """Writes a file when it is unpickled by anything that runs what it is told."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def states(backbone):
    """For each Dassl method: its folder, what it learned, and what lies beside it."""
    beside = buffers(backbone, NAMES)
    return {
        "coop": ("prompt_learner", context(backbone), beside),
        "cocoop": ("prompt_learner", context(backbone) | meta_net(backbone), beside),
        "kgcoop": ("prompt_learner", context(backbone), beside | dead_weights(backbone)),
        "clip_adapter": ("clip_adapter", adapter(backbone), {}),
    }


def write_official(out, backbone, name, **how):
    """The output folder of an official run of this method on the toy classes."""
    folder, state, beside = states(backbone)[name]
    return write_run(out, state | beside, folder, **how)


def import_toys(path, method="coop", classnames=NAMES, *, backbone, template=PHOTO, **options):
    return import_plugin(path, method, backbone, classnames, template=template, **options)


def refused(error, *words):
    """The message is one sentence or a few, on one line, and has these words."""
    message = str(error.value)
    assert message.isprintable() and message.endswith((".", "?")), message
    assert all(word in message for word in words), message
