"""200 epochs of SegFormer's AdamW: 6e-5, ten times that in the head, 20 epochs of warm-up.

Rates change between epochs only, so the first epoch has a millionth of the rate. ``pos_block`` is
MMSegmentation's; no parameter of MiT is called so, and it has no effect.
"""

_base_ = './schedule_200e.py'
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys=dict(
            pos_block=dict(decay_mult=0.0), norm=dict(decay_mult=0.0), head=dict(lr_mult=10.0)
        )
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, by_epoch=True),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=20, end=200, by_epoch=True),
]
