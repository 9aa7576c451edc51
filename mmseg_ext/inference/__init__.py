"""Trained networks on new images: ``Segmenter.from_run('work_dirs/NAME').predict('photo.jpg')``."""

__all__ = ['Segmenter']


def __getattr__(name: str):
    # it brings torch and MMSegmentation, which tools import after they checked the command line
    if name == 'Segmenter':
        from .segmenter import Segmenter

        return Segmenter
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
