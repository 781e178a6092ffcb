"""Vectors in .npy files: what numpy writes is read, and nothing else is; nothing in a file is executed."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

from clipcompat.common.errors import DataError, StorageError
from clipcompat.plugins.repair.vector_file import read_vectors, write_vectors
from tests.mutations import mutate_bytes

ROWS = np.arange(12.0).reshape(4, 3)


def saved(path, array, **how):
    np.save(path, array, **how)
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_floats_of_every_kind_are_read_as_they_were_written(dtype, order, tmp_path):
    found = read_vectors(saved(tmp_path / "v.npy", np.asarray(ROWS.astype(dtype), order=order)))
    assert found.tolist() == ROWS.tolist() and found.dtype.itemsize == int(dtype[-1])


def test_what_was_written_is_read_again_and_is_numpys(tmp_path):
    path = write_vectors(tmp_path / "new" / "v.npy", torch.from_numpy(ROWS).T)
    found = np.load(path)
    assert found.dtype == np.float32 and found.tolist() == ROWS.T.tolist()
    assert torch.equal(read_vectors(path), torch.from_numpy(ROWS.T).float())
    assert os.listdir(path.parent) == ["v.npy"]


def test_a_change_of_the_tensor_does_not_reach_the_file(tmp_path):
    path = saved(tmp_path / "v.npy", ROWS)
    read_vectors(path).zero_()
    assert np.load(path).tolist() == ROWS.tolist()


class Trap:
    """Unpickling it makes a folder."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_an_array_of_objects_is_refused_unopened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "v.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"cannot be read: .*Python objects"):
        read_vectors(path)
    assert os.listdir() == ["v.npy"]


def test_numpys_own_sentence_ends_with_one_full_stop(tmp_path):
    objects, empty = saved(tmp_path / "v.npy", np.array([None]), allow_pickle=True), tmp_path / "empty.npy"
    empty.touch()
    for path in (objects, empty):  # numpy's own sentence has a full stop for the one, and none for the other
        with pytest.raises(DataError, match=r"cannot be read: .*[^.]\. Write the vectors"):
            read_vectors(path)


@pytest.mark.parametrize(("array", "says"), [
    (ROWS.astype(np.int8), "holds int8, and stored vectors are float16, float32 or float64"),
    (ROWS.astype(complex), "holds complex128"),
    (np.zeros((2, 3), [("a", "f4")]), r"holds \[\('a', '<f4'\)\]"),
    (ROWS.astype(np.longdouble), "holds float128|holds longdouble"),
    (ROWS[0], r"has the shape \[3\], and stored vectors are \[row, dim\]"),
    (ROWS[None], r"has the shape \[1, 4, 3\]"),
    (ROWS[:0], r"has the shape \[0, 3\]: there is no vector in it. Write the vectors"),
    (ROWS[:, :0], r"has the shape \[4, 0\]: there is no vector in it"),
])  # fmt: skip
def test_what_is_no_table_of_vectors_is_refused(array, says, tmp_path):
    with pytest.raises(DataError, match=says):
        read_vectors(saved(tmp_path / "v.npy", array))


@pytest.mark.parametrize("shape", ["(10**30, 3)", "(-1, 3)", "(1000000000000, 3)", "[4, 3]", "(4.0, 3)", "(True, 3)"])
def test_a_header_that_promises_what_is_not_there_is_refused(shape, tmp_path):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    whole = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + ROWS.tobytes()
    (tmp_path / "v.npy").write_bytes(whole)
    with pytest.raises(DataError):
        read_vectors(tmp_path / "v.npy")


def test_a_damaged_file_is_refused_or_read_as_floats(tmp_path):
    whole, rng = saved(tmp_path / "v.npy", ROWS).read_bytes(), random.Random(1)
    refused = 0
    for _ in range(300):
        (tmp_path / "v.npy").write_bytes(mutate_bytes(whole[:128], rng) + whole[128:])
        try:
            assert read_vectors(tmp_path / "v.npy").is_floating_point()
        except DataError:
            refused += 1
    assert refused > 100


def test_another_file_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "v.npz", ROWS)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder").mkdir()
    said = {"v.npz": "Write the vectors with numpy", "empty.npy": "Write the vectors with numpy"}
    said |= {"folder": "Is a directory. Check the path", "absent.npy": "No such file or directory. Check the path"}
    for name, todo in said.items():
        with pytest.raises(DataError, match=rf"the vectors in \S*{name} cannot be read: .*{todo}"):
            read_vectors(tmp_path / name)


def test_where_nothing_can_be_written_nothing_is_left(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_vectors(tmp_path / "file" / "v.npy", torch.zeros(1, 3))
