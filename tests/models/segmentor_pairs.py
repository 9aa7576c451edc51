"""MMSegmentation's segmentor and ours on the same weights, and samples for them."""

import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn


@MODELS.register_module()
class MadeBackbone(nn.Module):
    """One convolution with a stride of four: channels like the logits of a network."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 5, stride=4, padding=2)

    def forward(self, inputs):
        return [self.conv(inputs)]


@MODELS.register_module()
class MadeHead(BaseDecodeHead):
    """Hands on what it gets, or the logits that a test puts into ``given``."""

    given = None

    def forward(self, inputs):
        return self.cls_seg(inputs[0]) if self.given is None else self.given


@MODELS.register_module()
class MadeOwnHead(MadeHead):
    """Predicts in its own way."""

    def predict_by_feat(self, seg_logits, batch_img_metas):
        return 2 * super().predict_by_feat(seg_logits, batch_img_metas)


@MODELS.register_module()
class MadePairHead(MadeHead):
    """Gives two maps in training, and one in eval, as DDRHead does."""

    def forward(self, inputs):
        logits = super().forward(inputs)
        return (logits, logits) if self.training else logits

    def loss_by_feat(self, seg_logits, batch_data_samples):
        first, second = seg_logits
        return dict(loss_ce=(first + second).sum())


@MODELS.register_module()
class MadeBareHead(nn.Module):
    """Has no more than a segmentor asks for, as heads of other families."""

    align_corners = False

    def __init__(self, num_classes, **kwargs):
        super().__init__()
        self.num_classes = self.out_channels = num_classes
        self.conv = nn.Conv2d(8, num_classes, 1)

    def predict(self, inputs, batch_img_metas, test_cfg):
        size = batch_img_metas[0]['pad_shape']
        return nn.functional.interpolate(self.conv(inputs[0]), tuple(size), mode='bilinear')

    def loss(self, inputs, batch_data_samples, train_cfg):
        raise IndexError('in training alone')


def pair(num_classes=5, align_corners=False, head='MadeHead', test_cfg=None, out_channels=None):
    """The stock segmentor and ours, in eval."""
    torch.manual_seed(0)
    made_head = dict(
        type=head,
        in_channels=8,
        channels=8,
        num_classes=num_classes,
        out_channels=out_channels,
        threshold=0.4 if out_channels == 1 else None,
        align_corners=align_corners,
    )
    cfg = ConfigDict(
        backbone=dict(type='MadeBackbone', channels=8),
        decode_head=made_head,
        auxiliary_head=dict(made_head, type='MadeHead'),
        data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor'),
        train_cfg=dict(),
        test_cfg=test_cfg or dict(mode='whole'),
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        stock = MODELS.build(dict(cfg, type='EncoderDecoder'))
        ours = MODELS.build(dict(cfg, type='mmseg_ext.EncoderDecoder'))
    for parameter in stock.decode_head.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(stock.state_dict())
    return stock.eval(), ours.eval()


def sample(input_size, ori_shape=None, padding=(0, 0, 0, 0), flip=None, label=None):
    """A sample as the test pipeline and the preprocessor leave it; padding as they order it."""
    left, right, top, bottom = padding
    shape = input_size[0] - top - bottom, input_size[1] - left - right
    made = SegDataSample(
        metainfo=dict(
            img_path='a.jpg',
            ori_shape=ori_shape or shape,
            img_shape=shape,
            pad_shape=input_size,
            img_padding_size=padding,
            flip=bool(flip),
            flip_direction=flip,
            scale_factor=(1.0, 1.0),
        )
    )
    if label is not None:
        made.gt_sem_seg = PixelData(data=label)
    return made


@torch.no_grad()
def labels_of(model, inputs, samples):
    """What a segmentor predicts, (H, W) each; the samples are left as they are."""
    predicted = model.predict(inputs, samples and [each.clone() for each in samples])
    return [each.pred_sem_seg.data.squeeze(0) for each in predicted]


def assert_same_labels(stock, ours, inputs, samples):
    expected = labels_of(stock, inputs, samples)
    for found, wanted in zip(labels_of(ours, inputs, samples), expected, strict=True):
        assert found.dtype == torch.int64 and found.shape == wanted.shape
        assert int((found != wanted).sum()) == 0
