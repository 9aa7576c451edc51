import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import load_run_config
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmseg_ext.datasets import Draw, SeededDataset
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks import BadSamplesHook, bad_samples_hook


class Files:
    """Samples 0 to 9, of which some do not load."""

    def __init__(self, *bad, error=UsageError):
        self.bad, self.error = bad, error

    def __len__(self):
        return 10

    def get_data_info(self, index):
        return dict(img_path=f'{index}.jpg')

    def __getitem__(self, index):
        if index in self.bad:
            raise self.error('is\nempty')
        sample = SegDataSample(metainfo=dict(img_path=f'{index}.jpg', noise=np.random.rand()))
        return dict(data_samples=sample)


def draws():
    return [Draw(index, (3, 0, 0, index)) for index in range(10)]


def load(dataset, draw):
    return dataset[draw]['data_samples']


def test_a_bad_sample_is_named():
    dataset = SeededDataset(Files(4))
    assert load(dataset, draws()[3]).img_path == '3.jpg'
    with pytest.raises(UsageError, match=r'^4\.jpg: is\nempty'):
        dataset[draws()[4]]
    with pytest.raises(RuntimeError, match=r'^4\.jpg does not load: KeyError: .*empty') as raised:
        SeededDataset(Files(4, error=KeyError))[draws()[4]]
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize('error', [UsageError, KeyError, ZeroDivisionError])
def test_a_replacement_depends_on_its_draw_alone(error):
    dataset = SeededDataset(Files(4, 5, 6, error=error), max_bad_samples=3)
    first = [load(dataset, draw) for draw in draws()]
    again = [load(dataset, draw) for draw in reversed(draws())][::-1]
    for index, (one, other) in enumerate(zip(first, again, strict=True)):
        assert (one.img_path, one.noise) == (other.img_path, other.noise)
        assert ('replaced' in one) == (index in (4, 5, 6))
        if index in (4, 5, 6):
            path, reason = one.replaced[0]
            assert path == f'{index}.jpg' and 'is' in reason and '\n' not in reason
            assert one.img_path not in ('4.jpg', '5.jpg', '6.jpg')
    assert first[4].noise != first[5].noise
    # another epoch draws others
    others = [load(dataset, Draw(4, (3, epoch, 0, 4))).img_path for epoch in range(20)]
    assert len(set(others)) > 3
    # samples that load are those of a run without the guard
    plain = SeededDataset(Files())
    assert all(load(plain, draws()[i]).noise == first[i].noise for i in (0, 1, 2, 3, 7, 8, 9))


def test_when_nothing_loads_it_stops():
    with pytest.raises(UsageError, match=r'^3 samples do not load, guards\.max_bad_samples=2: '):
        SeededDataset(Files(*range(10)), max_bad_samples=2)[draws()[0]]

    class Same(Files):
        def get_data_info(self, index):
            return dict(img_path='same.jpg')

    with pytest.raises(UsageError, match=r'^1 sample does not load.*: same\.jpg: is empty$'):
        SeededDataset(Same(*range(10)), max_bad_samples=2)[draws()[0]]


def test_a_pipeline_that_cannot_tell_stops():
    class Bare(Files):
        def __getitem__(self, index):
            return super().__getitem__(index)['data_samples'].noise

    with pytest.raises(UsageError, match=r'ends in PackSegInputs.*4\.jpg: is empty'):
        SeededDataset(Bare(4), max_bad_samples=1)[draws()[4]]


def make_hook(tmp_path, allowed, iteration=0):
    cfg = Config(dict(guards=dict(max_bad_samples=allowed)))
    logger = SimpleNamespace(warning=lambda text: None)
    runner = SimpleNamespace(cfg=cfg, work_dir=str(tmp_path), iter=iteration, logger=logger)
    hook = BadSamplesHook()
    hook.before_train(runner)
    return hook, runner


def batch(*paths):
    samples = [SegDataSample(), SegDataSample()]
    samples[1].set_metainfo(dict(replaced=[(path, 'is empty') for path in paths]))
    return dict(data_samples=samples)


def read(tmp_path):
    return json.loads((tmp_path / 'bad_samples.json').read_text())


def test_files_are_counted_once_and_a_resumed_run_goes_on(tmp_path):
    hook, runner = make_hook(tmp_path, 2)
    for paths in (('a',), (), ('a',), ('b', 'a')):
        hook.before_train_iter(runner, 0, batch(*paths))
        runner.iter += 1
    hook.after_train_epoch(runner)
    a, b = (dict(reason='is empty', times=n, first_iter=i) for n, i in ((3, 0), (1, 3)))
    assert read(tmp_path) == dict(max_bad_samples=2, files=dict(a=a, b=b))
    hook, runner = make_hook(tmp_path, 2, iteration=4)
    hook.before_train_iter(runner, 0, batch('a'))
    with pytest.raises(UsageError, match='3 samples do not load.*a: is empty; b: .*; c: is empty'):
        hook.before_train_iter(runner, 0, batch('c'))
    assert list(read(tmp_path)['files']) == ['a', 'b', 'c']
    make_hook(tmp_path, 2)
    assert not (tmp_path / 'bad_samples.json').exists()


def test_processes_are_added_up_at_the_end_of_an_epoch(tmp_path, monkeypatch):
    hook, runner = make_hook(tmp_path, 2)
    hook.before_train_iter(runner, 0, batch('a', 'b'))
    theirs = dict(b=dict(reason='is empty', times=4, first_iter=1))
    monkeypatch.setattr(bad_samples_hook, 'all_gather_object', lambda own: [own, theirs])
    hook.after_train_epoch(runner)
    assert read(tmp_path)['files']['b'] == dict(reason='is empty', times=5, first_iter=0)
    theirs['c'] = theirs['b']
    with pytest.raises(UsageError, match='3 samples do not load') as raised:
        hook.after_train_epoch(runner)
    assert raised.value.shared and list(read(tmp_path)['files']) == ['a', 'b', 'c']


@pytest.mark.parametrize('value', [-1, 0.5, '3'])
def test_a_guard_that_is_no_number(value):
    with pytest.raises(UsageError, match=f'max_bad_samples={value} is no number'):
        read_guards(Config(dict(guards=dict(max_bad_samples=value))))


def test_the_guard_needs_its_hook():
    cfg = Config(dict(guards=dict(max_bad_samples=1), default_hooks=dict(bad_samples=None)))
    with pytest.raises(UsageError, match='needs default_hooks.bad_samples'):
        read_guards(cfg)


def spoil(voc_root, root, *names):
    """A copy of the data with training images of no bytes; returns these."""
    shutil.copytree(voc_root, root)
    train = (root / 'ImageSets/Segmentation/train.txt').read_text().split()
    files = [root / f'JPEGImages/{train[index]}.jpg' for index in names]
    for file in files:
        file.write_bytes(b'')
    return [str(file) for file in files]


def run_config(tiny_config, root, work_dir, allowed, num_workers=0, kind='mmseg_ext.'):
    cfg = load_run_config(tiny_config)
    cfg.work_dir = str(work_dir)
    cfg.guards = dict(max_bad_samples=allowed)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(root)
    cfg.train_dataloader.num_workers = num_workers
    for step in cfg.train_dataloader.dataset.pipeline[:2]:
        step.type = kind + step.type
    cfg.train_cfg.update(max_epochs=1, val_begin=9)
    return cfg


@pytest.mark.parametrize(
    'bad, allowed, kind', [(1, 0, 'mmseg_ext.'), (2, 1, 'mmseg_ext.'), (1, 1, '')]
)
def test_training_stops_or_goes_on(tiny_config, voc_root, tmp_path, bad, allowed, kind):
    files = spoil(voc_root, tmp_path / 'VOC2012', *range(bad))
    cfg = run_config(tiny_config, tmp_path / 'VOC2012', tmp_path / 'run', allowed, kind=kind)
    runner = Runner.from_cfg(cfg)
    if bad > allowed:
        with pytest.raises(RuntimeError) as raised:
            runner.train()
        named = [file for file in files if file in str(raised.value)]
        assert named and (allowed == 0 or named == files)
        assert isinstance(raised.value, UsageError) == bool(kind or allowed)
    else:
        runner.train()
        (entry,) = read(tmp_path / 'run')['files'].items()
        assert entry[0] == files[0] and entry[1]['times'] == 1
        (log,) = (tmp_path / 'run').glob('*/*.log')
        assert re.search(
            rf'does not load, 1 of 1 allowed: .*{re.escape(files[0])}', log.read_text()
        )
    if allowed:
        assert set(read(tmp_path / 'run')['files']) == set(files)


def test_validation_replaces_nothing(tiny_config, voc_root, tmp_path):
    shutil.copytree(voc_root, tmp_path / 'VOC2012')
    val = (tmp_path / 'VOC2012/ImageSets/Segmentation/val.txt').read_text().split()
    (tmp_path / f'VOC2012/JPEGImages/{val[3]}.jpg').write_bytes(b'')
    cfg = run_config(tiny_config, tmp_path / 'VOC2012', tmp_path / 'run', 5)
    cfg.train_cfg.val_begin = 1
    with pytest.raises(RuntimeError, match=f'{val[3]}.jpg does not load'):
        Runner.from_cfg(cfg).train()


def test_a_pipeline_that_returns_none_replaces_nothing_in_silence(tiny_config, voc_root, tmp_path):
    (file,) = spoil(voc_root, tmp_path / 'VOC2012', 0)
    cfg = run_config(tiny_config, tmp_path / 'VOC2012', tmp_path / 'run', 0, kind='')
    cfg.train_dataloader.dataset.pipeline[0].ignore_empty = True
    with pytest.raises(RuntimeError, match=f'{file} does not load'):
        Runner.from_cfg(cfg).train()


def test_preflight_spares_as_many_masks(tiny_config, voc_root, tmp_path):
    (image,) = spoil(voc_root, tmp_path / 'VOC2012', 0)
    mask = image.replace('JPEGImages', 'SegmentationClass').replace('.jpg', '.png')
    open(mask, 'wb').close()
    for allowed in (1, 0):
        cfg = run_config(tiny_config, tmp_path / 'VOC2012', tmp_path / 'run', allowed)
        if allowed:
            Runner.from_cfg(cfg)
        else:
            with pytest.raises(UsageError, match=f'{mask} is empty'):
                Runner.from_cfg(cfg)


# both runs in a process of their own: workers are forked, and starting it is most of the time
WORKERS = """
import sys
from mmengine.config import Config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner
for file in sys.argv[1:]:
    try:
        Runner.from_cfg(Config.fromfile(file)).train()
        print('ENDED whole')
    except UsageError as error:
        print('ENDED', error)
"""


def test_training_with_workers(tiny_config, voc_root, tmp_path):
    root = tmp_path / 'VOC2012'
    (file,) = spoil(voc_root, root, 0)
    for allowed in (0, 1):
        run_config(tiny_config, root, tmp_path / f'run{allowed}', allowed, num_workers=2).dump(
            tmp_path / f'{allowed}.py'
        )
    configs = [tmp_path / '0.py', tmp_path / '1.py']
    done = subprocess.run(
        [sys.executable, '-c', WORKERS, *map(str, configs)], capture_output=True, text=True
    )
    said = [line for line in done.stdout.splitlines() if line.startswith('ENDED')]
    again = 'unpack or download it again'
    assert said == [f'ENDED {file} is empty, 0 bytes; {again}', 'ENDED whole'], done.stderr[-2000:]
    assert list(read(tmp_path / 'run1')['files']) == [file]
