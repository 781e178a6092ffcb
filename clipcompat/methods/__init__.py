"""Every method by its name. Adding one: a file here, a line in METHODS, a test. Imports: `training` and below."""

from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.zero_shot import ZeroShot

METHODS = {
    m.name: m for m in (ZeroShot, LinearProbe, CLIPAdapter, TipAdapter, TipAdapterF, CoOp, CoCoOp, KgCoOp, ContCoOp)
}
"""The methods that every table of the miniature has."""

WITHOUT_RECORDS = {m.name: m for m in (MaPLe, PromptSRC)}
"""Methods that train through the image tower. The library tunes, saves and tests them as it does all others, but their
mini recipe is not tuned and no records of them are committed, so the tables over `METHODS` leave them out.
"""

KNOWN = METHODS | WITHOUT_RECORDS
"""Every method that a file or a command may name."""
