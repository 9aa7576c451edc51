"""The unmodified tools of the installed mmsegmentation run our configs and train the same."""

import json
import sys
from pathlib import Path

import mmseg
import pytest
from conftest import ROOT, write_tiny_config
from mmengine.runner import checkpoint

STOCK = Path(mmseg.__file__).parent / '.mim/tools'
pytestmark = pytest.mark.skipif(not STOCK.is_dir(), reason='mmsegmentation without its tools')

SHORT = ['default_hooks.logger.interval=1', 'train_cfg.max_epochs=1']


def losses(work_dir):
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [(line['step'], line['loss'], line['lr']) for line in lines if 'loss' in line]


# ours seeds each sample by itself, so the same draws cannot come out of plain MMSegmentation
NOTHING_RANDOM = """
train_pipeline[2] = dict(type='Resize', scale=(32, 32))
model['decode_head']['dropout_ratio'] = 0.0
"""


def test_stock_train_and_test_run_our_configs_and_train_as_plain_mmsegmentation_does(
    voc_root, run, tmp_path
):
    tiny_config = write_tiny_config(tmp_path / 'tiny.py', voc_root, NOTHING_RANDOM)
    ours, stock, plain = (tmp_path / name for name in ('ours', 'stock', 'plain'))
    command = [tiny_config, '--work-dir', ours, '--cfg-options', *SHORT]
    run(sys.executable, ROOT / 'tools/train.py', *command)
    command[2] = stock
    run(sys.executable, STOCK / 'train.py', *command)
    # nothing of ours left: MMEngine's Runner, MMSegmentation's metric and hooks
    plain_config = tmp_path / 'plain.py'
    text = (stock / 'tiny.py').read_text()
    lines = [line for line in text.splitlines() if not line.startswith('runner_type')]
    plain_config.write_text(
        '\n'.join(lines)
        .replace('mmseg_ext.SegMetrics', 'IoUMetric')
        .replace('mmseg_ext.EpochB', 'EpochB')
        .replace('mmseg_ext.EncoderDecoder', 'EncoderDecoder')
        .replace('mmseg_ext.SegDataPreProcessor', 'SegDataPreProcessor')
        .replace('mmseg_ext.SegTTAModel', 'SegTTAModel')
        + '\ndefault_hooks = {\n'
        "    name: hook for name, hook in default_hooks.items() if 'mmseg_ext' not in hook['type']}"
    )
    run(sys.executable, STOCK / 'train.py', plain_config, '--work-dir', plain)
    assert 'mmseg_ext' not in (plain / 'plain.py').read_text()
    assert len(losses(plain)) == 5
    assert losses(ours) == losses(stock) == losses(plain)
    assert {'metrics.json', 'curves.png', 'val_sheet.png'} <= {p.name for p in stock.iterdir()}

    if not hasattr(checkpoint, 'get_torch_safe_globals'):
        return  # the OpenMMLab line's MMEngine cannot read its own checkpoints by itself
    done = run(sys.executable, STOCK / 'test.py', stock / 'tiny.py', stock / 'epoch_1.pth',
               '--work-dir', tmp_path / 'test')  # fmt: skip
    (entry,) = json.loads((stock / 'metrics.json').read_text())['validations']
    assert f'mIoU: {entry["metrics"]["mIoU"]:.4f}' in done.stdout + done.stderr
