"""What is compared when a leaf is trained with the stock and with the fast pipeline."""

import copy

from mmengine.config import Config

from mmseg_ext.engine.config import find_dicts
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms.fast_chain import data_preprocessor_type

from .data import DEFERRED, FAST, STOCK, spellings

CHAINS = {'stock': STOCK, 'fast': FAST, 'fast-on-device': DEFERRED}


def chain_changes(cfg: Config, chain: str) -> dict:
    """What another spelling of its training pipelines changes in a leaf.

    Args:
        cfg: The leaf.
        chain: A key of ``CHAINS``.

    Raises:
        UsageError: There is no pipeline to spell.
    """
    dataset = copy.deepcopy(cfg.train_dataloader.dataset.to_dict())
    kinds = set()
    for _, node in find_dicts(dataset, 'pipeline'):
        node['pipeline'] = spellings(node['pipeline'])[CHAINS[chain]]
        kinds.add(data_preprocessor_type(node['pipeline']))
    if not kinds:
        raise UsageError(f'{cfg.filename} has no training pipeline')
    changes = dict(train_dataloader=dict(dataset=dict(_delete_=True, **dataset)))
    for kind in kinds - {None}:
        changes['model'] = dict(data_preprocessor=dict(type=kind))
    return changes
