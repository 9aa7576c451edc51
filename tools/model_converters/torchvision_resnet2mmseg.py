#!/usr/bin/env python
"""Makes an init_cfg file of a torchvision ResNet, and says what of a backbone it fills."""

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.weights import cli
from mmseg_ext.prepare.weights.convert import CONVERTED
from mmseg_ext.prepare.weights.resnet import (
    config_backbone,
    describe_fill,
    read_resnet,
    resnet_lines,
)
from mmseg_ext.prepare.weights.writing import write_weights

EXAMPLES = """where to download: https://download.pytorch.org/models/
  resnet18-f37072fd.pth (45 MB), resnet34-b627a593.pth (83), resnet50-0676ba61.pth (98),
  resnet50-11ad3fa6.pth (98, the V2 weights), resnet101-63fe2227.pth (171),
  resnet152-394f9c45.pth (230), resnext50_32x4d-7cdf4587.pth (96). The digits are the beginning of
  the file's SHA-256, which is checked.

examples:
  python tools/model_converters/torchvision_resnet2mmseg.py resnet50-0676ba61.pth \\
      checkpoints/resnet50.pth --config configs/upernet/MY_CONFIG.py
  python tools/model_converters/torchvision_resnet2mmseg.py resnet50-0676ba61.pth \\
      checkpoints/resnet50.pth --backbone ResNetV1c
"""


def main() -> None:
    """Converts."""
    parser = cli.make_parser(__doc__, EXAMPLES)
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--config', help='say what it fills of the backbone of this config')
    which.add_argument(
        '--backbone', metavar='TYPE', help='say what it fills of this type: ResNet, ResNetV1c'
    )
    args = parser.parse_args()
    cli.need_both(parser, args)
    file = read_resnet(args.src, args.unsafe_load)
    if args.config:
        backbone = config_backbone(args.config)
    else:
        backbone = {**file.backbone, 'type': args.backbone or file.backbone['type']}
    filled = describe_fill(file, backbone)
    made = dict(names_of='torchvision', sha256=file.sums, backbone=file.backbone)
    write_weights(args.dst, file.weights, {CONVERTED: made}, args.force)
    print(f'{args.dst}: {len(file.weights)} tensors; left out: {", ".join(file.dropped) or "none"}')
    print(filled)
    print(f'the config needs\n\n{resnet_lines(file, args.dst)}')


if __name__ == '__main__':
    run_command(main)
