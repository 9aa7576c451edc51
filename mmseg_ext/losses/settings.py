"""Settings of losses, checked."""

from collections.abc import Sequence

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor


def check_reduction(reduction: str) -> str:
    """Gives it back; raises ``ValueError`` unless it is 'mean', 'sum' or 'none'."""
    if reduction not in ('mean', 'sum', 'none'):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return reduction


def class_weights(values: Sequence[float] | str | None) -> Tensor:
    """Weights of the classes, (C,), float64, or (1,) of 1 for None.

    Args:
        values: Numbers, or the file that holds them, as MMSegmentation reads it (.npy, JSON, YAML).

    Raises:
        ValueError: A negative number, or all are 0.
    """
    if values is None:
        return torch.ones(1, dtype=torch.float64)
    weights = torch.as_tensor(get_class_weight(values), dtype=torch.float64)
    if weights.ndim != 1 or not (weights >= 0).all() or not weights.any():
        raise ValueError(f'class_weight is one number a class, at least 0, not all 0; got {values}')
    return weights


def shares(values: float | Sequence[float], name: str) -> Tensor:
    """Numbers in [0, 1], one for all classes, (1,), or one each, (C,), float64.

    Raises:
        ValueError: A number outside.
    """
    tensor = torch.as_tensor(values, dtype=torch.float64).reshape(-1)
    if not ((tensor >= 0) & (tensor <= 1)).all():
        raise ValueError(f'{name} lies in [0, 1], got {values}')
    return tensor


def fit_classes(values: Tensor, num_classes: int, like: Tensor, name: str) -> Tensor:
    """Brings a setting to the type and device of a batch.

    Args:
        values: (C,), or (1,) for all classes alike.
        num_classes: Channels of the logits.
        like: Gives type and device.
        name: Of the setting.

    Raises:
        ValueError: A number of values that fits neither.
    """
    if len(values) not in (1, num_classes):
        raise ValueError(f'{name} has {len(values)} values for {num_classes} classes')
    return values.to(like)
