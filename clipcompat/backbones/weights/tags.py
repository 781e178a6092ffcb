"""Published weights by open_clip tag, from a cache or downloaded into it."""

import os
import socket
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clipcompat.common.errors import CheckpointError, ConfigError
from clipcompat.common.files import hash_file

_TIMEOUT = 10  # seconds


def tag_config(name: str, tag: str, other_activation: bool = False) -> dict[str, Any] | None:
    """open_clip's record of a tag (addresses, activation, preprocessing); None if `name` has no such tag.

    other_activation: see `load_backbone`; nothing is refused then.

    Raises:
        ConfigError: the tag's weights were trained with another activation than `name` builds. open_clip only warns,
            and every accuracy is then too low.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    config = get_pretrained_cfg(name, tag)
    if not config:
        return None
    built = bool(open_clip.get_model_config(name).get("quick_gelu"))
    if not other_activation:
        check_activation(name, built, bool(config.get("quick_gelu")), f"the weights {tag!r}")
    return config


def check_activation(name: str, built: bool, trained: bool, weights: str) -> None:
    """Refuse QuickGELU weights in a GELU model and GELU weights in a QuickGELU model.

    Args:
        built, trained: whether the model has QuickGELU, and whether the weights were trained with it.

    Raises:
        ConfigError: they differ; the message names the model to ask for.
    """
    if built == trained:
        return
    advice = f"Ask for {_twin(name)!r}" if has_twin(name) else f"Ask for one with {activation(trained)}"
    raise ConfigError(
        f"{weights} were trained with {activation(trained)}, but {name!r} builds towers with {activation(built)}; "
        f"every accuracy would be too low. {advice}."
    )


def has_twin(name: str) -> bool:
    """Whether open_clip has the same model with the other activation, so that the two can be confused."""
    import open_clip

    return _twin(name) in open_clip.list_models()


def _twin(name: str) -> str:
    return name.removesuffix("-quickgelu") if name.endswith("-quickgelu") else f"{name}-quickgelu"


def activation(quick_gelu: bool) -> str:
    """How a sentence calls it."""
    return "QuickGELU" if quick_gelu else "GELU"


def fetch_tag(name: str, tag: str, cache_dir: str | Path | None = None) -> Path:
    """The file of a tag's weights, from open_clip's caches or else downloaded by open_clip.

    Raises:
        CheckpointError: it is in no cache and cannot be downloaded; give a local file instead.
    """
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    config, cache_dir = get_pretrained_cfg(name, tag), str(cache_dir) if cache_dir else None
    if cached := _cached(config, cache_dir):
        return cached
    why = _unreachable(config)
    if not why:
        try:
            return Path(download_pretrained(config, cache_dir=cache_dir))
        except Exception as error:  # errors of the hub's client, of requests or of urllib
            why = f"{type(error).__name__}: {error}"
    where = config.get("hf_hub", "").strip("/") or config.get("url")
    raise CheckpointError(
        f"the weights {tag!r} of {name} ({where}) are in no cache on this machine and could not be downloaded ({why}). "
        "Connect to the internet, or download the file elsewhere and give its path as pretrained."
    )


def _cached(config: dict[str, Any], cache_dir: str | None) -> Path | None:
    """The file in the hub's cache, else in that of OpenAI's and open_clip's own downloads; None if in neither."""
    import huggingface_hub
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, filename = os.path.split(config.get("hf_hub", ""))
    for candidate in [filename] if filename else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]:
        found = huggingface_hub.try_to_load_from_cache(repository, candidate, cache_dir) if repository else None
        if isinstance(found, str):
            return Path(found)
    url = config.get("url", "")
    path = Path(cache_dir or Path.home() / ".cache" / "clip") / os.path.basename(url)
    if not url or not path.is_file():
        return None
    return path if hash_file(path).startswith(_published_hash(url)) else None


def openai_hashes() -> set[str]:
    """sha256 of the files that OpenAI published, from their addresses."""
    import open_clip

    return {_published_hash(open_clip.get_pretrained_url(name, "openai")) for name in open_clip.list_openai_models()}


def _published_hash(url: str) -> str:
    """The sha256 of a published file, or its beginning, as far as its address contains it."""
    if "openaipublic" in url:
        return url.split("/")[-2]
    return Path(url).stem.rpartition("-")[2] if "mlfoundations" in url else ""


def _unreachable(config: dict[str, Any]) -> str:
    """Why the download cannot succeed, or "".

    Asked first because the hub's client would retry for most of a minute. Only what is clear counts: a host that has no
    address or takes no connection. Certificates and answers are left to the client that downloads, and so is everything
    behind a proxy: it may be set up for what Python's urllib does not accept.
    """
    import huggingface_hub

    url = huggingface_hub.constants.ENDPOINT if config.get("hf_hub") else config.get("url", "")
    if not url:
        return "no address is known"
    try:
        parts, proxies = urlsplit(url), urllib.request.getproxies()
        host, port = parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        if host and not (proxy and not urllib.request.proxy_bypass(host)):
            socket.create_connection((host, port), _TIMEOUT).close()
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    return ""
