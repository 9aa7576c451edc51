"""Public data sets that can be fetched: where they are, what they weigh, what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """An archive with a data set.

    Attributes:
        title: What it is.
        page: Where its makers describe it, and say how it may be used.
        urls: Where the archive is, its makers' addresses first; each is tried in order.
        file: Its name.
        size: In bytes.
        checksum: ``md5:`` or ``sha1:`` and hexadecimal digits.
        inner: The folder in the archive that is the data set.
        target: Where the configs expect that folder, below ``data``.
        counts: How many files the data set has, at least, by a pattern below ``target``.
    """

    title: str
    page: str
    urls: tuple[str, ...]
    file: str
    size: int
    checksum: str
    inner: str
    target: str
    counts: Mapping[str, int]


# Sizes are what the servers announce; the sums are those in torchvision's voc.py and sbd.py and
# gluon-cv's ade20k.py. VOC's test images, if somebody adds them, go into JPEGImages too.
RELEASES = {
    'voc': Release(
        title='PASCAL VOC 2012, training and validation',
        page='http://host.robots.ox.ac.uk/pascal/VOC/voc2012/',
        urls=(
            'https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
            'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
            'https://data.pjreddie.com/files/VOCtrainval_11-May-2012.tar',
        ),
        file='VOCtrainval_11-May-2012.tar',
        size=1_999_639_040,
        checksum='md5:6cd6e144f989b92b3379bac3b3de84fd',
        inner='VOCdevkit/VOC2012',
        target='VOCdevkit/VOC2012',
        counts={
            'JPEGImages/*.jpg': 17125,
            'SegmentationClass/*.png': 2913,
            'ImageSets/Segmentation/train.txt': 1,
            'ImageSets/Segmentation/val.txt': 1,
        },
    ),
    'sbd': Release(
        title='SBD, the additional VOC annotations',
        page='https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/'
        'semantic_contours/',
        urls=(
            'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/'
            'semantic_contours/benchmark.tgz',
            'http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/'
            'semantic_contours/benchmark.tgz',
        ),
        file='benchmark.tgz',
        size=1_419_539_633,
        checksum='md5:82b4d87ceb2ed10f6038a1cba92111cb',
        inner='benchmark_RELEASE',
        target='VOCdevkit/benchmark_RELEASE',
        counts={
            'dataset/cls/*.mat': 11355,
            'dataset/img/*.jpg': 11355,
            'dataset/train.txt': 1,
            'dataset/val.txt': 1,
        },
    ),
    'ade20k': Release(
        title='ADE20K, MIT scene parsing benchmark, 150 classes',
        page='http://sceneparsing.csail.mit.edu/',
        urls=(
            'http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip',
            'https://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip',
        ),
        file='ADEChallengeData2016.zip',
        size=967_382_037,
        checksum='sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7',
        inner='ADEChallengeData2016',
        target='ade/ADEChallengeData2016',
        counts={
            'images/training/*.jpg': 20210,
            'images/validation/*.jpg': 2000,
            'annotations/training/*.png': 20210,
            'annotations/validation/*.png': 2000,
        },
    ),
}
