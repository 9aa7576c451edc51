import runpy
import sys
import time

import pytest
import torch
from conftest import ROOT, name_run
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner


@pytest.fixture
def cfg(tiny, tmp_path):
    tiny.work_dir = str(tmp_path / 'run')
    name_run(tiny)
    tiny.train_cfg.max_epochs = 1
    tiny.train_dataloader.dataset.indices = 8
    tiny.val_dataloader.dataset.indices = tiny.test_dataloader.dataset.indices = 2
    return tiny


def build(cfg):
    init_default_scope('mmseg')
    return MODELS.build(cfg.model)


@pytest.fixture
def weights(cfg):
    """A network's weights, by name."""
    return dict(build(cfg).state_dict())


@pytest.fixture
def write(tmp_path):
    """Writes weights as MMEngine does; returns the path."""

    def write(weights, name='a.pth', **more):
        torch.save(dict(state_dict=weights, meta={}, **more), tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def other(cfg, write):
    """A checkpoint of the same network for 5 classes."""
    cfg = ConfigDict(model=dict(cfg.model))
    cfg.model.decode_head = dict(cfg.model.decode_head, num_classes=5)
    return write(dict(build(cfg).state_dict()), 'other.pth')


def load(cfg):
    """What train() does before its first step."""
    runner = Runner.from_cfg(cfg)
    runner.call_hook('before_run')
    runner.model.init_weights()
    runner.load_or_resume()
    runner.call_hook('before_train')
    return runner


def log(cfg):
    (file,) = ROOT.joinpath(cfg.work_dir).glob('*/*.log')
    return file.read_text()


def test_fine_tuning_reports_the_head_and_goes_on(cfg, other):
    cfg.load_from = other
    runner = load(cfg)
    text = log(cfg)
    assert f'loaded load_from={other}: backbone ' in text
    assert 'decode_head 25/27 (92%): conv_seg 5 -> 21 classes: re-initialised' in text
    assert 'decode_head.conv_seg.weight (5, 16, 1, 1) -> (21, 16, 1, 1)' in text
    assert runner.message_hub.get_info('loaded_weights') == {'load_from': other}
    saved = torch.load(other)['state_dict'][FIRST]
    assert torch.equal(runner.model.state_dict()[FIRST], saved)


FIRST = 'backbone.layers.0.0.projection.weight'


def test_a_foreign_network_stops_the_training(cfg, write, weights):
    cfg.load_from = write({f'encoder.{name}': weight for name, weight in weights.items()})
    with pytest.raises(UsageError) as error:
        load(cfg)
    for part in ('load_from=', 'backbone 0/', "without 'encoder.'", '--allow-missing'):
        assert part in str(error.value)
    cfg.guards = dict(allow_missing=True)
    name_run(cfg)
    time.sleep(1)  # log folders are named by the second
    load(cfg)
    newest = max(ROOT.joinpath(cfg.work_dir).glob('*/*.log'))
    assert 'less than guards.backbone_share=0.9; going on' in newest.read_text()


@pytest.mark.parametrize('share, stops', [(0.9, True), (0.85, False)])
def test_the_share_of_the_backbone_decides(cfg, write, weights, share, stops):
    names = [name for name in weights if name.startswith('backbone.')]
    for name in names[: len(names) // 8]:
        del weights[name]
    cfg.load_from = write(weights)
    cfg.guards = dict(backbone_share=share)
    if stops:
        with pytest.raises(UsageError, match=r'backbone \d+/\d+ \(8\d%\).*backbone_share=0\.9'):
            load(cfg)
    else:
        load(cfg)


def test_what_the_file_has_beside_stops_nothing(cfg, write, weights):
    cfg.load_from = write({**weights, 'auxiliary_head.conv.weight': torch.ones(2)})
    load(cfg)
    assert 'in the file alone: auxiliary_head.conv.weight' in log(cfg)


def test_a_wrapped_networks_names_count(cfg, write, weights):
    cfg.load_from = write({f'module.{name}': weight for name, weight in weights.items()})
    runner = load(cfg)
    assert all(torch.equal(runner.model.state_dict()[name], weights[name]) for name in weights)


def test_resuming_another_network_stops(cfg, other):
    cfg.load_from, cfg.resume = other, True
    with pytest.raises(UsageError, match=r'resume=.*5 -> 21 classes.*guards\.network_share=1'):
        load(cfg)


def test_averaged_weights(cfg, write, weights):
    cfg.custom_hooks = [dict(type='EMAHook')]
    cfg.load_from = write(weights)
    assert load(cfg).model.state_dict()[FIRST].equal(weights[FIRST])


def test_a_validation_or_test_without_a_training_needs_the_whole_network(cfg, other):
    """The config can train, and nobody did."""
    cfg.load_from = other
    runner = Runner.from_cfg(cfg)
    for evaluate in (runner.val, runner.test):
        with pytest.raises(UsageError, match=r'conv_seg 5 -> 21 classes.*network_share=1'):
            evaluate()


def test_a_trained_network_is_validated_and_tested(cfg, other):
    cfg.load_from = other
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert 'mIoU' in runner.test()


@pytest.fixture
def test_tool(tiny_config, tmp_path, monkeypatch):
    """Runs tools/test.py in this process; returns its log."""

    def test_tool(checkpoint, *words):
        work_dir = tmp_path / f'test{time.time()}'
        options = [
            f'visualizer.name=v{time.time()}',
            f'experiment_name=v{time.time()}',  # MMEngine names its loggers so
            'test_dataloader.dataset.indices=2',
        ]
        command = ['test.py', tiny_config, checkpoint, '--work-dir', work_dir, *words]
        monkeypatch.setattr(sys, 'argv', [*map(str, command), '--cfg-options', *options])
        main = runpy.run_path(str(ROOT / 'tools/test.py'))['main']
        main()
        (file,) = work_dir.glob('*/*.log')
        return file.read_text()

    return test_tool


@pytest.mark.parametrize('words', [[], ['--tta']])
def test_evaluating_what_did_not_load_is_impossible(test_tool, other, write, weights, words):
    with pytest.raises(UsageError, match=r'5 -> 21 classes.*--allow-missing'):
        test_tool(other, *words)
    with pytest.raises(UsageError, match=r'backbone 0/\d+ \(0%\), decode_head 0/27 \(0%\)'):
        test_tool(write({}), *words)
    assert 'going on, as --allow-missing says' in test_tool(other, *words, '--allow-missing')
    text = test_tool(write(weights), *words)
    assert 'decode_head 27/27' in text and 'mIoU' in text


def hugging_face(weights):
    """The names that Hugging Face gives MiT; enough of them to know it."""
    names = [
        'patch_embeddings.0.proj.weight',
        'patch_embeddings.0.proj.bias',
        'block.0.0.attention.self.query.weight',
        'block.0.0.attention.self.key.weight',
        'block.0.0.mlp.dwconv.dwconv.weight',
        'layer_norm.0.weight',
    ]
    tensors = list(weights.values())
    return {f'segformer.encoder.{name}': tensors[i].clone() for i, name in enumerate(names)}


@pytest.mark.parametrize('key', ['init_cfg', 'pretrained', 'model.pretrained'])
def test_a_raw_hugging_face_file_stops_with_the_reason(cfg, tmp_path, key):
    file = str(tmp_path / 'mit.pth')
    torch.save(hugging_face({str(i): torch.randn(7) for i in range(6)}), file)
    if key == 'init_cfg':
        cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file)
    elif key == 'pretrained':
        cfg.model.backbone.pretrained = file
    else:
        cfg.model.pretrained = file
    with pytest.raises(UsageError) as error:
        Runner.from_cfg(cfg).train()
    for part in (
        'backbone.init_cfg=',
        'backbone 0/',
        'Hugging Face file',
        'hf_mit2mmseg.py SRC DST',
    ):
        assert part in str(error.value)


def part_of(weights, prefix):
    return {
        name.removeprefix(prefix): weight
        for name, weight in weights.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize('prefix', [None, 'backbone', 'backbone.'])
def test_pretrained_weights_are_reported(cfg, write, weights, prefix):
    file = write(weights if prefix else part_of(weights, 'backbone.'))
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file, prefix=prefix)
    runner = load(cfg)
    total = len(part_of(weights, 'backbone.'))
    assert f'loaded backbone.init_cfg={file}: backbone {total}/{total}\n' in log(cfg)
    assert runner.message_hub.get_info('loaded_weights') == {'backbone.init_cfg': file}


def test_a_checkpoint_that_replaced_them_is_what_counts(cfg, write, weights):
    good, bad = write(weights), write(hugging_face(weights), 'bad.pth')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=bad)
    cfg.load_from = good
    assert load(cfg).message_hub.get_info('loaded_weights') == {'load_from': good}


SWIN = dict(
    type='SwinTransformer', embed_dims=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1),
    window_size=3, pretrain_img_size=32,
)  # fmt: skip


def swin_weights(**changes):
    init_default_scope('mmseg')
    backbone = MODELS.build({**SWIN, **changes})
    backbone.init_weights()
    for parameter in backbone.parameters():  # as trained ones: no constants
        torch.nn.init.normal_(parameter)
    return dict(backbone.state_dict())


@pytest.mark.parametrize('window', [3, 5])
def test_a_backbone_that_converts_names_itself_is_judged_by_what_arrived(cfg, tmp_path, window):
    """mmseg's Swin takes the weights from 'model', cuts prefixes and resizes position biases."""
    weights = {
        f'backbone.{name}': tensor
        for name, tensor in swin_weights().items()
        if not name.endswith('relative_position_index')  # the class fails on one of another size
    }
    torch.save({'model': weights}, tmp_path / 'swin.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'swin.pth'))
    cfg.model.backbone = dict(SWIN, window_size=window, init_cfg=init)
    cfg.model.decode_head.in_channels = [16, 32, 64, 128]
    load(cfg)
    resized = 0 if window == 3 else 4
    text = log(cfg)
    assert f'backbone {len(weights) - resized}/{len(weights)}' in text


def test_a_backbone_that_ignores_its_init_cfg_is_noticed(cfg, write, weights):
    class Deaf(MODELS.get('MixVisionTransformer')):
        def init_weights(self):
            pass

    MODELS.register_module(module=Deaf, force=True)
    file = write(part_of(weights, 'backbone.'))
    cfg.model.backbone.type = 'Deaf'
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file)
    with pytest.raises(UsageError, match=r'backbone\.init_cfg=.*backbone \d+/\d+ \(\d+%\)'):
        load(cfg)


@pytest.mark.slow
def test_two_processes_say_it_once(run, tiny_config, tmp_path):
    file = tmp_path / 'mit.pth'
    torch.save(hugging_face({str(i): torch.randn(7) for i in range(6)}), file)
    done = run(
        'tools/dist_train.sh', tiny_config, 2, '--work-dir', tmp_path / 'run', '--cfg-options',
        'model.backbone.init_cfg.type=Pretrained', f'model.backbone.init_cfg.checkpoint={file}',
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.count(f'error: backbone.init_cfg={file}: backbone 0/92 (0%)') == 1
