"""Folders of runs, written by hand after real ones of stock MMSegmentation."""

import json

TABLE = """\
2026/11/21 17:07:00 - mmengine - INFO - per class results:
2026/11/21 17:07:00 - mmengine - INFO - 
+-----------------+-------+-------+
|      Class      |  IoU  |  Acc  |
+-----------------+-------+-------+
|       sky       | {0:5} | 98.33 |
| traffic light   | {1:5} |  10.0 |
|      boat       |  nan  |  nan  |
+-----------------+-------+-------+
"""  # noqa: W291
EPOCH = 22
CLASSES = ['sky', 'traffic light', 'boat']


def write_stock_run(work_dir, by_epoch=True, start='20261121_170346', epochs=(4, 8), tail=''):
    """A run that was validated after ``epochs`` epochs of 22 iterations, or as many iterations."""
    folder = work_dir / start
    (folder / 'vis_data').mkdir(parents=True)
    lines, log = [], ''
    for epoch in range(1, epochs[-1] + 1):
        for step in (10, 20):
            line = dict(lr=0.1, loss=1 / epoch, step=(epoch - 1) * EPOCH + step)
            lines.append(line | dict(epoch=epoch) if by_epoch else line)
            kind = f'Epoch(train)  [{epoch}][{step}/{EPOCH}]' if by_epoch else 'Iter(train) [9/99]'
            log += f'2026/11/21 17:06:00 - mmengine - INFO - {kind}  lr: 1.0e-01  loss: 1.0\n'
        if epoch in epochs:
            score = dict(aAcc=80.0, mIoU=5.0 * epoch, mAcc=30.0, data_time=0.01, time=0.2)
            lines.append(score | dict(step=epoch if by_epoch else epoch * EPOCH))
            log += TABLE.format(str(9.0 * epoch), str(float(epoch)))
            kind = f'Epoch(val) [{epoch}][101/101]' if by_epoch else 'Iter(val) [101/101]'
            log += f'2026/11/21 17:07:00 - mmengine - INFO - {kind}    mIoU: {5.0 * epoch:.4f}\n'
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    (folder / 'vis_data/scalars.json').write_text(text + tail)
    (folder / f'{start}.log').write_text(log)
    return work_dir
