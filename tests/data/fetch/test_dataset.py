from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace

import pytest

from clipcompat.common.errors import ConfigError, DataError, StorageError
from clipcompat.data.fetch.dataset import fetch_dataset
from clipcompat.data.fetch.download import file_hash
from clipcompat.data.fetch.sources import SOURCES, Archive, Source
from clipcompat.data.load import load_dataset
from clipcompat.data.public.layout import LAYOUTS, find_layout
from tests.data.fetch.test_archives import write_tar, write_zip
from tests.serving import serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def archive(eurosat, tmp_path):
    """The pictures of the little EuroSAT as an archive: its bytes."""
    root = eurosat / "eurosat"
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.jpg"))}
    return write_zip(tmp_path / "EuroSAT.zip", files).read_bytes()


@pytest.fixture
def source(server, archive, split):
    """EuroSAT, served by `server`."""
    listed = json.dumps(split).encode()
    return Source(
        (Archive("EuroSAT.zip", server.put("EuroSAT.zip", archive), sha(archive), {"2750": "2750"}),),
        Archive("split_zhou_EuroSAT.json", server.put("split.json", listed), sha(listed)),
    )


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_a_data_set_is_fetched_into_the_layout_and_can_be_read(source, server, tmp_path):
    said = []
    assert fetch_dataset("EuroSAT", tmp_path / "new", source=source, say=said.append) == tmp_path / "new" / "eurosat"
    data = load_dataset("eurosat", root=tmp_path / "new", shots=2)
    assert (len(data.train), len(data.test), data.own_split) == (20, 30, False)
    assert data.test.images[0].size == (8, 8)
    assert names(tmp_path / "new" / "eurosat") == {"2750", "split_zhou_EuroSAT.json"}
    assert any(server.address in sentence for sentence in said)


def test_what_is_there_is_not_fetched_again(source, server, tmp_path):
    fetch_dataset("eurosat", tmp_path / "new", source=source)
    before = len(server.requests)
    fetch_dataset("eurosat", tmp_path / "new", source=source)
    assert len(server.requests) == before == 2
    (tmp_path / "new" / "eurosat" / "split_zhou_EuroSAT.json").unlink()
    fetch_dataset("eurosat", tmp_path / "new", source=source)
    assert len(server.requests) == before, "the archives are kept in downloads/"


def test_a_cut_connection_costs_only_what_was_not_there_yet(source, server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("clipcompat.data.fetch.download.time.sleep", lambda seconds: None)
    server.files["/EuroSAT.zip"].cut = 1 + len(archive) // 3
    fetch_dataset("eurosat", tmp_path / "new", source=source)
    assert [bool(asked) for asked in server.asked("EuroSAT.zip")] == [False, True, True]
    assert len(load_dataset("eurosat", root=tmp_path / "new", shots=2).test) == 30


@pytest.mark.parametrize("spoil", [lambda c: c[:-1] + b"x", lambda c: c[: len(c) // 2]], ids=["altered", "half"])
def test_a_wrong_archive_is_refused_and_no_reader_finds_anything(source, server, archive, tmp_path, spoil):
    server.put("EuroSAT.zip", spoil(archive))
    with pytest.raises(DataError, match="Nothing was kept"):
        fetch_dataset("eurosat", tmp_path / "new", source=source)
    assert names(tmp_path / "new" / "eurosat") == {"split_zhou_EuroSAT.json"}
    assert names(tmp_path / "new" / "downloads") == {"split_zhou_EuroSAT.json"}
    with pytest.raises(DataError, match="the pictures of eurosat are expected in"):
        load_dataset("eurosat", root=tmp_path / "new")


@pytest.mark.parametrize(
    ("files", "links", "said"),
    [
        ({"2750/Forest/bomb.jpg": bytes(200_000_000)}, {}, "unpacks to more than 8 times its own size"),
        ({"2750/../../../split.jpg": b"x"}, {}, "would be written outside the folder"),
        ({"2750/Forest/1.jpg": b"x"}, {"2750/River": "Forest"}, "is a link or a device"),
        ({"other/Forest/1.jpg": b"x"}, {}, "holds no 2750"),
    ],
    ids=["bomb", "traversal", "link", "another"],
)
def test_an_archive_that_does_harm_is_refused_and_no_reader_finds_anything(
    source, server, tmp_path, files, links, said
):
    content = write_tar(tmp_path / "harm.tar.gz", files, links).read_bytes()
    server.put("EuroSAT.zip", content)
    harm = replace(source, pictures=(replace(source.pictures[0], checksum=sha(content)),))
    with pytest.raises(DataError, match=said):
        fetch_dataset("eurosat", tmp_path / "new", source=harm)
    assert names(tmp_path / "new" / "eurosat") == {"split_zhou_EuroSAT.json"}
    assert not list(tmp_path.glob("split.jpg")) and not list((tmp_path / "new").glob("split.jpg"))


def test_what_a_killed_run_had_half_unpacked_is_dropped(source, tmp_path):
    left = tmp_path / "new" / "eurosat" / ".unpacking-EuroSAT.zip" / "pictures" / "2750" / "Forest"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"half")
    fetch_dataset("eurosat", tmp_path / "new", source=source)
    assert names(tmp_path / "new" / "eurosat") == {"2750", "split_zhou_EuroSAT.json"}
    assert "half.jpg" not in names(tmp_path / "new" / "eurosat" / "2750" / "Forest")


def test_an_archive_inside_an_archive_is_unpacked(server, tmp_path):
    inner = write_tar(tmp_path / "101.tar.gz", {"101_ObjectCategories/ant/1.jpg": b"ant"}).read_bytes()
    outer = write_zip(tmp_path / "c.zip", {"caltech-101/101.tar.gz": inner, "caltech-101/show.m": b""}).read_bytes()
    keep = {"101_ObjectCategories": "101_ObjectCategories"}
    pictures = Archive("c.zip", server.put("c.zip", outer), sha(outer), keep, "101.tar.gz")
    folder = fetch_dataset("caltech101", tmp_path / "new", source=Source((pictures,)))
    assert names(folder) == {"101_ObjectCategories"}
    assert (folder / "101_ObjectCategories" / "ant" / "1.jpg").read_bytes() == b"ant"


def test_an_archive_that_was_put_there_by_hand_is_verified_and_used(source, server, archive, tmp_path):
    pictures = replace(source.pictures[0], url="")
    by_hand = replace(source, pictures=(pictures,), by_hand="ask for {downloads}/EuroSAT.zip")
    with pytest.raises(DataError, match=r"eurosat cannot be fetched: ask for .*new/downloads/EuroSAT\.zip"):
        fetch_dataset("eurosat", tmp_path / "new", source=by_hand)
    put = tmp_path / "new" / "downloads" / "EuroSAT.zip"
    put.write_bytes(archive[:-1])
    with pytest.raises(DataError, match=r"EuroSAT\.zip has the sha256 checksum .* Delete it and fetch again"):
        fetch_dataset("eurosat", tmp_path / "new", source=by_hand)
    put.write_bytes(archive)
    fetch_dataset("eurosat", tmp_path / "new", source=by_hand)
    assert len(load_dataset("eurosat", root=tmp_path / "new", shots=1).test) == 30
    assert server.asked("EuroSAT.zip") == []


def test_an_own_split_is_made_only_when_asked_for_and_says_so(source, server, tmp_path, caplog):
    fetch_dataset("eurosat", tmp_path / "new", source=source, own_split=True)
    assert server.asked("split.json") == []
    with caplog.at_level(logging.WARNING):
        data = load_dataset("eurosat", root=tmp_path / "new", shots=2)
    assert data.own_split and len(data.test) == 10 * 4  # of 14 pictures: 7, 3 and the rest
    with pytest.raises(ConfigError, match="imagenet_a needs no own split"):
        fetch_dataset("imagenet_a", tmp_path / "other", own_split=True)
    before = len(server.requests)
    with pytest.raises(DataError, match="is there already and is not replaced"):
        fetch_dataset("eurosat", tmp_path / "new", source=source, own_split=True)
    assert len(server.requests) == before and not (tmp_path / "other").exists()


def test_class_names_are_written_for_imagenet_and_its_shifted_sets(tmp_path, shared_data):
    folder = fetch_dataset("imagenet_r", tmp_path, source=Source())
    lines = (folder / "classnames.txt").read_text().splitlines()
    names = dict(line.split(" ", 1) for line in lines)
    assert len(names) == 1000 and list(names) == sorted(names)
    twice = [wnid for wnid, name in names.items() if name in ("missile", "sunglasses")]
    assert twice == ["n03773504", "n04008634", "n04355933", "n04356056"]
    assert names["n01608432"] == "kite (bird of prey)" and names["n15075141"] == "toilet paper"
    published = (shared_data / "splits" / "imagenet_classnames.txt").read_text().splitlines()
    assert [line.split()[0] for line in published] == list(names)


def test_imagenet_itself_is_told_in_steps_that_name_the_places(tmp_path):
    with pytest.raises(DataError, match="imagenet cannot be fetched: its terms") as caught:
        fetch_dataset("imagenet", tmp_path)
    for words in (f"{tmp_path}/imagenet/images", "image-net.org", "python -c", f"check imagenet --root {tmp_path}"):
        assert words in str(caught.value)
    assert names(tmp_path / "imagenet") == {"classnames.txt"}
    for part in ("train", "val"):
        (tmp_path / "imagenet" / "images" / part).mkdir(parents=True)
    assert fetch_dataset("imagenet", tmp_path) == tmp_path / "imagenet"


def test_a_root_that_cannot_be_written_is_a_sentence(source, tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(StorageError, match="eurosat could not be put into .*root/eurosat"):
        fetch_dataset("eurosat", tmp_path / "root", source=source)


def test_every_data_set_has_a_source_or_steps_and_every_address_a_checksum():
    assert list(SOURCES) == [layout.name for layout in LAYOUTS]
    lengths = {"md5": 32, "sha256": 64, "git": 40}
    for name, source in SOURCES.items():
        assert source.by_hand or all(archive.url for archive in source.pictures), name
        assert source.pictures or source.asked_for, name
        assert (source.split is not None) == (find_layout(name).reader == "json"), name
        files = [*source.pictures, *source.lists, *([source.split] if source.split else [])]
        assert len({archive.file for archive in files}) == len(files), name
        for archive in files:
            kind, _, digits = archive.checksum.partition(":")
            assert len(digits) == lengths[kind] and set(digits) <= set("0123456789abcdef"), archive
            assert archive.url.startswith("https://") or archive.url in ("", FOOD), archive
        brought = {place for archive in source.pictures for place in archive.places} | set(source.asked_for)
        root = find_layout(name).image_root
        assert root == "." or any(place.split("/")[0] == root for place in brought), name


FOOD = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"


def test_the_checksums_of_the_published_splits_are_those_of_the_real_files(shared_data):
    read = [layout for layout in LAYOUTS if (shared_data / "splits" / layout.split_file).exists()]
    assert len(read) == 7
    for layout in read:
        split = SOURCES[layout.name].split
        assert split and split.file == layout.split_file
        assert split.checksum == f"git:{file_hash(shared_data / 'splits' / layout.split_file, 'git')}", layout.name


def test_steps_for_pictures_are_told_though_the_split_cannot_be_reached(source, tmp_path, monkeypatch):
    def unreachable(url, path, checksum, progress=None):
        raise DataError(f"{url} could not be downloaded")

    monkeypatch.setattr("clipcompat.data.fetch.dataset.download", unreachable)
    pictures = (replace(source.pictures[0], url=""),)
    by_hand = replace(source, pictures=pictures, by_hand="ask for {downloads}/EuroSAT.zip")
    with pytest.raises(DataError, match=r"ask for .*/downloads/EuroSAT\.zip\n.*its split: .* could not be downloaded"):
        fetch_dataset("eurosat", tmp_path, source=by_hand)
    with pytest.raises(DataError, match="^http.* could not be downloaded$"):  # where pictures can be fetched, only that
        fetch_dataset("eurosat", tmp_path, source=source)
