import runpy
import sys

import numpy as np
import pytest
from conftest import ROOT, load_run_config
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_ext.datasets.browse import Browser, Sample, Stage
from mmseg_ext.datasets.browse_batches import BatchBrowser
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner
from mmseg_ext.records.sample_sheets import PARTNER, draw_samples, draw_stages

FAST = [
    *(dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')),
    dict(type='mmseg_ext.RandomResizeCrop', crop_size=(32, 32)),
    dict(type='mmseg_ext.RandomFlip', prob=0.5),
    dict(type='mmseg_ext.PhotoMetricDistortion'),
    dict(type='mmseg_ext.PackSegInputs'),
]


def deferred(pipeline):
    last = [dict(step, on_device=True) for step in pipeline[3:5]]
    return [*pipeline[:3], *last, pipeline[5]]


@pytest.fixture
def cfg(tiny):
    complete_config(tiny)
    init_default_scope('mmseg')
    tiny.model.data_preprocessor.type = 'mmseg_ext.SegDataPreProcessor'
    tiny.train_dataloader.dataset.pipeline = deferred(FAST)
    return tiny


def browse(cfg, indices, batch_size=4, seed=0, **settings):
    browser = Browser(cfg.train_dataloader.dataset, seed=seed)
    preprocessor = dict(cfg.model.data_preprocessor, **settings)
    return BatchBrowser(browser, preprocessor, batch_size).load(indices)


def test_work_left_to_the_device_is_shown_as_done(cfg):
    done = cfg.train_dataloader.dataset.copy()
    done.pipeline = FAST
    expected = Browser(done)
    plain = Browser(cfg.train_dataloader.dataset)
    indices = plain.spread(6)
    samples = browse(cfg, indices)
    assert len(samples) == 6
    changed = 0
    for index, sample in zip(indices, samples, strict=True):
        want = expected.load(index)
        assert sample.name == want.name and sample.partner is None
        assert np.array_equal(sample.final.label, want.final.label)
        # distorted in floats on the device, in bytes on the CPU
        assert abs(sample.final.image.astype(int) - want.final.image).max() <= 3
        changed += not plain.load(index).final.equals(sample.final)
        assert sample.stages[-1].name == 'PhotoMetricDistortion'
    assert changed >= 3, 'something was left to the device'


def test_a_full_batch_is_what_training_gets(cfg):
    cutmix = [dict(type='mmseg_ext.CutMix', prob=1.0)]
    cfg.model.data_preprocessor.batch_augments = cutmix
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=5)
    indices = [int(index) for index in loader.sampler][:8]
    browser = Browser(cfg.train_dataloader.dataset, seed=5)
    batches = BatchBrowser(browser, cfg.model.data_preprocessor, 8)
    batch = batches.preprocessor(next(iter(loader)), training=True)
    for number, sample in enumerate(batches.load(indices)):
        label = batch['data_samples'][number].gt_sem_seg.data[0].numpy()
        assert np.array_equal(sample.final.label, label)
        mean, std = (np.array(cfg.model.data_preprocessor[key]) for key in ('mean', 'std'))
        image = batch['inputs'][number].numpy().transpose(1, 2, 0) * std + mean
        assert abs(sample.final.image - image).max() <= 0.51, 'RGB, by bgr_to_rgb'


def test_cutmix_shows_two_images(cfg):
    without = browse(cfg, [0, 9, 18])
    mixed = browse(cfg, [0, 9, 18], batch_augments=[dict(type='mmseg_ext.CutMix', prob=1.0)])
    again = browse(cfg, [0, 9, 18], batch_augments=[dict(type='mmseg_ext.CutMix', prob=1.0)])
    other = browse(cfg, [0, 9, 18], 4, 1, batch_augments=[dict(type='mmseg_ext.CutMix', prob=1.0)])
    assert any(not a.final.equals(b.final) for a, b in zip(without, mixed, strict=True))
    assert all(a.final.equals(b.final) for a, b in zip(again, mixed, strict=True))
    assert any(not a.final.equals(b.final) for a, b in zip(other, mixed, strict=True))


def test_mixup_shows_both_labels(cfg):
    mixed = browse(
        cfg, [0, 9, 18, 27], batch_augments=[dict(type='mmseg_ext.MixUp', prob=1.0, alpha=5.0)]
    )
    alone = browse(cfg, [0, 9, 18, 27])
    shares = {sample.partner[0] for sample in mixed}
    assert len(shares) == 1 and 0 < min(shares) < 1
    share = shares.pop()
    for sample, plain in zip(mixed, alone, strict=True):
        assert np.array_equal(sample.final.label, plain.final.label)
        (partner,) = (each for each in alone if np.array_equal(each.final.label, sample.partner[1]))
        blend = share * plain.final.image + (1 - share) * partner.final.image.astype(float)
        assert abs(sample.final.image - blend).max() <= 1.1


def test_sheets_show_the_partner(tmp_path):
    image = np.full((50, 50, 3), (0, 100, 0), np.uint8)
    label = np.ones((50, 50), np.uint8)
    final = Stage('input', image, label)
    samples = [
        Sample('a.jpg', [Stage('Load', image // 2, label)], final, (0.7, label * 0)),
        Sample('b.jpg', [Stage('Load', image // 2, label)], final),
    ]
    for draw, columns in ((draw_samples, 4), (draw_stages, 3)):
        draw(tmp_path / 'a.png', samples[:1], ['x', 'y'], [[0, 0, 200], [200, 0, 0]])
        sheet = np.array(Image.open(tmp_path / 'a.png').convert('RGB'))
        row = sheet[sheet.shape[0] // 2]
        assert row[row.shape[0] * (2 * columns - 1) // (2 * columns)].tolist() == [0, 0, 200]
        draw(tmp_path / 'b.png', samples, ['x', 'y'], [[0, 0, 200], [200, 0, 0]])
    assert PARTNER == "the partner's labels"


def test_a_batch_that_is_refused_is_said(cfg):
    with pytest.raises(UsageError, match='model.data_preprocessor does not take the batch'):
        browse(cfg, [0, 9], 1, batch_augments=[dict(type='mmseg_ext.MixUp')])


def test_the_tool_shows_it(tiny_config, tmp_path, monkeypatch, capsys):
    cfg = load_run_config(tiny_config)
    complete_config(cfg)
    cfg.model.data_preprocessor.update(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.MixUp', prob=1.0)],
    )
    cfg.train_dataloader.dataset.pipeline = deferred(FAST)
    file, out = tmp_path / 'mixed.py', tmp_path / 'sheet.png'
    cfg.dump(file)
    tool = str(ROOT / 'tools/analysis_tools/browse_dataset.py')
    sizes = []
    for words in ([], ['--stages']):
        monkeypatch.setattr(sys, 'argv', [tool, str(file), '--num', '3', '--out', str(out), *words])
        runpy.run_path(tool, run_name='__main__')
        sizes.append(Image.open(out).size[0])
    # as loaded, input, labels, partner; loaded, its labels, window, input, partner
    assert sizes == [4 * 320, 5 * 240]
    assert str(out) in capsys.readouterr().out
