"""Whether a layer's numbers look trained, or as they were drawn before any training.

A trained LayerNorm has no weight of exact ones, a trained layer no bias of exact zeros. Weights as
they were drawn have the mean, the standard deviation and the kurtosis of one of the usual draws,
within what their number allows; trained ones have heavier tails, and a deviation of their own.
"""

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .head import STATISTICS, is_identity

NORMAL, UNIFORM = 3.0, 1.8  # kurtosis: fourth moment over the squared variance
LEAST = 256  # numbers below which moments say nothing
LEAST_ALONE = 8192  # and below which they are no proof where the layer's bias was trained
SIGMAS = 5  # of the moments' own scatter
TRUNCATION = 1e-3  # what cutting a normal draw off changes at most, relatively


@dataclasses.dataclass
class Looks:
    """What a group of layers looks like.

    Attributes:
        norms: Norm layers that look trained, and all of them.
        weights: Weights of linear layers and convolutions, likewise.
        biases: Their biases that are not all zero, and all of them.
        untouched: Names of layers that look as they were initialised.
        zero_biases: Names of biases that are all zero where the weight looks trained.
        broken: Names of tensors with NaN or infinity, or of weights that are one number throughout.
    """

    norms: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    weights: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    biases: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    untouched: list[str] = dataclasses.field(default_factory=list)
    zero_biases: list[str] = dataclasses.field(default_factory=list)
    broken: list[str] = dataclasses.field(default_factory=list)


def look(tensors: Mapping[str, Tensor]) -> Looks:
    """Judges a group of layers.

    Args:
        tensors: By MMSegmentation's names. A BatchNorm that only adds its bias, as conversion of a
            Hugging Face head makes it, counts as the bias of the convolution before it.
    """
    looks = Looks()
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        if not bool(torch.isfinite(tensor).all()):
            looks.broken.append(f'{name} (NaN or infinity)')
        elif name.endswith('weight') and tensor.ndim > 1 and _is(tensor, tensor.flatten()[0]):
            looks.broken.append(f'{name} ({tensor.flatten()[0]:g} throughout)')
    for name, weight in tensors.items():
        if not name.endswith('weight') or not weight.is_floating_point():
            continue
        layer = name.removesuffix('weight')
        bias = tensors.get(f'{layer}bias')
        if weight.ndim == 1:
            _look_at_norm(looks, tensors, layer.rstrip('.'), weight, bias)
        else:
            _look_at_weight(looks, layer.rstrip('_.'), weight, bias)
    return looks


def is_drawn(weight: Tensor) -> bool:
    """Whether a weight has the moments of one of the usual draws before training."""
    count = weight.numel()
    if count < LEAST:
        return False
    # a sum over millions needs float64
    numbers = weight.flatten().double()
    mean, std = numbers.mean().item(), numbers.std().item()
    if not std or abs(mean) > SIGMAS * std / math.sqrt(count):
        return False
    kurtosis = ((numbers - mean) / std).pow(4).mean().item()
    return any(
        # the variance of a sample's variance is (kurtosis - 1) / count of the variance squared
        abs(std / drawn - 1) < SIGMAS * math.sqrt((shape - 1) / count) / 2 + TRUNCATION
        and abs(kurtosis - shape) < SIGMAS * math.sqrt(24 / count)
        for drawn, shape in _draws(weight)
    )


def _draws(weight: Tensor) -> list[tuple[float, float]]:
    """Standard deviation and kurtosis of the draws that MMSegmentation, mmcv, torch and HF make."""
    window = weight[0, 0].numel() if weight.ndim > 2 else 1
    rows, fan_in = weight.shape[0], weight.shape[1] * window
    fan_out = rows * window
    # a depthwise convolution's fan_out counts its one channel
    per_group = window if weight.ndim > 2 and weight.shape[1] == 1 else fan_out
    return [
        (0.02, NORMAL),  # linear layers of MMSegmentation; all layers of transformers
        (0.01, NORMAL),  # conv_seg of MMSegmentation's heads
        (math.sqrt(2 / fan_out), NORMAL),  # ConvModule of mmcv
        (math.sqrt(2 / per_group), NORMAL),  # convolutions of MixVisionTransformer
        (math.sqrt(2 / (fan_in + fan_out)), UNIFORM),  # torch.nn.MultiheadAttention
        (math.sqrt(1 / (3 * fan_in)), UNIFORM),  # torch.nn.Linear and Conv2d
    ]


def _look_at_norm(
    looks: Looks, tensors: Mapping[str, Tensor], name: str, weight: Tensor, bias: Tensor | None
) -> None:
    if is_identity(tensors, name):
        looks.biases[0] += bias is not None and not _is(bias, 0)
        looks.biases[1] += 1
        return
    signs = [_is(weight, 1), bias is None or _is(bias, 0)]
    # a counter at 0 beside statistics that moved is a converter's, and no fault
    signs += [
        _is(tensors[f'{name}.{kind}'], start)
        for kind, start in zip(STATISTICS, (0, 1), strict=True)
        if f'{name}.{kind}' in tensors
    ]
    looks.norms[0] += not all(signs)
    looks.norms[1] += 1
    if all(signs):
        looks.untouched.append(name)


def _look_at_weight(looks: Looks, name: str, weight: Tensor, bias: Tensor | None) -> None:
    is_trained_bias = bias is not None and not _is(bias, 0)
    drawn = is_drawn(weight) and not (is_trained_bias and weight.numel() < LEAST_ALONE)
    looks.weights[0] += not drawn
    looks.weights[1] += 1
    if drawn:
        looks.untouched.append(name)
    if bias is not None:
        looks.biases[0] += is_trained_bias
        looks.biases[1] += 1
        if not is_trained_bias and not drawn:
            looks.zero_biases.append(name)


def _is(tensor: Tensor, value: float | Tensor) -> bool:
    return bool((tensor == value).all())
