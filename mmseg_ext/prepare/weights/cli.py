"""What the command lines of the weight converters share."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import shorten
from mmseg_ext.engine.errors import UsageError

from ..cli import bare_parser
from .convert import CONVERTED, describe, to_mmseg, to_others
from .source import HEAD, WHOSE, Source
from .writing import HUGGING_FACE_ENDINGS, MMSEG_ENDINGS, check_ending, write_weights

WAY_OUT = dict(
    hub='convert it with hf_mit2mmseg.py',
    transformers='convert it with hf_mit2mmseg.py',
    nvidia='convert it with nvidia_mit2mmseg.py',
    mmseg='hf_mit2mmseg.py judges it with --verify, and converts it back with --to-hf',
)
# what MixVisionTransformer has by itself
STOCK = dict(patch_sizes=[7, 3, 3, 3], sr_ratios=[8, 4, 2, 1], in_channels=3)
# settings of the head that differ from MMSegmentation's own configs
PRINTED = ('in_channels', 'channels', 'act_cfg', 'num_classes')


def make_parser(description: str, epilog: str) -> argparse.ArgumentParser:
    """Makes a parser with the arguments of every weight converter; see ``prepare.cli``."""
    parser = bare_parser(description, epilog)
    parser.add_argument('src', nargs='?', type=Path, metavar='SRC', help='file or folder to read')
    parser.add_argument('dst', nargs='?', type=Path, metavar='DST', help='file to write')
    parser.add_argument('--force', action='store_true', help='replace a DST of another content')
    parser.add_argument(
        '--unsafe-load',
        action='store_true',
        help='load files that need more than tensors and plain data; they can run any program',
    )
    return parser


def need_both(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Ends the command with a usage line unless SRC and DST are given and differ."""
    if not (args.src and args.dst):
        parser.error('SRC and DST are needed')
    if args.src.resolve() == args.dst.resolve():
        parser.error(f'SRC and DST are one and the same: {args.src}')


def convert_to_mmseg(
    source: Source, dst: Path, namings: Sequence[str], backbone_only: bool, force: bool
) -> str:
    """Converts and writes; returns what to tell the user: what was made, and its config lines.

    Args:
        source: What was read.
        dst: The file to write.
        namings: Whose names the command is for.
        backbone_only: Leave the head out.
        force: Replace a file of another content.
    """
    check_ending(dst, MMSEG_ENDINGS)
    if source.naming not in namings:
        raise UsageError(
            f'{source.path} has the names of {WHOSE[source.naming]}: {WAY_OUT[source.naming]}'
        )
    weights = to_mmseg(source, backbone_only)
    made = describe(source, weights)
    write_weights(dst, weights, {CONVERTED: made}, force)
    said = [_say(dst, source, weights)]
    if source.dropped:
        said.append(f'left out: {shorten(source.dropped)}')
    return '\n'.join([*said, 'the config needs', '', config_lines(made, dst)])


def convert_to_hf(source: Source, dst: Path, naming: str, backbone_only: bool, force: bool) -> str:
    """Converts back and writes; returns what to tell the user, with the lines that load it.

    Args:
        source: What was read.
        dst: The file to write.
        naming: ``hub`` or ``transformers``.
        backbone_only: Leave the head out.
        force: Replace a file of another content.
    """
    check_ending(dst, HUGGING_FACE_ENDINGS)
    if source.naming != 'mmseg':
        raise UsageError(
            f'{source.path} has the names of {WHOSE[source.naming]}, not of MMSegmentation: '
            'without --to-hf it is converted to these'
        )
    weights = to_others(source, naming, backbone_only)
    write_weights(dst, weights, force=force)
    mit, classifier = source.mit, weights.get(f'{HEAD}classifier.weight')
    settings = dict(
        depths=list(mit.depths), hidden_sizes=list(mit.channels),
        num_attention_heads=mit.num_heads, sr_ratios=list(mit.ratios),
    )  # fmt: skip
    if classifier is not None:
        settings |= dict(decoder_hidden_size=classifier.shape[1], num_labels=len(classifier))
    network = 'SegformerModel' if classifier is None else 'SegformerForSemanticSegmentation'
    return '\n'.join([
        _say(dst, source, weights),
        'the config of transformers is',
        '',
        f'config = SegformerConfig({_arguments(settings)})',
        f"network = {network}.from_pretrained(None, config=config, state_dict=load_file('{dst}'))",
    ])  # fmt: skip


def config_lines(made: dict, file: Path) -> str:
    """What a SegFormer's config needs for a converted file, as Python.

    Args:
        made: From ``convert.describe``.
        file: The converted file.
    """
    backbone = {key: value for key, value in made['backbone'].items() if STOCK.get(key) != value}
    norm_cfg, head = backbone.pop('norm_cfg', None), made['decode_head']
    lines = ['model = dict(', '    backbone=dict(', f'        {_arguments(backbone)},']
    if norm_cfg:
        lines.append(f'        norm_cfg={_call(norm_cfg)},  # as in transformers; stock has 1e-6')
    if 'channels' not in head:
        lines.append(f"        init_cfg=dict(type='Pretrained', checkpoint='{file}'),")
    lines += ['    ),', '    decode_head=dict(']
    lines += [f'        {key}={value!r},' for key, value in head.items() if key in PRINTED]
    lines += ['    ))', *([f"load_from = '{file}'"] if 'channels' in head else [])]
    return '\n'.join(lines)


def _arguments(values: dict) -> str:
    return ', '.join(f'{key}={value!r}' for key, value in values.items())


def _call(values: dict) -> str:
    return f'dict({_arguments(values)})'


def _say(dst: Path, source: Source, weights: Mapping[str, Tensor]) -> str:
    what = 'backbone and head' if any(name.startswith(HEAD) for name in weights) else 'backbone'
    return f'{dst}: {source.mit}, {what}, {len(weights)} tensors of {WHOSE[source.naming]}'
