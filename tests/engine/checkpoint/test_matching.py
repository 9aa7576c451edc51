import re

import pytest
import torch
from mmengine.model import BaseTTAModel
from torch import nn

from mmseg_ext.engine.checkpoint.matching import (
    guess_reason,
    match,
    match_values,
    shorten,
    unwrap,
    weights_of,
)


class Net(nn.Module):
    """10 tensors that are learned (running statistics count) and BatchNorm's counter."""

    def __init__(self, classes=21):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.decode_head = nn.ModuleDict(
            dict(conv=nn.Conv2d(4, 4, 1), conv_seg=nn.Conv2d(4, classes, 1))
        )


def weights(classes=21):
    return dict(Net(classes).state_dict())


def test_a_network_fits_itself():
    report = match(Net(), weights())
    assert report.counts == {'backbone': (6, 6), 'decode_head': (4, 4)}
    assert report.share() == report.share('backbone') == 1
    assert str(report) == 'backbone 6/6, decode_head 4/4' and report.details() == []


def test_it_tells_what_load_state_dict_does():
    """Against torch: what the report calls filled is what is copied, and nothing else."""
    net, file = Net(), weights(150)
    for name in ('backbone.0.bias', 'backbone.1.num_batches_tracked'):
        del file[name]
    file['fc.weight'] = torch.ones(2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    report = match(net, file)
    fitting = {k: v for k, v in file.items() if k in before and v.shape == before[k].shape}
    result = net.load_state_dict(fitting, strict=False)
    left = [name for name in result.missing_keys if 'num_batches' not in name]
    assert left == report.missing + [name for name, *_ in report.misshaped]
    assert report.unexpected == ['fc.weight']
    assert str(report) == (
        'backbone 5/6 (83%), decode_head 2/4 (50%): conv_seg 150 -> 21 classes: re-initialised'
    )
    assert report.details() == [
        'of another shape in the file: '
        'decode_head.conv_seg.weight (150, 4, 1, 1) -> (21, 4, 1, 1), '
        'decode_head.conv_seg.bias (150,) -> (21,)',
        'not loaded: backbone.0.bias',
        'in the file alone: fc.weight',
    ]


def test_nearly_all_is_not_called_all():
    names = [f'l{index}' for index in range(1000)]
    net = nn.ParameterDict({name: nn.Parameter(torch.ones(1)) for name in names})
    file = {name: torch.ones(1) for name in names[1:]}
    assert str(match(net, file, 'backbone')) == 'backbone 999/1000 (99%)'


def test_long_lists_are_shortened():
    assert shorten(['a', 'b', 'c']) == 'a, b, c'
    assert shorten([str(index) for index in range(1215)]) == '0, 1, 2 and 1,212 more'


def test_wrappers_are_seen_through():
    class Averaged(BaseTTAModel):
        def merge_preds(self, data_samples_list):
            return data_samples_list

    net = Net()
    net.test_step = None
    assert unwrap(nn.DataParallel(Averaged(net))) is net
    checkpoint = {'state_dict': {f'module.{name}': t for name, t in weights().items()}, 'meta': {}}
    assert match(net, weights_of(checkpoint)).share() == 1
    assert match(net, weights_of(checkpoint['state_dict'])).share() == 1


def rename(names, old, new):
    return {name.replace(old, new): tensor for name, tensor in names.items()}


@pytest.mark.parametrize(
    'file, hint',
    [
        (rename(weights(), 'backbone.', 'encoder.backbone.'), "without 'encoder.'"),
        ({f'net.{n}': t for n, t in weights().items()}, "10 .* fit without 'net.'"),
        (dict(Net().backbone.state_dict()), "6 of its names would fit with 'backbone.'"),
        ({}, "no weights, neither under 'state_dict' nor at its top"),
        ({name: torch.ones(9) for name in weights()}, 'another size of this network'),
        (
            {'segformer.encoder.block.0.0.attention.self.query.weight': torch.ones(1)},
            r'Hugging Face file.* python tools/model_converters/hf_mit2mmseg\.py SRC DST',
        ),
        ({'encoder.block.3.1.attention.self.query.bias': torch.ones(1)}, r'hf_mit2mmseg\.py'),
        (
            {'segformer.stages.0.blocks.0.attention.q_proj.weight': torch.ones(1)},
            r'hf_mit2mmseg\.py',
        ),
        ({'stages.2.blocks.11.attention.q_proj.weight': torch.ones(1)}, r'hf_mit2mmseg\.py'),
        (
            {'vit.encoder.layer.0.attention.attention.query.bias': torch.ones(1)},
            'Hugging Face file',
        ),
        ({'block1.0.attn.q.weight': torch.ones(1)}, r'nvidia_mit2mmseg\.py SRC DST'),
        ({'backbone.block1.0.attn.q.weight': torch.ones(1)}, r'nvidia_mit2mmseg\.py'),
        ({'layers.0.blocks.0.attn.qkv.weight': torch.ones(1)}, r'swin2mmseg\.py'),
        ({'blocks.0.attn.qkv.weight': torch.ones(1)}, r'vit2mmseg\.py'),
        ({'something.else': torch.ones(1)}, '^$'),
    ],
)
def test_why_nothing_fits(file, hint):
    report = match(Net(), file)
    assert re.search(hint, report.hint), report.hint


def test_a_file_that_fits_needs_no_reason():
    assert match(Net(), weights(150)).hint == ''
    assert guess_reason(list(weights()), list(weights())) == ''


def test_renamed_weights_are_found_by_their_values():
    net = Net()
    nn.init.normal_(net.backbone[1].weight)
    file = {f'renamed.{index}': t.clone() for index, t in enumerate(net.state_dict().values())}
    report = match_values(net, file, 'backbone')
    # BatchNorm's bias, mean and variance are constant: their values prove nothing
    assert report.counts == {'backbone': (7, 10)}
    assert report.missing == [f'backbone.1.{n}' for n in ('bias', 'running_mean', 'running_var')]
    assert match(net, file).share() == 0


def test_a_name_without_its_value_was_not_loaded():
    net, file = Net(), weights()
    assert match(net, file).share() == 1
    report = match_values(net, file, 'backbone')
    assert report.counts == {'backbone': (4, 10)}  # BatchNorm starts alike everywhere
    net.load_state_dict(file)
    assert match_values(net, file, 'backbone').share() == 1


def test_half_precision_in_the_file_is_no_difference():
    net, file = Net(), {name: tensor.half() for name, tensor in weights().items()}
    net.load_state_dict(file)
    assert match_values(net, file).share() == 1


def test_a_classifier_of_another_width_has_no_other_classes():
    head = nn.Sequential()
    head.add_module('conv_seg', nn.Conv2d(4, 3, 1))
    network = nn.Sequential()
    network.add_module('decode_head', head)
    wider = {'decode_head.conv_seg.weight': torch.zeros(3, 8, 1, 1)}
    assert 'classes' not in str(match(network, wider))
    fewer = {'decode_head.conv_seg.weight': torch.zeros(2, 4, 1, 1)}
    assert 'conv_seg 2 -> 3 classes: re-initialised' in str(match(network, fewer))
