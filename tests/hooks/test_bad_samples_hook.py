import json
import multiprocessing
import re
import shutil
from pathlib import Path

import counting
import mmcv
import numpy as np
import pytest
from conftest import load_run_config
from counting import batch, make_runner
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_ext.datasets import Draw, SeededDataset
from mmseg_ext.datasets.bad_samples import NOT_OF_A_FILE
from mmseg_ext.engine import preflight
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks import BadSamplesHook, bad_samples_hook
from mmseg_ext.hooks.bad_samples_hook import INTERVAL
from mmseg_ext.records.files import write_json

# a server that has imported these once starts each worker in a moment
processes = multiprocessing.get_context('forkserver')
processes.set_forkserver_preload(['mmseg.datasets', 'mmseg_ext.datasets'])


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


@pytest.mark.parametrize('error', NOT_OF_A_FILE)
@pytest.mark.parametrize('allowed', [0, 3])
def test_code_that_fails_is_not_replaced(error, allowed):
    dataset = SeededDataset(Files(4, error=error), max_bad_samples=allowed)
    said = rf'^the pipeline fails, at 4\.jpg: {error.__name__}: is empty$'
    with pytest.raises(RuntimeError, match=said) as raised:
        dataset[draws()[4]]
    assert isinstance(raised.value.__cause__, error)
    assert not isinstance(raised.value, UsageError)


@pytest.mark.parametrize('kind', ['', 'mmseg_ext.'])
@pytest.mark.parametrize('part, keep', [('image', 0), ('mask', 0), ('image', 0.5), ('mask', 0.5)])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_the_file_that_does_not_load_is_named(tmp_path, kind, part, keep, backend):
    pixels = np.random.default_rng(0).integers(0, 9, (32, 32), np.uint8)
    for index in range(3):
        Image.fromarray(pixels).convert('RGB').save(tmp_path / f'{index}.jpg')
        Image.fromarray(pixels).save(tmp_path / f'{index}.png')
    file = tmp_path / ('1.jpg' if part == 'image' else '1.png')
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    steps = [
        dict(type=f'{kind}{name}', imdecode_backend=backend)
        for name in ('LoadImageFromFile', 'LoadAnnotations')
    ]
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = BaseSegDataset(
            data_prefix=dict(img_path=str(tmp_path), seg_map_path=str(tmp_path)),
            pipeline=[*steps, dict(type='PackSegInputs')],
        )
    draw = Draw(1, (3, 0, 0, 1))
    if (kind, part, keep, backend) == ('', 'image', 0.5, 'cv2') and not cv2_finds_cut_jpegs(file):
        pytest.skip('this OpenCV fills what is missing of a JPEG')
    with pytest.raises(UsageError) as raised:
        SeededDataset(dataset)[draw]
    assert str(raised.value).startswith(f'{file} ') and '\n' not in str(raised.value)
    sample = load(SeededDataset(dataset, max_bad_samples=1), draw)
    ((image, reason),) = sample.replaced
    assert image == str(tmp_path / '1.jpg') and reason.startswith(f'{file} ')


def cv2_finds_cut_jpegs(file):
    return mmcv.imfrombytes(file.read_bytes()) is None


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
    runner, hook = make_runner(tmp_path, allowed, iteration), BadSamplesHook()
    hook.before_train(runner)
    return hook, runner


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


def test_files_of_an_earlier_start_that_fail_again_stop(tmp_path):
    hook, runner = make_hook(tmp_path, 1)
    with pytest.raises(UsageError, match='2 samples do not load'):
        hook.before_train_iter(runner, 0, batch('a', 'b'))
    hook, runner = make_hook(tmp_path, 1, iteration=4)
    hook.before_train_iter(runner, 0, batch())
    hook.after_train_epoch(runner)
    with pytest.raises(UsageError, match='2 samples do not load'):
        hook.before_train_iter(runner, 0, batch('a'))


def entry(times, first_iter=0):
    return dict(reason='is empty', times=times, first_iter=first_iter)


def test_what_others_saw_is_kept(tmp_path, monkeypatch):
    hook, runner = make_hook(tmp_path, 5)
    theirs = dict(b=entry(4))
    monkeypatch.setattr(bad_samples_hook, 'all_gather_object', lambda own: [own, theirs])
    hook.before_train_iter(runner, 0, batch('a'))
    hook.before_checkpoint(runner)
    assert read(tmp_path)['files'] == dict(a=entry(1), b=entry(4))
    hook.before_train_iter(runner, 0, batch('c', 'a'))
    assert read(tmp_path)['files'] == dict(a=entry(2), b=entry(4), c=entry(1))
    hook.after_train_epoch(runner)  # counts nothing twice
    assert read(tmp_path)['files'] == dict(a=entry(2), b=entry(4), c=entry(1))
    # after a resume, too
    theirs = dict(d=entry(1, 7))
    hook, runner = make_hook(tmp_path, 5, iteration=7)
    for _ in range(2):
        hook.before_train_iter(runner, 0, batch('b'))
        hook.before_checkpoint(runner)
    kept = dict(a=entry(2), b=entry(6), c=entry(1), d=entry(1, 7))
    assert read(tmp_path)['files'] == kept


def test_iterations_exchange_at_an_interval(tmp_path, monkeypatch):
    hook, runner = make_hook(tmp_path, 2)
    theirs = {}
    monkeypatch.setattr(bad_samples_hook, 'all_gather_object', lambda own: [own, theirs])
    hook.before_train_iter(runner, 0, batch('a', 'b'))
    theirs['c'] = entry(1)
    for runner.iter in range(1, INTERVAL - 1):
        hook.before_train_iter(runner, 0, batch())
    hook.before_checkpoint(runner)  # does not stop: it would be lost
    assert list(read(tmp_path)['files']) == ['a', 'b', 'c']
    runner.iter += 1
    with pytest.raises(UsageError, match='3 samples do not load') as raised:
        hook.before_train_iter(runner, 0, batch())
    assert raised.value.shared
    # what it was told counts at once
    runner.iter += 1
    with pytest.raises(UsageError, match='3 samples do not load') as raised:
        hook.before_train_iter(runner, 0, batch('a'))
    assert not raised.value.shared


@pytest.mark.slow
def test_two_processes_count_together(tmp_path):
    """Over gloo; the second has no list to resume from, and neither has too many alone."""
    write_json(tmp_path / 'bad_samples.json', dict(files=dict(both=entry(7))))
    work = [processes.Process(target=counting.count, args=(rank, tmp_path)) for rank in range(2)]
    for process in work:
        process.start()
    for process in work:
        process.join(60)
    at = 2 * INTERVAL - 1
    for rank in range(2):
        said = (tmp_path / f'{rank}.txt').read_text()
        assert said.startswith(f"['both'] {at} True 3 samples do not load")
        assert all(name in said for name in ('both', 'of 0', 'of 1'))
    # each saw it twice less: the other file took a place in its first step
    files = read(tmp_path)['files']
    assert files['both'] == entry(7 + 2 * (2 * INTERVAL - 1), 0)
    assert files['of 0'] == files['of 1'] == entry(1, INTERVAL)


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


@pytest.mark.parametrize('kind', ['', 'mmseg_ext.'])
@pytest.mark.parametrize('keep', [0, 0.5])
def test_preflight_spares_as_many_masks(tiny_config, voc_root, tmp_path, kind, keep):
    (image,) = spoil(voc_root, tmp_path / 'VOC2012', 0)
    mask = Path(image.replace('JPEGImages', 'SegmentationClass')).with_suffix('.png')
    mask.write_bytes(mask.read_bytes()[: int(keep * mask.stat().st_size)])
    for allowed in (1, 0):
        cfg = run_config(tiny_config, tmp_path / 'VOC2012', tmp_path / 'run', allowed, kind=kind)
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = cfg.train_dataloader.dataset
            if allowed:
                preflight.check_data('train', dataset, cfg.model, allowed)
                continue
            with pytest.raises(UsageError) as raised:
                preflight.check_data('train', dataset, cfg.model)
        said = str(raised.value)
        assert said.startswith(f'{mask} ') and '\n' not in said
        assert ('check_dataset.py CONFIG names all' in said) == (kind == '')


@TRANSFORMS.register_module()
class BrokenLoadAnnotations:
    def __call__(self, results):
        return undefined  # noqa: F821


def test_preflight_does_not_blame_masks_for_code(tiny_config, voc_root, tmp_path):
    cfg = run_config(tiny_config, voc_root, tmp_path, 0)
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline[1].type = 'BrokenLoadAnnotations'
    said = r'^the pipeline fails, at .*\.png: NameError: '
    for spare in (0, 3):
        with (
            DefaultScope.overwrite_default_scope('mmseg'),
            pytest.raises(RuntimeError, match=said) as raised,
        ):
            preflight.check_data('train', dataset, cfg.model, spare)
        assert not isinstance(raised.value, UsageError)


def test_training_with_workers(tiny_config, voc_root, tmp_path):
    root = tmp_path / 'VOC2012'
    (file,) = spoil(voc_root, root, 0)
    for allowed in (0, 1):
        cfg = run_config(tiny_config, root, tmp_path / f'run{allowed}', allowed, num_workers=1)
        # a fork of a process with threads may hang
        cfg.train_dataloader.multiprocessing_context = 'forkserver'
        runner = Runner.from_cfg(cfg)
        if allowed:
            runner.train()
        else:
            with pytest.raises(UsageError) as raised:
                runner.train()
            again = 'unpack or download it again'
            assert str(raised.value) == f'{file} is empty, 0 bytes; {again}'
    assert list(read(tmp_path / 'run1')['files']) == [file]
