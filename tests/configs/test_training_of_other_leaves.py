"""A step of training, validation, saving and reloading: all leaves but SegFormer-B2's."""

import pytest
from shrunk import LEAVES, check, leaves_of


@pytest.mark.parametrize('name', leaves_of(None))
def test_a_leaf_trains_a_step_under_the_stock_tool_and_reloads(name, leaf_runs):
    check(leaf_runs, name)


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
def test_what_cannot_be_shrunk_is_said(line, said, leaf_runs, tmp_path):
    base = LEAVES['segformer_mit-b0_1xb16-24e_camvid-128x128']
    leaf = tmp_path / 'new.py'
    leaf.write_text(f'_base_ = {str(base)!r}\n{line}\n')
    with pytest.raises(ValueError, match=said):
        leaf_runs.shrink(leaf)
