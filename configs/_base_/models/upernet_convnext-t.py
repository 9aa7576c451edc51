"""UPerNet with ConvNeXt-T (Liu et al., 2022, arXiv 2201.03545) from timm, an extra: ``.[timm]``.

timm downloads the ImageNet weights by itself. ``num_classes`` is a placeholder that a leaf sets.
"""

_base_ = './upernet_r50.py'
model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='convnext_tiny.fb_in1k',
        features_only=True,
        pretrained=True,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384),
)
