#!/usr/bin/env python
"""Predicts the classes of new images and videos.

MODEL is a run's folder (its best checkpoint, else its newest whole one; or the one that follows),
or a config (.py), which its checkpoint has to follow. Inputs are images, folders (with all below
them), quoted glob patterns and videos. Below --out come:
  masks/NAME.png        labels, as the data set's own label files hold them
  overlays/NAME.png     the image with the colours of the classes and a legend; NAME.mp4 of a video
  classes.csv           the share of pixels of every class in every image
  shares/NAME.csv       the same of the frames of a video
  predictions.json      what made them
What the same model predicted there before is kept. The exit status is 1 if an input could not be
predicted, or not all of it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mmseg_ext.engine.class_names import find_classes
from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.inference.inputs import IMAGES, VIDEOS, Input, find_inputs

WEIGHTS = ('.pth', '.pt')

EXAMPLES = """examples:
  python tools/infer.py work_dirs/NAME photos/
  python tools/infer.py work_dirs/NAME 'photos/**/*.jpg' film.mp4 --out predicted
  python tools/infer.py work_dirs/NAME work_dirs/NAME/epoch_16.pth photos/
  python tools/infer.py CONFIG CHECKPOINT photo.jpg --classes car person --alpha 0.7
  python tools/infer.py CONFIG CHECKPOINT photos/ --class-names names.txt --tta --batch-size 8
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', metavar='MODEL', help='RUN, RUN CHECKPOINT or CONFIG CHECKPOINT')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='image, folder, glob or video')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder to write (default: predictions/RUN or predictions/CONFIG-CHECKPOINT)',
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='colour these classes alone in overlays'
    )
    parser.add_argument(
        '--class-names',
        nargs='+',
        metavar='NAME',
        help='names of all classes, or one file with a name a line, for checkpoints without',
    )
    parser.add_argument('--alpha', type=float, default=0.5, help='weight of colours (default: 0.5)')
    parser.add_argument('--device', help='cuda, cuda:1, cpu, ... (default: a GPU if there is one)')
    parser.add_argument(
        '--batch-size', type=int, default=1, metavar='N', help='images of one size (default: 1)'
    )
    parser.add_argument('--tta', action='store_true', help='average over scales and flips')
    parser.add_argument('--no-overlays', action='store_true', help='write no overlays')
    parser.add_argument(
        '--every', type=int, default=1, metavar='N', help='of a video, each Nth frame (default: 1)'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='write into a folder of other things'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='go on although weights did not load'
    )
    parser.add_argument(
        '--unsafe-load',
        action='store_true',
        help='load files that need more than tensors and plain data; they can run any program',
    )
    args = parser.parse_args(argv)
    for name, least in (('batch_size', 1), ('every', 1)):
        if getattr(args, name) < least:
            raise UsageError(f'--{name.replace("_", "-")} {getattr(args, name)}: needs at least 1')
    if not 0 <= args.alpha <= 1:
        raise UsageError(f'--alpha {args.alpha:g} is not between 0 and 1')
    return args


def split_model(model: str, words: Sequence[str]) -> tuple[Path, str | None, list[str]]:
    """Tells the model from the inputs: a run or a config, the checkpoint after it, the rest."""
    checkpoint, *rest = words
    if Path(model).suffix != '.py':
        if Path(model).is_file():
            raise UsageError(f"{model} is a file: first comes a run's folder, or a config (.py)")
        if Path(checkpoint).suffix not in WEIGHTS:
            return Path(model), None, list(words)
    if Path(checkpoint).is_dir() or Path(checkpoint).suffix.lower() in (*IMAGES, *VIDEOS):
        raise UsageError(f'{checkpoint} is no checkpoint: after a config comes its checkpoint')
    if not rest:
        raise UsageError(f'no input: after the checkpoint come images, got {checkpoint} alone')
    return Path(model), checkpoint, rest


def name_folder(model: Path, checkpoint: str | None) -> Path:
    """The folder of predictions, by default, of a run or of a config and its checkpoint."""
    name = model.resolve().name.removesuffix('.py')
    return Path('predictions', f'{name}-{Path(checkpoint).stem}' if checkpoint else name)


def check_apart(out: Path, inputs: Sequence[Input]) -> None:
    """Raises ``UsageError`` if an input lies in the folder of the predictions."""
    for source in inputs:
        if source.path.resolve().is_relative_to(out.resolve()):
            raise UsageError(f'{source.path} lies in --out {out}; name another folder')


def main(argv: list[str] | None = None) -> None:
    """Predicts."""
    args = parse_args(argv)
    model, checkpoint, words = split_model(args.model, args.inputs)
    inputs, notes = find_inputs(words)
    if any(Path(word).resolve() == model.resolve() for word in words):
        notes.append(f"the images of {model} are the run's own pictures")
    out = args.out or name_folder(model, checkpoint)
    check_apart(out, inputs)

    # they bring torch and MMSegmentation, which take seconds to import
    from mmseg_ext.engine.cli import apply_guards
    from mmseg_ext.engine.config import load_config
    from mmseg_ext.inference import Segmenter
    from mmseg_ext.inference.names import read_class_names
    from mmseg_ext.inference.outputs import Outputs, check_folder
    from mmseg_ext.inference.predicting import predict_inputs
    from mmseg_ext.inference.run_folder import find_config, find_run_files

    check_folder(out, args.overwrite)
    names = read_class_names(args.class_names)
    if checkpoint is None:
        config, checkpoint = find_run_files(model)
    else:
        config = model if model.suffix == '.py' else find_config(model)
    cfg = load_config(str(config), args.cfg_options)
    apply_guards(cfg, args)
    segmenter = Segmenter(cfg, checkpoint, args.device, args.tta, names)
    shown = None
    if args.classes:
        shown = find_classes(args.classes, segmenter.classes, str(checkpoint))
    overlays = not args.no_overlays
    outputs = Outputs(out, segmenter.metainfo, args.alpha, shown, overlays, args.overwrite)
    options = {key: str(value) for key, value in (args.cfg_options or {}).items()}
    outputs.record(
        config=str(config), checkpoint=str(checkpoint), tta=args.tta, cfg_options=options
    )
    has_masks = not all(source.is_video for source in inputs)

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f'{checkpoint} on {segmenter.device}, {len(segmenter.classes)} classes', markup=False
    )
    for note in [*notes, *segmenter.warnings, outputs.note if has_masks else '']:
        if note:
            console.print(f'note: {note}', markup=False)
    failures = predict_inputs(segmenter, inputs, outputs, console, args.batch_size, args.every)
    masks = f' (masks: {outputs.encoding})' if has_masks else ''
    console.print(f'predictions: {out}{masks}', markup=False)
    if failures:
        for failure in failures:
            print(f'error: {failure}', file=sys.stderr)
        print(f'{len(failures)} of {len(inputs)} inputs were skipped or cut off', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    run_command(main)
