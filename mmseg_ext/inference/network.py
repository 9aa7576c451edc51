"""A network with the weights of a checkpoint, ready to predict."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from torch import nn

from mmseg_ext.engine.checkpoint.insist import insist
from mmseg_ext.engine.checkpoint.matching import match, unwrap, weights_of
from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.config import find_dicts
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.engine.tested_pipelines import wrap_for_tta


def load_network(
    cfg: Config, checkpoint: str | Path, device: str, tta: bool = False
) -> tuple[nn.Module, dict, list[str]]:
    """Builds the network of a config and fills it.

    Args:
        cfg: A config that ``complete_config`` completed.
        checkpoint: File or address.
        device: Of torch.
        tta: Wrap it for several views, see ``wrap_for_tta``.

    Returns:
        The network, evaluating, on the device; the checkpoint's ``meta``; warnings.

    Raises:
        UsageError: The checkpoint does not read, fills less than ``guards.network_share``, or holds
            weights that are no numbers.
    """
    guards = read_guards(cfg)
    content = read_checkpoint(checkpoint, unsafe=guards.unsafe_load)
    model = MODELS.build(_model_config(cfg, tta))
    network = unwrap(model)
    weights = weights_of(content)
    report = match(network, weights)
    warning = insist(report, f'checkpoint={checkpoint}', guards, 'network')
    other_shape = {name for name, _, _ in report.misshaped}
    network.load_state_dict(
        {name: weight for name, weight in weights.items() if name not in other_shape}, strict=False
    )
    _refuse_nan(network, checkpoint)
    if torch.device(device).type == 'cpu':
        model = revert_sync_batchnorm(model)
    meta = content.get('meta')
    return (
        model.to(device).eval(),
        meta if isinstance(meta, dict) else {},
        [warning] if warning else [],
    )


def count_classes(model: nn.Module) -> int | None:
    """The classes that a network tells apart; None where its head does not say."""
    head = getattr(unwrap(model), 'decode_head', None)
    if isinstance(head, nn.ModuleList):  # a cascade, whose last one decides
        head = head[-1]
    return getattr(head, 'num_classes', None)


def check_device(device: str) -> None:
    """Raises ``UsageError`` if torch has no such device here."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition('\n')[0]
        raise UsageError(
            f'--device {device} cannot be used: {reason}; give cuda, cuda:0 or cpu'
        ) from error


def _refuse_nan(network: nn.Module, checkpoint: str | Path) -> None:
    bad = [name for name, weight in network.named_parameters() if not weight.isfinite().all()]
    # a buffer may hold inf, as masks of attention do
    bad += [name for name, buffer in network.named_buffers() if buffer.isnan().any()]
    if bad:
        more = f' and {len(bad) - 1} more' if bad[1:] else ''
        raise UsageError(
            f'{checkpoint} holds nan or inf in {bad[0]}{more}: its training diverged; take an '
            'earlier checkpoint'
        )


def _model_config(cfg: Config, tta: bool) -> dict:
    model = Config(dict(model=cfg.model)).model
    # timm's would download as the network is built; the checkpoint brings the weights
    for _, node in find_dicts(model, 'pretrained'):
        node['pretrained'] = False if isinstance(node['pretrained'], bool) else None
    return wrap_for_tta(cfg, model) if tta else model
