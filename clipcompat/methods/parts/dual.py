"""A dual prompt at test: base classes with one mixture of its two prompts, all other names with another one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.training.learner import Method, Tensors


@dataclass(frozen=True)
class InUse(Method):
    """DPC (`methods.dpc`) as a plug-in uses it that knows its base classes: the class name chooses the mixture."""

    dpc: Method
    base: frozenset[str]

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        def weights(mixed: Tensors, names: list[str], base: bool) -> Tensor:
            return self.dpc.learner.class_weights(mixed, backbone, names, template).T  # [dim, class]

        return self._by_side(tensors, classnames, weights).T

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        towers = features.split(backbone.feature_width(self.dpc.image_features), dim=1)  # of one or of both sides

        def logits(mixed: Tensors, names: list[str], base: bool) -> Tensor:
            seen = towers[0] if base else towers[-1]
            return self.dpc.learner.logits(mixed, backbone, seen, names, template)  # [image, class]

        return self._by_side(tensors, classnames, logits)

    def _by_side(self, tensors, classnames, columns) -> Tensor:
        """`columns` of base classes with P_b and of the others with P_n, [row, class], in the order of classnames."""
        sides = {
            base: [i for i, name in enumerate(classnames) if (name in self.base) == base] for base in (True, False)
        }
        made = []
        for base, places in sides.items():
            mixed = self.dpc.mixed(tensors, base)
            for rows in self.dpc.learner.rows_of_classes:
                mixed[rows] = mixed[rows][places]
            if places:
                made.append(columns(mixed, [classnames[i] for i in places], base))
        order = torch.tensor(sides[True] + sides[False]).argsort()
        joined = torch.cat(made, dim=1)
        return joined[:, order.to(joined.device)]
