"""What each tensor of a converted file is of the original's."""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

EQUAL = 'equal'
ROUNDED = 'equal but for rounding'
NEAR = 'near'  # what a training made of it
OTHER = 'other numbers'
NEAR_COSINE = 0.5  # far above what independent tensors of this size reach


def compare(own: Mapping[str, Tensor], original: Mapping[str, Tensor]) -> dict[str, str]:
    """Names the relation of each tensor to the original's of the same name.

    Args:
        own: Tensors of the file to judge, by MMSegmentation's names.
        original: Those of a right conversion.

    Returns:
        By the names that are in both: ``EQUAL``, ``ROUNDED``, ``NEAR`` or ``OTHER``, or the fault:
        an order of query, key and value, transposed, another layout, or whose numbers it holds.
    """
    places: dict[float, list[str]] = {}
    for name, tensor in original.items():
        places.setdefault(_key(tensor), []).append(name)
    return {name: _relate(name, own[name], original, places) for name in original if name in own}


def _relate(
    name: str, own: Tensor, original: Mapping[str, Tensor], places: Mapping[float, list[str]]
) -> str:
    right = original[name]
    if own.shape == right.shape:
        if own.dtype == right.dtype and torch.equal(own, right):
            return EQUAL
        # one of them was kept in fewer bits, and may have been widened since
        for kept in (own.dtype, right.dtype, torch.float16, torch.bfloat16):
            if torch.equal(own.to(kept), right.to(kept)) and _is_kept(kept, own, right):
                return ROUNDED
    if own.numel() == right.numel():
        fault = _find_layout(name, own.float(), right.float())
        if fault:
            return fault
    for other in places.get(_key(own), []):
        if other != name and torch.equal(own.flatten(), original[other].flatten().to(own.dtype)):
            return f'holds {other}'
    if own.shape != right.shape:
        return f'has shape {tuple(own.shape)} for {tuple(right.shape)}'
    cosine = torch.cosine_similarity(own.flatten().double(), right.flatten().double(), 0).item()
    return NEAR if cosine > NEAR_COSINE else OTHER


def _is_kept(kept: torch.dtype, *tensors: Tensor) -> bool:
    """Whether one of the tensors holds no more than these bits, so that rounding explains all."""
    return any(torch.equal(tensor.to(kept).to(tensor.dtype), tensor) for tensor in tensors)


def _find_layout(name: str, own: Tensor, right: Tensor) -> str:
    """The right numbers in another arrangement, or ''."""
    if torch.equal(own.flatten(), right.flatten()):
        return f'right numbers in shape {tuple(own.shape)} for {tuple(right.shape)}'
    thirds = right.chunk(3)
    if 'in_proj' in name:
        for order in itertools.permutations(range(3)):
            parts = [thirds[index] for index in order]
            letters = ', '.join('qkv'[index] for index in order)
            if torch.equal(own.flatten(), torch.cat(parts).flatten()):
                return f'query, key and value in the order {letters}'
            if right.ndim == 2:
                turned = torch.cat([part.t() for part in parts])
                if torch.equal(own.flatten(), turned.flatten()):
                    at = '' if order == (0, 1, 2) else f', in the order {letters}'
                    return f'query, key and value each transposed{at}'
    matrix = right.flatten(1) if right.ndim > 1 else right
    if matrix.ndim == 2 and torch.equal(own.flatten(), matrix.t().flatten()):
        return 'transposed'
    if name.endswith('fusion_conv.conv.weight'):
        turned = torch.cat(right.chunk(4, 1)[::-1], 1)
        if torch.equal(own.flatten(), turned.flatten()):
            return 'its input stages in the reverse order'
    return ''


def _key(tensor: Tensor) -> float:
    """The same for tensors with the same numbers in the same order, whatever their shape."""
    flat = tensor.flatten().double()
    return float(flat.sum()) + float(flat[: len(flat) // 2].sum()) if flat.numel() else 0.0
