import dataclasses
import json
import re

import pytest
import torch
from mmengine.runner import load_checkpoint
from safetensors.torch import load_file, save_file
from segformers import (
    PUBLISHED,
    WithoutNumbers,
    build_segformer,
    hf_config,
    printed_lines,
    random_hf,
)

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.weights.cli import convert_to_hf, convert_to_mmseg
from mmseg_ext.prepare.weights.convert import to_mmseg, to_others
from mmseg_ext.prepare.weights.mit import SIZES, find_mit
from mmseg_ext.prepare.weights.source import Source, read_source

transformers = pytest.importorskip('transformers')
HF = ('hub', 'transformers')


def convert(src, dst, backbone_only=False, force=False):
    return convert_to_mmseg(read_source(src), dst, HF, backbone_only, force)


def convert_back(src, dst, naming='hub', backbone_only=False):
    return convert_to_hf(read_source(src), dst, naming, backbone_only, False)


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert torch.equal(one[name], other[name]), name


@pytest.fixture(scope='module')
def b0(tmp_path_factory):
    """A folder that save_pretrained wrote, the network itself, and the converted file."""
    folder = tmp_path_factory.mktemp('b0')
    model = random_hf('b0')
    model.save_pretrained(folder / 'hf')
    lines = printed_lines(convert(folder / 'hf', folder / 'b0.pth'))
    return folder / 'hf', model, folder / 'b0.pth', lines


@torch.no_grad()
def outputs(network, images):
    features = network.backbone(images)
    return [*features, network.decode_head(features)]


@torch.no_grad()
def hf_outputs(model, images):
    made = model(images, output_hidden_states=True)
    return [*made.hidden_states, made.logits]


@pytest.mark.parametrize('size', ['b0', 'b2'])
def test_features_and_logits_are_hugging_faces_own(size, tmp_path):
    model = random_hf(size, seed=1)
    model.save_pretrained(tmp_path)
    lines = printed_lines(convert(tmp_path, tmp_path / 'mmseg.pth'))
    network, file = build_segformer(lines)
    load_checkpoint(network, file, strict=True)
    images = torch.randn(2, 3, 64, 96)
    ours, theirs = outputs(network, images), hf_outputs(model, images)
    assert len(ours) == len(theirs) == 5
    for one, other in zip(ours, theirs, strict=True):
        assert other.std() > 0.1, 'nothing to compare'
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_what_the_config_lines_are_for(b0):
    """Without any one of them the outputs are others: the ReLU, and by little the epsilon."""
    _, model, file, lines = b0
    images = torch.randn(1, 3, 64, 64)
    right = hf_outputs(model, images)

    def difference(lines):
        network, _ = build_segformer(lines)
        load_checkpoint(network, str(file), strict=True)
        made = zip(outputs(network, images), right, strict=True)
        return max((one - other).abs().max().item() for one, other in made)

    assert difference(lines) < 1e-5
    assert difference(lines.replace('act_cfg=None,', '')) > 0.1
    assert 1e-6 < difference(lines.replace('eps=1e-05', 'eps=1e-06')) < 1e-2


@pytest.mark.parametrize('naming', HF)
@pytest.mark.parametrize('size', ['b0', 'b2'])
def test_every_tensor_is_used_once_both_ways(naming, size):
    """Each is filled with a number of its own: none is lost, doubled or made up."""
    theirs = hf_shapes(size, naming)
    numbered = {n: torch.full(shape, i + 1.0) for i, (n, shape) in enumerate(theirs.items())}
    source = make_source(numbered, naming)
    ours = to_mmseg(source)
    network = mmseg_network(size)
    assert {n: tuple(t.shape) for n, t in ours.items()} == network
    made = [n for n in ours if re.search(r'convs\.\d\.bn\.(weight|running|num_batches)', n)]
    assert len(made) == 16
    rest = torch.cat([tensor.flatten() for name, tensor in ours.items() if name not in made])
    counts = torch.bincount(rest.long(), minlength=len(theirs) + 1)[1:]
    assert counts.tolist() == [torch.Size(shape).numel() for shape in theirs.values()]
    back = to_others(dataclasses.replace(
        source, naming='mmseg', prefix='backbone.',
        backbone={n[9:]: t for n, t in ours.items() if n.startswith('backbone.')},
        head={n[12:]: t for n, t in ours.items() if n.startswith('decode_head.')},
    ), naming)  # fmt: skip
    assert_same_weights(back, numbered)


def hf_shapes(size, naming):
    with WithoutNumbers():
        model = transformers.SegformerForSemanticSegmentation(hf_config(size))
    names = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if naming == 'transformers':
        return names
    return {hub_name(name): shape for name, shape in names.items()}


def hub_name(name):
    """By the mapping in transformers itself."""
    mapping = transformers.conversion_mapping.get_checkpoint_conversion_mapping
    for rule in [*mapping('SegformerModel'), *mapping('SegformerForSemanticSegmentation')]:
        for old, new in zip(rule.source_patterns, rule.target_patterns, strict=True):
            pattern = re.escape(new).replace(r'\\1', r'(\d+)')
            name = re.sub(pattern, old.replace(r'(\d+)', r'\1'), name)
    return name


def mmseg_network(size):
    hidden, depths, width = PUBLISHED[size]
    with WithoutNumbers():
        network, _ = build_segformer(
            f'model = dict(backbone=dict(embed_dims={hidden[0]}, num_layers={depths}), '
            f'decode_head=dict(in_channels={hidden}, channels={width}, num_classes=7))'
        )
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize('naming', HF)
def test_there_and_back_is_bit_identical(b0, tmp_path, naming):
    folder, model, file, _ = b0
    convert_back(file, tmp_path / 'back.safetensors', naming)
    back = load_file(tmp_path / 'back.safetensors')
    theirs = load_file(folder / 'model.safetensors') if naming == 'hub' else model.state_dict()
    assert_same_weights(back, dict(theirs))
    convert(tmp_path / 'back.safetensors', tmp_path / 'again.pth')
    ours, again = (read_checkpoint(f)['state_dict'] for f in (file, tmp_path / 'again.pth'))
    assert_same_weights(ours, again)


def test_the_lines_that_load_it_into_transformers_do(b0, tmp_path):
    _, model, file, _ = b0
    said = convert_back(file, tmp_path / 'back.safetensors')
    code = said[said.index('config = ') :]
    names = dict(vars(transformers), load_file=load_file)
    names |= {name: getattr(transformers, name) for name in (
        'SegformerConfig', 'SegformerForSemanticSegmentation')}  # fmt: skip
    exec(code, names)
    images = torch.randn(1, 3, 64, 64)
    for one, other in zip(
        hf_outputs(names['network'].eval(), images), hf_outputs(model, images), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize('size', ['b1', 'b3', 'b4', 'b5'])
def test_names_and_shapes_of_the_other_sizes(size):
    theirs = hf_shapes(size, 'hub')
    source = make_source({n: torch.empty(s, device='meta') for n, s in theirs.items()}, 'hub')
    assert str(source.mit) == f'MiT-{size.upper()}'
    assert {n: tuple(t.shape) for n, t in to_mmseg(source).items()} == mmseg_network(size)


def make_source(weights, naming):
    """What read_source makes of tensors, without a file."""
    own = {n.removeprefix('segformer.'): t for n, t in weights.items() if 'decode_head' not in n}
    head = {n.removeprefix('decode_head.'): t for n, t in weights.items() if 'decode_head' in n}
    mit = find_mit(own, naming)
    return Source('no file', naming, mit, 'segformer.', own, head, [], {}, {})


def build_backbone(size):
    from mmseg.models.backbones import MixVisionTransformer

    hidden, depths, _ = PUBLISHED[size]
    return MixVisionTransformer(embed_dims=hidden[0], num_layers=depths, num_heads=[1, 2, 5, 8])


@pytest.mark.parametrize('size', PUBLISHED)
def test_the_table_of_sizes_is_mmsegmentations_network(size):
    with WithoutNumbers():
        expected = {n: tuple(t.shape) for n, t in build_backbone(size).state_dict().items()}
    assert SIZES[f'MiT-{size.upper()}'].shapes() == expected
    assert len(expected) == dict(b0=160, b1=160, b2=300, b3=516, b4=750, b5=948)[size]


def test_a_classifier_is_left_out_and_named(tmp_path):
    random_hf('b0', 'SegformerForImageClassification').save_pretrained(tmp_path)
    said = convert(tmp_path, tmp_path / 'b0.pth')
    assert 'left out: classifier.bias, classifier.weight' in said
    assert 'MiT-B0, backbone, 160 tensors' in said
    assert len(read_checkpoint(tmp_path / 'b0.pth')['state_dict']) == 160


def test_a_converted_backbone_initialises_the_stock_network(tmp_path):
    """What stock train.py does with init_cfg; 160 of 160 tensors arrive."""
    model = random_hf('b0', 'SegformerModel')
    torch.save(model.state_dict(), tmp_path / 'hf.bin')
    lines = printed_lines(convert(tmp_path / 'hf.bin', tmp_path / 'b0.pth'))
    network, load_from = build_segformer(lines)
    assert load_from is None
    network.init_weights()
    ours = network.backbone.state_dict()
    assert_same_weights(dict(ours), read_checkpoint(tmp_path / 'b0.pth')['state_dict'])


def test_shards_with_an_index_are_one_file(b0, tmp_path):
    _, model, file, _ = b0
    model.save_pretrained(tmp_path, max_shard_size='4MB')
    assert len(list(tmp_path.glob('model-*.safetensors'))) > 2
    convert(tmp_path, tmp_path / 'b0.pth')
    convert(tmp_path / 'model.safetensors.index.json', tmp_path / 'again.pth')
    for made in ('b0.pth', 'again.pth'):
        ours = read_checkpoint(tmp_path / made)['state_dict']
        assert_same_weights(ours, read_checkpoint(file)['state_dict'])
    next(tmp_path.glob('model-*.safetensors')).unlink()
    with pytest.raises(UsageError, match=r'no checkpoint at .*model-0000'):
        convert(tmp_path, tmp_path / 'other.pth')


def test_half_precision_stays_and_is_exact(tmp_path):
    model = random_hf('b0').half()
    torch.save(model.state_dict(), tmp_path / 'hf.bin')
    convert(tmp_path / 'hf.bin', tmp_path / 'b0.pth')
    convert_back(tmp_path / 'b0.pth', tmp_path / 'back.bin', 'transformers')
    assert_same_weights(torch.load(tmp_path / 'back.bin'), dict(model.state_dict()))


def trained_head(b0, tmp_path, act_cfg):
    """The converted file as a training might leave it: BatchNorms are no identity any more."""
    _, _, file, lines = b0
    network, _ = build_segformer(lines)
    load_checkpoint(network, str(file))
    for name, tensor in network.decode_head.convs.state_dict().items():
        if 'bn' in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    text = (
        f"model = dict(decode_head=dict(type='SegformerHead', norm_cfg=dict(type='BN'){act_cfg}))"
    )
    meta = dict(cfg=text) if act_cfg is not None else {}
    torch.save(dict(meta=meta, state_dict=network.state_dict()), tmp_path / 'trained.pth')
    return network


def test_a_trained_head_without_relu_is_folded(b0, tmp_path):
    network = trained_head(b0, tmp_path, ', act_cfg=None')
    convert_back(tmp_path / 'trained.pth', tmp_path / 'back.safetensors', 'transformers')
    model = b0[1].__class__(b0[1].config).eval()
    model.load_state_dict(load_file(tmp_path / 'back.safetensors'))
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        hf_outputs(model, images), outputs(network, images), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    'act_cfg, said',
    [
        ('', r"act_cfg=\{'type': 'ReLU'\}.*no Hugging Face equivalent.*--backbone-only"),
        (', act_cfg=None, align_corners=True', 'align_corners=True'),
        (None, 'does not say whether .* act_cfg=None.*--backbone-only'),
    ],
)
def test_a_head_that_hugging_face_cannot_have_is_refused(b0, tmp_path, act_cfg, said):
    trained_head(b0, tmp_path, act_cfg)
    with pytest.raises(UsageError, match=said):
        convert_back(tmp_path / 'trained.pth', tmp_path / 'back.safetensors')
    assert not (tmp_path / 'back.safetensors').exists()
    convert_back(tmp_path / 'trained.pth', tmp_path / 'back.safetensors', backbone_only=True)
    assert all(name.startswith('encoder.') for name in load_file(tmp_path / 'back.safetensors'))


def damage(weights, how):
    key = 'segformer.stages.1.blocks.0.attention.k_proj.weight'
    if how == 'missing':
        del weights[key]
    elif how == 'misshaped':
        weights[key] = weights[key][:-1]
    elif how == 'turned':
        weights['segformer.stages.0.blocks.0.mlp.fc1.weight'] = weights[
            'segformer.stages.0.blocks.0.mlp.fc1.weight'
        ].t()
    elif how == 'more':
        weights['segformer.stages.0.blocks.0.gamma'] = torch.ones(3)
    elif how == 'foreign':
        weights['neck.weight'] = torch.ones(3)
    elif how == 'half a head':
        del weights['decode_head.linear_fuse.weight']
    elif how == 'no stage':
        for name in [name for name in weights if 'stages.3' in name]:
            del weights[name]
    return weights


@pytest.mark.parametrize(
    'how, said',
    [
        ('missing', r'lacks segformer\.stages\.1\.blocks\.0\.attention\.k_proj\.weight'),
        ('misshaped', r'q_proj\.weight makes \(191, 64\), MiT-B0 has \(192, 64\)'),
        ('turned', r'fc1\.weight makes \(32, 128\), MiT-B0 has \(128, 32, 1, 1\)'),
        ('more', r'no use for: stages\.0\.blocks\.0\.gamma'),
        ('foreign', r'belongs to no MiT or SegFormer: neck\.weight'),
        ('half a head', r'lacks linear_fuse\.weight'),
        ('no stage', "lacks a whole stage's names"),
    ],
)
def test_what_is_not_whole_is_named_and_not_written(b0, tmp_path, how, said):
    torch.save(damage(dict(b0[1].state_dict()), how), tmp_path / 'hf.bin')
    with pytest.raises(UsageError, match=said):
        convert(tmp_path / 'hf.bin', tmp_path / 'b0.pth')
    assert not (tmp_path / 'b0.pth').exists()


@pytest.mark.parametrize(
    'name, said',
    [
        (
            'layers.0.blocks.0.attn.qkv.weight',
            "no MiT or SegFormer: it is a file of Swin's authors",
        ),
        ('blocks.0.attn.qkv.weight', 'it is a file of timm'),
        ('bert.embeddings.weight', r'it holds bert\.embeddings\.weight'),
    ],
)
def test_a_file_that_is_no_mit_is_called_what_it_is(tmp_path, name, said):
    save_file({name: torch.ones(2, 2)}, tmp_path / 'a.safetensors')
    with pytest.raises(UsageError, match=rf'a\.safetensors is {said}|a\.safetensors is .*{said}'):
        convert(tmp_path / 'a.safetensors', tmp_path / 'b.pth')


@pytest.mark.parametrize(
    'change', [dict(num_attention_heads=[2, 4, 10, 16]), dict(hidden_act='relu')]
)
def test_a_config_that_mmsegmentation_cannot_have_is_refused(b0, tmp_path, change):
    save_file({n: t.clone() for n, t in b0[1].state_dict().items()}, tmp_path / 'model.safetensors')
    config = dict(model_type='segformer', **change)
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(UsageError, match=next(iter(change))):
        convert(tmp_path, tmp_path / 'b0.pth')


def test_a_file_that_is_there_is_kept(b0, tmp_path):
    folder, _, _, _ = b0
    dst = tmp_path / 'b0.pth'
    convert(folder, dst)
    first = dst.read_bytes()
    convert(folder, dst)
    assert dst.read_bytes() == first
    with pytest.raises(UsageError, match=r'b0\.pth is there already.*--force'):
        convert(folder, dst, backbone_only=True)
    assert dst.read_bytes() == first and len(list(tmp_path.iterdir())) == 1
    convert(folder, dst, backbone_only=True, force=True)
    assert len(read_checkpoint(dst)['state_dict']) == 160


def test_a_full_disk_leaves_what_was_there(b0, tmp_path, monkeypatch):
    def fill_the_disk(content, handle):
        handle.write(b'half')
        raise OSError('No space left on device')

    dst = tmp_path / 'b0.pth'
    dst.write_bytes(b'old')
    monkeypatch.setattr(torch, 'save', fill_the_disk)
    with pytest.raises(OSError, match='No space left'):
        convert(b0[0], dst, force=True)
    assert dst.read_bytes() == b'old' and len(list(tmp_path.iterdir())) == 1


def test_names_of_files_and_directions_are_checked(b0, tmp_path):
    folder, _, file, _ = b0
    with pytest.raises(UsageError, match=r'has to end in one of \.pth, \.pt'):
        convert(folder, tmp_path / 'b0.safetensors')
    with pytest.raises(UsageError, match=r'has to end in one of \.safetensors, \.bin'):
        convert_back(file, tmp_path / 'b0.pth')
    with pytest.raises(UsageError, match='names of MMSegmentation: hf_mit2mmseg.py judges it'):
        convert(file, tmp_path / 'b0.pth')
    with pytest.raises(UsageError, match='names of Hugging Face, not of MMSegmentation'):
        convert_back(folder, tmp_path / 'b0.bin')


def test_to_others_gives_the_authors_names_too(b0):
    weights = to_others(read_source(b0[2]), 'nvidia')
    assert weights['backbone.block1.0.attn.kv.weight'].shape == (64, 32)
    assert 'decode_head.linear_fuse.bn.running_var' in weights


def test_the_tool_says_what_it_did(b0, tmp_path, run_converter):
    folder, _, file, lines = b0
    done, said, _ = run_converter('hf_mit2mmseg', folder, tmp_path / 'b0.pth')
    assert not done and lines.split('load_from')[0] in said
    assert (tmp_path / 'b0.pth').read_bytes() == file.read_bytes()
    done, said, _ = run_converter('hf_mit2mmseg', '--to-hf', file, tmp_path / 'b0.safetensors')
    assert not done and 'SegformerConfig(depths=[2, 2, 2, 2]' in said


@pytest.mark.parametrize(
    'words, said',
    [
        (['a.pth'], 'SRC and DST are needed'),
        (['a.pth', 'a.pth'], 'one and the same'),
        (['--verify', 'a.pth', '--force'], 'goes with --against and --unsafe-load alone'),
        (['--against', 'a.pth'], 'goes with --verify FILE'),
        (['a', 'b.pth', '--names', 'hub'], 'goes with --to-hf'),
        (['/nowhere', 'b.pth'], 'error: checkpoint: no checkpoint at /nowhere'),
        (['--verify', '/nowhere'], 'error: checkpoint: no checkpoint at /nowhere'),
    ],
)
def test_words_that_do_not_go_together_are_refused(run_converter, words, said):
    done, _, error = run_converter('hf_mit2mmseg', *words)
    assert done == 2 and said in error
