"""TorchScript and torch.save archives give their tensors and run nothing."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from open_clip.model import CLIP
from torch import nn

from clipcompat.backbones.weights.checkpoints import read_checkpoint
from clipcompat.backbones.weights.torchscript import TorchArchive
from clipcompat.common.errors import CheckpointError
from tests.backbones.weights.archives import Bomb, entry, rezip, save_script

VISION = {"layers": 2, "width": 64, "patch_size": 8, "image_size": 16}
TEXT = {"context_length": 12, "vocab_size": 50, "width": 32, "heads": 2, "layers": 2}
INPUTS = torch.zeros(1, 3, 16, 16), torch.zeros(1, 12, dtype=torch.int64)


def small_clip(quick_gelu: bool = True) -> CLIP:
    torch.manual_seed(0)
    return CLIP(32, VISION, TEXT, quick_gelu=quick_gelu).eval()


class Numbered(nn.Module):
    """Whole numbers among its attributes, as OpenAI's have; a buffer; a mask that is neither buffer nor parameter."""

    def __init__(self):
        super().__init__()
        self.input_resolution: int = 16
        self.register_buffer("context_length", torch.tensor(12))
        self.register_buffer("steps", torch.arange(5))
        self.mask = torch.zeros(3)
        self.sizes: list[int] = [1, 2]
        self.weight = nn.Parameter(torch.randn(4, 6).t())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight.sum() + self.mask.sum() + self.input_resolution + self.sizes[0]


@pytest.fixture(scope="module")
def scripted(tmp_path_factory) -> Path:
    return save_script(small_clip(), tmp_path_factory.mktemp("script") / "clip.pt", *INPUTS)


@pytest.fixture
def saved(tmp_path) -> Path:
    torch.save({"weight": torch.arange(8.0), "bias": torch.arange(4.0)}, tmp_path / "saved.pt")
    return tmp_path / "saved.pt"


@pytest.mark.parametrize("inputs", [INPUTS, ()], ids=["traced", "scripted"])
def test_torchscript_gives_the_tensors_of_the_state_dict(tmp_path, inputs):
    model = small_clip()
    checkpoint = read_checkpoint(save_script(model, tmp_path / "clip.pt", *inputs))
    expected = model.state_dict() | {"attn_mask": model.attn_mask}  # TorchScript keeps every buffer
    assert checkpoint.format == "torchscript"
    assert checkpoint.tensors.keys() == expected.keys()
    assert all(torch.equal(checkpoint.tensors[k], v) for k, v in expected.items())


def test_half_precision_stays_half_precision(tmp_path):
    model = small_clip()
    checkpoint = read_checkpoint(save_script(model, tmp_path / "clip.pt", *INPUTS, half=True))
    assert {t.dtype for t in checkpoint.tensors.values()} == {torch.float16}
    assert torch.equal(checkpoint.tensors["visual.proj"], model.visual.proj.half())


def test_torchscript_tells_its_activation(tmp_path, scripted):
    assert read_checkpoint(scripted).quick_gelu is True
    assert read_checkpoint(save_script(small_clip(quick_gelu=False), tmp_path / "gelu.pt", *INPUTS)).quick_gelu is False


def test_numbers_and_plain_attributes_are_not_weights(tmp_path):
    module = Numbered()
    checkpoint = read_checkpoint(save_script(module, tmp_path / "numbered.pt"))
    assert checkpoint.numbers == {"input_resolution": 16, "context_length": 12}
    assert checkpoint.tensors.keys() == {"weight", "steps"}
    assert checkpoint.quick_gelu is True  # no module tells, so it counts as OpenAI's
    assert torch.equal(checkpoint.tensors["steps"], torch.arange(5))
    assert torch.equal(checkpoint.tensors["weight"], module.weight)
    assert checkpoint.tensors["weight"].stride() == module.weight.stride()


def test_views_offsets_and_types_survive(tmp_path):
    table = torch.arange(24.0).view(4, 6)
    views = {"all": table, "row": table[2], "column": table[:, 1], "turned": table.t(), "corner": table[1:3, 2:4]}
    types = (torch.half, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)
    tensors = views | {str(t): torch.tensor([0, 1, 1]).to(t) for t in types}
    tensors |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    torch.save(tensors, tmp_path / "views.pt")
    read = read_checkpoint(tmp_path / "views.pt").tensors
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name
        assert read[name].stride() == tensor.stride() or not tensor.numel(), name
    assert read["all"].untyped_storage().data_ptr() == read["turned"].untyped_storage().data_ptr()


def evil(tmp_path: Path) -> tuple[bytes, Path]:
    marker = tmp_path / "it-ran"
    return pickle.dumps({"state_dict": {"weight": Bomb(marker)}}, protocol=2), marker


def test_the_bomb_of_these_tests_does_go_off(tmp_path):
    data, marker = evil(tmp_path)
    pickle.loads(data)
    assert marker.exists()


@pytest.mark.parametrize("kind", ["torchscript", "zip", "wrapped zip", "old pickle", "bare pickle"])
def test_a_pickle_that_would_run_a_command_is_refused_and_does_not_run(tmp_path, scripted, kind):
    data, marker = evil(tmp_path)
    path = tmp_path / "evil.pt"
    if kind == "torchscript":
        rezip(scripted, path, {"data.pkl": data})
    elif kind == "bare pickle":
        path.write_bytes(data)
    else:
        content = {"weight": torch.zeros(2), "more": Bomb(marker)}
        content = {"state_dict": content, "epoch": 3} if kind == "wrapped zip" else content
        torch.save(content, path, _use_new_zipfile_serialization=kind != "old pickle")
    with pytest.raises(CheckpointError, match="Python objects?"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "builtins eval",
        "torch.jit load",
        "torch load",
        "__torch__.os system",
        "torch._utils _import_dotted",
    ],
)
def test_no_other_name_is_resolved(tmp_path, saved, name):
    module, attribute = name.split()
    stream = b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"X\x04\x00\x00\x00echo\x85R."
    with pytest.raises(CheckpointError, match="Python object"):
        read_checkpoint(rezip(saved, tmp_path / "evil.pt", {"data.pkl": stream}))


def test_a_pickle_cannot_change_what_later_files_are_read_with(tmp_path, saved):
    # BUILD with a slot state sets attributes on the object before it: here on the function that makes tensors
    stream = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b."
    with pytest.raises(CheckpointError):
        read_checkpoint(rezip(saved, tmp_path / "evil.pt", {"data.pkl": stream}))
    assert torch.equal(read_checkpoint(saved).tensors["weight"], torch.arange(8.0))


@pytest.mark.parametrize("length", [4, 31, 33, 4096])
def test_a_storage_of_another_length_than_claimed_is_refused(tmp_path, saved, length):
    with pytest.raises(CheckpointError, match="32 uncompressed bytes has"):
        read_checkpoint(rezip(saved, tmp_path / "cut.pt", {"data/0": bytes(length)}))


def test_a_missing_storage_is_refused(tmp_path, saved):
    with pytest.raises(CheckpointError, match="is missing"):
        read_checkpoint(rezip(saved, tmp_path / "cut.pt", {"data/1": None}))


def test_compressed_storages_are_refused(tmp_path, saved):
    with pytest.raises(CheckpointError, match="uncompressed"):
        read_checkpoint(rezip(saved, tmp_path / "small.pt", {}, compression=zipfile.ZIP_DEFLATED))


def test_a_pickle_that_inflates_without_end_is_refused(tmp_path, saved):
    big = rezip(saved, tmp_path / "bomb.pt", {"data.pkl": bytes(65 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert big.stat().st_size < 1 << 20
    with pytest.raises(CheckpointError, match="larger than 64 MiB"):
        read_checkpoint(big)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x08\x85q\x08K\x01", b"K\x09\x85q\x08K\x01"),  # nine elements of eight
        (b"QK\x00K\x08", b"QK\x01K\x08"),  # one too far on
        (b"K\x08\x85q\x08K\x01", b"K\x08\x85q\x08K\x02"),  # every second one
        (b"K\x08\x85q\x08K\x01", b"J\xff\xff\xff\x7f\x85q\x08K\x00"),  # stride 0: eight elements shown as two billion
        (b"K\x08\x85q\x08K\x01", b"J\xff\xff\xff\xff\x85q\x08K\x01"),  # size -1
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, saved, old, new):
    data = entry(saved, "data.pkl")
    assert data.count(old) == 1
    with pytest.raises(CheckpointError, match="tensor"):
        read_checkpoint(rezip(saved, tmp_path / "far.pt", {"data.pkl": data.replace(old, new)}))


def test_a_pickle_that_asks_for_a_huge_memo_is_refused(tmp_path, saved):
    with pytest.raises(CheckpointError, match="more than it can hold"):
        read_checkpoint(rezip(saved, tmp_path / "memo.pt", {"data.pkl": b"\x80\x02}r\xff\xff\xff\xff."}))


def test_modules_nested_without_end_are_refused(tmp_path, scripted):
    stream = b"\x80\x02c__torch__\nA\n)\x81q\x00}(X\x01\x00\x00\x00ah\x00ub."  # a module that holds itself
    with pytest.raises(CheckpointError, match="nested"):
        read_checkpoint(rezip(scripted, tmp_path / "deep.pt", {"data.pkl": stream}))


def test_another_byte_order_is_refused(tmp_path, saved):
    with pytest.raises(CheckpointError, match="byte order"):
        read_checkpoint(rezip(saved, tmp_path / "big.pt", {"byteorder": b"big"}))


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, scripted, kept):
    data = scripted.read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(CheckpointError, match=r"cut\.pt is damaged"):
        read_checkpoint(tmp_path / "cut.pt")


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="without a PyTorch pickle"):
        TorchArchive(tmp_path / "other.zip")
