"""The cache files of Tip-Adapter's code (gaopengcuhk/Tip-Adapter utils.py, main.py): one bare tensor per file.

keys_{K}shots.pt [dim, image]; values_{K}shots.pt [image, class]; best_F_{K}shots.pt [image, dim], the keys of
Tip-Adapter-F at the epoch that was best on the test set. No file has α and β.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from clipcompat.common.errors import CheckpointError
from clipcompat.plugins.official.files import OfficialFile

_NAME = re.compile(r"(keys|values|best_F)_(\d+)shots\.pt")


@dataclass(frozen=True)
class TipCache:
    """A cache as this library lays it out.

    keys: [image, dim]. values: [image, class]. shots: K. source: the files and their sha256.
    """

    keys: Tensor
    values: Tensor
    shots: int
    source: str

    @staticmethod
    def read(path: Path, trained: bool, shots: int | None) -> "TipCache":
        """Read a cache folder, or the cache that a file belongs to.

        Args:
            trained: take the keys of Tip-Adapter-F. shots: K, if the folder has several.

        Raises:
            CheckpointError: a file is missing, damaged or no tensor of the expected shape; or K is not determined.
        """
        keys_name = "best_F" if trained else "keys"
        folder, k = _find(path, keys_name, shots)
        files = [OfficialFile.read(folder / f"{name}_{k}shots.pt") for name in (keys_name, "values")]
        keys, values = (file.tensor(file.content, "its content") for file in files)
        for file, shape in zip(files, (list(keys.shape), list(values.shape)), strict=True):
            if len(shape) != 2:
                advice = "Give the cache that Tip-Adapter's code wrote"
                raise CheckpointError(f"{file.name} holds a tensor of shape {shape}; a matrix was expected. {advice}.")
        keys = keys if trained else keys.T.contiguous()
        if len(keys) != len(values):
            raise CheckpointError(
                f"{files[0].name} has keys of {len(keys)} pictures, {files[1].name} values of {len(values)}; the two "
                "are not of one cache. Take both from one run."
            )
        return TipCache(keys, values, k, "; ".join(file.source for file in files))


def _find(path: Path, keys_name: str, shots: int | None) -> tuple[Path, int]:
    """The folder and K."""
    wanted = f"{keys_name}_<K>shots.pt"
    if path.is_dir():
        names = (_NAME.fullmatch(p.name) for p in path.iterdir())
        held = sorted({int(match[2]) for match in names if match and match[1] == keys_name})
        if shots is None and len(held) > 1:
            raise CheckpointError(f"{path} holds caches of {held} shots; give shots= as well, or one of the files.")
        if not held or shots not in (None, *held):
            which = wanted if shots is None else f"{keys_name}_{shots}shots.pt"
            raise CheckpointError(f"{path} holds no {which}. Give the folder into which Tip-Adapter wrote its cache.")
        return path, shots or held[0]
    match = _NAME.fullmatch(path.name)
    if not path.is_file() or not match:
        raise CheckpointError(
            f"{path} is {'not named as' if path.is_file() else 'no folder and no file'} {wanted}. Give the cache "
            "folder, or that file with its neighbour values_<K>shots.pt."
        )
    if match[1] == "best_F" != keys_name:
        raise CheckpointError(f"{path.name} holds the trained keys of Tip-Adapter-F; import it as 'tip_adapter_f'.")
    if shots not in (None, int(match[2])):
        raise CheckpointError(f"{path.name} is a cache of {match[2]} shots, not {shots}. Leave shots out.")
    return path.parent, int(match[2])
