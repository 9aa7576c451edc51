"""What `make bench` trains to compare losses on real frames; `-s` shows the table."""

import json
import re
import sys

import pytest
import torch
from conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / 'data/camvid/images').is_dir(), reason='no CamVid in data/camvid'
    ),
]
CAMVID = 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py'


def test_camvid_with_three_losses(run, tmp_path):
    seeds = [0, 1, 2] if torch.cuda.is_available() else [0]
    out = ROOT / 'work_dirs/camvid-losses.json'
    done = run(
        *(sys.executable, 'tools/analysis_tools/benchmark.py', 'loss-training', CAMVID),
        *('--seeds', *seeds, '--work-dirs', tmp_path, '--out', out),
        timeout=9 * 3600,
    )
    print(done.stdout, f'as JSON: {out}')
    colour = run(sys.executable, 'tools/analysis_tools/colour_baseline.py', CAMVID)
    floor = float(re.search(r'nearest mean colour +mIoU +([\d.]+)', colour.stdout)[1])
    scores = json.loads(out.read_text())['scores']
    assert len(scores) == 3 and all(len(each) == len(seeds) for each in scores.values())
    # two seeds of this leaf, or of plain MMSegmentation, lie less than 3 apart
    assert all(abs(score - 35.25) < 3 for score in scores['cross-entropy'].values())
    assert all(score > floor + 5 for each in scores.values() for score in each.values())
