"""Random SegFormers of Hugging Face, and MMSegmentation's network for a converted file."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch.overrides import TorchFunctionMode

ROOT = Path(__file__).parents[1]
# hidden sizes, depths and width of the head, as the paper's table 6 has them
PUBLISHED = dict(
    b0=([32, 64, 160, 256], [2, 2, 2, 2], 256),
    b1=([64, 128, 320, 512], [2, 2, 2, 2], 256),
    b2=([64, 128, 320, 512], [3, 4, 6, 3], 768),
    b3=([64, 128, 320, 512], [3, 4, 18, 3], 768),
    b4=([64, 128, 320, 512], [3, 8, 27, 3], 768),
    b5=([64, 128, 320, 512], [3, 6, 40, 3], 768),
)


class WithoutNumbers(TorchFunctionMode):
    """Networks are built without memory and draws; torch.device('meta') stops MMSegmentation's."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        on_meta = dict(device='meta') if func is torch.empty else {}
        return func(*args, **(kwargs or {}) | on_meta)


def hf_config(size, **changes):
    transformers = pytest.importorskip('transformers')
    hidden, depths, width = PUBLISHED[size]
    settings = dict(hidden_sizes=hidden, depths=depths, decoder_hidden_size=width, num_labels=7)
    return transformers.SegformerConfig(**settings | changes)


def random_hf(size, kind='SegformerForSemanticSegmentation', seed=0, **changes):
    """A network of transformers, in eval, none of whose tensors is as initialised."""
    transformers = pytest.importorskip('transformers')
    torch.manual_seed(seed)
    model = getattr(transformers, kind)(hf_config(size, **changes)).eval()
    for name, tensor in model.state_dict().items():
        randomise(name, tensor)
    return model


def randomise(name, tensor):
    """Draws what a trained network might have, in place."""
    if not tensor.is_floating_point():
        tensor.fill_(12)
    elif name.endswith('running_var'):
        tensor.uniform_(0.5, 2)
    elif tensor.ndim > 1:
        # heavier tails than a draw has, and outputs of the size of one
        tensor.normal_(0, 1.2 / tensor[0].numel() ** 0.5).mul_(torch.rand_like(tensor) + 0.3)
    else:
        tensor.normal_(float(name.endswith('norm.weight') or 'norm' in name), 0.3)


def build_segformer(lines, **model):
    """MMSegmentation's network: the b0 piece with a converter's config lines executed over it."""
    base = Config.fromfile(ROOT / 'configs/_base_/models/segformer_mit-b0.py')
    base.merge_from_dict(Config.fromstring(lines, '.py').to_dict())
    base.model.update(model)
    init_default_scope('mmseg')
    from mmseg.registry import MODELS

    return revert_sync_batchnorm(MODELS.build(base.model)).eval(), base.get('load_from')


def printed_lines(text):
    """The Python among what a converter says."""
    return text[text.index('model = dict(') :]
