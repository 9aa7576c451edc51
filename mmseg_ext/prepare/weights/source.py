"""Reading a MiT or SegFormer file of anybody's."""

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import guess_reason, shorten, weights_of
from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.checksums import sha256

from .mit import MiT, find_mit

# The first name that every file of its kind has, after whatever stands before the backbone's names.
MARKS = dict(
    hub=r'^(.*?)encoder\.block\.0\.0\.attention\.self\.query\.weight$',
    transformers=r'^(.*?)stages\.0\.blocks\.0\.attention\.q_proj\.weight$',
    nvidia=r'^(.*?)block1\.0\.attn\.q\.weight$',
    mmseg=r'^(.*?)layers\.0\.1\.0\.attn\.attn\.in_proj_weight$',
)
WHOSE = dict(
    hub='Hugging Face',
    transformers="Hugging Face, transformers 5's names",
    nvidia="SegFormer's authors",
    mmseg='MMSegmentation',
)
PREFIXES = dict(
    hub=('', 'segformer.'),
    transformers=('', 'segformer.'),
    nvidia=('', 'backbone.'),
    mmseg=('', 'backbone.'),
)
# What is left out, by its name: the ImageNet classifiers, and a layer that the authors never use.
DROPPED = dict(
    hub=r'classifier\.(weight|bias)',
    transformers=r'classifier\.(weight|bias)',
    nvidia=r'head\.(weight|bias)|decode_head\.conv_seg\.(weight|bias)',
    mmseg=r'auxiliary_head\..*|data_preprocessor\.(mean|std)',
)
HEAD = 'decode_head.'
FOLDER_FILES = ('model.safetensors', 'pytorch_model.bin')
# settings of Hugging Face's config.json that the tensors do not show
SETTINGS = dict(hidden_act='gelu', strides=[4, 2, 2, 2], reshape_last_stage=True)


@dataclasses.dataclass(frozen=True)
class Source:
    """A file's tensors, sorted.

    Attributes:
        path: The file or folder.
        naming: Whose names they are: a key of ``MARKS``.
        mit: The backbone's size.
        prefix: What stood before the backbone's names.
        backbone: Its tensors, without the prefix.
        head: The head's, without ``decode_head.``; empty without one.
        dropped: Names that no conversion needs.
        meta: What a checkpoint says of itself.
        sums: SHA-256 of each file that was read, by its name.
    """

    path: Path
    naming: str
    mit: MiT
    prefix: str
    backbone: dict[str, Tensor]
    head: dict[str, Tensor]
    dropped: list[str]
    meta: dict
    sums: dict[str, str]


def read_source(path: Path, unsafe: bool = False) -> Source:
    """Reads a MiT or SegFormer: Hugging Face's, the authors' or MMSegmentation's.

    Args:
        path: A file, or a folder as ``save_pretrained`` writes it, in one file or in several with
            an index.
        unsafe: As for ``read_checkpoint``.

    Raises:
        UsageError: There is no such file, it does not read, it is no MiT, or it holds more than a
            backbone, its head and what is known to be of no use.
    """
    content, files = _read(path, unsafe)
    weights = weights_of(content, ('state_dict', 'model'))
    meta = content.get('meta')
    naming = find_naming(weights)
    if naming is None:
        reason = guess_reason([], list(weights)) or f'it holds {shorten(list(weights))}'
        raise UsageError(f'{path} is no MiT or SegFormer: {reason if weights else "it is empty"}')
    prefix = find_prefix(weights, naming)
    if prefix not in PREFIXES[naming]:
        raise UsageError(f'{path} has {prefix!r} before the names of its backbone, which nothing '
                         'of this kind has: take that off first')  # fmt: skip
    dropped = [name for name in weights if re.fullmatch(DROPPED[naming], name)]
    head = {n: t for n, t in weights.items() if n.startswith(HEAD) and n not in dropped}
    rest = [name for name in weights if name not in head and name not in dropped]
    foreign = [name for name in rest if not name.startswith(prefix)]
    if foreign:
        raise UsageError(f'{path} holds what belongs to no MiT or SegFormer: {shorten(foreign)}')
    backbone = {name[len(prefix) :]: weights[name] for name in rest}
    mit = find_mit(backbone, naming)
    if mit is None:
        raise UsageError(f"{path} lacks a whole stage's names: it was cut off, or is a part")
    _check_settings(path, mit)
    return Source(
        path=path,
        naming=naming,
        mit=mit,
        prefix=prefix,
        backbone=backbone,
        head={name[len(HEAD) :]: tensor for name, tensor in head.items()},
        dropped=dropped,
        meta=meta if isinstance(meta, dict) else {},
        sums={file.name: sha256(file) for file in files},
    )


def find_naming(weights: dict[str, Tensor]) -> str | None:
    """Whose names these are, or None."""
    for naming, mark in MARKS.items():
        if any(re.search(mark, name) for name in weights):
            return naming
    return None


def find_prefix(weights: dict[str, Tensor], naming: str) -> str:
    """What stands before the backbone's names."""
    found = (re.search(MARKS[naming], name) for name in weights)
    return Counter(match[1] for match in found if match).most_common(1)[0][0]


def _read(path: Path, unsafe: bool) -> tuple[dict, list[Path]]:
    """The content of a file, or of all files of a folder, and which files these are."""
    if path.name.endswith('.index.json'):
        return _read_shards(path, unsafe)
    if not path.is_dir():
        return read_checkpoint(path, unsafe=unsafe), [path.expanduser()]
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return read_checkpoint(path / name, unsafe=unsafe), [path / name]
        if (path / f'{name}.index.json').is_file():
            return _read_shards(path / f'{name}.index.json', unsafe)
    raise UsageError(f'{path} holds none of {", ".join(FOLDER_FILES)}, nor an index of several')


def _read_shards(index: Path, unsafe: bool) -> tuple[dict, list[Path]]:
    try:
        places = json.loads(index.read_text())['weight_map']
        shards = [index.parent / name for name in sorted(set(places.values()))]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(f'{index} is no index of weights: {error!r}; download it again') from error
    weights = {}
    for shard in shards:
        weights |= read_checkpoint(shard, unsafe=unsafe)
    lost = [name for name in places if name not in weights]
    if lost:
        raise UsageError(f'{index} names what its files do not hold: {shorten(lost)}')
    return weights, shards


def _check_settings(path: Path, mit: MiT) -> None:
    """Refuses what MixVisionTransformer cannot be, if a config.json lies beside the weights."""
    file = (path if path.is_dir() else path.parent) / 'config.json'
    if not file.is_file():
        return
    try:
        config = json.loads(file.read_text())
    except ValueError as error:
        raise UsageError(f'{file} is no JSON: {error}; download it again') from error
    if not isinstance(config, dict) or config.get('model_type') != 'segformer':
        return
    for key, needed in dict(SETTINGS, num_attention_heads=mit.num_heads).items():
        if config.get(key, needed) != needed:
            raise UsageError(
                f'{file}: {key}={config[key]}, which MixVisionTransformer has as {needed}: its '
                'outputs would be others'
            )
