#!/usr/bin/env python
"""Converts Hugging Face MiT and SegFormer weights to MMSegmentation and back, or judges a file."""

import argparse
import sys
from pathlib import Path

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.weights import cli
from mmseg_ext.prepare.weights.report import format_verdict
from mmseg_ext.prepare.weights.source import read_source
from mmseg_ext.prepare.weights.verdict import SOUND
from mmseg_ext.prepare.weights.verify import verify

EXAMPLES = """where to download: https://huggingface.co/nvidia, pytorch_model.bin or
  model.safetensors of
  mit-b0 (14 MB), -b1 (55), -b2 (99), -b3 (178), -b4 (245), -b5 (328): pretrained on ImageNet
  segformer-b0-finetuned-ade-512-512 (15 MB) to b5-finetuned-ade-640-640 (339 MB): whole networks

examples:
  python tools/model_converters/hf_mit2mmseg.py model.safetensors checkpoints/mit_b2.pth
  python tools/model_converters/hf_mit2mmseg.py FOLDER checkpoints/segformer_b2_ade.pth
  python tools/model_converters/hf_mit2mmseg.py --to-hf epoch_200.pth model.safetensors
  python tools/model_converters/hf_mit2mmseg.py --verify checkpoints/mine.pth
  python tools/model_converters/hf_mit2mmseg.py --verify mine.pth --against model.safetensors

--verify ends with status 0 for a sound file, 1 for a suspicious or broken one.
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = cli.make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        '--backbone-only', action='store_true', help='leave the decode head out, for init_cfg'
    )
    parser.add_argument('--to-hf', action='store_true', help='from MMSegmentation to Hugging Face')
    parser.add_argument(
        '--names',
        choices=['hub', 'transformers'],
        help="with --to-hf: names as in files (default), or as in transformers 5's memory",
    )
    parser.add_argument(
        '--verify', type=Path, metavar='FILE', help='convert nothing, judge this converted file'
    )
    parser.add_argument(
        '--against', type=Path, metavar='ORIGINAL', help='with --verify: what it was made of'
    )
    args = parser.parse_args()
    if args.verify:
        if args.src or args.to_hf or args.backbone_only or args.force:
            parser.error('--verify goes with --against and --unsafe-load alone')
        return args
    if args.against:
        parser.error('--against goes with --verify FILE')
    if args.names and not args.to_hf:
        parser.error('--names goes with --to-hf; reading knows both by itself')
    cli.need_both(parser, args)
    return args


def main() -> None:
    """Converts or judges."""
    args = parse_args()
    if args.verify:
        verdict = verify(args.verify, args.against, args.unsafe_load)
        print(format_verdict(verdict))
        sys.exit(verdict.word != SOUND)
    source = read_source(args.src, args.unsafe_load)
    convert = cli.convert_to_hf if args.to_hf else cli.convert_to_mmseg
    naming = args.names or 'hub' if args.to_hf else ('hub', 'transformers')
    print(convert(source, args.dst, naming, args.backbone_only, args.force))


if __name__ == '__main__':
    run_command(main)
