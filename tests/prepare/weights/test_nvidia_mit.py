import importlib.util
from pathlib import Path

import mmseg
import pytest
import torch
from segformers import hf_config, random_hf, randomise

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.weights.cli import convert_to_mmseg
from mmseg_ext.prepare.weights.convert import to_mmseg
from mmseg_ext.prepare.weights.source import read_source

STOCK = Path(mmseg.__file__).parent / '.mim/tools/model_converters/mit2mmseg.py'


def nvidia_shapes(channels=(32, 64, 160, 256), depths=(2, 2, 2, 2), ratios=(8, 4, 2, 1)):
    """The names of NVlabs/SegFormer's mix_transformer.py, written down by hand."""
    shapes, before = {}, 3

    def layer(name, *shape):
        shapes[f'{name}.weight'], shapes[f'{name}.bias'] = shape, shape[:1]

    for number, (c, depth, ratio) in enumerate(zip(channels, depths, ratios, strict=True), 1):
        size = 7 if number == 1 else 3
        layer(f'patch_embed{number}.proj', c, before, size, size)
        layer(f'patch_embed{number}.norm', c)
        for index in range(depth):
            block = f'block{number}.{index}'
            layer(f'{block}.norm1', c)
            layer(f'{block}.attn.q', c, c)
            layer(f'{block}.attn.kv', 2 * c, c)
            layer(f'{block}.attn.proj', c, c)
            if ratio > 1:
                layer(f'{block}.attn.sr', c, c, ratio, ratio)
                layer(f'{block}.attn.norm', c)
            layer(f'{block}.norm2', c)
            layer(f'{block}.mlp.fc1', 4 * c, c)
            layer(f'{block}.mlp.dwconv.dwconv', 4 * c, 1, 3, 3)
            layer(f'{block}.mlp.fc2', c, 4 * c)
        layer(f'norm{number}', c)
        before = c
    return shapes


def random_mit(**sizes):
    weights = {name: torch.empty(shape) for name, shape in nvidia_shapes(**sizes).items()}
    for name, tensor in weights.items():
        randomise(name, tensor)
    return weights


def as_nvidia(model):
    """A Hugging Face network under the authors' names, by transformers' own renaming in reverse."""
    theirs = {}
    for name, tensor in model.state_dict().items():
        place, _, kind = name.rpartition('.')
        words = place.split('.')
        if words[0] == 'segformer':
            stage, rest = int(words[2]) + 1, '.'.join(words[3:])
            rest = (
                rest.replace('attention.sequence_reduction.sequence_reduction', 'attn.sr')
                .replace('attention.sequence_reduction.layer_norm', 'attn.norm')
                .replace('attention.q_proj', 'attn.q')
                .replace('attention.o_proj', 'attn.proj')
                .replace('layernorm_before', 'norm1')
                .replace('layernorm_after', 'norm2')
            )
            if rest.startswith('blocks.'):
                new = f'backbone.block{stage}.{rest.removeprefix("blocks.")}'
            elif rest.startswith('patch_embeddings.'):
                rest = rest.removeprefix('patch_embeddings.').replace('layer_norm', 'norm')
                new = f'backbone.patch_embed{stage}.{rest}'
            else:
                assert rest == 'layer_norm'
                new = f'backbone.norm{stage}'
            if 'attention.v_proj' in new:
                continue
            if 'attention.k_proj' in new:
                new = new.replace('attention.k_proj', 'attn.kv')
        elif words[1] == 'linear_projections':
            new = f'decode_head.linear_c{int(words[2]) + 1}.proj'
        else:
            new = dict(
                linear_fuse='decode_head.linear_fuse.conv',
                batch_norm='decode_head.linear_fuse.bn',
                classifier='decode_head.linear_pred',
            )[words[1]]
        parts = [tensor]
        if 'k_proj' in name:
            parts.append(model.state_dict()[name.replace('k_proj', 'v_proj')])
        theirs[f'{new}.{kind}'] = torch.cat(parts) if tensor.ndim else tensor
    return theirs


def convert(src, dst, **options):
    options = dict(backbone_only=False, force=False) | options
    return convert_to_mmseg(read_source(src), dst, ('nvidia',), **options)


@pytest.mark.skipif(not STOCK.is_file(), reason='mmseg came without its tools')
def test_the_backbone_is_what_mmsegmentations_own_script_makes(tmp_path):
    spec = importlib.util.spec_from_file_location('mit2mmseg', STOCK)
    stock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stock)
    theirs = random_mit(depths=(1, 2, 3, 1)) | {'head.weight': torch.ones(1000, 256),
                                                'head.bias': torch.ones(1000)}  # fmt: skip
    torch.save(theirs, tmp_path / 'mit.pth')
    said = convert(tmp_path / 'mit.pth', tmp_path / 'b.pth')
    assert 'left out: head.weight, head.bias' in said
    ours, expected = read_checkpoint(tmp_path / 'b.pth')['state_dict'], stock.convert_mit(theirs)
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name], expected[name]) for name in ours)


def test_the_authors_file_and_hugging_faces_give_the_same(tmp_path):
    model = random_hf('b0')
    model.save_pretrained(tmp_path / 'hf')
    theirs = as_nvidia(model)
    # the authors' head keeps a classifier of 128 channels that nothing uses
    theirs |= {'decode_head.conv_seg.weight': torch.ones(7, 128, 1, 1),
               'decode_head.conv_seg.bias': torch.ones(7)}  # fmt: skip
    torch.save(dict(meta=dict(CLASSES=('a',)), state_dict=theirs), tmp_path / 'nvidia.pth')
    said = convert(tmp_path / 'nvidia.pth', tmp_path / 'b0.pth')
    assert 'left out: decode_head.conv_seg.weight' in said and 'norm_cfg' not in said
    ours = read_checkpoint(tmp_path / 'b0.pth')['state_dict']
    expected = to_mmseg(read_source(tmp_path / 'hf'))
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name], expected[name]) for name in ours)


def test_the_names_by_hand_are_those_of_hugging_faces_network():
    """The two tables of this file, against each other."""
    model = random_hf('b0')
    theirs = {n.removeprefix('backbone.'): t for n, t in as_nvidia(model).items()
              if n.startswith('backbone.')}  # fmt: skip
    assert {name: tuple(tensor.shape) for name, tensor in theirs.items()} == nvidia_shapes()
    assert hf_config('b0').depths == [2, 2, 2, 2]


def test_the_other_tool_is_named(tmp_path):
    torch.save(random_hf('b0', 'SegformerModel').state_dict(), tmp_path / 'hf.bin')
    with pytest.raises(UsageError, match=r'names of Hugging Face.*with hf_mit2mmseg\.py'):
        convert(tmp_path / 'hf.bin', tmp_path / 'b0.pth')
    torch.save(random_mit(), tmp_path / 'mit_b0.pth')
    with pytest.raises(UsageError, match=r"SegFormer's authors.*with nvidia_mit2mmseg\.py"):
        convert_to_mmseg(read_source(tmp_path / 'mit_b0.pth'), tmp_path / 'a.pth', ('hub',), 0, 0)


def test_the_tool_says_what_it_did(tmp_path, run_converter):
    torch.save(random_mit(), tmp_path / 'mit_b0.pth')
    done, said, _ = run_converter('nvidia_mit2mmseg', tmp_path / 'mit_b0.pth', tmp_path / 'b0.pth')
    assert not done and "MiT-B0, backbone, 160 tensors of SegFormer's authors" in said
    assert "init_cfg=dict(type='Pretrained'" in said
