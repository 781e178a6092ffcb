"""Every method by its name. Adding one: a file here, a line in METHODS, a test."""

from __future__ import annotations

from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.zero_shot import ZeroShot

METHODS = {m.name: m for m in (ZeroShot, CoOp, ContCoOp)}
