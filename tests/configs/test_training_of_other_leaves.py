"""A step of training, validation, saving and reloading: all leaves but SegFormer-B2's."""

import shutil

import pytest
from shrunk import LEAVES, Runs, check, find_stock_tool, leaves_of

pytestmark = pytest.mark.skipif(
    not find_stock_tool('train.py'), reason='mmsegmentation without its tools'
)


@pytest.fixture(scope='module')
def runs(tmp_path_factory, demo_root):
    folder = tmp_path_factory.mktemp('leaves')
    yield Runs(folder, demo_root)
    shutil.rmtree(folder)  # hundreds of MB, which pytest would keep three times


@pytest.mark.parametrize('name', leaves_of(None))
def test_a_leaf_trains_a_step_under_the_stock_tool_and_reloads(name, runs):
    check(runs, name)
    runs.forget(name)


@pytest.mark.parametrize(
    'line, said',
    [
        (
            "train_dataloader = dict(dataset=dict(data_root='data/new'))",
            'no small tree for data/new',
        ),
        ("load_from = 'work_dirs/unknown/epoch_1.pth'", 'no checkpoint of a leaf'),
        (
            "model = dict(decode_head=dict(init_cfg=dict(type='Pretrained', checkpoint='a.pth')))",
            'model.decode_head.init_cfg loads a.pth',
        ),
    ],
)
def test_what_cannot_be_shrunk_is_said(line, said, runs, tmp_path):
    base = LEAVES['segformer_mit-b0_1xb16-24e_camvid-128x128']
    leaf = tmp_path / 'new.py'
    leaf.write_text(f'_base_ = {str(base)!r}\n{line}\n')
    with pytest.raises(ValueError, match=said):
        runs.shrink(leaf)
