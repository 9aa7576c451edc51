"""How much of a network a checkpoint fills, and why it is so little."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

SHOWN = 3  # names shown of a list

# Names that give away who wrote a file, and what to do with it.
FOREIGN = {
    # in files, and in the memory of transformers 5
    r'(^|\.)(encoder\.block|stages)\.\d+\.(blocks\.)?\d+\.attention\.(self\.query|q_proj)\.': (
        'it is a Hugging Face file of MiT or SegFormer, whose names and layout differ: convert '
        'it first, with python tools/model_converters/hf_mit2mmseg.py SRC DST'
    ),
    r'\.attention\.(self|attention)\.query\.|\.convolution\.weight$': (
        'it is a Hugging Face file, whose names and layout differ: convert it first'
    ),
    r'^(backbone\.)?(block\d\.\d+\.attn\.q|patch_embed\d\.proj)\.': (
        "it is a file of SegFormer's authors: convert it first, with "
        'python tools/model_converters/nvidia_mit2mmseg.py SRC DST'
    ),
    r'^layers\.\d+\.blocks\.\d+\.attn\.qkv\.': (
        "it is a file of Swin's authors: convert it first, with MMSegmentation's "
        'tools/model_converters/swin2mmseg.py'
    ),
    r'^blocks\.\d+\.attn\.qkv\.': (
        'it is a file of timm, BEiT or MAE: convert it first, with the fitting one of '
        "MMSegmentation's tools/model_converters (vit2mmseg.py, beit2mmseg.py)"
    ),
}


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What a file fills of a module. Integer buffers (counters, indices) do not count.

    Attributes:
        counts: For each part of the module its tensors that the file fills, and all of them.
        missing: Names of tensors that the file does not fill, but for ``misshaped``.
        misshaped: Name, shape in the file and shape in the module of tensors of another shape.
        unexpected: Names of the file that the module has no use for.
        hint: The likely reason if less than half was filled, or ''.
    """

    counts: dict[str, tuple[int, int]]
    missing: Sequence[str] = ()
    misshaped: Sequence[tuple[str, Sequence[int], Sequence[int]]] = ()
    unexpected: Sequence[str] = ()
    hint: str = ''

    def share(self, part: str | None = None) -> float:
        """Share of a part's tensors that the file fills; of the whole, if it has no such part."""
        counts = [self.counts[part]] if part in self.counts else self.counts.values()
        filled, total = (sum(numbers) for numbers in zip(*counts, strict=True))
        return filled / total

    def __str__(self) -> str:
        """The parts: ``backbone 300/300, decode_head 8/10 (80%): conv_seg 21 -> 150 classes``."""
        return ', '.join(self._describe(part) for part in self.counts)

    def details(self) -> list[str]:
        """Lines on single tensors, long lists shortened."""
        shapes = [f'{name} {tuple(there)} -> {tuple(here)}' for name, there, here in self.misshaped]
        lists = {
            'of another shape in the file': shapes,
            'not loaded': self.missing,
            'in the file alone': self.unexpected,
        }
        return [f'{what}: {shorten(names)}' for what, names in lists.items() if names]

    def _describe(self, part: str) -> str:
        filled, total = self.counts[part]
        said = f'{part} {filled}/{total}'
        if filled < total:
            said += f' ({100 * filled // total}%)'
        classes = {
            layer.rpartition('.')[2]: f'{there[0]} -> {here[0]} classes: re-initialised'
            for name, there, here in self.misshaped
            for layer in [name.rpartition('.')[0]]
            if name.startswith(f'{part}.') and layer.endswith('conv_seg') and there[0] != here[0]
        }
        return said + ''.join(f': {layer} {change}' for layer, change in classes.items())


def shorten(names: Sequence[str]) -> str:
    """The first few of a list of names, and how many more there are."""
    more = f' and {len(names) - SHOWN:,} more' if len(names) > SHOWN else ''
    return ', '.join(names[:SHOWN]) + more


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside wrappers for several processes and for test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def weights_of(checkpoint: Mapping[str, Any], keys: Sequence[str] = ('state_dict',)) -> dict:
    """The tensors of a checkpoint by name, without the ``module.`` of a network in a wrapper.

    Args:
        checkpoint: As read.
        keys: Where the weights may be; else the checkpoint itself holds them.
    """
    weights = next((checkpoint[key] for key in keys if key in checkpoint), checkpoint)
    return {
        name.removeprefix('module.'): weight
        for name, weight in weights.items()
        if isinstance(weight, Tensor)
    }


def match(module: nn.Module, weights: Mapping[str, Tensor], part: str | None = None) -> LoadReport:
    """Compares names and shapes: what ``load_state_dict`` will copy.

    Args:
        module: The network, before it loads.
        weights: Tensors of the file by name.
        part: What to call the module; None: its children are the parts.
    """
    used = {
        name: name
        for name, tensor in _learned(module).items()
        if name in weights and weights[name].shape == tensor.shape
    }
    return _report(module, weights, used, part)


def match_values(
    module: nn.Module, weights: Mapping[str, Tensor], part: str | None = None
) -> LoadReport:
    """Compares values: what arrived, whatever the names in the file were.

    Some backbones convert names as they load (Swin, BEiT, ViT). A tensor was loaded if it equals
    the one of its name, or, unless it is constant, any of its shape.

    Args:
        module: The network, after it loaded and before it was trained.
        weights: Tensors of the file by name.
        part: As for ``match``.
    """
    by_shape: dict[torch.Size, list[str]] = {}
    for name, weight in weights.items():
        by_shape.setdefault(weight.shape, []).append(name)
    used = {}
    for name, tensor in _learned(module).items():
        is_constant = bool((tensor == tensor.flatten()[:1]).all())
        others = [] if is_constant else by_shape.get(tensor.shape, [])
        own = tensor.cpu()
        for origin in [name] * (name in weights) + others:
            if torch.equal(weights[origin].to(own), own):
                used[name] = origin
                break
    return _report(module, weights, used, part)


def guess_reason(expected: Sequence[str], found: Sequence[str]) -> str:
    """Why the names of a file do not fit those of a network; '' if there is no telling."""
    for pattern, reason in FOREIGN.items():
        if any(re.search(pattern, name) for name in found):
            return reason
    enough = min(len(expected), len(found)) / 2
    prefix, count = _common_prefix(found, expected)
    if count > enough:
        return f"{count} of its names would fit without '{prefix}': init_cfg takes a prefix"
    prefix, count = _common_prefix(expected, found)
    if count > enough:
        return f"{count} of its names would fit with '{prefix}': give it to that part's init_cfg"
    return ''


def _common_prefix(names: Sequence[str], targets: Sequence[str]) -> tuple[str, int]:
    """The prefix without which most of ``names`` are among ``targets``, and how many that are."""
    wanted, prefixes = set(targets), Counter()
    for name in names:
        for dot in re.finditer(r'\.', name):
            if name[dot.end() :] in wanted:
                prefixes[name[: dot.end()]] += 1
    return prefixes.most_common(1)[0] if prefixes else ('', 0)


def _learned(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in module.state_dict().items()
        if isinstance(tensor, Tensor) and tensor.is_floating_point()
    }


def _report(
    module: nn.Module, weights: Mapping[str, Tensor], used: Mapping[str, str], part: str | None
) -> LoadReport:
    """Puts together a report.

    Args:
        module: The network.
        weights: Tensors of the file by name.
        used: For each name in the network that is filled the one in the file.
        part: What to call the module; None: its children are the parts.
    """
    own = _learned(module)
    total = Counter(part or name.partition('.')[0] for name in own)
    filled = Counter(part or name.partition('.')[0] for name in used)
    misshaped = [
        (name, weights[name].shape, tensor.shape)
        for name, tensor in own.items()
        if name not in used and name in weights and weights[name].shape != tensor.shape
    ]
    other_shape = {name for name, _, _ in misshaped}
    idle = weights.keys() - module.state_dict().keys() - set(used.values())
    hint = ''
    if len(misshaped) > len(own) / 2:
        hint = 'the names fit and the shapes do not: it is of another size of this network'
    elif not weights:
        hint = "it holds no weights, neither under 'state_dict' nor at its top"
    elif len(used) < len(own) / 2:
        hint = guess_reason(list(own), list(weights))
    return LoadReport(
        counts={name: (filled[name], count) for name, count in total.items()},
        missing=[name for name in own if name not in used and name not in other_shape],
        misshaped=misshaped,
        unexpected=[name for name in weights if name in idle],
        hint=hint,
    )
