"""Small trees in the layouts of the full ADE20K."""

import pickle
import random

import numpy as np
from PIL import Image

CLASS_ROWS = ['wall', 'building;edifice', 'door;double;door', 'car;auto;machine;motorcar',
              'television;television;receiver;tv', 'crt;screen', 'booth;cubicle;stall;kiosk',
              'wardrobe;closet;press', 'screen;silver;screen']  # fmt: skip
# the real release separates synonyms by commas, and goes by names in its own order
OBJECTS = ['wall', 'building, edifice', 'door', 'double door', 'machine', 'closet', 'booth',
           'car, auto, machine, motorcar', 'television receiver, television, tv', 'crocodile',
           'screen, crt screen', 'booth, cubicle, stall, kiosk', 'wardrobe, closet, press',
           'screen, silver screen', '-']  # fmt: skip
EXPECTED = {1: 1, 2: 2, 3: 3, 4: 3, 6: 8, 7: 7, 8: 4, 9: 5, 11: 6, 12: 7, 13: 8, 14: 9}


def write_classes(file):
    rows = CLASS_ROWS + [f'filler{n}' for n in range(len(CLASS_ROWS) + 1, 151)]
    text = 'Idx,Ratio,Train,Val,Stuff,Name\n'
    file.write_text(text + '\n'.join(f'{n},0.1,1,1,0,{row}' for n, row in enumerate(rows, 1)))
    return file


def write_mapping(file, mapping=None):
    """Object 2000 + n is class n, but for what is given; two objects may share a class."""
    pairs = [(label, 2000 + label) for label in range(1, 151)]
    pairs += [(label, index) for index, label in (mapping or {}).items()]
    # the real file has spaces and tabs in odd places
    file.write_text(''.join(f'{label} \t{index}\t   \r\n' for label, index in pairs))
    return file


def write_index(file, objects=OBJECTS, filenames=(), protocol=3):
    counts = np.ones((len(objects), len(filenames)), np.float32)
    content = dict(
        filename=list(filenames),
        folder=['x'] * len(filenames),
        objectnames=list(objects),
        objectPresence=counts,
        objectcounts=counts.sum(1),
        description=dict(filename='names'),
        wordnet_found=np.float64(1),
    )
    file.write_bytes(pickle.dumps(content, protocol))


def encode(indices):
    """Object indices (H, W) as the RGB of a _seg.png."""
    red, green = indices // 256 * 10, indices % 256
    blue = np.arange(indices.size).reshape(indices.shape) % 256
    return np.stack([red, green, blue], -1).astype(np.uint8)


def draw_indices(size, choices, seed):
    """Blocks of object indices."""
    width, height = size
    coarse = np.random.default_rng(seed).choice(choices, (7, 9))
    return coarse[np.arange(height)[:, None] * 7 // height, np.arange(width) * 9 // width]


def write_sample(folder, name, size, choices, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    indices = draw_indices(size, choices, seed)
    Image.fromarray(encode(indices)).save(folder / f'{name}_seg.png')
    Image.fromarray(encode(indices * 0 + 1)).save(folder / f'{name}_parts_1.png')
    colours = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    image = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    image.save(folder / f'{name}.jpg', quality=95)
    return indices


def write_2016(root, sizes, choices=(0, 5, 300, 2001, 2002, 2150), mapping=None):
    """Returns the object indices by name; two of three images are for training."""
    places = ['training/a/abbey', 'training/m/misc', 'validation/b/bedroom/child']
    names = ['train', 'train', 'val']
    found = {}
    for number, size in enumerate(sizes):
        name = f'ADE_{names[number % 3]}_{number + 1:08}'
        place = root / 'images' / places[number % 3]
        found[name] = write_sample(place, name, size, choices, number)
    write_mapping(root / 'mapFromADE.txt', mapping)
    return found


def write_2021(root, sizes, choices=range(15), objects=OBJECTS):
    places = ['training/urban/street', 'validation/home/bedroom']
    found = {}
    for number, size in enumerate(sizes):
        name = f'ADE_{("train", "val")[number % 2]}_{number + 1:08}'
        place = root / 'images/ADE' / places[number % 2]
        found[name] = write_sample(place, name, size, list(choices), number)
        (place / name).mkdir()
        Image.new('L', (4, 4)).save(place / name / f'instance_000_{name}.png')
    write_classes(root / 'objectInfo150.csv')
    write_index(root / 'index_ade20k.pkl', objects, [f'{name}.jpg' for name in found])
    return found


def random_sizes(number, seed=0):
    draw = random.Random(seed)
    return [(draw.randint(20, 90), draw.randint(20, 90)) for _ in range(number)]
