"""Every leaf in configs/ loads, documents itself, and builds its network."""

import ast

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import DATASETS, MODELS
from mmseg.utils import register_all_modules

CONFIGS = ROOT / 'configs'
LEAVES = sorted(set(CONFIGS.rglob('*.py')) - set((CONFIGS / '_base_').rglob('*.py')))
PIECES = sorted((CONFIGS / '_base_').rglob('*.py'))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_documents_itself(path):
    text = ast.get_docstring(ast.parse(path.read_text())) or ''
    keys = [line.partition(':')[0] for line in text.splitlines()]
    for key in ('Parent', 'Why', 'Result', 'Status'):
        assert key in keys, f'{path.name} says no {key}'


@pytest.mark.parametrize('path', PIECES, ids=lambda path: path.stem)
def test_a_piece_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_builds_a_network_for_the_classes_of_its_data(path):
    register_all_modules()
    cfg = Config.fromfile(path)
    model = cfg.model
    model.pretrained = None
    network = revert_sync_batchnorm(MODELS.build(model)).eval()
    with torch.no_grad():
        logits = network(torch.zeros(1, 3, 64, 64))
    dataset = cfg.val_dataloader.dataset
    classes = DATASETS.get(dataset.type).METAINFO['classes']
    assert logits.shape[1] == len(classes)
    assert logits.isfinite().all()
