from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import urllib.error
from pathlib import Path

import pytest

from clipcompat.common.errors import ConfigError, DataError, StorageError
from clipcompat.data.fetch import download as module
from clipcompat.data.fetch.download import download, file_hash, verify
from tests.children import child
from tests.serving import Served, serving

CONTENT = bytes(range(256)) * 12_000  # 3 MB, more than one block
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "downloads" / "a.zip"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


def test_a_file_arrives_whole_under_its_name_and_is_not_fetched_again(server, target):
    url, seen = server.put("a.zip", CONTENT), []
    assert download(url, target, SHA, lambda *told: seen.append(told)) == target
    assert target.read_bytes() == CONTENT and left(target) == ["a.zip"]
    assert seen[-1] == (2, 2, "a.zip (MiB)") and [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    download(url, target, SHA)
    assert len(server.requests) == 1


def test_a_connection_that_is_cut_again_and_again_costs_no_byte_twice(server, target):
    url = server.put("a.zip", CONTENT, cut=1_000_000)
    download(url, target, SHA, wait=0)
    assert target.read_bytes() == CONTENT and left(target) == ["a.zip"]
    assert server.asked("a.zip") == [None, "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]
    assert server.sent == len(CONTENT)


def test_what_an_earlier_run_left_is_gone_on_with(server, target):
    url = server.put("a.zip", CONTENT)
    target.parent.mkdir()
    (target.parent / "a.zip.part").write_bytes(CONTENT[:2_500_000])
    download(url, target, SHA)
    assert target.read_bytes() == CONTENT and server.sent == len(CONTENT) - 2_500_000


def test_a_run_that_was_killed_leaves_no_file_of_that_name_and_the_next_goes_on(server, target):
    url = server.put("a.zip", CONTENT, cut=2_500_000, stall=True)
    code = (
        "import sys; from pathlib import Path; from clipcompat.data.fetch.download import download as d; "
        "d(sys.argv[1], Path(sys.argv[2]), sys.argv[3], lambda *told: print('some bytes are written', flush=True))"
    )
    part = target.with_name("a.zip.part")
    with child(code, url, str(target), SHA) as run:
        assert run.stdout.readline() == "some bytes are written\n"
    assert left(target) == ["a.zip.part"] and 0 < (kept := part.stat().st_size) <= 2_500_000
    server.files["/a.zip"] = Served(CONTENT)
    download(url, target, SHA)
    assert target.read_bytes() == CONTENT and server.asked("a.zip") == [None, f"bytes={kept}-"]


def test_a_server_without_ranges_is_asked_again_from_the_start(server, target):
    url = server.put("a.zip", CONTENT, ranges=False)
    target.parent.mkdir()
    (target.parent / "a.zip.part").write_bytes(b"x" * 2_000_000)
    download(url, target, SHA)
    assert target.read_bytes() == CONTENT and server.asked("a.zip") == ["bytes=2000000-"]


def test_a_server_without_ranges_that_always_cuts_is_given_up_in_a_sentence(server, target):
    url = server.put("a.zip", CONTENT, ranges=False, cut=1_000_000)
    with pytest.raises(DataError, match=r"could not be downloaded: the connection ended after 1,000,000 bytes"):
        download(url, target, SHA, tries=3, wait=0)
    assert left(target) == ["a.zip.part"] and len(server.requests) == 4


def test_a_wrong_checksum_is_refused_and_nothing_is_left(server, target):
    url = server.put("a.zip", CONTENT[:-1] + b"!")
    with pytest.raises(DataError, match=rf"what {url} serves has the sha256 checksum \w+, not {SHA[7:]}.*Nothing was"):
        download(url, target, SHA)
    assert left(target) == []


def test_a_half_file_that_claims_to_be_whole_is_refused_and_nothing_is_left(server, target):
    url = server.put("a.zip", CONTENT[: len(CONTENT) // 2])
    with pytest.raises(DataError, match="cut short or altered on the way"):
        download(url, target, SHA)
    assert left(target) == []


def test_a_half_file_without_a_length_is_refused_and_nothing_is_left(server, target):
    url = server.put("a.zip", CONTENT, told=None, cut=1_000_000)
    with pytest.raises(DataError, match="cut short or altered on the way"):
        download(url, target, SHA)
    assert left(target) == []


def test_the_beginning_of_another_version_is_dropped_and_the_file_fetched_from_its_start(server, target):
    url = server.put("a.zip", CONTENT)
    target.parent.mkdir()
    (target.parent / "a.zip.part").write_bytes(b"y" * 1_000_000)
    download(url, target, SHA)
    assert target.read_bytes() == CONTENT and server.asked("a.zip") == ["bytes=1000000-", None]


@pytest.mark.parametrize("more", [b"", b"more than there is"])
def test_a_run_that_was_killed_before_the_file_got_its_name_loses_nothing(server, target, more):
    url = server.put("a.zip", CONTENT)
    target.parent.mkdir()
    (target.parent / "a.zip.part").write_bytes(CONTENT + more)
    download(url, target, SHA, wait=0)
    assert target.read_bytes() == CONTENT and server.sent == (len(CONTENT) if more else 0)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_dead_address_is_said_at_once_with_what_to_do(server, target, code):
    url = server.put("a.zip", CONTENT, errors=[code] * 9)
    with pytest.raises(DataError, match=rf"not served any more \(HTTP {code}\): get a\.zip elsewhere, put it at .*"):
        download(url, target, SHA)
    assert len(server.requests) == 1 and left(target) == []


def test_a_server_in_trouble_is_asked_again(server, target, caplog):
    url = server.put("a.zip", CONTENT, errors=[503, 500])
    download(url, target, SHA, wait=0)
    assert target.read_bytes() == CONTENT and "a.zip: the server answered HTTP 503; trying again" in caplog.text


def test_a_server_that_cannot_be_reached_is_a_sentence(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.zip"
    with pytest.raises(DataError, match="could not be downloaded: .*refused.* 0 bytes are kept; run the same command"):
        download(url, target, SHA, tries=2, wait=0)


def test_without_a_network_it_is_given_up_soon(target, caplog, monkeypatch):
    def nowhere(*args):
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(module, "_attempt", nowhere)
    with pytest.raises(DataError, match="could not be downloaded: .*Name or service not known"):
        download("https://example.org/a.zip", target, SHA, wait=0)
    assert caplog.text.count("trying again") == 1


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a.zip", "a.zip"])
def test_only_web_addresses_are_opened(target, url):
    with pytest.raises(ConfigError, match="an address that starts with https://"):
        download(url, target, SHA)


def test_another_file_of_that_name_is_refused_and_kept(server, target):
    url = server.put("a.zip", CONTENT)
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a\.zip has the sha256 checksum .* Delete it and fetch again"):
        download(url, target, SHA)
    assert target.read_bytes() == b"mine" and server.requests == []


def test_a_place_that_cannot_be_written_is_a_sentence(server, tmp_path):
    (tmp_path / "downloads").write_text("a file, no folder")
    with pytest.raises(StorageError, match="could not write .*a.zip.part"):
        download(server.put("a.zip", CONTENT), tmp_path / "downloads" / "a.zip", SHA)


def test_checksums_are_those_of_the_usual_tools(tmp_path, project):
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    assert file_hash(path, "git") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    assert file_hash(path, "md5") == "b1946ac92492d2347c6235b4d2611184"  # md5sum
    assert verify(path, "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03") == path
    listed = subprocess.run(["git", "hash-object", "LICENSE"], cwd=project, capture_output=True, text=True)
    if listed.returncode == 0:  # an archive of the sources has no git
        assert file_hash(project / "LICENSE", "git") == listed.stdout.strip()


@pytest.mark.parametrize("name", ["a.zip", "a.zip.part"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_its_place_is_a_sentence_and_not_waited_for(server, target, name, make):
    target.parent.mkdir()
    make(target.parent / name)
    with pytest.raises(DataError, match=f"{name} is no regular file; remove it"):
        download(server.put("a.zip", CONTENT), target, SHA)
    assert left(target) == [name]
