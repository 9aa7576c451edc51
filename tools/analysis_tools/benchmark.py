#!/usr/bin/env python
"""Measures our speed beside that of stock MMSegmentation, on this machine, in one run."""

import argparse
import sys
import tempfile
from pathlib import Path

from mmseg_ext.benchmarks import report, voc_aug
from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.cli import at_least_one, zero_or_more
from mmseg_ext.prepare.jobs import count_cores
from mmseg_ext.records.files import check_output, write_json

EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py voc-aug --out voc-aug.json
  python tools/analysis_tools/benchmark.py voc-aug --mats 1000 --repeats 3
  python tools/analysis_tools/benchmark.py loss --out loss.json
  python tools/analysis_tools/benchmark.py loss --device cuda --images 16 --out loss-gpu.json
  python tools/analysis_tools/benchmark.py loss-training CONFIG --seeds 0 1 2 --out training.json
  python tools/analysis_tools/benchmark.py data --out data.json
  python tools/analysis_tools/benchmark.py data CONFIG --show-config
  python tools/analysis_tools/benchmark.py data-training CONFIG --seeds 0 1 2 --out training.json
  python tools/analysis_tools/benchmark.py evaluation --out evaluation.json
"""
EVALUATION_EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py evaluation
  python tools/analysis_tools/benchmark.py evaluation --modes whole --classes 21 --size 512
on a GPU:
  python tools/analysis_tools/benchmark.py evaluation --device cuda
The logits are those of a SegFormer-B0 with random weights, and noise, the worst case. Memory is
what upsampling, argmax and counting add at their peak to the logits of the network.
The exit status is 1 if a label is not what stock gives.
"""
LOSS_EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py loss --out loss.json
  python tools/analysis_tools/benchmark.py loss --losses cross-entropy --threads 1
  python tools/analysis_tools/benchmark.py loss --classes 21 --logits 64 --labels 512
on a GPU, the second as in training with --amp:
  python tools/analysis_tools/benchmark.py loss --device cuda --images 16 --classes 150
  python tools/analysis_tools/benchmark.py loss --device cuda --images 16 --dtype float16
Memory is what a step adds at its peak to logits and labels, on a CPU as the process grows, on a GPU
in tensors; images per GiB are what fits into so much of it.
The exit status is 1 if a value or gradient is not what stock gives.
"""
TRAINING_EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py loss-training \\
      configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py --seeds 0 1 2
Called again it goes on where it was stopped.
"""
DATA_EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py data
  python tools/analysis_tools/benchmark.py data CONFIG --images 200 --repeats 10
  python tools/analysis_tools/benchmark.py data CONFIG --show-config
Without CONFIG: SegFormer's pipeline for ADE20K, on made photographs of 512x683 pixels.
Times are those that one core worked: other programs, and waiting for a disk, do not count.
"""
DATA_TRAINING_EXAMPLE = TRAINING_EXAMPLE.replace('loss-training', 'data-training')
# names in benchmarks.loss_variants, loss_training and data_training, which bring MMSegmentation
LOSSES = ['focal-dice', 'cross-entropy']
MODES, LOGITS = ['whole', 'slide', 'tta'], ['network', 'noise']
TRAINED_LOSSES = ['cross-entropy', 'focal-dice-stock', 'focal-dice']
TRAINED_CHAINS = ['stock', 'fast', 'fast-on-device']


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    plain = dict(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE, **plain)
    benchmarks = parser.add_subparsers(dest='benchmark', required=True)
    number = dict(type=at_least_one, metavar='N')
    options = dict(nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings')
    repeats = dict(**number, help='rounds; the fastest counts (default: %(default)s)')

    voc = benchmarks.add_parser('voc-aug', help='the conversion of SBD: voc_aug.py')
    voc.add_argument('--mats', **number, default=11355, help='files (default: as many as SBD)')
    voc.add_argument('--nproc', **number, default=count_cores(), help='processes of each command')
    voc.add_argument('--repeats', **repeats, default=1)
    voc.set_defaults(run=run_voc_aug)

    text = 'losses: time, memory, value and gradient of a step beside stock MMSegmentation'
    loss = benchmarks.add_parser('loss', help=text, description=text, epilog=LOSS_EXAMPLE, **plain)
    side = dict(**number, nargs='+', help='height and width, or one number for both')
    loss.add_argument('--images', **number, default=2, help='batch size (default: 2)')
    loss.add_argument('--classes', **number, default=150, help='2 to 255 (default: 150)')
    loss.add_argument('--logits', **side, default=[128])
    loss.add_argument('--labels', **side, default=[512])
    loss.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    loss.add_argument('--dtype', choices=['float32', 'bfloat16', 'float16'], default='float32')
    loss.add_argument('--losses', nargs='+', choices=LOSSES, default=LOSSES)
    loss.add_argument('--threads', **number, default=count_cores(), help='of the CPU')
    loss.add_argument('--repeats', **repeats, default=3)
    loss.set_defaults(run=run_loss)

    text = 'evaluation: time and memory of all after the network, stock beside ours'
    evaluation = benchmarks.add_parser(
        'evaluation', help=text, description=text, epilog=EVALUATION_EXAMPLE, **plain
    )
    evaluation.add_argument('--classes', **number, default=150, help='default: 150')
    evaluation.add_argument('--size', **side, default=[512, 683])
    evaluation.add_argument('--modes', nargs='+', choices=MODES, default=MODES)
    evaluation.add_argument('--logits', nargs='+', choices=LOGITS, default=LOGITS)
    evaluation.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    evaluation.add_argument('--threads', **number, default=count_cores(), help='of the CPU')
    evaluation.add_argument('--repeats', **repeats, default=3)
    evaluation.set_defaults(run=run_evaluation)

    text = 'data: images a second of the training pipeline, stock beside ours, and where time goes'
    data = benchmarks.add_parser('data', help=text, description=text, epilog=DATA_EXAMPLE, **plain)
    data.add_argument('config', nargs='?', help='its training data and pipeline')
    data.add_argument('--images', **number, default=64, help='samples (default: %(default)s)')
    data.add_argument('--repeats', **repeats, default=5)
    data.add_argument(
        '--show-config', action='store_true', help='print the pipelines as a config has them'
    )
    data.add_argument('--cfg-options', **options)
    data.set_defaults(run=run_data)

    for name, kind, names, epilog in (
        ('losses', 'loss', TRAINED_LOSSES, TRAINING_EXAMPLE),
        ('chains', 'data', TRAINED_CHAINS, DATA_TRAINING_EXAMPLE),
    ):
        text = f'{kind}: what a network reaches with each of the {name}'
        training = benchmarks.add_parser(
            f'{kind}-training', help=text, description=text, epilog=epilog, **plain
        )
        training.add_argument('config', help='leaf to train, changed in that alone')
        training.add_argument('--seeds', type=zero_or_more, nargs='+', default=[0], metavar='N')
        training.add_argument(f'--{name}', dest='variants', nargs='+', choices=names, default=names)
        training.add_argument(
            '--work-dirs', type=Path, metavar='DIR', help='of the runs (default: below work_dirs/)'
        )
        training.add_argument('--cfg-options', **options)
        training.set_defaults(run=run_training, name=name)

    for each in benchmarks.choices.values():
        each.add_argument('--out', type=Path, metavar='JSON', help='write the result there')
    return parser.parse_args()


def run_voc_aug(args: argparse.Namespace) -> dict:
    """Converts a tree with both commands."""
    result = voc_aug.compare(args.mats, args.nproc, args.repeats)
    title = f'{args.mats:,} .mat files, {args.nproc} processes'
    report.print_timings(title, result['timings'], baseline=voc_aug.STOCK)
    print(f'same pixels: {result["same_pixels"]}, same lists: {result["same_lists"]}')
    return result


def run_loss(args: argparse.Namespace) -> dict:
    """Measures a step of each loss, ours and stock."""
    # brings MMSegmentation, which the other benchmarks do without
    from mmseg_ext.benchmarks.loss import Settings, compare
    from mmseg_ext.benchmarks.loss_report import print_comparisons

    settings = Settings(
        args.images,
        args.classes,
        _both_sides('--logits', args.logits),
        _both_sides('--labels', args.labels),
        args.device,
        args.dtype,
        args.threads,
    )
    result = compare(settings, args.losses, args.repeats)
    print_comparisons(result)
    return result


def run_evaluation(args: argparse.Namespace) -> dict:
    """Measures what evaluation costs after the network."""
    # brings MMSegmentation, which the other benchmarks do without
    from mmseg_ext.benchmarks.evaluation import compare
    from mmseg_ext.benchmarks.evaluation_report import print_evaluation
    from mmseg_ext.benchmarks.evaluation_step import Settings

    if args.classes < 2:
        raise UsageError('--classes 1: take 2 or more')
    size = _both_sides('--size', args.size)
    settings = Settings(args.classes, size, args.device, args.threads)
    cases = [(mode, kind) for mode in args.modes for kind in args.logits]
    result = compare(settings, cases, args.repeats)
    print_evaluation(result)
    return result


def run_data(args: argparse.Namespace) -> dict:
    """Times the training pipeline, stock and ours."""
    # brings MMSegmentation, which the other benchmarks do without
    from mmseg_ext.benchmarks.data import ADE20K, compare, find_samples
    from mmseg_ext.benchmarks.data_report import print_chains, print_pipelines
    from mmseg_ext.benchmarks.photos import write_photos

    with tempfile.TemporaryDirectory(prefix='data-') as folder:
        pipeline, infos = (
            find_samples(args.config, args.cfg_options or {}, args.images)
            if args.config
            else (ADE20K, write_photos(Path(folder), args.images))
        )
        result = compare(pipeline, infos, args.repeats, Path(folder) / 'cache')
    if args.show_config:
        print_pipelines(result)
    print_chains(result)
    return dict(result, config=args.config)


def run_training(args: argparse.Namespace) -> dict:
    """Trains a leaf in each variant and with each seed."""
    # brings torch
    from mmseg_ext.benchmarks.data_training import chain_changes
    from mmseg_ext.benchmarks.loss_training import loss_changes
    from mmseg_ext.benchmarks.training import print_scores, train_all
    from mmseg_ext.engine.config import load_config

    kind, change = args.benchmark.partition('-')[0], dict(losses=loss_changes, chains=chain_changes)
    options = args.cfg_options or {}
    cfg = load_config(args.config, options)
    variants = {name: change[args.name](cfg, name) for name in args.variants}
    work_dirs = args.work_dirs or Path('work_dirs') / f'{args.name}-{Path(args.config).stem}'
    result = train_all(kind, args.config, variants, args.seeds, work_dirs, options)
    print_scores(result)
    return result


def _both_sides(option: str, sides: list[int]) -> tuple[int, int]:
    if len(sides) > 2:
        raise UsageError(f'{option} takes height and width, or one number for both; got {sides}')
    return sides[0], sides[-1]


def main() -> None:
    """Runs the benchmark that was asked for."""
    args = parse_args()
    check_output(args.out)
    result = args.run(args)
    if args.out:
        write_json(args.out, result)
    faults = result.get('faults')
    if faults:
        sys.exit('\n'.join(faults))


if __name__ == '__main__':
    run_command(main)
