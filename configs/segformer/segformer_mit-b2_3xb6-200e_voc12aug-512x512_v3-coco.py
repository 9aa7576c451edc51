"""SegFormer-B2 on VOC 2012 and SBD, V3 from COCO: the pre-trained network fine-tuned as in V3.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  load_from: (not set) ->
             'work_dirs/segformer_mit-b2_3xb6-20e_coco-512x512_v2-pretrain/epoch_20.pth'
         model.backbone.init_cfg: none, load_from fills the network
         optim_wrapper.optimizer.lr: 6e-05 -> 6e-06
         param_scheduler[0].start_factor: 1e-06 -> 1e-07
Why:     classes, head included, learned from up to eleven times the images.
Reconstructed:
         optim_wrapper.optimizer.lr: 6e-06; V3's
         param_scheduler[0].start_factor: 1e-07; V3's
         train_cfg.max_epochs: 200; V3's
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v3.py'
load_from = 'work_dirs/segformer_mit-b2_3xb6-20e_coco-512x512_v2-pretrain/epoch_20.pth'
