"""A download is stopped before it starts only where it cannot succeed; all else is decided by the client that loads."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import huggingface_hub
import open_clip
import pytest

from clipcompat.backbones.weights.tags import fetch_tag
from clipcompat.common.errors import CheckpointError
from tests.serving import serving

HUB = {"hf_hub": "nobody/toy/"}


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The tag "published" of ViT-B-32 at a hub of no address; the list of downloads that were asked for."""
    downloads = []

    def download(config, cache_dir=None):
        downloads.append(config)
        return str(tmp_path / "weights.bin")

    monkeypatch.setattr(open_clip.pretrained, "download_pretrained", download)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["ViT-B-32"], "published", HUB)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return downloads


def at(monkeypatch, address):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)


@contextmanager
def answering(answer: bytes):
    """A server that answers every connection with these bytes: the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all():
            while True:
                connection, _ = server.accept()
                with connection:
                    if not connection.recv(1):
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=answer_all, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            socket.create_connection(server.getsockname()).close()
            thread.join()


def test_a_server_that_answers_is_asked(asked, monkeypatch, tmp_path):
    with serving() as server:
        at(monkeypatch, server.address)
        assert fetch_tag("ViT-B-32", "published", tmp_path).name == "weights.bin"
    assert asked == [HUB]


def test_a_certificate_that_urllib_dislikes_is_left_to_the_download(asked, monkeypatch, tmp_path):
    """No certificate at all, here; the hub's client may trust others, or be told to trust any."""
    with serving() as server:
        at(monkeypatch, server.address.replace("http:", "https:"))
        fetch_tag("ViT-B-32", "published", tmp_path)
    assert asked == [HUB]


@pytest.mark.parametrize("answer", [b"", b"220 mail.example ready\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 70_000])
def test_an_answer_that_is_no_http_is_left_to_the_download(asked, monkeypatch, tmp_path, answer):
    with answering(answer) as port:
        at(monkeypatch, f"http://127.0.0.1:{port}")
        fetch_tag("ViT-B-32", "published", tmp_path)
    assert asked == [HUB]


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:9", "127.0.0.1:9", "http://user:pass@127.0.0.1:9", "http://["])
def test_what_is_behind_a_proxy_is_left_to_the_download(asked, monkeypatch, tmp_path, variable, proxy):
    monkeypatch.setenv(variable, proxy)
    at(monkeypatch, "https://hub.invalid")
    fetch_tag("ViT-B-32", "published", tmp_path)
    assert asked == [HUB]


@pytest.mark.parametrize("address", ["hub.invalid", "https://", "no address at all"])
def test_an_endpoint_without_a_host_is_left_to_the_download(asked, monkeypatch, tmp_path, address):
    at(monkeypatch, address)
    fetch_tag("ViT-B-32", "published", tmp_path)
    assert asked == [HUB]


@pytest.mark.parametrize("exception", ["127.0.0.1", "*"])
def test_a_host_that_takes_no_connection_is_told_at_once(asked, monkeypatch, tmp_path, exception):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", exception)
    at(monkeypatch, "https://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"could not be downloaded \(https://127\.0\.0\.1:9: .*refused\)"):
        fetch_tag("ViT-B-32", "published", tmp_path)
    assert not asked


def test_a_host_without_an_address_is_told_at_once(asked, monkeypatch, tmp_path):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    at(monkeypatch, "https://hub.invalid")
    with pytest.raises(CheckpointError, match=r"hub\.invalid: .*not known"):
        fetch_tag("ViT-B-32", "published", tmp_path)
    assert not asked


@pytest.mark.parametrize("address", ["https://hub.invalid:99999", f"https://{'a' * 70}.invalid", "https://[1"])
def test_an_address_that_is_none_is_a_sentence(asked, monkeypatch, tmp_path, address):
    at(monkeypatch, address)
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        fetch_tag("ViT-B-32", "published", tmp_path)


def test_a_tag_without_an_address_is_a_sentence(asked, monkeypatch, tmp_path):
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["ViT-B-32"], "published", {"mean": (0, 0, 0)})
    with pytest.raises(CheckpointError, match="no address is known"):
        fetch_tag("ViT-B-32", "published", tmp_path)
    assert not asked


@pytest.mark.parametrize("error", [OSError("certificate verify failed"), RuntimeError("x"), TypeError("int(None)")])
def test_a_download_that_fails_is_a_sentence(asked, monkeypatch, tmp_path, error):
    def fail(config, cache_dir=None):
        raise error

    monkeypatch.setattr(open_clip.pretrained, "download_pretrained", fail)
    with serving() as server:
        at(monkeypatch, server.address)
        with pytest.raises(CheckpointError, match=f"{type(error).__name__}: .*give its path as pretrained"):
            fetch_tag("ViT-B-32", "published", tmp_path)
