"""Every method by its name. Adding one: a file here, a line in METHODS, a test. Imports: `training` and below."""

from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.methods.zero_shot import ZeroShot

METHODS = {
    m.name: m for m in (ZeroShot, LinearProbe, CLIPAdapter, TipAdapter, TipAdapterF, CoOp, CoCoOp, KgCoOp, ContCoOp)
}
