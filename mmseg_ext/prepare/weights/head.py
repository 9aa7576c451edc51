"""SegFormer's all-MLP head, in Hugging Face's and the authors' layout and in MMSegmentation's.

The originals map each stage by a plain linear layer with bias, join the four, the deepest first,
fuse them by a 1x1 convolution with BatchNorm and ReLU, and classify. MMSegmentation's
``SegformerHead`` has a convolution without bias, BatchNorm and ReLU in place of each linear layer,
and joins the shallowest first. So the conversion is exact

- for a head with ``act_cfg=None`` in its config, which takes away these ReLUs and leaves the
  fusion's own,
- with a BatchNorm after each linear layer that adds the bias and changes nothing else: weight 1,
  mean 0, and a variance that makes 1 with the epsilon in float32,
- with the input channels of the fusion in the other order.

That holds for evaluation. A training normalises with the batch's own statistics, so that the head
has to settle anew; the backbone does not.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from mmseg_ext.engine.errors import UsageError

NUM_STAGES = 4
EPSILON = 1e-5  # of BatchNorm, in torch, mmcv and transformers
IDENTITY_VARIANCE = 1 - EPSILON
STATISTICS = ('running_mean', 'running_var')
COUNTER = 'num_batches_tracked'
# what an exact conversion needs of the config of a SegformerHead
NEEDED = dict(act_cfg=None, align_corners=False, interpolate_mode='bilinear')
STOCK = dict(act_cfg=dict(type='ReLU'), align_corners=False, interpolate_mode='bilinear')


@dataclasses.dataclass(frozen=True)
class HeadNames:
    """Names of a head's layers; ``{s}``: stage from 0, ``{n}``: from 1."""

    linear: str
    fusion: str
    norm: str
    classifier: str


NAMES = dict(
    hub=HeadNames('linear_c.{s}.proj', 'linear_fuse', 'batch_norm', 'classifier'),
    transformers=HeadNames(
        'linear_projections.{s}.proj', 'linear_fuse', 'batch_norm', 'classifier'
    ),
    nvidia=HeadNames('linear_c{n}.proj', 'linear_fuse.conv', 'linear_fuse.bn', 'linear_pred'),
)


def head_shapes(channels: tuple[int, ...], width: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of MMSegmentation's head, but for BatchNorm's counters.

    Args:
        channels: Of the backbone's stages.
        width: Of the head, its ``channels``.
        classes: Its ``num_classes``.
    """
    norm = {kind: (width,) for kind in ('weight', 'bias', *STATISTICS)}
    convs = {f'convs.{s}': (width, channels[s], 1, 1) for s in range(NUM_STAGES)}
    convs['fusion_conv'] = (width, NUM_STAGES * width, 1, 1)
    shapes = {'conv_seg.weight': (classes, width, 1, 1), 'conv_seg.bias': (classes,)}
    for name, shape in convs.items():
        shapes[f'{name}.conv.weight'] = shape
        shapes |= {f'{name}.bn.{kind}': its for kind, its in norm.items()}
    return shapes


def head_to_mmseg(head: Mapping[str, Tensor], naming: str) -> tuple[dict[str, Tensor], set[str]]:
    """Converts an original's head.

    Args:
        head: Its tensors, without ``decode_head.``.
        naming: Whose names they are: a key of ``NAMES``.

    Returns:
        MMSegmentation's tensors, without ``decode_head.``, and the names that were used.
    """
    names, used, made = NAMES[naming], set(), {}

    def take(name: str) -> Tensor:
        if name not in head:
            raise UsageError(
                f'the head lacks {name}: take the backbone alone, with --backbone-only'
            )
        used.add(name)
        return head[name]

    for kind in ('weight', 'bias'):
        made[f'conv_seg.{kind}'] = take(f'{names.classifier}.{kind}')
    for stage in range(NUM_STAGES):
        linear = names.linear.format(s=stage, n=stage + 1)
        made[f'convs.{stage}.conv.weight'] = take(f'{linear}.weight')[:, :, None, None]
        made |= _identity(f'convs.{stage}.bn', take(f'{linear}.bias'))
    made['fusion_conv.conv.weight'] = _turn(take(f'{names.fusion}.weight'))
    for kind in ('weight', 'bias', *STATISTICS):
        made[f'fusion_conv.bn.{kind}'] = take(f'{names.norm}.{kind}')
    if f'{names.norm}.{COUNTER}' in head:
        made[f'fusion_conv.bn.{COUNTER}'] = take(f'{names.norm}.{COUNTER}')
    return made, used


def head_from_mmseg(
    head: Mapping[str, Tensor], naming: str, cfg: Mapping | None
) -> tuple[dict[str, Tensor], set[str]]:
    """Converts MMSegmentation's head.

    Where the BatchNorm of a stage is the identity that ``head_to_mmseg`` wrote, the linear layer is
    what it was, bit by bit. A trained one is folded into the linear layer, in float64.

    Args:
        head: Its tensors, without ``decode_head.``.
        naming: Whose names to give: a key of ``NAMES``.
        cfg: The head's config; None: unknown.

    Raises:
        UsageError: A tensor is missing, or the head has what the others' heads have not: ReLU.
    """
    names, used, made = NAMES[naming], set(), {}

    def take(name: str) -> Tensor:
        if name not in head:
            raise UsageError(
                f'decode_head.{name} is missing: it is no SegformerHead of MMSegmentation; take '
                'the backbone alone, with --backbone-only'
            )
        used.add(name)
        return head[name]

    is_exact = all(is_identity(head, f'convs.{stage}.bn') for stage in range(NUM_STAGES))
    epsilon = EPSILON if is_exact else _check_head(cfg)
    for stage in range(NUM_STAGES):
        linear = names.linear.format(s=stage, n=stage + 1)
        weight, norm = take(f'convs.{stage}.conv.weight').flatten(1), f'convs.{stage}.bn'
        scale, bias, mean, var = (
            take(f'{norm}.{kind}') for kind in ('weight', 'bias', *STATISTICS)
        )
        used.add(f'{norm}.{COUNTER}')
        if not is_exact:
            factor = scale.double() / (var.double() + epsilon).sqrt()
            bias = (bias.double() - mean.double() * factor).to(bias.dtype)
            weight = (weight.double() * factor[:, None]).to(weight.dtype)
        made |= {f'{linear}.weight': weight, f'{linear}.bias': bias}
    made[f'{names.fusion}.weight'] = _turn(take('fusion_conv.conv.weight'))
    for kind in ('weight', 'bias', *STATISTICS):
        made[f'{names.norm}.{kind}'] = take(f'fusion_conv.bn.{kind}')
    if f'fusion_conv.bn.{COUNTER}' in head:
        made[f'{names.norm}.{COUNTER}'] = take(f'fusion_conv.bn.{COUNTER}')
    for kind in ('weight', 'bias'):
        made[f'{names.classifier}.{kind}'] = take(f'conv_seg.{kind}')
    return made, used


def is_identity(head: Mapping[str, Tensor], norm: str) -> bool:
    """Whether a BatchNorm adds its bias and does nothing else, as ``head_to_mmseg`` makes them."""
    values = dict(weight=1, running_mean=0, running_var=IDENTITY_VARIANCE)
    return all(
        f'{norm}.{kind}' in head
        and torch.equal(head[f'{norm}.{kind}'], torch.full_like(head[f'{norm}.{kind}'], value))
        for kind, value in values.items()
    )


def _identity(norm: str, bias: Tensor) -> dict[str, Tensor]:
    # in float32 whatever the bias is in: half precision has no number just below 1
    one = torch.ones(len(bias), dtype=torch.float32)
    return {
        f'{norm}.weight': one,
        f'{norm}.bias': bias,
        f'{norm}.running_mean': torch.zeros_like(one),
        f'{norm}.running_var': torch.full_like(one, IDENTITY_VARIANCE),
        f'{norm}.{COUNTER}': torch.tensor(0),
    }


def _turn(fusion: Tensor) -> Tensor:
    """Puts the input channels, stage by stage, in the other order; twice, it changes nothing."""
    return torch.cat(fusion.chunk(NUM_STAGES, 1)[::-1], 1)


def _check_head(cfg: Mapping | None) -> float:
    """The epsilon of a head that can be converted back; refuses one that cannot."""
    way_out = 'it has no Hugging Face equivalent; take the backbone alone, with --backbone-only'
    if cfg is None:
        raise UsageError(
            'the file does not say whether its head has act_cfg=None (stock heads have ReLU), and '
            f'a head with ReLU has no equivalent; {way_out.partition("; ")[2]}'
        )
    if cfg.get('type') != 'SegformerHead':
        raise UsageError(f'the head is a {cfg.get("type")}: {way_out}')
    for key, needed in NEEDED.items():
        found = cfg.get(key, STOCK[key])
        if found != needed:
            raise UsageError(f'the head has {key}={found!r}, needed is {needed!r}: {way_out}')
    return (cfg.get('norm_cfg') or {}).get('eps', EPSILON)
