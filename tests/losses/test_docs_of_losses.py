"""The page on losses: its snippets are built, its table of equal numbers is computed."""

import math
import re
from pathlib import Path

import mmseg
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import PixelData
from mmengine.utils import digit_version
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses.focal_loss import py_sigmoid_focal_loss
from mmseg.registry import MODELS as STOCK_MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.registry import MODELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs/losses.md').read_text()
SNIPPETS = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
PIDNET = """
decode_head = dict(in_channels=16, channels=8, num_classes=5, norm_cfg=dict(type='BN'))
model = dict(decode_head=decode_head)
"""


def draw(num_classes=4, size=(16, 16), ignored=0.3):
    torch.manual_seed(0)
    label = torch.randint(0, num_classes, (2, *size))
    label[torch.rand(label.shape) < ignored] = 255
    return torch.randn(2, num_classes, *size) * 2, label


def samples(label, **others):
    fields = dict(gt_sem_seg=label, **others)
    return [
        SegDataSample(**{name: PixelData(data=each[n][None]) for name, each in fields.items()})
        for n in range(len(label))
    ]


@pytest.mark.parametrize('snippet', SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippets_build_and_train(snippet, tmp_path):
    base = ROOT / 'configs/_base_/models/segformer_mit-b0.py'
    if 'PIDHead' in snippet:
        base = tmp_path / 'base.py'
        base.write_text(PIDNET)
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = {str(base)!r}\n{snippet}')
    config = Config.fromfile(leaf).model.decode_head
    head = STOCK_MODELS.build(config)
    num_classes, channels = head.num_classes, head.out_channels
    _, label = draw(num_classes, size=(320, 320))
    logits = torch.randn(2, channels, 80, 80, requires_grad=True)
    if 'PIDHead' in snippet:
        edges = torch.where(label == 255, 255, label % 2)
        boundary = torch.randn(2, 1, 80, 80)
        losses = head.loss_by_feat((logits, logits, boundary), samples(label, gt_edge_map=edges))
    else:
        losses = head.loss_by_feat(logits, samples(label))
    total = sum(loss for name, loss in losses.items() if name.startswith('loss'))
    total.backward()
    assert total > 0 and logits.grad.isfinite().all() and logits.grad.count_nonzero() > 0


def test_the_page_has_snippets_for_every_loss():
    names = set(re.findall(r'mmseg_ext\.(\w+Loss)', ''.join(SNIPPETS)))
    assert len(SNIPPETS) >= 7 and len(ROWS) >= 11 and names >= {
        'CrossEntropyLoss', 'FocalDiceLoss', 'OHEMLoss', 'LovaszLoss', 'BoundaryLoss'
    }  # fmt: skip


ROWS = re.findall(r'^\| (`.*?) \| (`.*?) \|', PAGE.partition('## Coming from')[2], re.MULTILINE)


def build(registry, text, prefix=''):
    """Builds ``Name(settings)`` as the table writes it."""
    name, _, settings = text.strip('`').partition('(')
    settings = settings.replace('100000 // batch', '10').replace('100000', '20')
    settings = settings.replace('0.357', repr(-math.log(0.7))).replace('[...]', '[1, 2, 0.5, 3]')
    return registry.build(dict(type=prefix + name, **eval(f'dict({settings}')))


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[0])
def test_the_table_of_equal_numbers(row):
    stock, ours = row
    logits, label = draw()
    if 'class_weight' in stock and digit_version(mmseg.__version__) < digit_version('1.3'):
        label = label.clamp(max=3)  # stock of that version takes no ignored pixel with weights
    if 'Boundary' in stock:
        logits, label = logits[:, :1].contiguous(), torch.where(label == 255, 255, label % 2)
    ours = ours.partition(', no sampler')[0]
    if stock.startswith('`sampler'):
        head = FCNHead(
            in_channels=8,
            channels=8,
            num_classes=4,
            num_convs=1,
            norm_cfg=dict(type='BN'),
            sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=20),
            loss_decode=dict(type='CrossEntropyLoss'),
        )
        wanted = head.loss_by_feat(logits, samples(label))['loss_ce']
    elif stock.startswith('`FocalLoss'):  # the formula: the class runs on a GPU alone
        one_hot = F.one_hot(torch.where(label == 255, 4, label), 5)[..., :4].flatten(0, 2)
        pixels = logits.movedim(1, -1).flatten(0, 2)
        valid = (label != 255).view(-1, 1)
        wanted = py_sigmoid_focal_loss(pixels, one_hot, valid_mask=valid)
    else:
        loss = build(STOCK_MODELS, stock)
        takes_index = not stock.startswith(('`Ohem', '`Boundary'))
        wanted = loss(logits, label, **(dict(ignore_index=255) if takes_index else {}))
    found = build(MODELS, ours, 'mmseg_ext.')(logits, label)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_formulas_of_the_averages():
    logits, label = draw()
    share, num_classes = (label != 255).float().mean(), logits.shape[1]
    old = dict(avg_non_ignore=False)
    for settings, old_settings, factor in [
        (dict(type='mmseg_ext.CrossEntropyLoss'), old, share),
        (dict(type='mmseg_ext.CrossEntropyLoss', use_sigmoid=True), old, share),
        (dict(type='mmseg_ext.FocalLoss'), dict(old, avg_over_classes=True), share / num_classes),
    ]:
        stock = MODELS.build(dict(settings, **old_settings))(logits, label)
        torch.testing.assert_close(stock, MODELS.build(settings)(logits, label) * factor)


def test_stock_dice_takes_a_single_channel_as_label_0():
    logits, label = draw(2, ignored=0)
    old = dict(type='mmseg_ext.DiceLoss', pooled=True, per_image=True, count_ignored=True)
    stock = STOCK_MODELS.build(dict(type='DiceLoss'))(logits[:, :1], label)
    torch.testing.assert_close(stock, MODELS.build(old)(logits[:, :1], 1 - label))
    assert abs(stock - MODELS.build(old)(logits[:, :1], label)) > 1e-3
