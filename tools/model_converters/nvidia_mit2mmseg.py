#!/usr/bin/env python
"""Converts the MiT and SegFormer weights of SegFormer's authors (NVIDIA) to MMSegmentation."""

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.weights import cli
from mmseg_ext.prepare.weights.source import read_source

EXAMPLES = """where to download: the links in https://github.com/NVlabs/SegFormer (README)
  mit_b0.pth (14 MB) to mit_b5.pth (328 MB): pretrained on ImageNet
  segformer.b2.512x512.ade.160k.pth and its like: whole networks

examples:
  python tools/model_converters/nvidia_mit2mmseg.py mit_b2.pth checkpoints/mit_b2.pth
  python tools/model_converters/nvidia_mit2mmseg.py segformer.b2.512x512.ade.160k.pth \\
      checkpoints/segformer_b2_ade.pth

hf_mit2mmseg.py --verify FILE --against ORIGINAL judges a converted file, these originals too.
"""


def main() -> None:
    """Converts."""
    parser = cli.make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        '--backbone-only', action='store_true', help='leave the decode head out, for init_cfg'
    )
    args = parser.parse_args()
    cli.need_both(parser, args)
    source = read_source(args.src, args.unsafe_load)
    print(cli.convert_to_mmseg(source, args.dst, ('nvidia',), args.backbone_only, args.force))


if __name__ == '__main__':
    run_command(main)
