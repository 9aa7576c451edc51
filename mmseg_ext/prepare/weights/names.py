"""The layers of a Mix Transformer and their names in four worlds.

SegFormer's authors (NVIDIA) name them in one way, Hugging Face's files in another, transformers 5
in memory in a third, MMSegmentation in a fourth.
"""

import dataclasses
from collections.abc import Callable, Sequence

PATCH_SIZES = (7, 3, 3, 3)
MLP_RATIO = 4
# parts of a joined tensor, by the number of tensors that it is made of: q, k, v; or q, and k and v
SHARES = {1: (1,), 2: (1, 2), 3: (1, 1, 1)}


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer with weight and bias, by its names; ``{s}``: stage from 0, ``{n}``: from 1.

    Attributes:
        mmseg: Its name in MMSegmentation.
        hub: In Hugging Face's files; three of them for the joined attention.
        transformers: In transformers 5.
        nvidia: In the authors' files; two of them for the joined attention.
        shape: The weight's shape in MMSegmentation, of the stage's channels, those of the stage
            before, the patch size and the reduction ratio. The bias has as many numbers as that has
            rows.
    """

    mmseg: str
    hub: str
    transformers: str
    nvidia: str
    shape: Callable[[int, int, int, int], tuple[int, ...]]

    def names(self, naming: str) -> Sequence[str]:
        """The layer's names in one of the worlds."""
        return getattr(self, naming).split()


STAGE_LAYERS = (
    Layer(
        'layers.{s}.0.projection',
        'encoder.patch_embeddings.{s}.proj',
        'stages.{s}.patch_embeddings.proj',
        'patch_embed{n}.proj',
        lambda c, before, patch, ratio: (c, before, patch, patch),
    ),
    Layer(
        'layers.{s}.0.norm',
        'encoder.patch_embeddings.{s}.layer_norm',
        'stages.{s}.patch_embeddings.layer_norm',
        'patch_embed{n}.norm',
        lambda c, *_: (c,),
    ),
)
BLOCK = Layer('layers.{s}.1.{b}.', 'encoder.block.{s}.{b}.', 'stages.{s}.blocks.{b}.',
              'block{n}.{b}.', lambda *_: ())  # fmt: skip
BLOCK_LAYERS = (
    Layer('norm1', 'layer_norm_1', 'layernorm_before', 'norm1', lambda c, *_: (c,)),
    Layer(
        'attn.attn.in_proj',
        'attention.self.query attention.self.key attention.self.value',
        'attention.q_proj attention.k_proj attention.v_proj',
        'attn.q attn.kv',
        lambda c, *_: (3 * c, c),
    ),
    Layer(
        'attn.attn.out_proj',
        'attention.output.dense',
        'attention.o_proj',
        'attn.proj',
        lambda c, *_: (c, c),
    ),
    Layer('norm2', 'layer_norm_2', 'layernorm_after', 'norm2', lambda c, *_: (c,)),
    Layer(
        'ffn.layers.0', 'mlp.dense1', 'mlp.fc1', 'mlp.fc1', lambda c, *_: (MLP_RATIO * c, c, 1, 1)
    ),
    Layer(
        'ffn.layers.1',
        'mlp.dwconv.dwconv',
        'mlp.dwconv.dwconv',
        'mlp.dwconv.dwconv',
        lambda c, *_: (MLP_RATIO * c, 1, 3, 3),
    ),
    Layer(
        'ffn.layers.4', 'mlp.dense2', 'mlp.fc2', 'mlp.fc2', lambda c, *_: (c, MLP_RATIO * c, 1, 1)
    ),
)
REDUCTION_LAYERS = (
    Layer(
        'attn.sr',
        'attention.self.sr',
        'attention.sequence_reduction.sequence_reduction',
        'attn.sr',
        lambda c, before, patch, ratio: (c, c, ratio, ratio),
    ),
    Layer(
        'attn.norm',
        'attention.self.layer_norm',
        'attention.sequence_reduction.layer_norm',
        'attn.norm',
        lambda c, *_: (c,),
    ),
)
STAGE_NORM = Layer(
    'layers.{s}.2',
    'encoder.layer_norm.{s}',
    'stages.{s}.layer_norm',
    'norm{n}',
    lambda c, *_: (c,),
)
