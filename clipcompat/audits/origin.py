"""The old backbone of an audit that was given the new one alone, where the package ships it."""

from collections.abc import Iterable
from pathlib import Path

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import backbone_kind
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import ClipcompatError
from clipcompat.plugins.plugin import Plugin, load_plugin


def shipped_old(plugins: Iterable[Plugin | str | Path], new: Backbone) -> Backbone | None:
    """The mini backbone that the first plug-in not of `new` was tuned on; None if that is no shipped one."""
    for given in plugins:
        try:
            plugin = given if isinstance(given, Plugin) else load_plugin(given)
            if plugin.is_tuned_on(new):
                continue
            name = plugin.origin["backbone"]["name"]
            if backbone_kind(name) != "mini":
                return None
            old = load_backbone(name, device=new.device, dtype=new.dtype)
            return old if plugin.is_tuned_on(old) else None
        except ClipcompatError:  # the audit says what is wrong with it
            continue
    return None
