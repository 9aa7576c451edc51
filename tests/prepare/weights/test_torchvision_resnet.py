import hashlib

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from segformers import ROOT, WithoutNumbers, randomise

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.weights.resnet import (
    config_backbone,
    describe_fill,
    fill_report,
    read_resnet,
    resnet_lines,
)
from mmseg_ext.prepare.weights.writing import write_weights

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet_shapes(depth, groups=1, width=64, classes=10):
    """torchvision's names and shapes, from its documented architecture."""
    shapes = {}

    def conv(name, norm, out, channels, size):
        shapes[f'{name}.weight'] = (out, channels, size, size)
        for kind in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{norm}.{kind}'] = (out,)

    conv('conv1', 'bn1', 64, 3, 7)
    channels, expansion = 64, 1 if depth < 50 else 4
    for stage, count in enumerate(BLOCKS[depth]):
        planes = 64 * 2**stage
        inner, out = planes * width // 64 * groups, planes * expansion
        for index in range(count):
            block = f'layer{stage + 1}.{index}'
            if depth < 50:
                conv(f'{block}.conv1', f'{block}.bn1', planes, channels, 3)
                conv(f'{block}.conv2', f'{block}.bn2', planes, planes, 3)
            else:
                conv(f'{block}.conv1', f'{block}.bn1', inner, channels, 1)
                conv(f'{block}.conv2', f'{block}.bn2', inner, inner // groups, 3)
                conv(f'{block}.conv3', f'{block}.bn3', out, inner, 1)
            if index == 0 and (stage or expansion > 1):
                conv(f'{block}.downsample.0', f'{block}.downsample.1', out, channels, 1)
            channels = out
    shapes['fc.weight'], shapes['fc.bias'] = (classes, channels), (classes,)
    return shapes


def empty_weights(*sizes, **more):
    """One number each, however large the tensor: nothing to draw or to write."""
    shapes = resnet_shapes(*sizes, **more)
    return {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}


def random_weights(*sizes):
    weights = {name: torch.empty(shape) for name, shape in resnet_shapes(*sizes).items()}
    for name, tensor in weights.items():
        randomise(name if tensor.ndim > 1 else name.replace('bn', 'norm'), tensor)
    return weights


def forward(weights, images, groups=1):
    """The four stages, in plain torch: strides as in torchvision, on the 3x3 convolution."""

    def conv_norm(x, conv, norm, stride=1, groups=1):
        weight = weights[f'{conv}.weight']
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        return F.batch_norm(x, *(weights[f'{norm}.{kind}'] for kind in (
            'running_mean', 'running_var', 'weight', 'bias')))  # fmt: skip

    x = F.max_pool2d(F.relu(conv_norm(images, 'conv1', 'bn1', 2)), 3, 2, 1)
    made = []
    for stage in range(1, 5):
        index = 0
        while f'layer{stage}.{index}.conv1.weight' in weights:
            block = f'layer{stage}.{index}'
            stride = 2 if index == 0 and stage > 1 else 1
            if f'{block}.conv3.weight' in weights:
                y = F.relu(conv_norm(x, f'{block}.conv1', f'{block}.bn1'))
                y = F.relu(conv_norm(y, f'{block}.conv2', f'{block}.bn2', stride, groups))
                y = conv_norm(y, f'{block}.conv3', f'{block}.bn3')
            else:
                y = F.relu(conv_norm(x, f'{block}.conv1', f'{block}.bn1', stride))
                y = conv_norm(y, f'{block}.conv2', f'{block}.bn2')
            if f'{block}.downsample.0.weight' in weights:
                x = conv_norm(x, f'{block}.downsample.0', f'{block}.downsample.1', stride)
            x, index = F.relu(x + y), index + 1
        made.append(x)
    return made


def build(cfg):
    init_default_scope('mmseg')
    from mmseg.registry import MODELS

    return MODELS.build(cfg)


@torch.no_grad()
@pytest.mark.parametrize(
    'depth, groups, width',
    [(18, 1, 64), (50, 1, 64), pytest.param(50, 32, 4, marks=pytest.mark.slow)],
)
def test_features_are_torchvisions(tmp_path, depth, groups, width):
    """The config lines, executed; init_weights loads as stock train.py does."""
    torch.manual_seed(0)
    theirs = random_weights(depth, groups, width)
    torch.save(theirs, tmp_path / 'resnet.pth')
    file = read_resnet(tmp_path / 'resnet.pth')
    assert file.dropped == ['fc.weight', 'fc.bias']
    assert fill_report(file, file.backbone).share() == 1
    write_weights(tmp_path / 'out.pth', file.weights, {})
    lines = resnet_lines(file, tmp_path / 'out.pth')
    network = build(Config.fromstring(lines, '.py').model.backbone)
    network.init_weights()
    network.eval()
    images = torch.randn(1, 3, 64, 64)
    for ours, other in zip(network(images), forward(theirs, images, groups), strict=True):
        assert other.std() > 0.1
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    'sizes, expected',
    [
        ((34,), dict(type='ResNet', depth=34)),
        ((101, 32, 8), dict(type='ResNeXt', depth=101, groups=32, base_width=8)),
        ((152,), dict(type='ResNet', depth=152)),
    ],
)
def test_the_other_sizes_fill_their_networks(tmp_path, sizes, expected):
    torch.save(empty_weights(*sizes), tmp_path / 'a.pth')
    file = read_resnet(tmp_path / 'a.pth')
    assert file.backbone == expected
    with WithoutNumbers():
        report = fill_report(file, expected)
    assert report.share() == 1 and not report.unexpected and not report.missing


@pytest.fixture(scope='module')
def resnet50(tmp_path_factory):
    path = tmp_path_factory.mktemp('resnet') / 'resnet50.pth'
    torch.save(empty_weights(50), path)
    return read_resnet(path)


def test_a_deep_stem_stays_random_and_that_is_said(resnet50):
    """UPerNet's own config has one, and so would torchvision://resnet50 on it."""
    backbone = config_backbone(str(ROOT / 'configs/_base_/models/upernet_r50.py'))
    assert backbone['type'] == 'ResNetV1c'
    said = describe_fill(resnet50, dict(backbone, norm_cfg=dict(type='BN')))
    assert said.startswith('ResNetV1c-50: backbone 260/275 (94%)')
    assert 'not loaded: stem.0.weight' in said and 'in the file alone: conv1.weight' in said
    assert 'the stem stays random' in said and "type='ResNet'" in said
    assert 'stays random' not in describe_fill(resnet50, resnet50.backbone)


def test_another_depth_is_told(resnet50):
    said = describe_fill(resnet50, dict(type='ResNet', depth=101))
    assert 'backbone 265/520' in said and 'another network than ResNet-50' in said
    with pytest.raises(UsageError, match="style='caffe'"):
        describe_fill(resnet50, dict(type='ResNet', depth=50, style='caffe'))


@pytest.mark.parametrize(
    'weights, said',
    [
        (lambda: empty_weights(50, width=128), 'is a wide ResNet-50 .128 channels inside.'),
        (lambda: {'block1.0.attn.q.weight': torch.ones(1)}, 'no ResNet of torchvision: it is a f'),
        (lambda: {'features.0.weight': torch.ones(1)}, r'it holds features\.0\.weight'),
    ],
)
def test_what_mmsegmentation_does_not_have_is_refused(tmp_path, weights, said):
    torch.save(weights(), tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=said):
        read_resnet(tmp_path / 'a.pth')


def test_the_digits_in_the_name_are_checked(tmp_path):
    torch.save(empty_weights(18), tmp_path / 'a.pth')
    digits = hashlib.sha256((tmp_path / 'a.pth').read_bytes()).hexdigest()[:8]
    good, bad = tmp_path / f'resnet18-{digits}.pth', tmp_path / 'resnet18-0123abcd.pth'
    (tmp_path / 'a.pth').rename(good)
    read_resnet(good)
    good.rename(bad)
    with pytest.raises(UsageError, match=f'begins with {digits}, its name says 0123abcd'):
        read_resnet(bad)


def test_the_tool_says_what_of_which_backbone_it_fills(tmp_path, run_converter):
    torch.save(empty_weights(18), tmp_path / 'resnet18.pth')
    words = [tmp_path / 'resnet18.pth', tmp_path / 'out.pth']
    done, said, _ = run_converter('torchvision_resnet2mmseg', *words, '--backbone', 'ResNetV1c')
    assert not done and 'left out: fc.weight, fc.bias' in said
    assert 'ResNetV1c-18: backbone 95/110 (86%)' in said and 'the stem stays random' in said
    done, said, _ = run_converter('torchvision_resnet2mmseg', *words)
    assert 'ResNet-18: backbone 100/100' in said and "init_cfg=dict(type='Pretrained'" in said
    done, _, error = run_converter('torchvision_resnet2mmseg', *words, '--backbone', 'ResNot')
    assert done == 2 and 'cannot be built' in error
