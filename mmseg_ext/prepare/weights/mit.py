"""What a Mix Transformer consists of, tensor by tensor.

The numbers are the same in everybody's files, but for two things: MMSegmentation keeps the query,
key and value matrices as one, ``(3 C, C)``, in this order (NVIDIA: the query, and key and value as
one), and the two linear layers of the Mix-FFN as 1x1 convolutions, ``(out, in, 1, 1)``.

The epsilon of the LayerNorms is no tensor: NVIDIA's networks have 1e-6 in the blocks and at the
stages' ends, and PyTorch's 1e-5 after the patch embeddings and in the attention's reduction;
transformers has 1e-5 everywhere (it ignores its own ``layer_norm_eps``), MMSegmentation 1e-6
everywhere, unless ``norm_cfg=dict(type='LN', eps=1e-5)`` says otherwise.
"""

import dataclasses
from collections.abc import Iterator, Mapping

from torch import Tensor

from .names import (
    BLOCK,
    BLOCK_LAYERS,
    PATCH_SIZES,
    REDUCTION_LAYERS,
    STAGE_LAYERS,
    STAGE_NORM,
    Layer,
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tensor of MMSegmentation's MixVisionTransformer and what it is made of elsewhere.

    Attributes:
        name: Its name.
        shape: Its shape.
        sources: Names of the tensors that, one below the other, give it.
    """

    name: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class MiT:
    """A Mix Transformer, by what the shapes of its tensors say.

    Attributes:
        channels: Of each stage.
        depths: Blocks of each stage.
        ratios: Reduction of keys and values in each stage; 1: none.
        in_channels: Of the image.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    ratios: tuple[int, ...] = (8, 4, 2, 1)
    in_channels: int = 3

    def __str__(self) -> str:
        """``MiT-B2``, or the sizes if they are not published ones."""
        known = {mit: name for name, mit in SIZES.items()}
        return known.get(self, f'MiT with {list(self.depths)} blocks of {list(self.channels)}')

    @property
    def num_heads(self) -> list[int]:
        """Heads of each stage: MMSegmentation gives all of them the first stage's width."""
        return [channels // self.channels[0] for channels in self.channels]

    def entries(self, naming: str = 'mmseg') -> Iterator[Entry]:
        """The tensors of the backbone: 300 of them for MiT-B2."""
        before = self.in_channels
        for stage, channels in enumerate(self.channels):
            sizes = channels, before, PATCH_SIZES[stage], self.ratios[stage]
            for layer in STAGE_LAYERS:
                yield from _entries(layer, naming, sizes, s=stage, n=stage + 1)
            for block in range(self.depths[stage]):
                places = dict(s=stage, n=stage + 1, b=block)
                for layer in BLOCK_LAYERS + REDUCTION_LAYERS * (self.ratios[stage] > 1):
                    yield from _entries(layer, naming, sizes, BLOCK, **places)
            yield from _entries(STAGE_NORM, naming, sizes, s=stage, n=stage + 1)
            before = channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by MMSegmentation's name."""
        return {entry.name: entry.shape for entry in self.entries()}


# Table 6 of the paper (Xie et al., 2021, arXiv 2105.15203)
SIZES = {
    'MiT-B0': MiT((32, 64, 160, 256), (2, 2, 2, 2)),
    'MiT-B1': MiT((64, 128, 320, 512), (2, 2, 2, 2)),
    'MiT-B2': MiT((64, 128, 320, 512), (3, 4, 6, 3)),
    'MiT-B3': MiT((64, 128, 320, 512), (3, 4, 18, 3)),
    'MiT-B4': MiT((64, 128, 320, 512), (3, 8, 27, 3)),
    'MiT-B5': MiT((64, 128, 320, 512), (3, 6, 40, 3)),
}


def find_mit(weights: Mapping[str, Tensor], naming: str) -> MiT | None:
    """The network that a backbone's tensors make, by their names and shapes; None: they make none.

    Args:
        weights: Without a prefix before the backbone's names.
        naming: ``mmseg``, ``hub``, ``transformers`` or ``nvidia``.
    """
    patch, norm1, reduction = STAGE_LAYERS[0], BLOCK_LAYERS[0], REDUCTION_LAYERS[0]
    channels, depths, ratios = [], [], []
    for stage in range(4):

        def tensor(layer: Layer, block: int | None = None, stage: int = stage) -> Tensor | None:
            start = BLOCK.names(naming)[0] if block is not None else ''
            name = f'{start}{layer.names(naming)[0]}.weight'
            return weights.get(name.format(s=stage, n=stage + 1, b=block))

        end, depth = tensor(STAGE_NORM), 0
        while tensor(norm1, depth) is not None:
            depth += 1
        if end is None or end.ndim != 1 or not depth:
            return None
        reduced = tensor(reduction, 0)
        channels.append(len(end))
        depths.append(depth)
        ratios.append(1 if reduced is None else reduced.shape[-1])
        if stage == 0:
            first = tensor(patch)
    in_channels = 3 if first is None or first.ndim != 4 else first.shape[1]
    return MiT(tuple(channels), tuple(depths), tuple(ratios), in_channels)


def _entries(
    layer: Layer, naming: str, sizes: tuple[int, ...], outer: Layer | None = None, **places: int
) -> Iterator[Entry]:
    shape = layer.shape(*sizes)
    for kind, its in (('weight', shape), ('bias', shape[:1])):
        here, there = (
            [
                f'{outer.names(world)[0] if outer else ""}{name}{_join(name)}{kind}'.format(
                    **places
                )
                for name in layer.names(world)
            ]
            for world in ('mmseg', naming)
        )
        yield Entry(here[0], its, tuple(there))


def _join(name: str) -> str:
    """What stands between a layer's name and ``weight``: torch's joined attention has no layer."""
    return '_' if name.endswith('in_proj') else '.'
