import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

from mmseg_ext.engine.tested_pipelines import TTA_RATIOS, make_tta_pipeline, without_truth

TEST_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(60, 40), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


@pytest.mark.parametrize('order', [(0, 1, 2, 3), (0, 2, 1, 3)])
def test_a_made_tta_pipeline_loads_all_views_and_the_truth_as_it_is(tmp_path, order):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / 'a.png')
    label = rng.integers(0, 2, (20, 30), np.uint8)
    Image.fromarray(label).save(tmp_path / 'l.png')
    pipeline, note = make_tta_pipeline([TEST_PIPELINE[index] for index in order])
    info = dict(
        img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'l.png'),
        reduce_zero_label=False, seg_fields=[],
    )  # fmt: skip
    with DefaultScope.overwrite_default_scope('mmseg'):
        views = Compose(pipeline)(info)
    assert '0.5, 0.75, 1, 1.25, 1.5, 1.75 times 60x40, each also mirrored' in note
    sizes = {tuple(view.shape[1:]) for view in views['inputs']}
    assert sizes == {(round(40 * ratio), round(60 * ratio)) for ratio in TTA_RATIOS}
    assert [sample.flip for sample in views['data_samples']].count(True) == len(TTA_RATIOS)
    for sample in views['data_samples']:
        assert (sample.gt_sem_seg.data[0].numpy() == label).all()


@pytest.mark.parametrize(
    'resize, first, said',
    [
        (None, dict(scale_factor=0.5, keep_ratio=True), "the image's size"),
        (dict(scale_factor=0.5), dict(scale_factor=0.25), '0.5 of the size'),
        (dict(scale=(8, 4), keep_ratio=True), dict(scale=(4, 2), keep_ratio=True), '8x4'),
    ],
)
def test_the_views_follow_the_resize_of_the_test(resize, first, said):
    steps = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    if resize:
        steps.insert(1, dict(type='Resize', **resize))
    pipeline, note = make_tta_pipeline(steps)
    assert pipeline[1]['transforms'][0][0] == dict(type='Resize', **first)
    assert said in note


def test_annotations_are_left_out_wherever_they_are_loaded():
    load, pack = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
    truth, resize = dict(type='LoadAnnotations'), dict(type='Resize', scale=(8, 8))
    own = dict(type='mmseg_ext.LoadAnnotations', reduce_zero_label=True)
    for steps in (
        [load, truth, resize, pack],
        [load, resize, own, pack],
        [truth, load, resize, pack],
    ):
        assert without_truth(steps) == [load, resize, pack]
    tta = dict(type='TestTimeAug', transforms=[[resize, resize], [truth], [pack]])
    assert without_truth([load, tta]) == [
        load,
        dict(type='TestTimeAug', transforms=[[resize, resize], [pack]]),
    ]
