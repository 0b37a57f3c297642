"""``sysnoise.torch`` gives every sample once, to real workers of ``DataLoader`` and to ranks.

What is read is compared with the tar files as ``tarfile`` and Pillow read them.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sysnoise import SetError, open_set
from tests.end_to_end.reading import decode_image, read_tars
from tests.shared import SharedFolders

pytestmark = pytest.mark.readers

PILLOW = "pillow/pillow-bilinear/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
SAMPLES = 18
MADE = Path(sys.prefix) / "made"
STARTS = ("fork", "spawn")


@pytest.fixture(scope="session")
def sharded(request: pytest.FixtureRequest) -> Path:
    """18 samples in four shards; ``make test-readers`` puts it beside its interpreter."""
    if MADE.exists():
        return MADE / "shards"
    from tests.end_to_end.commands import command

    source: Path = request.getfixturevalue("imagenet_source")

    def build(folder: Path) -> None:
        done = command(
            *("generate", "imagenet", f"--images={source / 'images'}", "--samples-per-shard=5"),
            *(f"--label-file={source / 'val.txt'}", "--grid=imagenet-one-factor"),
            f"--output={folder / 'set'}",
        )
        assert done.code == 0, done.error

    shared: SharedFolders = request.getfixturevalue("shared")
    return shared("made-shards", build) / "set"


@pytest.fixture(scope="session")
def objects(request: pytest.FixtureRequest) -> Path:
    """A set of COCO."""
    if MADE.exists():
        return MADE / "demo" / "coco"
    made: Path = request.getfixturevalue("coco_set")
    return made


def stored(output: Path, variant: str) -> dict[str, tuple[int, int]]:
    """Label and sum of all pixels of each sample."""
    return {
        key: (int(sample["cls"]), int(decode_image(sample["png"]).astype(np.int64).sum()))
        for key, sample in read_tars(output, variant).items()
    }


def loaded(dataset: Any, workers: int, start: str = "fork", **options: Any) -> Iterator[Any]:
    """Yield key, label and sum of all pixels of each sample that a ``DataLoader`` gives."""
    from torch.utils.data import DataLoader

    context = start if workers else None
    loader = DataLoader(
        dataset, batch_size=4, num_workers=workers, multiprocessing_context=context, **options
    )
    for keys, images, labels in loader:
        sums = images.long().sum((1, 2, 3)).tolist()
        yield from zip(keys, labels.tolist(), sums, strict=True)


def test_samples_by_number_are_those_of_the_tars(sharded: Path) -> None:
    import torch

    from sysnoise.torch import SetDataset

    dataset = SetDataset(open_set(str(sharded)), "ffmpeg__pillow-bilinear__rgb")
    members = read_tars(sharded, FFMPEG)
    assert len(dataset) == len(members) == SAMPLES
    for number in random.Random(0).sample(range(SAMPLES), SAMPLES):
        key, image, label = dataset[number]
        assert key == list(members)[number]
        assert label == int(members[key]["cls"])
        assert (image.dtype, image.is_contiguous()) == (torch.uint8, True)
        expected = decode_image(members[key]["png"]).transpose(2, 0, 1)
        np.testing.assert_array_equal(image.numpy(), expected, strict=True)
    with pytest.raises(IndexError, match="no sample 18, but 18"):
        dataset[SAMPLES]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_of_a_shuffling_loader(workers: int, start: str, sharded: Path) -> None:
    from sysnoise.torch import SetDataset

    dataset = SetDataset(open_set(str(sharded)), PILLOW)
    dataset[3]  # What this process has read is no hindrance to the workers.
    found = list(loaded(dataset, workers, start, shuffle=True))
    assert len(found) == SAMPLES
    assert {key: (label, total) for key, label, total in found} == stored(sharded, PILLOW)


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_every_sample_once_over_workers_and_ranks(workers: int, ranks: int, sharded: Path) -> None:
    """Four shards of five samples; with nine readers, some of them have a part of one."""
    from sysnoise.torch import SetIterableDataset

    noisy = open_set(str(sharded))
    shares = [
        list(loaded(SetIterableDataset(noisy, PILLOW, rank=rank, world_size=ranks), workers))
        for rank in range(ranks)
    ]
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1
    found = [each for share in shares for each in share]
    expected = stored(sharded, PILLOW)
    assert sorted(key for key, _, _ in found) == sorted(expected)
    assert {key: (label, total) for key, label, total in found} == expected
    if workers < 2:
        assert [key for key, _, _ in found] == list(expected)


def test_more_workers_than_samples(sharded: Path) -> None:
    from sysnoise.torch import SetIterableDataset

    noisy = open_set(str(sharded))
    found = [
        [key for key, _, _ in SetIterableDataset(noisy, PILLOW, rank=rank, world_size=25)]
        for rank in range(25)
    ]
    assert sorted({len(keys) for keys in found}) == [0, 1]
    assert [key for keys in found for key in keys] == list(stored(sharded, PILLOW))


def read_rank(rank: int, ranks: int, start: str, folder: Path, output: Path) -> None:
    """Read as one of several processes that torch.distributed connects, and write the keys."""
    import torch

    from sysnoise.torch import SetIterableDataset

    dataset = SetIterableDataset(open_set(str(output)), PILLOW)  # Before there is a group.
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/group", rank=rank, world_size=ranks
    )
    keys = [key for key, _, _ in loaded(dataset, 2, start)]
    (folder / f"{rank}.json").write_text(json.dumps(keys), "utf-8")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("start", STARTS)
def test_ranks_of_a_process_group(start: str, sharded: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (2, start, tmp_path, sharded)
    processes = [context.Process(target=read_rank, args=(rank, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    found = [json.loads((tmp_path / f"{rank}.json").read_text("utf-8")) for rank in range(2)]
    keys = list(stored(sharded, PILLOW))
    assert (sorted(found[0]), sorted(found[1])) == (keys[:9], keys[9:])


def test_several_variants_lie_side_by_side(sharded: Path) -> None:
    from torch.utils.data import DataLoader

    from sysnoise.torch import SetDataset, SetIterableDataset

    noisy = open_set(str(sharded))
    expected = {each: stored(sharded, each) for each in (PILLOW, FFMPEG)}
    for kind in (SetDataset, SetIterableDataset):
        count = 0
        for batch in DataLoader(kind(noisy, [PILLOW, FFMPEG]), batch_size=5, num_workers=2):
            for variant in (PILLOW, FFMPEG):
                sums = batch.image[variant].long().sum((1, 2, 3)).tolist()
                found = list(zip(batch.target.tolist(), sums, strict=True))
                assert found == [expected[variant][key] for key in batch.key]
            count += len(batch.key)
        assert count == SAMPLES


def scaled(image: Any) -> Any:
    return image.float() / 255


def test_a_transform_makes_the_images(sharded: Path) -> None:
    from sysnoise.torch import SetDataset

    plain, made = (
        SetDataset(open_set(str(sharded)), PILLOW, transform) for transform in (None, scaled)
    )
    assert (made[4].image == plain[4].image / 255).all()


def test_objects_come_with_the_way_back_to_the_source(objects: Path) -> None:
    from torch.utils.data import DataLoader

    from sysnoise.torch import SetDataset

    noisy = open_set(str(objects))
    samples = list(noisy.iterate(noisy.baseline))
    dataset = SetDataset(noisy, noisy.baseline)
    loader = DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=list)
    found = [item for batch in loader for item in batch]
    assert [item.key for item in found] == [sample.key for sample in samples]
    for item, sample in zip(found, samples, strict=True):
        assert item.target["image_id"] == sample.image_id
        assert item.target["annotations"] == sample.targets
        assert item.target["geometry"] == sample.geometry
        assert item.image.shape == (3, *sample.image.shape[:2])


def test_what_cannot_be_read_is_refused(sharded: Path) -> None:
    from sysnoise.torch import SetDataset, SetIterableDataset

    noisy = open_set(str(sharded))
    with pytest.raises(SetError, match="unknown variant 'pillow/none/rgb'"):
        SetDataset(noisy, "pillow/none/rgb")
    with pytest.raises(ValueError, match="rank 1 and world_size None"):
        SetIterableDataset(noisy, PILLOW, rank=1)
    with pytest.raises(ValueError, match="a rank from 0 to 1, found 2"):
        SetIterableDataset(noisy, PILLOW, rank=2, world_size=2)
