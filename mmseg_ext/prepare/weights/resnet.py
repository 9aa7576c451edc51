"""torchvision's ResNets for MMSegmentation.

MMSegmentation's ``ResNet`` (style ``pytorch``) has torchvision's names; only the ImageNet
classifier ``fc`` goes. Its ``ResNetV1c`` and ``ResNetV1d`` have three convolutions in place of the
7x7 one at the start (a deep stem), which no torchvision file fills: they stay random, and nothing
but a look at single names shows it. V1 and V2 weights of torchvision differ in their training, not
in their names.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.registry import init_default_scope
from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import (
    LoadReport,
    guess_reason,
    match,
    shorten,
    weights_of,
)
from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.checksums import sha256

DEPTHS = {
    ('basic', (2, 2, 2, 2)): 18,
    ('basic', (3, 4, 6, 3)): 34,
    ('bottleneck', (3, 4, 6, 3)): 50,
    ('bottleneck', (3, 4, 23, 3)): 101,
    ('bottleneck', (3, 8, 36, 3)): 152,
}
BASE_CHANNELS = 64  # of the first stage
CLASSIFIER = r'fc\.(weight|bias)'
# torch.hub's convention: the first digits of the SHA-256 stand in the name
DIGITS = r'-([0-9a-f]{8,64})\.pth'


@dataclasses.dataclass(frozen=True)
class ResNetFile:
    """What a torchvision file holds.

    Attributes:
        path: The file.
        backbone: Config of the network that it fits: ``type``, ``depth``, and for ResNeXt
            ``groups`` and ``base_width``.
        weights: Its tensors, without the classifier.
        dropped: Names of the classifier.
        sums: Its SHA-256, by its name.
    """

    path: Path
    backbone: dict
    weights: dict[str, Tensor]
    dropped: list[str]
    sums: dict[str, str]


def read_resnet(path: Path, unsafe: bool = False) -> ResNetFile:
    """Reads a ResNet or ResNeXt of torchvision.

    Args:
        path: The file.
        unsafe: As for ``read_checkpoint``.

    Raises:
        UsageError: It does not read, its content is not what its name says, or it is no ResNet that
            MMSegmentation has.
    """
    weights = weights_of(read_checkpoint(path, unsafe=unsafe), ('state_dict', 'model'))
    sums = {path.name: sha256(path)}
    digits = re.search(DIGITS, path.name)
    if digits and not sums[path.name].startswith(digits[1]):
        raise UsageError(
            f'{path}: its SHA-256 begins with {sums[path.name][:8]}, its name says {digits[1]}: it '
            'was changed or damaged; download it again'
        )
    dropped = [name for name in weights if re.fullmatch(CLASSIFIER, name)]
    own = {name: tensor for name, tensor in weights.items() if name not in dropped}
    return ResNetFile(path, _find_backbone(path, own), own, dropped, sums)


def fill_report(file: ResNetFile, backbone: Mapping) -> LoadReport:
    """What the file fills of a backbone.

    Args:
        file: What was read.
        backbone: Its config.

    Raises:
        UsageError: The network cannot be built, or its blocks stride where torchvision's do not.
    """
    init_default_scope('mmseg')
    from mmseg.registry import MODELS

    cfg = {k: v for k, v in backbone.items() if k not in ('init_cfg', 'pretrained')}
    if cfg.get('style', 'pytorch') != 'pytorch':
        raise UsageError(
            f"the backbone has style={cfg['style']!r}: torchvision's files are trained with "
            "style='pytorch', and fit this one by name only"
        )
    try:
        network = MODELS.build(cfg)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise UsageError(f'the backbone {dict(cfg)} cannot be built: {error}') from error
    return match(network, file.weights, 'backbone')


def config_backbone(config: str) -> dict:
    """The backbone's config of a config file."""
    backbone = (load_config(config).get('model') or {}).get('backbone')
    if not backbone:
        raise UsageError(f'{config} has no model.backbone')
    return backbone.to_dict()


def describe_fill(file: ResNetFile, backbone: Mapping) -> str:
    """Says what of a backbone the file fills, and what would stay random."""
    report = fill_report(file, backbone)
    kind = f'{backbone["type"]}-{backbone.get("depth", "?")}'
    lines = [f'{kind}: {report}', *(f'  {line}' for line in report.details())]
    if any(name.startswith('stem.') for name in report.missing):
        lines.append(
            f'  the stem stays random: {backbone["type"]} begins with three convolutions, '
            f'torchvision with one; take type={file.backbone["type"]!r}, or a file that was made '
            "for it (pretrained='open-mmlab://resnet50_v1c')"
        )
    elif report.share() < 1:
        lines.append(f'  that is another network than {_name(file.backbone)}, which the file holds')
    return '\n'.join(lines)


def resnet_lines(file: ResNetFile, dst: Path) -> str:
    """The config lines that load the converted file."""
    settings = ', '.join(f'{key}={value!r}' for key, value in file.backbone.items())
    return '\n'.join([
        'model = dict(',
        '    pretrained=None,',
        f'    backbone=dict({settings},',
        f"                  init_cfg=dict(type='Pretrained', checkpoint='{dst}')))",
    ])  # fmt: skip


def _find_backbone(path: Path, weights: Mapping[str, Tensor]) -> dict:
    blocks = [
        len({name.split('.')[1] for name in weights if name.startswith(f'layer{stage}.')})
        for stage in range(1, 5)
    ]
    inner = weights.get('layer1.0.conv2.weight')
    kind = 'bottleneck' if 'layer1.0.conv3.weight' in weights else 'basic'
    depth = DEPTHS.get((kind, tuple(blocks)))
    if depth is None or inner is None or inner.ndim != 4 or 'conv1.weight' not in weights:
        reason = guess_reason([], list(weights)) or f'it holds {shorten(list(weights))}'
        raise UsageError(f'{path} is no ResNet of torchvision: {reason}')
    width, per_group = inner.shape[:2]
    if width == per_group == BASE_CHANNELS:
        return dict(type='ResNet', depth=depth)
    groups = width // per_group
    if groups == 1:
        raise UsageError(f'{path} is a wide ResNet-{depth} ({width} channels inside), which '
                         'MMSegmentation does not have: take a ResNet or ResNeXt')  # fmt: skip
    return dict(type='ResNeXt', depth=depth, groups=groups, base_width=per_group)


def _name(backbone: Mapping) -> str:
    return f'{backbone["type"]}-{backbone["depth"]}'
