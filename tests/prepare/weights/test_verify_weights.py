import re

import pytest
import torch
from segformers import build_segformer, random_hf

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.weights.cli import convert_to_mmseg
from mmseg_ext.prepare.weights.looks import is_drawn
from mmseg_ext.prepare.weights.report import format_verdict
from mmseg_ext.prepare.weights.source import read_source
from mmseg_ext.prepare.weights.verify import verify

B0 = 'model = dict(backbone=dict(embed_dims=32))'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Hugging Face's folder; the tensors of a right conversion, backbone alone and whole."""
    folder = tmp_path_factory.mktemp('verify')
    random_hf('b0').save_pretrained(folder / 'hf')
    source = read_source(folder / 'hf')
    convert_to_mmseg(source, folder / 'backbone.pth', ('hub',), True, False)
    convert_to_mmseg(source, folder / 'whole.pth', ('hub',), False, False)
    return folder


@pytest.fixture
def judge(files, tmp_path):
    """Judges what a function makes of the right backbone's or whole network's tensors."""

    def judge(change, against=True, whole=False):
        weights = torch.load(files / ('whole.pth' if whole else 'backbone.pth'))['state_dict']
        made = change(weights)
        file = tmp_path / 'mine.pth'
        torch.save(weights if made is None else made, file)
        verdict = verify(file, files / 'hf' if against else None)
        return verdict, format_verdict(verdict)

    return judge


def faults(verdict, severity):
    return '\n'.join(str(fault) for fault in verdict.faults if fault.severity == severity)


@pytest.mark.parametrize('whole', [False, True])
@pytest.mark.parametrize('against', [False, True])
def test_a_right_conversion_is_sound(judge, against, whole):
    verdict, text = judge(lambda weights: None, against, whole)
    assert verdict.word == 'sound' and not verdict.faults, text
    assert 'MiT-B0' in text and text.splitlines()[-1 - len(verdict.steps)] == 'verdict: sound'
    assert sum(group.total for group in verdict.groups[:4]) == 160
    if against:
        assert all(group.equal == group.total for group in verdict.groups)
    if whole:
        assert 'decode_head=dict(channels=256, act_cfg=None, num_classes=7)' in text
        assert "prefix='backbone.'" in text


def order(letters):
    def swap(weights):
        for name, tensor in weights.items():
            if 'in_proj' in name:
                thirds = dict(zip('qkv', tensor.chunk(3), strict=True))
                weights[name] = torch.cat([thirds[letter] for letter in letters])

    return swap


def change(test, function):
    def apply(weights):
        for name, tensor in weights.items():
            if test in name:
                weights[name] = function(tensor).contiguous()

    return apply


def swap_norms(weights):
    for name in list(weights):
        if 'norm1' in name:
            other = name.replace('norm1', 'norm2')
            weights[name], weights[other] = weights[other], weights[name]


def transpose_thirds(tensor):
    return torch.cat([part.t() for part in tensor.chunk(3)])


ARRANGEMENTS = {
    'order': (order('kqv'), 'query, key and value in the order k, q, v', 16),
    'another order': (order('vkq'), 'query, key and value in the order v, k, q', 16),
    'output': (change('out_proj.weight', torch.t), 'transposed', 8),
    'thirds': (change('in_proj_weight', transpose_thirds), 'value each transposed', 8),
    'norms': (swap_norms, r'32 tensors under the name of another: \S+norm1\S+ holds \S+norm2', 0),
    'other': (change('ffn.layers.1.weight', torch.randn_like), 'have other numbers', 8),
    'nearer': (change('sr.weight', lambda t: t * (1 + 1e-5)), 'are near', 6),
    'near': (change('sr.weight', lambda t: t + t.std() * torch.randn_like(t) / 2), 'are near', 6),
}  # fmt: skip


@pytest.mark.parametrize('fault', ARRANGEMENTS)
def test_numbers_in_the_wrong_place_are_named_by_the_original(judge, fault):
    """Names, shapes and looks are right: only the original tells."""
    function, said, count = ARRANGEMENTS[fault]
    alone, _ = judge(function, against=False)
    assert fault == 'other' or alone.word == 'sound'
    verdict, text = judge(function)
    severity = 'suspicious' if fault.startswith('near') else 'broken'
    found = faults(verdict, severity)
    assert verdict.word == severity, text
    assert re.search(f'{count} of 160 tensors.*{said}' if count else said, found), text
    equal = sum(group.equal for group in verdict.groups)
    assert equal == 160 - (count or 32)


def test_the_reverse_order_of_stages_in_the_fusion_is_named(judge):
    def turn(tensor):
        return torch.cat(tensor.chunk(4, 1)[::-1], 1)

    verdict, text = judge(change('fusion_conv.conv', turn), whole=True)
    assert 'its input stages in the reverse order' in faults(verdict, 'broken'), text


def squeeze(weights):
    change('ffn.layers.0.weight', lambda t: t[:, :, 0, 0])(weights)
    change('ffn.layers.4.weight', lambda t: t[:, :, 0, 0])(weights)


def separate(weights):
    for name in [name for name in weights if 'in_proj_weight' in name]:
        for letter, part in zip('qkv', weights.pop(name).chunk(3), strict=True):
            weights[name.replace('in_proj_weight', f'{letter}.weight')] = part


@pytest.mark.parametrize(
    'function, said',
    [
        (squeeze, r'16 tensors have another shape.*linear layers that should be 1x1 convolutions'),
        (separate, r'8 of 160 tensors are missing.*in_proj_weight'),
        (change('layers.2.2.weight', lambda t: t * float('nan')), r'stage 3: .*2\.weight \(NaN'),
        (change('sr.weight', torch.zeros_like), r'stage 1: .*sr\.weight \(0 throughout\)'),
        (lambda weights: {n: t for n, t in weights.items() if 'layers.3' not in n},
         r'tensors are missing.*layers\.3\.0'),
        (lambda weights: {}, 'it holds no tensors'),
    ],
)  # fmt: skip
def test_what_would_not_load_or_not_work_is_broken(judge, function, said):
    for against in (False, True):
        verdict, text = judge(function, against)
        assert verdict.word == 'broken' and re.search(said, faults(verdict, 'broken')), text
        assert verdict.steps


def stock_network():
    network, _ = build_segformer(B0)
    network.init_weights()
    return network


def fresh(stages, keep_biases=False):
    """Stages as MMSegmentation initialises them; what a load of nothing leaves."""

    def apply(weights):
        for name, tensor in stock_network().backbone.state_dict().items():
            if name.split('.')[1] in stages and not (keep_biases and tensor.ndim == 1):
                weights[name] = tensor

    return apply


def test_a_backbone_as_initialised_is_suspicious_in_every_layer(judge):
    torch.manual_seed(0)
    verdict, text = judge(fresh('0123'), against=False)
    assert verdict.word == 'suspicious', text
    for group in verdict.groups:
        assert group.looks.norms[0] == group.looks.weights[0] == group.looks.biases[0] == 0, text
    for group in verdict.groups:
        layers = group.looks.norms[1] + group.looks.weights[1]
        assert f'{group.name}: {layers} of {layers} layers look as initialised' in text


def test_where_the_original_is_at_fault_the_conversion_is_not(tmp_path):
    for name in ('mine.pth', 'original.pth'):
        torch.manual_seed(0)
        torch.save(stock_network().backbone.state_dict(), tmp_path / name)
    verdict = verify(tmp_path / 'mine.pth', tmp_path / 'original.pth')
    assert verdict.word == 'suspicious'
    assert 'original.pth itself is at fault' in verdict.steps[0]
    assert 'all       160/160' in format_verdict(verdict)


def test_one_stage_as_initialised_is_found_among_trained_ones(judge):
    torch.manual_seed(0)
    verdict, text = judge(fresh('2'), against=False)
    assert [fault.what.partition(':')[0] for fault in verdict.faults] == ['stage 3'], text


def test_weights_as_drawn_under_trained_biases_are_found(judge):
    """What a load that skips misshapen weights leaves."""
    torch.manual_seed(0)
    verdict, text = judge(fresh('23', keep_biases=True), against=False)
    assert [fault.what.partition(':')[0] for fault in verdict.faults] == ['stage 3', 'stage 4'], (
        text
    )
    assert verdict.groups[2].looks.norms == [8, 8]


@pytest.mark.parametrize('kind', ['SegformerModel', 'SegformerForSemanticSegmentation'])
def test_hugging_faces_own_initialisation_is_seen(tmp_path, kind):
    transformers = pytest.importorskip('transformers')
    torch.manual_seed(0)
    getattr(transformers, kind)(transformers.SegformerConfig()).save_pretrained(tmp_path / 'hf')
    convert_to_mmseg(read_source(tmp_path / 'hf'), tmp_path / 'a.pth', ('hub',), False, False)
    verdict = verify(tmp_path / 'a.pth')
    assert verdict.word == 'suspicious'
    assert all(g.looks.norms[0] == g.looks.weights[0] == g.looks.biases[0] == 0
               for g in verdict.groups)  # fmt: skip


def test_a_whole_network_with_a_fresh_head_is_told_by_part(judge):
    torch.manual_seed(0)

    def apply(weights):
        head = stock_network().decode_head.state_dict()
        weights |= {f'decode_head.{name}': tensor for name, tensor in head.items()}

    verdict, text = judge(apply, against=False, whole=True)
    assert [fault.what.partition(': ')[0] for fault in verdict.faults] == [
        'head',
        'head',
        'classes',
    ], text


def test_lost_biases_are_found(judge):
    verdict, text = judge(change('ffn.layers.4.bias', torch.zeros_like), against=False)
    assert verdict.word == 'suspicious' and 'biases of exact zeros' in text


def test_prefixes_are_told(judge):
    def prefixed(prefix):
        return lambda weights: {f'{prefix}{name}': tensor for name, tensor in weights.items()}

    for prefix in ('backbone.', 'model.encoder.'):
        verdict, text = judge(prefixed(prefix))
        assert verdict.word == 'suspicious' and f"prefix='{prefix}')" in text
        assert all(group.equal == group.total for group in verdict.groups)


def test_another_size_than_the_originals_is_named(files, tmp_path):
    random_hf('b0', 'SegformerModel', depths=[1, 1, 1, 1]).save_pretrained(tmp_path / 'hf')
    verdict = verify(files / 'backbone.pth', tmp_path / 'hf')
    assert 'the original is MiT with [1, 1, 1, 1] blocks' in faults(verdict, 'broken')


def test_foreign_files_are_named_with_the_way_out(files, tmp_path):
    verdict = verify(files / 'hf/model.safetensors')
    assert verdict.word == 'broken' and 'hf_mit2mmseg.py' in format_verdict(verdict)
    torch.save({'conv1.weight': torch.ones(2)}, tmp_path / 'a.pth')
    verdict = verify(tmp_path / 'a.pth')
    assert verdict.word == 'broken' and 'conv1.weight' in format_verdict(verdict)
    with pytest.raises(UsageError, match='no MiT or SegFormer'):
        verify(files / 'backbone.pth', tmp_path / 'a.pth')


@pytest.mark.parametrize('widen', [torch.Tensor.half, lambda t: t.bfloat16().float()])
def test_half_precision_of_a_float_original_is_a_rounding(judge, widen):
    verdict, text = judge(change('weight', widen))
    assert verdict.word == 'sound' and 'equal the original but for rounding' in text


@pytest.mark.parametrize('seed', range(3))
def test_draws_are_told_from_trained_weights(seed):
    torch.manual_seed(seed)
    for layer in (torch.nn.Linear(64, 128), torch.nn.Conv2d(64, 64, 3)):
        assert is_drawn(layer.weight.detach())
    assert is_drawn(torch.randn(300, 300) * 0.02)
    assert not is_drawn(torch.randn(300, 300) * 0.021)
    assert not is_drawn(torch.randn(300, 300) * 0.02 + 0.001)
    tails = torch.randn(300, 300) * (torch.rand(300, 300) + 0.5)
    assert not is_drawn(tails / tails.std() * 0.02)


def test_the_tool_prints_the_verdict_and_ends_with_it(files, tmp_path, run_converter):
    weights = torch.load(files / 'backbone.pth')['state_dict']
    order('qvk')(weights)
    torch.save(weights, tmp_path / 'mine.pth')
    words = ['--verify', tmp_path / 'mine.pth', '--against', files / 'hf']
    done, said, _ = run_converter('hf_mit2mmseg', *words)
    assert done == 1
    assert 'verdict: broken: 16 of 160 tensors: query, key and value in the order q, v, k' in said
    done, said, _ = run_converter('hf_mit2mmseg', '--verify', files / 'backbone.pth')
    assert not done and 'verdict: sound' in said
