"""The tokenizer of the mini backbones: CLIP's byte-pair encoding with a small table of merges."""

from pathlib import Path
from typing import Any

from clipcompat.common.packages import check_torchvision

CONTEXT_LENGTH = 40
"""Tokens per text: SOS, 16 context vectors, a class name of up to 21 tokens, "." and EOT."""

MERGES_FILE = Path(__file__).with_name("merges.txt.gz")


def mini_tokenizer() -> Any:
    """open_clip's SimpleTokenizer with this package's merges."""
    check_torchvision()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(bpe_path=str(MERGES_FILE), context_length=CONTEXT_LENGTH)
