import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmseg_ext.engine.doctor import Row, data, machine, report, stack
from mmseg_ext.engine.doctor.machine import GIB

ROOT = Path(__file__).resolve().parents[2]
MEND_MIXED = (
    'pip uninstall -y mmengine mmcv mmcv-lite mmsegmentation && '
    'pip install --force-reinstall --no-deps '
    'onedl-mmengine==0.10.12 onedl-mmcv==2.3.6 onedl-mmsegmentation==1.4.2'
)
PINS = stack.read_pins(ROOT, {})
MAINTAINED = {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6', 'onedl-mmsegmentation': '1.4.2'}
OPENMMLAB = {'mmengine': '0.10.7', 'mmcv': '2.1.0', 'mmsegmentation': '1.2.2', 'torch': '2.5.1'}
maintained_only = pytest.mark.skipif(
    'onedl-mmcv' not in stack.installed_versions(), reason='names the maintained distributions'
)


def run_doctor(*args, path='', python=()):
    """Runs the command line with ``path`` in front of the installed packages."""
    command = [sys.executable, *python, ROOT / 'tools/doctor.py', *args]
    env = dict(os.environ, PYTHONPATH=str(path), COLUMNS='120', OMP_NUM_THREADS='1')
    return subprocess.run(
        command, env=env, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300
    )


def write_package(path, name, source):
    (path / name).mkdir()
    (path / name / '__init__.py').write_text(source)


def write_distribution(path, name, version):
    folder = path / f'{name.replace("-", "_")}-{version}.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


def by_name(rows):
    return {row.what: row for row in rows}


def test_this_install_is_healthy_and_the_table_names_its_versions():
    result = run_doctor()
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1].startswith('training can run here')
    assert ' broken ' not in result.stdout
    installed = {d.name: d.version for d in importlib.metadata.distributions()}
    for names in (('torch',), *(stack.STACK[module] for module in stack.TWO_LINES)):
        assert any(f'{name} {installed.get(name)}' in result.stdout for name in names)


@maintained_only
def test_a_mixed_install_is_broken_and_json_gives_the_exact_mend(tmp_path):
    for name, version in (('mmengine', '0.10.7'), ('mmcv-lite', '2.2.0')):
        write_distribution(tmp_path, name, version)
    result = run_doctor('--json', path=tmp_path)
    rows = by_name(Row(**row) for row in json.loads(result.stdout))
    assert result.returncode == 1
    assert rows['line'].state == 'broken'
    assert rows['line'].found == (
        'mixed: onedl-mmengine 0.10.12 beside mmengine 0.10.7, '
        'onedl-mmcv 2.3.6 beside mmcv-lite 2.2.0'
    )
    assert rows['line'].mend == MEND_MIXED


@maintained_only
def test_a_failing_import_takes_down_training_but_not_the_doctor(tmp_path):
    source = "print('noise')\nraise ImportError('built for another torch\\nsecond line')"
    write_package(tmp_path, 'mmcv', source)
    result = run_doctor('--json', path=tmp_path)
    rows = by_name(Row(**row) for row in json.loads(result.stdout))
    assert result.returncode == 1
    assert rows['mmcv'].found == 'ImportError: built for another torch'
    assert rows['mmcv'].mend == 'pip install --force-reinstall --no-deps onedl-mmcv==2.3.6'
    assert rows['mmseg'] == Row('mmseg', 'fails with mmcv', 'broken', 'as for mmcv')
    assert rows['mmengine'].state == rows['torch'].state == 'ok'
    assert 'CamVid' in rows


def test_without_torch_the_report_goes_on(tmp_path):
    write_package(tmp_path, 'torch', "raise OSError('libcudart.so.13: cannot open')")
    result = run_doctor(path=tmp_path)
    assert result.returncode == 1
    assert 'OSError: libcudart.so.13: cannot open' in result.stdout
    assert 'mend: pip install --force-reinstall --no-deps torch==2.13.0' in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith('training cannot run here; broken: torch')


def test_an_environment_without_the_package_says_so():
    result = run_doctor(python=['-S'])
    assert result.returncode == 1
    assert 'pip install -c constraints.txt -e .' in result.stderr
    assert 'Traceback' not in result.stderr


def test_old_python_is_broken():
    assert stack.python_row((3, 9, 18)).state == 'broken'
    assert stack.python_row((3, 10, 0)) == Row('Python', '3.10.0', 'ok')


@pytest.mark.parametrize(
    'versions, states',
    [
        (MAINTAINED, {'line': 'ok'}),
        (OPENMMLAB, {'line': 'ok'}),
        ({}, {'line': 'broken'}),
        ({**MAINTAINED, 'mmsegmentation': '1.2.2'}, {'line': 'broken'}),
        ({'onedl-mmengine': '0.10.12', 'mmcv': '2.1.0'}, {'line': 'warning'}),
        ({**OPENMMLAB, 'mmcv': '2.2.0'}, {'line': 'ok', 'mmcv >= 2.2': 'broken'}),
        (
            {**OPENMMLAB, 'mmcv': '2.2.0', 'mmsegmentation': '1.3.0'},
            {'line': 'ok'},
        ),
        ({**OPENMMLAB, 'torch': '2.6.0+cu124'}, {'line': 'ok'}),
        (
            {'mmengine': '0.10.7', 'mmcv-lite': '2.1.0', 'mmsegmentation': '1.2.2'},
            {'line': 'ok', 'mmcv-lite': 'broken'},
        ),
    ],
)
def test_known_combinations(versions, states):
    rows = stack.line_rows(versions, PINS)
    assert {row.what: row.state for row in rows} == states
    assert all(bool(row.mend) == (row.state != 'ok') for row in rows)


def test_pins_come_from_the_constraints_or_else_from_what_is_installed(tmp_path):
    versions = {'onedl-mmcv': '2.3.5', 'torch': '2.6.0'}
    (tmp_path / 'constraints.txt').write_text('# tested\ntorch==2.13.0\n')
    pins = stack.read_pins(tmp_path, versions)
    assert pins['torch'] == 'torch==2.13.0'
    assert pins['onedl-mmcv'] == 'onedl-mmcv==2.3.5'
    assert pins['onedl-mmengine'] == 'onedl-mmengine'


@pytest.mark.parametrize(
    'module, error, versions, mend',
    [
        ('cv2', 'ImportError: libGL.so.1: cannot open', {}, 'apt-get install libgl1'),
        ('mmseg', "ModuleNotFoundError: No module named 'ftfy'", MAINTAINED, 'pip install ftfy'),
        ('mmcv', "ModuleNotFoundError: No module named 'mmcv'", {}, stack.INSTALL),
        ('mmseg', 'AssertionError: MMCV==2.2.0 is used', OPENMMLAB, MEND_MIXED),
        (
            'mmseg',
            "ModuleNotFoundError: No module named 'mmcv._ext'",
            MAINTAINED,
            stack.build_ops(PINS),
        ),
        (
            'mmseg',
            "ImportError: cannot import name 'x' from 'mmseg'",
            MAINTAINED,
            'pip install --force-reinstall --no-deps onedl-mmsegmentation==1.4.2',
        ),
    ],
)
def test_the_way_out_of_a_failed_import(module, error, versions, mend):
    assert stack.import_mend(module, error, versions, PINS).startswith(mend)


def test_a_folder_left_by_an_uninstall_is_no_module(tmp_path, monkeypatch):
    (tmp_path / 'mmleftover/ops').mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    module, error = stack.try_import('mmleftover')
    sys.modules.pop('mmleftover')
    assert module is None
    assert str(tmp_path / 'mmleftover') in error


def test_another_checkout_is_noticed(tmp_path):
    assert stack.checkout_rows(ROOT) == []
    (row,) = stack.checkout_rows(tmp_path)
    assert row.state == 'warning'
    assert str(ROOT) in row.found


@pytest.mark.parametrize('built', [True, False])
def test_compiled_ops_are_found_and_not_missed(built, tmp_path, monkeypatch):
    write_package(tmp_path, 'mmcv', '')
    if built:
        (tmp_path / 'mmcv/_ext.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mmcv']:
        monkeypatch.delitem(sys.modules, name)
    row = stack.ops_row(PINS)
    sys.modules.pop('mmcv')
    assert (row.found, row.state) == ('compiled' if built else 'none', 'ok')
    assert ('onedl-mmcv==2.3.6' in row.mend) == (not built)


OPTIONAL = pytest.mark.parametrize('package', ['torchvision', 'simplejpeg'])


@OPTIONAL
@pytest.mark.parametrize(
    'source, state, found',
    [
        ("__version__ = '0.28.0'", 'ok', '0.28.0'),
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            'broken',
            'RuntimeError: operator torchvision::nms does not exist',
        ),
    ],
)
def test_an_extra_imports_or_is_broken(package, source, state, found, tmp_path, monkeypatch):
    write_package(tmp_path, package, source)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition('.')[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    row = getattr(stack, f'{package}_row')()
    sys.modules.pop(package, None)
    assert (row.state, row.found) == (state, found)
    assert (f'pip uninstall -y {package}' in row.mend) == (state == 'broken')


@OPTIONAL
def test_no_extra_is_fine(package, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    row = getattr(stack, f'{package}_row')()
    assert row[1:3] == ('none', 'ok')
    assert 'pip install' in row.mend


def fake_torch(devices=(), cuda='13.0', backends=('gloo',)):
    """A torch with devices of (name, compute capability, GiB); no memory: the card is broken."""

    def memory(index):
        size = devices[index][2] * GIB
        if not size:
            raise RuntimeError('no kernel image is available\nfor this device')
        return size // 2, size

    return SimpleNamespace(
        version=SimpleNamespace(cuda=cuda),
        ones=lambda *size, device: SimpleNamespace(
            add=lambda value: SimpleNamespace(item=lambda: 2)
        ),
        cuda=SimpleNamespace(
            device_count=lambda: len(devices),
            mem_get_info=memory,
            get_device_properties=lambda index: SimpleNamespace(
                name=devices[index][0], major=devices[index][1]
            ),
        ),
        distributed=SimpleNamespace(
            is_available=lambda: bool(backends),
            is_nccl_available=lambda: 'nccl' in backends,
            is_backend_available=lambda name: name in backends,
        ),
    )


def test_each_gpu_has_its_row():
    cards = [('H200', 9, 140), ('Tesla T4', 7, 16), ('GTX 1080', 6, 8), ('RTX 6090', 13, 0)]
    rows = machine.gpu_rows(fake_torch(cards))
    assert [row.what for row in rows] == ['GPU 0', 'GPU 1', 'GPU 2', 'GPU 3']
    assert rows[0].found == 'H200, 140.0 GiB (70.0 free), AMP: fp16 and bf16'
    assert rows[1].found.endswith('AMP: fp16')
    assert rows[2].found.endswith('AMP: no gain')
    assert [row.state for row in rows] == ['ok', 'ok', 'ok', 'broken']
    assert rows[3].found == 'RuntimeError: no kernel image is available'


@pytest.mark.parametrize(
    'cuda, driver, visible, mend',
    [
        (None, None, None, 'enough for the demo'),
        ('13.0', '/usr/bin/nvidia-smi', None, 'update the driver'),
        (None, '/usr/bin/nvidia-smi', None, 'install a CUDA build'),
        ('13.0', '/usr/bin/nvidia-smi', '-1', 'unset CUDA_VISIBLE_DEVICES'),
    ],
)
def test_no_gpu_is_a_warning_with_the_likely_reason(cuda, driver, visible, mend, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: driver)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if visible:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    (row,) = machine.gpu_rows(fake_torch(cuda=cuda))
    assert row.state == 'warning'
    assert 'CPU' in row.found
    assert mend in row.mend


@pytest.mark.parametrize(
    'gpus, backends, found, state',
    [
        (2, ('gloo', 'nccl'), 'NCCL', 'ok'),
        (0, ('gloo', 'nccl'), 'gloo', 'ok'),
        (1, ('gloo',), 'gloo', 'ok'),
        (2, ('gloo',), 'gloo', 'warning'),
        (0, ('nccl',), 'no backend', 'broken'),
        (0, (), 'no backend', 'broken'),
    ],
)
def test_distributed_backend(gpus, backends, found, state):
    row = machine.distributed_row(fake_torch([('H200', 9, 140)] * gpus, backends=backends))
    assert (row.found, row.state) == (found, state)


def set_disk(monkeypatch, total, free):
    usage = namedtuple('usage', 'total used free')
    size = usage(int(total * GIB), int((total - free) * GIB), int(free * GIB))
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: size)


@pytest.mark.parametrize(
    'free, state', [(0.5, 'broken'), (1, 'warning'), (9.5, 'warning'), (10, 'ok')]
)
def test_disk_thresholds(free, state, monkeypatch, tmp_path):
    set_disk(monkeypatch, 500, free)
    row = machine.disk_row(tmp_path)
    assert row.state == state
    assert row.found.startswith(f'{free:.1f} GiB')
    assert bool(row.mend) == (state != 'ok')


@pytest.mark.parametrize('total, state', [(0.0625, 'warning'), (1, 'ok')])
def test_shared_memory_thresholds(total, state, monkeypatch, tmp_path):
    set_disk(monkeypatch, total, 0)
    (row,) = machine.shared_memory_rows(tmp_path)
    assert row.state == state
    assert ('--shm-size' in row.mend) == (state == 'warning')
    assert machine.shared_memory_rows(tmp_path / 'absent') == []


def config_paths(dataset):
    """Every path that a dataset config names, wrappers opened."""
    for inner in dataset.get('datasets', []):
        yield from config_paths(inner)
    if 'data_prefix' in dataset:
        places = [*dataset['data_prefix'].values(), dataset.get('ann_file')]
        yield from (f'{dataset["data_root"]}/{place}' for place in places if place)


def test_the_table_of_data_sets_is_that_of_the_configs():
    named = set()
    for file in (ROOT / 'configs/_base_/datasets').glob('*.py'):
        if file.stem == 'own_data':  # to be copied; its places are examples
            continue
        cfg = Config.fromfile(file)
        loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        named.add(frozenset(path for d in loaders for path in config_paths(d['dataset'])))
    table = {frozenset(f'{d.root}/{part}' for part in d.parts) for d in data.DATA_SETS}
    assert table == named


def test_a_data_set_is_in_place_only_with_all_its_parts(tmp_path):
    voc, aug = (next(d for d in data.DATA_SETS if d.name == n) for n in ('VOC 2012', 'VOC aug'))
    assert data.data_row(tmp_path, voc).found == 'no data/VOCdevkit/VOC2012'
    for part in voc.parts:
        (tmp_path / voc.root / part).mkdir(parents=True)
    assert data.data_row(tmp_path, voc) == Row('VOC 2012', voc.root, 'ok')
    row = data.data_row(tmp_path, aug)
    assert row.found == 'no data/VOCdevkit/VOC2012/SegmentationClassAug'
    assert (row.state, row.mend) == ('info', aug.mend)


def test_the_commands_that_make_data_exist():
    commands = [d.mend.split()[1] for d in data.DATA_SETS if d.mend.startswith('python ')]
    assert {command.rpartition('/')[2] for command in commands} == {
        'demo.py',
        'download.py',
        'coco_voc.py',
    }
    assert all((ROOT / command).is_file() for command in commands)


ROWS = [
    Row('torchvision', '0.28.0', 'ok', "pip install -e '.[gpu]'"),
    Row('line', 'mixed: mmengine 0.10.7 beside onedl-mmengine 0.10.12', 'broken', MEND_MIXED),
    Row('mmseg', '#' * 90, 'broken', MEND_MIXED),
    Row('mmseg_ext', 'fails with mmseg', 'broken', 'as for mmseg'),
    Row('GPU', 'none', 'warning', '#' * 90),
]


@pytest.mark.parametrize('width', [80, 100])
def test_the_table_fits_and_the_mend_can_be_copied(width, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', str(width))
    report.print_rows(ROWS)
    table, last = capsys.readouterr().out.rstrip().rsplit('\n\n', 1)
    assert max(map(len, table.splitlines())) <= width
    # nothing is cut, neither at spaces nor within a word
    written = ''.join(table.split())
    for letter in '#-=':
        assert written.count(letter) == sum(''.join(row).count(letter) for row in ROWS)
    assert last.splitlines() == [
        f'mend: {MEND_MIXED}',
        'training cannot run here; broken: line, mmseg, mmseg_ext',
    ]


def test_plain_lines_where_rich_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rich', None)
    report.print_rows(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok      torchvision: 0.28.0 -> pip install -e '.[gpu]'"
    assert lines[1].startswith('broken  line: mixed')
    assert lines[-1] == 'training cannot run here; broken: line, mmseg, mmseg_ext'


def test_only_a_broken_row_keeps_training_from_running():
    rest = [row for row in ROWS if row.state != 'broken']
    assert report.can_train(rest)
    assert report.verdict(rest) == 'training can run here; warnings: GPU'
    assert report.verdict(rest[:1]) == 'training can run here'
    assert not report.can_train(ROWS)
