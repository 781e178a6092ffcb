"""Tensors that live in the image features of an old backbone, brought into those of a new one.

With x_old ≈ A x_new + c from `fit_map`, a linear probe's W x_old + b is W A x_new + (W c + b): a probe of the new
backbone; so are the classifiers of GDA and LP++, of features of unit length. A Tip-Adapter's keys and the rows of ZS-LP
and CLAP are features. A map the other way takes their directions along; their lengths stay.

CLIP-Adapter has no map, because its last ReLU acts on single channels of old's space and what comes out is added to a
feature of new: no matrix can be folded through the ReLU, and without biases a shift has no place.
"""

from collections.abc import Callable, Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError, IncompatibleError
from clipcompat.data.split import Split
from clipcompat.features.encode import Cache, Progress, encode_together
from clipcompat.methods.deep.clap import ZSLP
from clipcompat.methods.deep.gda import GDA
from clipcompat.methods.deep.lp_plus_plus import LPPlusPlus
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import FEWEST, FeatureMap, check_map, fit_map
from clipcompat.training.learner import Method

Fit = Callable[[Tensor, Tensor], FeatureMap]


def translated(
    plugin: Plugin,
    old: Backbone,
    new: Backbone,
    seen: Split | Sequence[str],
    cache: Cache = None,
    progress: Progress | None = None,
    shown: Split | None = None,
    **settings,
) -> dict[str, Tensor]:
    """The plug-in's tensors for `new`.

    seen: pictures that both backbones see, whose labels are not read; or sentences that both read. Two backbones of
    CLIP's kind turn their text features as they turn their image features (arXiv 2602.17584). shown: pictures
    beside sentences, whose mean features give the map's shift. settings: of `fit_map`.

    Raises:
        IncompatibleError: its method learns nothing that lives in image features, or, with sentences, in unit features
        of the joint space; or kind="residual" for a classifier, which only a matrix can be folded into.
        Others: see `fit_map`.
    """
    rule = next((rule for kind, rule in _RULES.items() if isinstance(plugin.method, kind)), None)
    if rule is None:
        able = ", ".join(kind.name for kind in _RULES)
        raise IncompatibleError(
            f"a map of image features repairs {able}, and not {plugin.method.name}, whose tensors are not rows of a "
            "matrix over image features. Use how='imitate'."
        )
    if settings.get("kind") == "residual" and not takes_residual(plugin.method):
        raise IncompatibleError(
            f"{plugin.method.name} is a matrix over image features, which a residual map, being no matrix, cannot be "
            "folded into. Choose an affine kind, such as 'ridge'; keys of a Tip-Adapter and stored vectors take any."
        )
    known = {key: settings[key] for key in ("kind", "strength", "rank") if key in settings}
    check_map(**known, shifted=shown is not None)
    kind = plugin.method.image_features
    if isinstance(seen, Split):
        features = encode_together([(old, kind), (new, kind)], seen, cache, progress)
    elif not reads_sentences(plugin.method):
        raise IncompatibleError(
            f"sentences have no {kind} image features of any length: a map from sentences repairs methods of unit "
            "features, such as Tip-Adapter, and a linear probe with features='projected' and normalize=True. Give "
            "pictures."
        )
    else:
        features = [backbone.encode_text(list(seen)) for backbone in (old, new)]
    if shown is not None:
        means = joint_means(old, new, shown, cache, progress)
        settings["means"] = means[::-1] if rule is _probe else means  # a classifier's map goes from new to old
    return rule(plugin.method, plugin.tensors, *features, lambda source, target: fit_map(source, target, **settings))


def joint_means(
    old: Backbone, new: Backbone, shown: Split, cache: Cache = None, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """Means over pictures of the unit image features of old, [old dim], and of new, [new dim].

    Raises:
        DataError: fewer than 8 pictures.
    """
    if len(shown) < FEWEST:
        raise DataError(
            f"the shift of a map needs at least {FEWEST} pictures; these are {len(shown)}. Give more, or sentences "
            "alone."
        )
    features = encode_together([(old, "projected"), (new, "projected")], shown, cache, progress)
    old_mean, new_mean = (F.normalize(found, dim=-1).mean(0) for found in features)
    return old_mean, new_mean


def is_translatable(method: Method) -> bool:
    """Whether `translated` knows what to do with the method's tensors."""
    return isinstance(method, tuple(_RULES))


def takes_residual(method: Method) -> bool:
    """Whether its tensors are rows that a residual map can move; a classifier takes a matrix alone."""
    return isinstance(method, tuple(kind for kind, rule in _RULES.items() if rule is not _probe))


def reads_sentences(method: Method) -> bool:
    """Whether a map for the method can be fitted on sentences: it reads unit features of the joint space."""
    return is_translatable(method) and method.image_features == "projected" and getattr(method, "normalize", True)


def _probe(method: Method, tensors: Mapping[str, Tensor], old: Tensor, new: Tensor, fit: Fit) -> dict[str, Tensor]:
    if getattr(method, "normalize", True):
        old, new = F.normalize(old, dim=-1), F.normalize(new, dim=-1)
    to_old = fit(new, old)
    weight = tensors["weight"].to(new.device)  # [class, old width]
    bias = tensors["bias"].to(new.device) + weight @ to_old.shift
    return {**tensors, "weight": weight @ to_old.matrix, "bias": bias}


def _cache(method: Method, tensors: Mapping[str, Tensor], old: Tensor, new: Tensor, fit: Fit) -> dict[str, Tensor]:
    return _rows("keys", tensors, old, new, fit)


def _prototypes(method: Method, tensors: Mapping[str, Tensor], old: Tensor, new: Tensor, fit: Fit) -> dict[str, Tensor]:
    return _rows("weight", tensors, old, new, fit)


def _rows(name: str, tensors: Mapping[str, Tensor], old: Tensor, new: Tensor, fit: Fit) -> dict[str, Tensor]:
    """The tensors, of which `name` holds features [row, old dim]; it then holds [row, new dim]."""
    to_new = fit(F.normalize(old, dim=-1), F.normalize(new, dim=-1))
    rows = tensors[name].to(new.device)
    lengths = rows.norm(dim=-1, keepdim=True)  # of keys 1, if they were not trained
    return {**tensors, name: lengths * F.normalize(to_new(F.normalize(rows, dim=-1)), dim=-1)}


_RULES: dict[type[Method], Callable[..., dict[str, Tensor]]] = {
    LinearProbe: _probe,
    TipAdapter: _cache,
    GDA: _probe,
    LPPlusPlus: _probe,
    ZSLP: _prototypes,
}
