"""What `make bench` trains to compare pipelines on real frames; `-s` shows the table."""

import json
import sys
from statistics import mean

import pytest
from conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / 'data/camvid/images').is_dir(), reason='no CamVid in data/camvid'
    ),
]
CAMVID = 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py'


def test_camvid_with_the_stock_and_the_fast_chain(run, tmp_path):
    out = ROOT / 'work_dirs/camvid-chains.json'
    done = run(
        *(sys.executable, 'tools/analysis_tools/benchmark.py', 'data-training', CAMVID),
        *('--chains', 'stock', 'fast-on-device', '--seeds', 0, 1, 2),
        *('--work-dirs', tmp_path, '--out', out),
        timeout=9 * 3600,
    )
    print(done.stdout, f'as JSON: {out}')
    scores = json.loads(out.read_text())['scores']
    stock, fast = (list(scores[name].values()) for name in ('stock', 'fast-on-device'))
    assert len(stock) == len(fast) == 3
    spread = max(max(each) - min(each) for each in (stock, fast))
    assert abs(mean(stock) - mean(fast)) <= spread
    # two seeds of this leaf, or of plain MMSegmentation, lie less than 3 apart
    assert all(abs(score - 35.25) < 3 for score in stock + fast)
