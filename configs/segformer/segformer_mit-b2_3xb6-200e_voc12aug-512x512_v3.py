"""SegFormer-B2 on VOC 2012 and SBD, V3: V2 fine-tuned at a tenth of its rate.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  load_from: (not set) ->
             'work_dirs/segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2/epoch_200.pth'
         model.backbone.init_cfg: none, load_from fills the network
         optim_wrapper.optimizer.lr: 6e-05 -> 6e-06
         param_scheduler[0].start_factor: 1e-06 -> 1e-07
Why:     a new schedule from trained weights: load_from, because --resume would go on with the old.
Result:  not known, the user's notes have none
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
load_from = 'work_dirs/segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2/epoch_200.pth'
model = dict(backbone=dict(init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=6e-6))
param_scheduler = [dict(_base_.param_scheduler[0], start_factor=1e-7), _base_.param_scheduler[1]]
