"""The distance of a learned classifier from the zero-shot one, a term of the loss in KgCoOp and ContCoOp.

Papers: KgCoOp (arXiv 2303.13283; code htyao89/KgCoOp), ContCoOp (arXiv 2412.20895). On unit vectors 1 − cos = ½ ‖·‖²,
so KgCoOp's code pulls half as hard as its printed square. ContCoOp prints the norm without a square.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.public.layout import dataset_names
from clipcompat.data.split import Dataset
from clipcompat.data.templates import STYLES, template_for
from clipcompat.methods.parts.prompts import zero_shot_weights

FORMS = ("l2", "l2sq", "cosine")


@dataclass(frozen=True)
class Distillation:
    """The pull towards zero-shot weights.

    weight: λ; 1 as ContCoOp's paper states; 0 switches it off. Its main table may have used 0.5: on UCF101 that row of
        Table 5 is the one in Table 2. This is one row of one dataset; no other printed number tells.
    form: "l2" ‖·‖ as printed, "l2sq" ‖·‖² (KgCoOp's paper), "cosine" 1 − cos (KgCoOp's code).
    normalize: compare unit vectors, else the tower's raw outputs.
    templates: "data" is the split's own; "auto" too, but on ImageNet Tip-Adapter's seven; any other value is a style of
        clipcompat.data.templates ("kgcoop": KgCoOp's table). Datasets outside those tables use the split's own;
        "openai80" is for any.
    """

    weight: float = 1.0
    form: str = "l2"
    normalize: bool = True
    templates: str = "auto"

    def __post_init__(self):
        if self.form not in FORMS:
            raise unknown_name("distillation.form", self.form, FORMS)
        if self.templates not in ("auto", "data", *STYLES):
            raise unknown_name("distillation.templates", self.templates, ("auto", "data", *STYLES))
        if not 0 <= self.weight <= 1e30:
            raise ConfigError(f"distillation.weight is λ and must be 0 or more, not {self.weight}.")

    def target(self, backbone: Backbone, data: Dataset) -> Tensor:
        """w^zs, the zero-shot weights of the backbone: [class, dim]; a constant."""
        name = data.name.partition("[")[0]  # "dtd[base]" is half of dtd and has its template
        style = self.templates
        if style == "auto":
            style = "tip7" if name == "imagenet" else "data"
        known = name in dataset_names()
        own = style == "data" or (style != "openai80" and not known)
        # the 80 sentences are the same for every dataset
        template = data.train.template if own else template_for(name if known else "imagenet", style)
        return zero_shot_weights(backbone, data.classnames, template, self.normalize)

    def distance(self, weights: Tensor, target: Tensor) -> Tensor:
        """Mean over classes; weights and target [class, dim], not yet normalised -> scalar."""
        if self.form == "cosine":
            return 1 - F.cosine_similarity(weights, target, dim=-1, eps=1e-7).mean()
        if self.normalize:
            weights, target = F.normalize(weights, dim=-1), F.normalize(target, dim=-1)
        squared = (weights - target).pow(2).sum(-1)
        # 1e-12 keeps the gradient of the root finite at distance 0
        return (squared if self.form == "l2sq" else (squared + 1e-12).sqrt()).mean()
