import random
import re
import time

import numpy as np
import pytest
import torch
import toy
from conftest import load_run_config
from mmcv.transforms import BaseTransform
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

from mmseg_ext.benchmarks import advice
from mmseg_ext.benchmarks.advice import AS_IT_IS, NAMES, Loading, describe, measure
from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks import LoaderAdviceHook

SLEEP = 0.03


@TRANSFORMS.register_module()
class Sleep(BaseTransform):
    """Waits, as for a disk; leaves nothing to the device."""

    calls = 0

    def transform(self, results):
        Sleep.calls += 1
        time.sleep(SLEEP)
        return results


def train(config, tmp_path, hook, pipeline=(), **changes):
    cfg = load_run_config(config)
    cfg.work_dir = str(tmp_path)
    cfg.train_cfg.update(val_begin=9, max_epochs=1)
    cfg.train_dataloader.dataset.pipeline[2:2] = pipeline
    cfg.default_hooks.loader_advice = dict(type='mmseg_ext.LoaderAdviceHook', **hook)
    cfg.merge_from_dict(changes)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))


def test_a_slow_pipeline_is_said_once_with_rates(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(advice, 'SECONDS', 1.0)
    # the sleep is in the way of everything, so only its share shows in the rates
    _, log = train(tiny_config, tmp_path, dict(window=3, skip=1), [dict(type='Sleep')])
    (share, wait, step, wanted, got) = re.search(
        r'(\d+)% of a step, (\d+) of (\d+) ms, is waiting .* take (\d+) images .* gets (\d+), with '
        r'num_workers=0',
        log,
    ).groups()
    assert log.count('is waiting for data') == 1
    assert int(share) > 30 and int(wait) >= 8 * 1000 * SLEEP
    assert int(share) == pytest.approx(100 * int(wait) / int(step), abs=2)
    assert int(got) <= 1 / SLEEP < int(wanted)
    (rate,) = re.findall(rf'  {AS_IT_IS} +(\d+)   (?:enough with|would take)', log)
    assert 0.5 / SLEEP < int(rate) <= 1 / SLEEP
    (total,) = re.findall(r'waiting for data took (\d+)\.\d ms a step, \d+\.\d%', log)
    assert int(total) == pytest.approx(int(wait), rel=0.5), 'the measurement itself is no waiting'


def test_a_fast_pipeline_is_left_alone(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(advice, 'measure', lambda *_: pytest.fail('nothing is to be measured'))
    _, log = train(tiny_config, tmp_path, dict(window=1, skip=0, share=0.95))
    assert 'is waiting for data' not in log
    assert log.count('waiting for data took') == 1


def test_workers_and_what_starts_an_epoch_do_not_count():
    hook, hub = LoaderAdviceHook(window=2, skip=2, share=0.5), {}
    runner = type('Runner', (), dict(message_hub=type('Hub', (), dict(log_scalars=hub))))
    said = []
    hook._advise = lambda runner, wait, step: said.append((wait, step))
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    hook.after_train_iter(runner, 0)  # no timer
    scalars = {'train/data_time': [9, 9, 0.1, 9, 9, 0.3, 0.6, 0.6], 'train/time': [9] * 8}
    for number in range(8):
        if number in (0, 3):
            hook.before_train_epoch(runner)
        for name, values in scalars.items():
            time = 1.0 if name == 'train/time' else values[number]
            hub[name] = type('Buffer', (), dict(current=lambda self, time=time: time))()
        hook.after_train_iter(runner, number)
        hook.before_train_iter(runner, number + 1)
        assert said == ([] if number < 7 else [(0.6, 1.0)])
    for number in (8, 9):
        hook.after_train_iter(runner, number)
        hook.before_train_iter(runner, number + 1)
    assert len(said) == 1


def test_other_processes_are_silent(monkeypatch):
    monkeypatch.setattr('mmseg_ext.hooks.loader_advice_hook.is_main_process', lambda: False)
    hook = LoaderAdviceHook(window=1, skip=0)
    hook.before_train(None)
    buffer = type('Buffer', (), dict(current=lambda self: 1.0))()
    scalars = {'train/data_time': buffer, 'train/time': buffer}
    hub = type('Hub', (), dict(log_scalars=scalars))
    hook.after_train_iter(type('Runner', (), dict(message_hub=hub)), 0)
    assert hook.is_done and not hook.steps


def test_measuring_leaves_random_states_and_keeps_to_its_time(monkeypatch, voc_root):
    init_default_scope('mmseg')
    names = (voc_root / 'ImageSets/Segmentation/train.txt').read_text().split()[:4]
    infos = [
        dict(
            img_path=str(voc_root / f'JPEGImages/{name}.jpg'),
            seg_map_path=str(voc_root / f'SegmentationClass/{name}.png'),
            reduce_zero_label=False,
            seg_fields=[],
        )
        for name in names
    ]
    pipeline = [
        *(dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Sleep')),
        *(dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5)),
        *(dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')),
    ]
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    Sleep.calls = 0
    began = time.perf_counter()
    rates = measure(pipeline, infos)
    assert list(rates) == [AS_IT_IS, *NAMES.values()]
    assert Sleep.calls == len(rates) * 2 * len(infos)
    assert all(1 / SLEEP > rate > 5 for rate in rates.values())
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[2])
    assert np.array_equal(np.random.get_state()[1], states[1][1])
    assert infos[0]['seg_fields'] == []

    monkeypatch.setattr(advice, 'SECONDS', 0.1)
    Sleep.calls = 0
    began = time.perf_counter()
    assert AS_IT_IS in measure(pipeline, infos)
    assert time.perf_counter() - began < 0.1 + 3 * SLEEP + 0.2 and Sleep.calls <= 8


def test_the_advice_counts_workers():
    loading = Loading(wait=0.15, step=0.2, batch_size=8, num_workers=2, cores=4)
    rates = {AS_IT_IS: 30.0, 'a little': 32.0, 'a lot': 90.0}
    lines = describe(loading, rates).splitlines()
    assert lines[0].startswith('75% of a step, 150 of 200 ms, is waiting for data')
    assert 'take 160 images a second, it gets 40, with num_workers=2 and 4 cores' in lines[0]
    assert 'would take 6 workers: more than cores' in lines[2]
    assert re.search(r'a lot +90   enough with num_workers=2', lines[3])
    assert 'a little' not in '\n'.join(lines)
    assert describe(loading, {}).count('\n') == 0


def test_a_dataset_without_pipeline_gets_the_advice_without_rates(tmp_path):
    """One that is none of MMEngine's."""
    cfg = toy.make_config(
        tmp_path,
        **{
            'train_dataloader.dataset.type': 'SlowNumbers',
            'custom_hooks': [
                dict(type='ToyHook'),
                dict(type='mmseg_ext.LoaderAdviceHook', window=2, skip=1),
            ],
            'train_cfg.max_epochs': 1,
        },
    )
    toy.train(cfg)
    log = toy.log_of(tmp_path)
    assert log.count('is waiting for data') == 1 and 'more num_workers help' in log


@toy.DATASETS.register_module()
class SlowNumbers(toy.ToyNumbers):
    def __getitem__(self, index):
        time.sleep(0.002)
        return super().__getitem__(index)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(share=0), 'share=0 is not'),
        (dict(share=1.5), 'share=1.5'),
        (dict(window=0), 'window=0'),
        (dict(skip=-1), 'skip=-1'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LoaderAdviceHook(**settings)
