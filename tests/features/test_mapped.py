"""Files side by side in memory: the numbers of all of them, in order, whatever their sizes add up to."""

from __future__ import annotations

import gc
import os

import pytest
import torch

from clipcompat.common.errors import CacheError
from clipcompat.features.mapped import PAGE, map_files

VALUES = PAGE // 4


def write(folder, sizes) -> tuple[list, torch.Tensor]:
    """Files of these many values, and all values."""
    values = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(0))
    paths = [folder / str(i) for i in range(len(sizes))]
    for path, part in zip(paths, values.split(sizes), strict=True):
        path.write_bytes(part.numpy().tobytes())
    return paths, values


@pytest.mark.parametrize("sizes", [(1,), (VALUES,), (VALUES, 1), (VALUES, VALUES), (2 * VALUES, 2 * VALUES, 5)])
def test_files_are_one_tensor_in_their_order(tmp_path, sizes):
    paths, values = write(tmp_path, sizes)
    size = 4 * max(sizes) if len(sizes) > 1 else PAGE
    assert torch.equal(map_files(paths, size, len(values)), values)


def test_no_values_are_no_files():
    assert map_files([], PAGE, 0).shape == (0,)


def test_what_is_written_to_the_tensor_reaches_no_file(tmp_path):
    paths, values = write(tmp_path, (VALUES, VALUES))
    map_files(paths, PAGE, 2 * VALUES).zero_()
    assert torch.equal(map_files(paths, PAGE, 2 * VALUES), values)


def test_a_view_keeps_the_map_alive(tmp_path):
    paths, values = write(tmp_path, (VALUES, VALUES))
    view = map_files(paths, PAGE, 2 * VALUES).view(-1, 2)[-3:]
    gc.collect()
    assert torch.equal(view, values.view(-1, 2)[-3:])


def test_a_map_goes_when_its_tensor_goes(tmp_path):
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("only Linux lists the maps of a process")
    paths, values = write(tmp_path, (VALUES, VALUES))

    def maps() -> str:
        with open("/proc/self/maps") as stream:
            return stream.read()

    mapped = map_files(paths, PAGE, 2 * VALUES)
    assert all(str(path) in maps() for path in paths)
    del mapped
    gc.collect()
    assert str(tmp_path) not in maps()


def test_a_map_may_be_larger_than_memory(tmp_path):
    """A terabyte of holes: nothing of it is on the disk, and only the pages that are looked at come into memory."""
    size, count = 1 << 38, 4
    paths = [tmp_path / str(i) for i in range(count)]
    for number, path in enumerate(paths):
        with open(path, "wb") as stream:
            stream.truncate(size)
            stream.seek(size - 4)
            stream.write(torch.tensor(float(number + 1)).numpy().tobytes())
    mapped = map_files(paths, size, count * size // 4)
    ends = mapped[size // 4 - 1 :: size // 4]
    assert ends.tolist() == [1, 2, 3, 4] and mapped[0] == 0 and mapped[size // 4] == 0


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    paths, _ = write(tmp_path, (VALUES, 8))
    paths[1].unlink()
    with pytest.raises(CacheError, match=r"1 cannot be mapped into memory: No such file"):
        map_files(paths, PAGE, VALUES + 8)
