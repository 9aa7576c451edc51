"""SegFormer-B2 on VOC 2012 and SBD, V3 in a quarter of the epochs.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v3.py
Change:  train_cfg.max_epochs: 200 -> 50
         param_scheduler[0].end: 20 -> 5
         param_scheduler[1].begin: 20 -> 5
         param_scheduler[1].end: 201 -> 51
Why:     whether a fine-tuning needs 200 epochs.
Option:  --cfg-options optim_wrapper.optimizer.lr=1e-5
Reconstructed:
         param_scheduler[0].end: 5; the same tenth as V3
         param_scheduler[1].begin: 5
         param_scheduler[1].end: 51
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v3.py'
train_cfg = dict(max_epochs=50)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=5),
    dict(_base_.param_scheduler[1], begin=5, end=51),
]
