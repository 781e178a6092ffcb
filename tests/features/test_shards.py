"""A cache in shards: one tensor over all of them, every shard checked, and no kill that shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from random import Random

import pytest
import torch

from clipcompat.common.errors import CacheError
from clipcompat.common.files import write_atomic
from clipcompat.features.store import FeatureFile
from tests.trees import PROJECT, child_environment

WIDTH = 8
STEP = 16384  # rows of the smallest shard


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def shards(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*.bin"))


@pytest.fixture
def small(tmp_path):
    """A cache whose shards are as small as can be."""
    return FeatureFile(tmp_path, "x", WIDTH, "stamp", shard_bytes=1)


@pytest.mark.parametrize("parts", [(STEP,), (STEP + 1,), (STEP - 1, 2), (3, 2 * STEP, STEP - 3), (2 * STEP + 5, 7)])
def test_rows_that_fill_shards_come_back_as_one_tensor(small, tmp_path, parts):
    written = rows(sum(parts))
    for part in written.split(parts):
        small.append(part)
    again = FeatureFile(tmp_path, "x", WIDTH, "stamp")  # whose own shards would be larger
    assert again.rows() == len(written) and torch.equal(again.read(len(written)), written)
    assert torch.equal(again.read(5), written[:5])
    assert shards(tmp_path) == [f"x-{i:05d}.bin" for i in range(-(-len(written) // STEP))]
    assert max(path.stat().st_size for path in tmp_path.glob("*.bin")) <= STEP * WIDTH * 4
    again.verify()


def test_a_gibibyte_is_the_most_a_shard_takes():
    for width in (1, 7, 128, 512, 768, 1024, 12_345):
        size = FeatureFile("anywhere", "x", width, "stamp")._new_shard_rows * width * 4
        assert size % (1 << 16) == 0 and (1 << 30) * 0.25 < size <= 1 << 30


@pytest.mark.parametrize("shard", [0, 1, 2])
def test_a_changed_byte_in_any_shard_is_found_on_demand_and_in_the_last_at_once(small, tmp_path, shard):
    small.append(rows(2 * STEP + 9))
    path = tmp_path / f"x-{shard:05d}.bin"
    data = bytearray(path.read_bytes())
    data[99] ^= 1
    path.write_bytes(data)
    with pytest.raises(CacheError, match=f"{path.name} is corrupt"):
        small.verify()
    if shard == 2:
        with pytest.raises(CacheError, match=f"{path.name} is corrupt"):
            small.read(1)


@pytest.mark.parametrize("lost", ["all", "a byte"])
def test_a_full_shard_that_is_cut_is_found_at_once(small, tmp_path, lost):
    small.append(rows(2 * STEP + 9))
    path = tmp_path / "x-00000.bin"
    path.unlink() if lost == "all" else os.truncate(path, STEP * WIDTH * 4 - 1)
    with pytest.raises(CacheError, match=r"x-00000\.bin is shorter than its header says"):
        small.read(1)


@pytest.mark.parametrize("written", range(4))
def test_a_kill_between_any_two_writes_of_rows_over_three_shards_changes_nothing(small, tmp_path, monkeypatch, written):
    """Stopped before the second or third shard or the header is written; then the same rows are added again."""
    first, second = rows(STEP - 7), rows(STEP + 20, 1)
    small.append(first)
    left = iter(range(written))

    def until(stop):
        def call(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return stop(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(FeatureFile, "_write", until(FeatureFile._write))
        patch.setattr("clipcompat.features.store.write_atomic", until(write_atomic))
        with pytest.raises(KeyboardInterrupt):
            small.append(second)
    assert small.rows() == len(first) and torch.equal(small.read(len(first)), first)
    small.verify()
    other = rows(2 * STEP, 2)  # even others: what was left behind is overwritten
    small.append(other)
    assert torch.equal(small.read(small.rows()), torch.cat([first, other]))
    small.verify()


def test_kills_at_random_moments_lose_and_double_no_row(tmp_path):
    """A process adds numbered rows, in lots that fill shards now and then, and is killed again and again."""
    code = (
        "import sys, torch\n"
        "from clipcompat.features.store import FeatureFile\n"
        "file = FeatureFile(sys.argv[1], 'x', 8, 'stamp', shard_bytes=1)\n"
        "print('ready', flush=True)\n"
        "while (at := file.rows()) < 100_000:\n"
        "    file.append(torch.arange(at, at + 3001.0)[:, None].expand(-1, 8))\n"
    )
    random, kills = Random(3), 0
    for _ in range(50):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, env=child_environment(), stdout=subprocess.PIPE
        ) as run:
            assert run.stdout.readline() == b"ready\n"
            if kills < 5:
                try:
                    run.wait(random.uniform(0.005, 0.08))
                except subprocess.TimeoutExpired:
                    run.kill()
                    kills += run.wait() == -signal.SIGKILL
            if run.wait(100) == 0:
                break
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    file.verify()
    assert kills >= 3 and file.rows() == 34 * 3001
    assert torch.equal(file.read(file.rows()), torch.arange(34 * 3001.0)[:, None].expand(-1, 8))
