import pickle
import random
import timeit

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from mmseg_ext.datasets import Draw, SeededDataset, SeededSampler


class Noise:
    """Eleven samples that say which they are and draw from all three generators."""

    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return 11

    def __getitem__(self, index):
        if index >= 11:
            raise IndexError(index)
        assert type(index) is int
        return np.array([index, random.random(), np.random.rand(), torch.rand(1).item()])


def loader(kind='DefaultSampler', seed=3, epoch=0, first=0, **options):
    dataset = SeededDataset(Noise())
    sampler = SeededSampler(dataset, dict(type=kind, shuffle=True), seed)
    sampler.set_epoch(epoch)
    sampler.start_at(first)
    return DataLoader(dataset, 2, sampler=sampler, collate_fn=np.stack, **options)


def draw(*args, **kwargs):
    return np.concatenate(list(loader(*args, **kwargs)))


def test_the_order_is_the_wrapped_samplers():
    theirs = DefaultSampler(Noise(), shuffle=True, seed=3)
    theirs.set_epoch(2)
    assert [int(index) for index in draw(epoch=2)[:, 0]] == list(theirs)


def test_samples_do_not_depend_on_workers_or_on_what_was_drawn_before():
    samples = draw()
    assert len(np.unique(samples[:, 1:])) == 33
    torch.rand(5)
    assert (draw(num_workers=3) == samples).all()


def test_another_seed_and_another_epoch_change_each_sample():
    by_index = [
        samples[samples[:, 0].argsort()] for samples in (draw(), draw(seed=4), draw(epoch=1))
    ]
    for other in by_index[1:]:
        assert (by_index[0][:, 1:] != other[:, 1:]).all()


@pytest.mark.parametrize('first', [0, 4, 11])
def test_it_begins_in_the_middle_once(first):
    whole = draw()
    later = loader(first=first)
    assert (np.concatenate([*later, whole[:0]]) == whole[first:]).all()
    assert len(later.sampler) == 11 and (np.concatenate(list(later)) == whole).all()


def test_an_endless_sampler_augments_an_image_anew_on_each_pass():
    sampler = SeededSampler(Noise(), dict(type='InfiniteSampler'), seed=3)
    draws = [index for index, _ in zip(sampler, range(33), strict=False)]
    theirs = [i for i, _ in zip(InfiniteSampler(Noise(), seed=3), range(33), strict=False)]
    assert draws == theirs
    assert len({index.seed for index in draws}) == 33
    assert hasattr(sampler, 'skip') == hasattr(InfiniteSampler, 'skip')
    later = SeededSampler(Noise(), dict(type='InfiniteSampler'), seed=3)
    later.start_at(20)
    rest = [index for index, _ in zip(later, range(13), strict=False)]
    assert [index.seed for index in rest] == [index.seed for index in draws[20:]]


def test_the_generators_of_the_main_process_are_left_alone():
    dataset = SeededDataset(Noise())
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    state = torch.get_rng_state()
    expected = random.random(), np.random.rand()
    for seed in (random.seed, np.random.seed):
        seed(5)
    dataset[Draw(1, (0, 0, 0, 1))]
    assert (random.random(), np.random.rand()) == expected
    assert (torch.get_rng_state() == state).all()


def test_a_draw_reaches_a_worker_whole():
    copy = pickle.loads(pickle.dumps(Draw(4, (1, 2, 3, 4))))
    assert copy == 4 and copy.seed == (1, 2, 3, 4)


def test_the_rest_is_the_datasets_own():
    dataset = pickle.loads(pickle.dumps(SeededDataset(Noise())))
    assert dataset.metainfo == Noise.metainfo and len(dataset) == 11
    assert not hasattr(dataset, 'no_such_thing')
    with pytest.raises(IndexError):
        dataset[11]


def test_seeding_costs_little():
    dataset, index = SeededDataset([0]), Draw(0, (1, 2, 3, 4))
    assert min(timeit.repeat(lambda: dataset[index], number=20, repeat=5)) / 20 < 5e-4


class Samples:
    """What a pipeline gives, one sample or a list of them, as for TTA."""

    def __init__(self, several):
        self.several = several

    def __len__(self):
        return 3

    def __getitem__(self, index):
        sample = BaseDataElement(metainfo=dict(img_path=f'{index}.jpg'))
        return dict(inputs=index, data_samples=[sample] if self.several else sample)


def test_a_sample_says_what_it_was_seeded_with():
    dataset = SeededDataset(Samples(several=False))
    sample = dataset[Draw(1, (5, 2, 0, 1))]['data_samples']
    assert sample.metainfo == dict(img_path='1.jpg', draw_seed=(5, 2, 0, 1))
    assert dataset[1]['data_samples'].metainfo == dict(img_path='1.jpg')
    (sample,) = SeededDataset(Samples(several=True))[Draw(1, (5, 2, 0, 1))]['data_samples']
    assert sample.metainfo == dict(img_path='1.jpg')
