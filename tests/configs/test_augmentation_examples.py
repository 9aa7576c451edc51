import pytest
from conftest import ROOT, name_run
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmseg_ext.datasets.browse import Browser
from mmseg_ext.datasets.browse_batches import BatchBrowser
from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config, load_config

EXAMPLES = sorted((ROOT / 'docs/augmentations').glob('*.py'))
DEMO = ROOT / 'configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'


@pytest.fixture
def plain(voc_root):
    return load_example(DEMO, voc_root)


def load_example(file, voc_root):
    cfg = load_config(str(file), {'data_root': str(voc_root)})
    complete_config(cfg)
    init_default_scope('mmseg')
    name_run(cfg)
    return cfg


def draw(cfg, indices):
    browser = Browser(cfg.train_dataloader.dataset)
    if cfg.model.data_preprocessor.get('batch_augments'):
        # 16 others in the batch would be loaded to be thrown away
        cfg.model.data_preprocessor.batch_augments[0].prob = 1.0
        return BatchBrowser(browser, cfg.model.data_preprocessor, 8).load(indices)
    return [browser.load(index) for index in indices]


@pytest.mark.parametrize('file', EXAMPLES, ids=lambda file: file.stem)
def test_an_example_passes_the_preflight_and_changes_what_is_learned(file, voc_root, plain):
    cfg = load_example(file, voc_root)
    preflight.check(cfg)
    added = file.stem.replace('_', '')
    assert f'mmseg_ext.{added}' in str(cfg.to_dict()).lower()
    assert isinstance(cfg, Config) and cfg.train_cfg == plain.train_cfg
    indices = range(8)
    pairs = zip(draw(cfg, indices), draw(plain, indices), strict=True)
    assert any(not changed.final.equals(before.final) for changed, before in pairs)


def test_there_are_examples():
    assert len(EXAMPLES) >= 7
