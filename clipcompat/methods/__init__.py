"""Every method by its name. Adding one: a file here, a line in METHODS, a test. Imports: `training` and below."""

from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.deep.clap import CLAP, ZSLP
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.deep.gda import GDA
from clipcompat.methods.deep.lp_plus_plus import LPPlusPlus
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.methods.deep.taskres import TaskRes
from clipcompat.methods.dpc import DPC
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.zero_shot import ZeroShot

METHODS = {
    m.name: m for m in (ZeroShot, LinearProbe, CLIPAdapter, TipAdapter, TipAdapterF, CoOp, CoCoOp, KgCoOp, ContCoOp)
}
"""The methods that every table of the miniature has."""

OF_DPC = {m.name: m for m in (MaPLe, PromptSRC, PromptKD, DPC)}
"""The learners of the DPC paper beside CoOp, and DPC. Their records are of the studies "mixture", "base_to_new" and
"cross_dataset", over base and new classes; the tables over `METHODS` leave them out.
"""

TODAY = {m.name: m for m in (GDA, TaskRes, ZSLP, CLAP, LPPlusPlus, ProLIP, CLIPLoRA)}
"""Methods of 2023 to 2025. No table of the papers has them; their records are a list of their own, "plugins_today"."""

KNOWN = METHODS | OF_DPC | TODAY
"""Every method that a file or a command may name."""
