"""What the guards cost, by their own timers, beside a real network."""

import re
import time

from conftest import ROOT
from mmengine.config import Config

from mmseg_ext.engine.runner import Runner


def test_the_guards_take_under_a_percent_of_a_segformer_b0_step(voc_root, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'data_root': str(voc_root),
            'visualizer.name': str(time.time()),
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.indices': 20,
            'train_cfg.max_epochs': 1,
            'train_cfg.val_begin': 9,
        }
    )
    Runner.from_cfg(cfg).train()
    (log,) = tmp_path.glob('*/*.log')
    (said,) = re.findall(r'checks and records took .* a step, ([\d.]+)% of its', log.read_text())
    assert float(said) < 1.0
