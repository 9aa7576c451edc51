"""A leaf's config made so small that a training step takes a second."""

import re

from conftest import ROOT, load_unformatted, name_run
from mmengine.config import Config

from mmseg_ext.engine.config import find_configs, find_dicts, is_by_epoch
from mmseg_ext.engine.preflight import find_datasets

LEAVES = {path.stem: path for path in find_configs(ROOT / 'configs')}
CROP = 64  # pixels: the deepest stage of a network still has 2x2
BATCH = 2  # the fewest with which BatchNorm normalises the 1x1 of a pyramid
# what counts pixels, wherever it stands: `stride` belongs to the crops of a sliding window
PIXELS = ('size', 'crop_size', 'scale', 'stride')


def shrink(leaf, stand_ins, find_checkpoint):
    """A leaf's config with small data, crops and loops; all that is learned stays as it is.

    Args:
        leaf: Its file.
        stand_ins: Writes what it reads.
        find_checkpoint: Gives the checkpoint of a leaf's small training, by the leaf's name.

    Returns:
        The small config, and the leaf's own.

    Raises:
        ValueError: It has something that this function does not know.
    """
    own = load_unformatted(leaf)
    factor = CROP / max(own.model.data_preprocessor['size'])
    small = _rebuild(own.to_dict(), lambda node: _shrink_dict(node, factor, stand_ins))
    cfg = Config(small, format_python_code=False)
    datasets = list(find_datasets('train', cfg.train_dataloader.dataset))
    if not 1 <= len(datasets) <= BATCH:
        raise ValueError(f'{leaf.name}: {len(datasets)} training sets do not fill a batch')
    for _, dataset in datasets:
        dataset.indices = BATCH // len(datasets)  # an epoch is one step
    cfg.train_dataloader.batch_size = BATCH
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.num_workers, loader.persistent_workers = 0, False
        loader.pop('prefetch_factor', None)

    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    unit = 'epochs' if is_by_epoch(cfg) else 'iters'
    cfg.train_cfg.update({f'max_{unit}': steps, 'val_interval': steps})
    hooks = dict(cfg.get('default_hooks') or {})
    hooks['logger'] = dict(hooks.get('logger') or dict(type='LoggerHook'), interval=1)
    # one file is enough, the best is the same again, and the optimizer is twice the network
    saved = dict(type='CheckpointHook', interval=steps, save_best=None, save_optimizer=False)
    hooks['checkpoint'] = dict(hooks.get('checkpoint') or {}, **saved)
    # they have tests of their own, and take longer than the step
    hooks.update(curves=None, val_sheet=None, provenance=None)
    cfg.default_hooks = hooks
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='Witness')]
    cfg.setdefault('randomness', dict(seed=0))
    _replace_weights(leaf.name, cfg, stand_ins, find_checkpoint)
    name_run(cfg)
    return cfg, own


def _shrink_dict(node, factor, stand_ins):
    node = dict(node)
    for key in PIXELS:
        if key in node and (key != 'stride' or 'crop_size' in node):
            node[key] = _scale(node[key], factor)
    if 'min_kept' in node:
        node['min_kept'] = round(node['min_kept'] * factor**2)  # a number of pixels, for OHEM
    if node.get('data_root'):
        node['data_root'] = stand_ins.tree(node['data_root'])
    return node


def _replace_weights(leaf, cfg, stand_ins, find_checkpoint):
    """Puts stand-ins in the places of what is downloaded or made by hand."""
    backbone = cfg.model.backbone
    if backbone.type == 'TIMMBackbone':
        backbone.pretrained = False  # timm's own download, which no file replaces
    if cfg.model.get('pretrained'):
        cfg.model.pretrained = stand_ins.weights(cfg.model.pretrained, backbone)
    for path, init in find_dicts(dict(model=cfg.model), 'checkpoint'):
        if path != 'model.backbone.init_cfg':
            raise ValueError(f'{leaf}: {path} loads {init["checkpoint"]}: that is new here')
        init.checkpoint = stand_ins.weights(init.checkpoint, backbone)
    if cfg.get('load_from'):
        source = re.fullmatch(r'work_dirs/([^/]+)/(epoch|iter)_\d+\.pth', cfg.load_from)
        if not source or source[1] not in LEAVES:
            raise ValueError(f'{leaf}: load_from={cfg.load_from} is no checkpoint of a leaf')
        cfg.load_from = str(find_checkpoint(source[1]))


def _rebuild(node, change):
    if isinstance(node, dict):
        return change({key: _rebuild(value, change) for key, value in node.items()})
    if isinstance(node, (list, tuple)):
        return type(node)(_rebuild(value, change) for value in node)
    return node


def _scale(size, factor):
    if isinstance(size, (list, tuple)):
        return type(size)(_scale(value, factor) for value in size)
    return round(size * factor) if isinstance(size, int) else size
