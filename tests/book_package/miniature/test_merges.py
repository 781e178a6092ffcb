"""The table of merges that the mini tokenizer reads."""

from __future__ import annotations

from clipcompat_book.miniature.merges import learn_merges, write_merges


def test_merges_are_learnt_by_frequency_and_read_back(tmp_path):
    from open_clip.tokenizer import SimpleTokenizer

    merges = learn_merges({"lower": 5, "low": 7, "new": 3}, size=4)
    assert merges[:2] == [("l", "o"), ("lo", "w</w>")]
    write_merges(merges, tmp_path / "merges.txt.gz")
    read = SimpleTokenizer(bpe_path=str(tmp_path / "merges.txt.gz"), context_length=8)
    assert read.vocab_size == 512 + len(merges) + 2
    assert len(read.encode("low")) == 1
