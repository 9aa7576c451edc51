"""SegFormer-B2 (Xie et al., 2021, arXiv 2105.15203), with MMSegmentation's head of 256 channels.

The paper's head has 768, see segformer_mit-b2_head-768.py. The encoder's weights are those that
tools/model_converters/hf_mit2mmseg.py makes of ``nvidia/mit-b2``.
"""

_base_ = './segformer_mit-b0.py'
model = dict(
    backbone=dict(
        embed_dims=64,
        num_layers=[3, 4, 6, 3],
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mit_b2_converted_from_hf.pth'),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
