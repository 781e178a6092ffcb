"""clipcompat: you tuned a plug-in on a CLIP backbone, the backbone was upgraded; is the plug-in still good?

Names are looked up when first used, so that importing the package costs nothing and `clipcompat --help` needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clipcompat.common.version import __version__

_WHERE = {
    "Attention": "methods.parts.attention",
    "Backbone": "backbones.backbone",
    "CLIPAdapter": "methods.clip_adapter",
    "CoCoOp": "methods.cocoop",
    "CoOp": "methods.coop",
    "Compatibility": "studies.report",
    "Condition": "methods.parts.condition",
    "ContCoOp": "methods.contcoop",
    "Dataset": "data.split",
    "Distillation": "methods.parts.distillation",
    "KgCoOp": "methods.kgcoop",
    "LinearProbe": "methods.linear_probe",
    "METHODS": "methods",
    "Match": "plugins.plugin",
    "Plugin": "plugins.plugin",
    "Recipe": "training.recipe",
    "Split": "data.split",
    "TipAdapter": "methods.tip_adapter",
    "TipAdapterF": "methods.tip_adapter",
    "Upgrade": "backbones.upgrade",
    "ZeroShot": "methods.zero_shot",
    "accuracy": "studies.accuracy",
    "clean_classnames": "data.custom.address",
    "compatibility": "studies.compatibility",
    "dataset_from_csv": "data.custom.from_csv",
    "dataset_from_folder": "data.custom.from_folder",
    "dataset_from_samples": "data.custom.from_samples",
    "default_method": "methods.defaults",
    "export_class_weights": "plugins.export",
    "fit": "plugins.fit",
    "fit_many": "plugins.fit",
    "harmonic_mean": "studies.report",
    "import_plugin": "plugins.official.importer",
    "load_backbone": "backbones.load",
    "load_chain": "backbones.upgrade",
    "load_dataset": "data.load",
    "load_plugin": "plugins.plugin",
    "load_upgrade": "backbones.upgrade",
    "same_classes": "data.public.imagenet_names",
    "skip_broken": "data.pictures.broken",
    "summary": "studies.summary",
}
__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'clipcompat' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"clipcompat.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from clipcompat.backbones.backbone import Backbone as Backbone
    from clipcompat.backbones.load import load_backbone as load_backbone
    from clipcompat.backbones.upgrade import Upgrade as Upgrade
    from clipcompat.backbones.upgrade import load_chain as load_chain
    from clipcompat.backbones.upgrade import load_upgrade as load_upgrade
    from clipcompat.data.custom.address import clean_classnames as clean_classnames
    from clipcompat.data.custom.from_csv import dataset_from_csv as dataset_from_csv
    from clipcompat.data.custom.from_folder import dataset_from_folder as dataset_from_folder
    from clipcompat.data.custom.from_samples import dataset_from_samples as dataset_from_samples
    from clipcompat.data.load import load_dataset as load_dataset
    from clipcompat.data.pictures.broken import skip_broken as skip_broken
    from clipcompat.data.public.imagenet_names import same_classes as same_classes
    from clipcompat.data.split import Dataset as Dataset
    from clipcompat.data.split import Split as Split
    from clipcompat.methods import METHODS as METHODS
    from clipcompat.methods.clip_adapter import CLIPAdapter as CLIPAdapter
    from clipcompat.methods.cocoop import CoCoOp as CoCoOp
    from clipcompat.methods.contcoop import ContCoOp as ContCoOp
    from clipcompat.methods.coop import CoOp as CoOp
    from clipcompat.methods.defaults import default_method as default_method
    from clipcompat.methods.kgcoop import KgCoOp as KgCoOp
    from clipcompat.methods.linear_probe import LinearProbe as LinearProbe
    from clipcompat.methods.parts.attention import Attention as Attention
    from clipcompat.methods.parts.condition import Condition as Condition
    from clipcompat.methods.parts.distillation import Distillation as Distillation
    from clipcompat.methods.tip_adapter import TipAdapter as TipAdapter
    from clipcompat.methods.tip_adapter import TipAdapterF as TipAdapterF
    from clipcompat.methods.zero_shot import ZeroShot as ZeroShot
    from clipcompat.plugins.export import export_class_weights as export_class_weights
    from clipcompat.plugins.fit import fit as fit
    from clipcompat.plugins.fit import fit_many as fit_many
    from clipcompat.plugins.official.importer import import_plugin as import_plugin
    from clipcompat.plugins.plugin import Match as Match
    from clipcompat.plugins.plugin import Plugin as Plugin
    from clipcompat.plugins.plugin import load_plugin as load_plugin
    from clipcompat.studies.accuracy import accuracy as accuracy
    from clipcompat.studies.compatibility import compatibility as compatibility
    from clipcompat.studies.report import Compatibility as Compatibility
    from clipcompat.studies.report import harmonic_mean as harmonic_mean
    from clipcompat.studies.summary import summary as summary
    from clipcompat.training.recipe import Recipe as Recipe
