"""ConvNeXt-T where timm cannot be installed: it needs a torchvision that fits torch."""

import importlib.machinery
import importlib.util
import sys
import types
from contextlib import contextmanager
from unittest import mock

import pytest
from mmseg.models.backbones import timm_backbone
from torch import nn


class Features(nn.Module):
    """The four feature maps of the ConvNeXt-T in transformers, as timm returns them."""

    def __init__(self, drop_path_rate):
        super().__init__()
        transformers = pytest.importorskip('transformers')
        stages = [f'stage{index}' for index in range(1, 5)]
        config = transformers.ConvNextConfig(
            depths=[3, 3, 9, 3],
            hidden_sizes=[96, 192, 384, 768],
            drop_path_rate=drop_path_rate,
            out_features=stages,
        )
        self.network = transformers.ConvNextBackbone(config)

    def forward(self, images):
        return list(self.network(images).feature_maps)


def create_model(
    model_name, features_only, pretrained, in_chans, checkpoint_path, out_indices, drop_path_rate
):
    """Builds what ``timm.create_model`` would; there is this one network only."""
    asked = model_name, features_only, pretrained, in_chans, checkpoint_path, out_indices
    assert asked == ('convnext_tiny.fb_in1k', True, False, 3, '', (0, 1, 2, 3))
    return Features(drop_path_rate)


@contextmanager
def timm_or_stand_in():
    """Lets the stock TIMMBackbone build a ConvNeXt-T with timm, or without."""
    if importlib.util.find_spec('timm'):
        yield
        return
    module = types.ModuleType('timm')
    module.__spec__ = importlib.machinery.ModuleSpec('timm', None)
    module.create_model = create_model
    # mock.patch.dict would also forget what is imported meanwhile
    sys.modules['timm'] = module
    try:
        with mock.patch.object(timm_backbone, 'timm', module):
            yield
    finally:
        del sys.modules['timm']
