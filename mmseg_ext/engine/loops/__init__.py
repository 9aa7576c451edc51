"""Loops of training and validation."""

from .epoch_based_train_loop import EpochBasedTrainLoop
from .val_loop import ValLoop

__all__ = ['EpochBasedTrainLoop', 'ValLoop']
