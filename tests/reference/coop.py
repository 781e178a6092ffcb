"""CoOp's prompts put together token by token, one class at a time."""

from __future__ import annotations

import torch


def prompt_rows(table, sos, suffix, name_length, context, position="end"):
    """Rows of one prompt, [token, width], EOT last, no padding, no positions.

    table: token embeddings [vocabulary, width]. sos: its id. suffix: ids of everything after the placeholders of
    "X … X name." up to and with EOT. name_length: how many ids the bare name has. context: [n_ctx, width].
    """
    name, rest = list(suffix[:name_length]), list(suffix[name_length:])
    context = [row for row in context]
    if position == "end":
        between = [*context, *_look_up(table, name)]
    elif position == "front":
        between = [*_look_up(table, name), *context]
    elif position == "middle":
        half = len(context) // 2
        between = [*context[:half], *_look_up(table, name), *context[half:]]
    else:
        raise ValueError(position)
    return torch.stack([table[sos], *between, *_look_up(table, rest)])


def _look_up(table, ids):
    return [table[i] for i in ids]
