"""A validation that knows the loss."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import ValLoop as MMEngineValLoop
from mmengine.runner.amp import autocast
from torch import Tensor

from mmseg_ext.engine.distributed import gather_samples
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.models.segmentors.losses_of_images import naming_failure
from mmseg_ext.registry import LOOPS


@LOOPS.register_module()
class ValLoop(MMEngineValLoop):
    """MMEngine's loop, which also gives the loss on the validation set.

    Among the metrics of the validation are then ``val_loss`` and its terms, named as in training:
    ``val_decode.loss_ce``. Each is the mean over images of what the network says of the image
    alone, so that neither the size of the batches nor the number of processes changes it, nor what
    a sampler adds so that all processes get equally many images. Schedulers can watch it:
    ``dict(type='ReduceOnPlateauLR', monitor='val_loss', rule='less')``.

    The loss is that of whole images, also where the network predicts by sliding windows. A network
    that has ``predict_with_loss``, as ``mmseg_ext.EncoderDecoder``, takes one forward pass for
    both; others take a second one.

    Args:
        runner: The runner.
        dataloader: Loader of the validation set, or its config.
        evaluator: Metrics, or their configs.
        fp16: Whether to run the network under autocast.
    """

    def run(self) -> dict[str, float]:
        """Validates.

        Returns:
            The metrics, with ``val_loss`` and its terms.

        Raises:
            UsageError: An image has no truth; the network pads it, and has no ``predict_with_loss``
                that would take that into account; or a head gives no loss in eval.
        """
        self.losses: list[dict[str, Tensor]] = []
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        for index, data_batch in enumerate(self.dataloader):
            self.run_iter(index, data_batch)
        size = len(self.dataloader.dataset)
        metrics = self.evaluator.evaluate(size)
        metrics.update(self._mean_losses(size))
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict | Sequence) -> None:
        """Validates a batch."""
        self.runner.call_hook('before_val_iter', batch_idx=idx, data_batch=data_batch)
        model = self.runner.model
        network = model.module if is_model_wrapper(model) else model
        data = network.data_preprocessor(data_batch, False)
        for sample in data.get('data_samples') or ():
            if 'gt_sem_seg' not in sample:
                raise UsageError(
                    f'{sample.get("img_path", "an image")} has no truth, which val_loss needs; '
                    "put LoadAnnotations into the pipeline, or set val_cfg.type='ValLoop'"
                )
        with autocast(enabled=self.fp16):
            if hasattr(network, 'predict_with_loss'):
                outputs, losses = network.predict_with_loss(data['inputs'], data['data_samples'])
            else:
                outputs, losses = model.val_step(data_batch), self._second_pass(network, data)
        for each in losses:
            total, terms = network.parse_losses(each)
            self.losses.append({**terms, 'loss': total})
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            'after_val_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )

    def _second_pass(self, network: torch.nn.Module, data: dict) -> list[dict[str, Tensor]]:
        for sample in data.get('data_samples') or ():
            if any(sample.get('img_padding_size', ())):
                raise UsageError(
                    f'{type(network).__name__}: the loss of padded images needs model.type='
                    "'mmseg_ext.EncoderDecoder'; or take test_cfg out of the data_preprocessor"
                )
        head, losses = getattr(network, 'decode_head', network), []
        for k, sample in enumerate(data['data_samples']):
            with naming_failure(head, sample):
                one = {name: part[k : k + 1] for name, part in data.items()}
                losses.append(network(**one, mode='loss'))
        return losses

    def _mean_losses(self, size: int) -> dict[str, float]:
        names = sorted({name for losses in self.losses for name in losses})
        columns = [torch.stack([losses[name] for losses in self.losses]).tolist() for name in names]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        rows = gather_samples(rows, size)
        names = ['loss', *(name for name in rows[0] if name != 'loss')] if rows else []
        # an exact sum is the same in any order
        return {f'val_{name}': math.fsum(row[name] for row in rows) / len(rows) for name in names}
