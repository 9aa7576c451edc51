"""Holes of up to a fifth of the sides in half of the images, black and ignored; for a pipeline."""

cut_out = dict(
    type='RandomCutOut',
    prob=0.5,
    n_holes=(1, 3),
    cutout_ratio=[(0.02, 0.02), (0.05, 0.05), (0.1, 0.1), (0.2, 0.2)],
    fill_in=(0, 0, 0),
    seg_fill_in=255,
)
