"""Datasets for PyTorch over a finished set.

Needs PyTorch, which this project does not depend on::

    from torch.utils.data import DataLoader
    from sysnoise import open_set
    from sysnoise.torch import SetDataset

    dataset = SetDataset(open_set("out/"), "ffmpeg/pillow-bilinear/rgb")
    for keys, images, labels in DataLoader(dataset, batch_size=64, num_workers=4):
        ...

:class:`SetDataset` reads samples by number, for samplers that shuffle. :class:`SetIterableDataset`
reads them in stored order, each once over all workers and ranks.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from sysnoise.manifests.by_number import SamplesByNumber
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.records import PairedSample
from sysnoise.transforms.pixels import Pixels

Transform = Callable[[torch.Tensor], Any]


class SetItem(NamedTuple):
    """A sample as a dataset gives it.

    Attributes:
        key: the sample's key.
        image: uint8 tensor of shape (3, H, W), RGB, or what the transform made of it; of several
            variants, a mapping of these by id.
        target: ImageNet's label, 0-based in wnid order, or None where the set has no labels; of
            COCO, a mapping of ``image_id``, ``annotations`` in the pixels of the image, and
            ``geometry``, which leads back to the pixels of the source.
    """

    key: str
    image: Any
    target: Any


class SetDataset(Dataset[SetItem]):
    """The samples of one or more variants by number, in stored order.

    Each number is read for itself: from tar shards as quickly in any order, from Parquet shards in
    stored order alone, because they are read by row groups. Set and dataset can be pickled, so that
    the workers of a ``DataLoader`` may be forked or spawned.

    Example:
        >>> dataset = SetDataset(open_set("out/"), "ffmpeg/pillow-bilinear/rgb")
        >>> key, image, label = dataset[0]
        >>> image.shape, image.dtype
        (torch.Size([3, 224, 224]), torch.uint8)
    """

    def __init__(
        self,
        found: FinishedSet,
        variant: str | Sequence[str],
        transform: Transform | None = None,
    ) -> None:
        """Make the dataset; no shard is read yet.

        Args:
            found: the set, from :func:`sysnoise.open_set`.
            variant: id or slug; several give an image of each.
            transform: what becomes of each image; None for nothing.

        Raises:
            SetError: the set does not hold a variant, or is damaged.
        """
        self._samples = _Samples(found, variant, transform)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._samples.here())

    def __getitem__(self, number: int) -> SetItem:
        """Read a sample.

        Raises:
            IndexError: there is no such number.
            SetError: a file is missing or damaged.
        """
        return self._samples.item(self._samples.here()[number])


class SetIterableDataset(IterableDataset[SetItem]):
    """The samples of one or more variants in stored order, each once over all workers and ranks.

    Every worker of a ``DataLoader``, on every rank, reads a run of samples of its own; the lengths
    of these runs differ by at most one. So all of them have work where there are fewer shards than
    workers, and no sample is repeated to make ranks equal: loops that communicate for each batch
    need ``torch.distributed.algorithms.join.Join``.
    """

    def __init__(
        self,
        found: FinishedSet,
        variant: str | Sequence[str],
        transform: Transform | None = None,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Make the dataset; no shard is read yet.

        Args:
            found: the set, from :func:`sysnoise.open_set`.
            variant: id or slug; several give an image of each.
            transform: what becomes of each image; None for nothing.
            rank: number of this process among those that share the samples; None for the one in
                ``torch.distributed``'s process group, if there is one when reading begins.
            world_size: number of these processes; None likewise.

        Raises:
            SetError: the set does not hold a variant, or is damaged.
            ValueError: one of ``rank`` and ``world_size`` is missing, or they do not fit.
        """
        if (rank is None) != (world_size is None):
            raise ValueError(
                f"give rank and world_size together, found rank {rank} and world_size {world_size}"
            )
        self._samples = _Samples(found, variant, transform)
        self._given: tuple[int, int] | None = None
        if rank is not None and world_size is not None:
            if not 0 <= rank < world_size:
                raise ValueError(f"expected a rank from 0 to {world_size - 1}, found {rank}")
            self._given = rank, world_size

    def __iter__(self) -> Iterator[SetItem]:
        """Yield this worker's samples.

        Raises:
            SetError: a file is missing or damaged.
        """
        rank, ranks = self._ranks()
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        reader, readers = rank * workers + number, ranks * workers
        total = len(self._samples.here())
        yield from self._samples.run(total * reader // readers, total * (reader + 1) // readers)

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is spawned does not know the process group.
        return {**vars(self), "_given": self._ranks()}

    def _ranks(self) -> tuple[int, int]:
        if self._given is not None:
            return self._given
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1


class _Samples:
    """What both datasets read from: variants of a set, and the form of their items."""

    def __init__(
        self, found: FinishedSet, variant: str | Sequence[str], transform: Transform | None
    ) -> None:
        self._is_single = isinstance(variant, str)
        self._by_number = SamplesByNumber(found, [variant] if isinstance(variant, str) else variant)
        self._transform = transform
        self._process = os.getpid()

    def here(self) -> SamplesByNumber:
        """Return the samples, with connections of this process."""
        if self._process != os.getpid():
            self._by_number.found = self._by_number.found.reopened()
            self._process = os.getpid()
        return self._by_number

    def run(self, start: int, stop: int) -> Iterator[SetItem]:
        """Yield the samples between two numbers."""
        samples = self.here()
        shard = bisect.bisect_right(samples.first, start) - 1
        while start < stop:
            before, after = samples.first[shard : shard + 2]
            end = stop - before if stop < after else None  # At its end, a shard is checked.
            part = samples.found.paired_part(samples.variants, shard, start - before, end)
            yield from map(self.item, part)
            start, shard = after, shard + 1

    def item(self, sample: PairedSample) -> SetItem:
        """Return a sample as a dataset gives it."""
        images = {variant: self._image(pixels) for variant, pixels in sample.images.items()}
        target = (
            sample.label
            if sample.image_id is None
            else {
                "image_id": sample.image_id,
                "annotations": sample.targets,
                "geometry": sample.geometry,
            }
        )
        return SetItem(
            sample.key, next(iter(images.values())) if self._is_single else images, target
        )

    def _image(self, pixels: Pixels) -> Any:
        tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        return tensor if self._transform is None else self._transform(tensor)
