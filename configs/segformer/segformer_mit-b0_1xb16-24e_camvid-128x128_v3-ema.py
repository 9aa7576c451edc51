"""SegFormer-B0 on CamVid, V3 with a moving average of the weights (EMA).

Parent:  segformer_mit-b0_1xb16-24e_camvid-128x128_v3.py
Change:  custom_hooks: + EMAHook; the last 50 of 528 iterations, by weight
Why:     an average of many steps often scores higher than the last. With a rate that falls to 0
         there is little left to average; so the recommended versions have none.
Result:  39.83 mIoU, val, epoch 24, seed 0, 2 CPU cores, torch 2.13.0; without EMA: 40.23
Status:  negative result
"""

_base_ = './segformer_mit-b0_1xb16-24e_camvid-128x128_v3.py'
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02)]
