"""Stored vectors as NumPy's .npy files: read without trust in what they hold, written whole or not at all."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clipcompat.common.errors import DataError
from clipcompat.common.files import write_atomic

_TODO = "Write the vectors with numpy.save: an array of floats, one row per picture."


def read_vectors(path: str | Path) -> Tensor:
    """[row, dim] on the CPU, of the file's float type. Rows are read from disk when they are used.

    Nothing in the file is executed: arrays of Python objects are refused. Changes of the tensor do not reach the file.

    Raises:
        DataError: no such file, or no .npy file, or a part of one; not two axes; no rows; no floats.
    """
    try:
        found = np.lib.format.open_memmap(Path(path).expanduser(), mode="c")  # never unpickles
    except OSError as error:
        raise DataError(f"the vectors in {path} cannot be read: {error.strerror or error}. Check the path.") from error
    except Exception as error:  # of a damaged header numpy raises whatever Python raises of damaged code
        what = str(error).rstrip(".")  # some of numpy's sentences end with a full stop, some without
        raise DataError(f"the vectors in {path} cannot be read: {what}. {_TODO}") from error
    if found.dtype.kind != "f" or found.dtype.itemsize > 8:  # torch has no wider floats
        raise DataError(f"{path} holds {found.dtype}, and stored vectors are float16, float32 or float64. {_TODO}")
    if found.ndim != 2:
        raise DataError(f"{path} has the shape {list(found.shape)}, and stored vectors are [row, dim]. {_TODO}")
    if not found.size:
        raise DataError(f"{path} has the shape {list(found.shape)}: there is no vector in it. {_TODO}")
    native = found.dtype.newbyteorder("=")
    return torch.from_numpy(found if found.dtype == native else found.astype(native))


def write_vectors(path: str | Path, vectors: Tensor) -> Path:
    """Write [row, dim] as a .npy file of float32.

    Raises:
        StorageError: see `write_atomic`.
    """
    stream = io.BytesIO()
    np.save(stream, vectors.detach().cpu().to(torch.float32).contiguous().numpy(), allow_pickle=False)
    return write_atomic(path, stream.getbuffer())
