"""clipcompat: you tuned a plug-in on a CLIP backbone, the backbone was upgraded; is the plug-in still good?

Public names are declared in `__init__.pyi` and looked up when first used, so that importing the package costs nothing
and `clipcompat --help` needs no torch. Imports: `lazy_loader`; no file of the package imports this one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
