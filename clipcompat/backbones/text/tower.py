"""The text tower, from embeddings to features: one code path for every open_clip text transformer.

Papers: CLIP (arXiv 2103.00020), EVA-CLIP (arXiv 2303.15389). open_clip stores the tower in the model itself (class
`CLIP`) or as its submodule `.text` (class `CustomTextCLIP`). The blocks are the same, with QuickGELU in OpenAI's towers
and GELU in EVA's. open_clip starts from token ids and always runs the full context. Prompt learners start from
embeddings and need no padding, because the causal mask hides it from every earlier row.

    x = Z + pos;   x += attention(ln_1 x);   x += mlp(ln_2 x);   feature = ln_final(x)[eot] · projection
"""

from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipcompat.backbones.device import free_memory
from clipcompat.backbones.text.block import Block
from clipcompat.backbones.text.input import Injection, Prompts, apply, select
from clipcompat.backbones.text.memory import BLOCKS, EVERYTHING, NOTHING, RowCost, plan
from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.repacking import Part, cut, join
from clipcompat.common.errors import CheckpointError, ConfigError

_MIN_PREFIX = 4  # a shorter prefix saves less than attention to it costs
_SEGMENT = {"cpu": 1 << 20, "other": 1 << 31}  # a segment costs as much time as this / width² rows of padding
# Elements of the MLP's hidden layer [row, 4 · width] per part. Training: a CPU's allocator asks the system for larger
# tensors every time, which costs a quarter of a step of 1,000 classes; a GPU gets parts only if not all can be kept.
_TRAINING = {"cpu": 1 << 23, "other": 1 << 26}
_INFERENCE = {"cpu": 1 << 21, "other": 1 << 28}  # fits a CPU's cache
_MIN_BUDGET = 1 << 26  # bytes; a smaller budget is not halved


class TextTower:
    """A frozen causal text transformer that is fed embeddings.

    Attributes: width, layers, heads, context_length, dim (of the output), activation ("quick_gelu" or "gelu").
        memory_budget: bytes that one pass may take, including what it keeps for backward. None: the free memory of the
            device when a packing is first run. If a step runs out of memory, lower this and retry.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.float32, memory_budget: int | None = None):
        module = getattr(model, "text", model)
        self._module, self._dtype = module, dtype
        _refuse_unsupported(module)
        blocks = module.transformer.resblocks
        self._blocks = [Block(block, dtype) for block in blocks]
        self.width = module.token_embedding.embedding_dim
        self.layers = len(blocks)
        self.heads = blocks[0].attn.num_heads
        self.context_length = module.positional_embedding.shape[0]
        self.dim = module.text_projection.shape[1]
        self.activation = "quick_gelu" if self._blocks[0].quick_gelu else "gelu"
        self.memory_budget = memory_budget
        self._plans: WeakKeyDictionary[Packing, dict] = WeakKeyDictionary()

    @property
    def device(self) -> torch.device:
        return self._module.positional_embedding.device

    @property
    def positions(self) -> Tensor:
        """Positional embeddings, [context_length, width]; constants."""
        return self._module.positional_embedding.detach()

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids [..., token] -> embeddings [..., token, width], without positions; constants, no gradient."""
        return self._module.token_embedding.weight.detach()[ids.to(self.device)]

    def pack(self, lengths: Sequence[int], shared: int = 0, groups: int = 1) -> Packing:
        """The fastest layout of prompts of these lengths (EOT included) on this device.

        shared: rows of the prefix that all prompts of a group share. groups: how many groups of equal size the prompts
        form, one after the other (one group per image, for methods whose prompts depend on it).
        """
        worth_sharing = shared >= _MIN_PREFIX and len(lengths) > groups
        max_padding = _for_device(_SEGMENT, self.device) / self.width**2
        return Packing.of(lengths, shared if worth_sharing else 0, groups, max_padding, self.device)

    def __call__(
        self, embeddings: Tensor, eot: Tensor, inject: Sequence[Injection] = (), shared: int = 0, groups: int = 1
    ) -> Tensor:
        """Run the tower on padded prompts.

        Args:
            embeddings: [prompt, token, width], without positions; rows after a prompt's EOT are ignored.
            eot: [prompt], the row of each prompt's end-of-text token.
            inject: learned vectors for single layers; at most one per layer.
            shared: rows of the prefix that all prompts share. The caller guarantees that they are equal: they are read
                from the first prompt and computed once. Values and gradients are those of shared=0.
            groups: see `pack`.

        Returns:
            [prompt, dim], float32, not normalised.
        """
        packing = self.pack((eot + 1).tolist(), shared, groups)
        prompt, token = packing.prompt_and_token
        rows = embeddings.flatten(0, 1)[prompt * embeddings.shape[1] + token]  # [prompt, token, width] -> [row, width]
        return self.run(Prompts(rows, packing, tuple(inject)))

    def run(self, prompts: Prompts) -> Tensor:
        """Run the tower on packed prompts: [prompt, dim], float32, not normalised, in the caller's order.

        Prompts that do not fit the budget run in parts; backward recomputes what did not fit.
        """
        self._refuse(prompts)
        learned = [prompts.rows, *(i.vectors for i in prompts.inject)]
        trained = torch.is_grad_enabled() and any(t.requires_grad for t in learned)
        parts, kept, order = self._plan(prompts.packing, trained)
        if len(parts) == 1:
            return self._through(prompts, kept[0])
        # one gather for all parts: each part's own would have a gradient as large as all rows
        rows = prompts.rows if order is None else prompts.rows.index_select(0, order)
        pieces = zip(parts, kept, rows.split([part.packing.rows for part in parts]), strict=True)
        features = [self._through(select(prompts, part, piece), keep) for part, keep, piece in pieces]
        return torch.cat(features)[torch.cat([part.prompts for part in parts]).argsort()]

    def changed(self, prompts: Prompts, change: Callable[[int, slice, Tensor], Tensor]) -> Tensor:
        """`run` with additions to queries, keys and values, and with gradients to these; all prompts in one part.

        change: (block; which of queries, keys and values; input of the attention [row, width]) -> what is added.
        """
        self._refuse(prompts)
        return self._through(prompts, EVERYTHING, change)

    @torch.no_grad()
    def hidden_states(self, embeddings: Tensor, eot: Tensor) -> Tensor:
        """The residual stream before block 0 and after each block, for reading and not for training.

        Args: see `__call__`. Nothing is shared or split into parts: all states are in memory at once.

        Returns:
            [layer + 1, prompt, token, width], float32; 0 behind a prompt's EOT. `ln_final` and the projection of the
            last state's EOT row give the feature. Its other rows reach no feature.
        """
        lengths = (eot + 1).tolist()
        packing = Packing.of(lengths, device=self.device)
        prompt, token = packing.prompt_and_token
        self._refuse(Prompts(embeddings[prompt, token], packing))
        x = embeddings[prompt, token] + self.positions[token]  # [row, width]
        states = x.new_zeros(self.layers + 1, len(lengths), max(lengths), self.width)
        states[0, prompt, token] = x
        for layer, block in enumerate(self._blocks, 1):
            x = block.forward(x, packing)
            states[layer, prompt, token] = x
        return states

    def many(self, prompts: Sequence[Prompts]) -> list[Tensor]:
        """Prompts of several runs, in one pass if they have the same layout: the features of each, as from `run`."""
        kinds = {(p.packing.per_group, p.packing.shared, len(p.inject)) for p in prompts}
        if len(prompts) == 1 or len(kinds) > 1 or prompts[0].inject:
            return [self.run(p) for p in prompts]
        packing, rows = join(tuple(p.packing for p in prompts))
        features = self.run(Prompts(torch.cat([p.rows for p in prompts])[rows], packing))
        return list(features.split([len(p.packing.lengths) for p in prompts]))

    def estimate(self, packing: Packing) -> str:
        """A training pass over such prompts, in words: rows, parts, memory."""
        parts, kept, _ = self._plan(packing, trained=True)
        cost = RowCost.of(self.width, self.layers, self._dtype)
        size = sum(getattr(cost, keep) * part.packing.rows for part, keep in zip(parts, kept, strict=True))
        size += max(part.packing.rows for part in parts) * cost.working
        again = sum(keep != EVERYTHING for keep in kept)
        return (
            f"{len(packing.lengths):,} prompts in {packing.rows:,} rows of text, {len(parts)} part(s), of which "
            f"{again} are run again for backward, about {size / 1e6:,.0f} MB"
        )

    def shrink(self) -> bool:
        """Halve the memory budget; False if it is already too small for that."""
        budget = self._budget()
        if budget < _MIN_BUDGET:
            return False
        self.memory_budget = budget // 2
        return True

    def _budget(self) -> int:
        return free_memory(self.device) if self.memory_budget is None else self.memory_budget

    def _plan(self, packing: Packing, trained: bool) -> tuple[list[Part], list[str], Tensor | None]:
        """The parts to run, what each keeps, and [row] the packing's row of each row of all parts (None: in order).

        Computed when prompts of this packing are first run.
        """
        plans = self._plans.setdefault(packing, {})
        key = trained, self.memory_budget
        if key not in plans:
            budget, cost = self._budget(), RowCost.of(self.width, self.layers, self._dtype)
            elements = _for_device(_TRAINING if trained else _INFERENCE, self.device)
            max_rows = min(budget // ((2 if trained else 1) * cost.working), elements // (4 * self.width))
            whole = trained and self.device.type != "cpu" and plan([packing.rows], cost, budget) == [EVERYTHING]
            parts = cut(packing, packing.rows if whole else max(1, max_rows))
            kept = plan([p.packing.rows for p in parts], cost, budget) if trained else [EVERYTHING] * len(parts)
            order = torch.cat([part.rows for part in parts])
            in_order = len(order) == packing.rows and bool((order.diff() == 1).all())
            plans[key] = parts, kept, None if in_order else order
        return plans[key]

    def _through(self, prompts: Prompts, keep: str, change: Callable | None = None) -> Tensor:
        """Packed prompts through all blocks: [prompt, dim], in the caller's order."""
        if keep == NOTHING:
            return _recomputed(self._through, prompts, EVERYTHING)
        x, packing, inject = prompts.rows, prompts.packing, {i.layer: i for i in prompts.inject}
        if 0 in inject:
            x, packing = apply(inject[0], x, packing)
        x = x + self.positions[packing.prompt_and_token[1]]  # [row, width]
        for layer, block in enumerate(self._blocks):
            if layer and layer in inject:
                x, packing = apply(inject[layer], x, packing)
            run = block.forward if layer + 1 < self.layers else block.forward_eot  # the last: [row, …] -> [prompt, …]
            added = None if change is None else partial(change, layer)
            x = _recomputed(run, x, packing) if keep == BLOCKS else run(x, packing, added)
        projection = self._module.text_projection.detach().to(self._dtype)  # [width, dim]
        return (self._module.ln_final(x).to(self._dtype) @ projection).float()[packing.restore]

    def _refuse(self, prompts: Prompts) -> None:
        layers = [i.layer for i in prompts.inject]
        if len(set(layers)) != len(layers) or any(not 0 <= layer < self.layers for layer in layers):
            raise ConfigError(
                f"this text tower has layers 0 … {self.layers - 1} and takes one injection per layer; "
                f"it was given layers {layers}."
            )
        extra = sum(i.vectors.shape[-2] for i in prompts.inject if i.insert and i.layer == 0)
        longest = max(prompts.packing.lengths) + extra
        if longest > self.context_length:
            raise ConfigError(
                f"a prompt of {longest} tokens does not fit a context of {self.context_length}; "
                "use fewer context tokens or shorter class names."
            )


def _for_device(table: dict[str, int], device: torch.device) -> int:
    return table.get(device.type, table["other"])


def _recomputed(run, *args):
    """run(*args) that keeps only its inputs; backward recomputes as much of it as it needs."""
    return checkpoint(run, *args, use_reentrant=False, preserve_rng_state=False)


def _refuse_unsupported(module: nn.Module) -> None:
    """Only CLIP's own kind of text transformer can start from embeddings."""
    block = module.transformer.resblocks[0] if hasattr(getattr(module, "transformer", None), "resblocks") else None
    pool = getattr(module, "text_pool_type", getattr(module, "pool_type", None))
    missing = [
        what
        for what, absent in {
            "residual blocks of open_clip's default kind": type(block).__name__ != "ResidualAttentionBlock",
            "a causal mask": getattr(module, "attn_mask", None) is None,
            "pooling at the end-of-text token": pool != "argmax",
            "a projection matrix": not isinstance(getattr(module, "text_projection", None), Tensor),
            "no class token of its own": getattr(module, "cls_emb", None) is not None,
        }.items()
        if absent
    ]
    if missing:
        raise CheckpointError(
            f"this text tower ({type(module).__name__}) cannot take learned prompts: it lacks {', '.join(missing)}. "
            "Use a CLIP or EVA02-CLIP model, such as ViT-B-16-quickgelu or EVA02-B-16."
        )
