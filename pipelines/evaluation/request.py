"""The request for an evaluation, and the check of it against the set."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import METHODS, Setting, noises_of
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import UsageError, quoted
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.predictor import Predictor
from sysnoise.pipelines.evaluation.providers import CPU, PROVIDER_NOISES, Provider
from sysnoise.pipelines.scoring.files import SettingParser
from sysnoise.pipelines.scoring.records import Counting
from sysnoise.pipelines.storage.root import absolute_url, last_name
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.boxes import BoxOffset
from sysnoise.transforms.model.input import InputFit, InputSpec
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.variant_ids import variant_names

ALL_NOISES = "all"
_OFFSETS = tuple(each.value for each in BoxOffset if each is not BoxOffset.NONE)
"""The noises after a detector."""


COMMON_SIZE = Size(640, 640)
"""The size at which a model of any size is looked at where no images are known yet."""


@dataclass(frozen=True)
class SetClasses:
    """What is known of a set before a model runs over it.

    Attributes:
        labels: the labels that occur: classes, 0-based, or ids of categories.
        listed: number of classes that the labels are places among; 0 where it is unknown.
        names: ids of categories by their names.
        common: the commonest size of the images.
    """

    labels: Collection[int]
    listed: int = 0
    names: Mapping[str, int] = field(default_factory=dict)
    common: Size = COMMON_SIZE


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model as the user names it.

    Attributes:
        url: path or fsspec URL.
        config: its config.
        config_name: the name of a shipped config, or that of the file of another one.
    """

    url: str
    config: ModelConfig
    config_name: str

    @property
    def name(self) -> str:
        """The name of its file, without the ending."""
        return posixpath.splitext(last_name(self.url))[0]


@dataclass(frozen=True)
class Request:
    """What a user asks of an evaluation.

    Attributes:
        set_url: the finished set, path or fsspec URL.
        images_url: the source images that pixels are made from; None to read the shards.
        model: the model whose loss is measured.
        settings: models that stand for a noise of the table, by the noise's method.
        predictions_url: a new folder, or one with this evaluation begun.
        variants: ids of the variants; empty for all whose images are available.
        noises: names of noises in and after the model.
        batch_size: number of images per batch, where the model leaves that open.
        calibration: number of the baseline's images that int8 is calibrated on.
        counting: which methods count.
        trained: stack or variant that the others are compared with; None for the set's baseline.
        provider: what runs ONNX models.
    """

    set_url: str
    images_url: str | None
    model: OnnxModel | Predictor
    settings: Mapping[str, OnnxModel | Predictor]
    predictions_url: str
    variants: tuple[str, ...]
    noises: tuple[str, ...]
    batch_size: int
    calibration: int
    counting: Counting
    trained: str | None = None
    provider: Provider = CPU


def with_absolute_urls(found: FinishedSet, request: Request) -> Request:
    """Return the request with absolute URLs, which every process resolves alike."""
    images = request.images_url
    if images is not None:
        from sysnoise.pipelines.readers.relocated import source_url

        images = absolute_url(source_url(images, found.manifest["dataset"]["split"]))
    return dataclasses.replace(
        request,
        set_url=absolute_url(request.set_url),
        predictions_url=absolute_url(request.predictions_url),
        images_url=images,
    )


def may_pad(request: Request) -> bool:
    """Return whether a model may take images of any size, so that a common one has to be found."""
    configs = [
        each.config
        for each in (request.model, *request.settings.values())
        if isinstance(each, OnnxModel)
    ]
    return any(
        each.input.fit is InputFit.PAD or ("input", "fit") in each.left_open for each in configs
    )


def refuse_other_task(kind: DatasetKind, config: ModelConfig) -> None:
    """Refuse a detector on ImageNet, and a classifier on COCO.

    Raises:
        UsageError: the config's task is not that of the dataset.
    """
    classifies = isinstance(config.task, Classifier)
    if classifies != (kind is DatasetKind.IMAGENET):
        task = "classification" if classifies else "detection"
        other = "detector" if classifies else "classifier"
        raise UsageError(
            f"the config's task is {task}, but this is a set of {kind.value}: give the config of a "
            f"{other}; 'sysnoise configs' lists the shipped ones"
        )


def refuse_other_settings(request: Request, parse: SettingParser, baseline: str) -> None:
    """Refuse models for something that is no noise in or after a model.

    Raises:
        UsageError: a name is no method of a noise of the table.
    """
    own = _made_here(request) if request.settings else ()
    for name in request.settings:
        if name in own:
            raise UsageError(
                f"--setting {name}=...: that is what evaluate itself makes of a model; give a name "
                f"of your own, such as {name}-mine"
            )
        try:
            setting = parse(f"{baseline}+{name}")
        except ValueError as error:
            raise UsageError(f"--setting {name}=...: {error}") from error
        if setting != Setting(baseline, (name,)):
            raise UsageError(f"--setting {name}=...: give one noise for each model")


def _made_here(request: Request) -> Collection[str]:
    """Return the noises that can be put in and after the model of a request."""
    if isinstance(request.model, Predictor):
        return ()
    from sysnoise.transforms.model.noises import MODEL_NOISES

    return (*MODEL_NOISES, *_OFFSETS, *PROVIDER_NOISES)


def refuse_other_sizes(tables: SampleTables, spec: InputSpec, variants: Iterable[str]) -> None:
    """Refuse variants whose images have another size than the only one that a model takes.

    Raises:
        UsageError: they have other sizes.
    """
    if spec.fit is not InputFit.EXACT:
        return
    geometries = {variant_names(variant)["geometry"]: variant for variant in variants}
    for geometry, variant in geometries.items():
        others = sorted(tables.sizes(geometry).keys() - {(spec.width, spec.height)})
        if others:
            raise UsageError(
                f"the model takes {spec.width} x {spec.height} pixels, and {tables.found.url!r} "
                f"has images of {' x '.join(map(str, others[0]))} in {variant!r}; say "
                "'fit: letterbox' or 'fit: stretch' in the config's input, or make a set of that "
                "size"
            )


def wanted_variants(found: FinishedSet, request: Request, baseline: str) -> list[str]:
    """Return ids in grid order, the one that the others are compared with among them.

    Raises:
        UsageError: a variant that the set does not have, or whose images are not available.
    """
    present = available_variants(found, request)
    for variant in (baseline, *request.variants):
        if variant not in found.variants:
            raise UsageError(unknown_name("variant", variant, list(found.variants)))
        if variant not in present:
            raise UsageError(
                f"{found.url!r} has no images of {variant!r}; fetch them, or make them with "
                "--online --images"
            )
    wanted = {baseline, *(request.variants or present)}
    return [variant for variant in present if variant in wanted]


def available_variants(found: FinishedSet, request: Request) -> tuple[str, ...]:
    """Return the ids of the variants whose images can be read or made, in grid order."""
    return found.held if request.images_url is None else tuple(found.variants)


def wanted_noises(found: FinishedSet, request: Request) -> list[str]:
    """Return the noises to put in and after the model, in the order of the registries.

    ``all`` means those that the task has, without those that are made on request. Those for which
    a model is given are not among them.

    Raises:
        UsageError: an unknown noise, a provider that is not installed, or any for a predictor.
    """
    names = request.noises
    if not names:
        return []
    if isinstance(request.model, Predictor):
        raise UsageError(
            "--model-noise changes ONNX models; for a noise of a predictor, give another one that "
            "has it: --setting NAME=FILE.py:NAME"
        )
    from sysnoise.pipelines.evaluation.runtime import refuse_missing
    from sysnoise.transforms.model.noises import MODEL_NOISES, ON_REQUEST

    kind = DatasetKind(found.manifest["dataset"]["kind"])
    methods = tuple(name for noise in noises_of(kind) for name in METHODS.get(noise, ()))
    known = (*MODEL_NOISES, *_OFFSETS, *PROVIDER_NOISES)
    valid = [name for name in known if name.startswith(methods)]
    others = {*known}.intersection(names).difference(valid)
    if others:
        raise UsageError(f"{quoted(sorted(others))} is for detectors, on a set of COCO")
    unknown = [name for name in names if name not in (*valid, ALL_NOISES)]
    if unknown:
        raise UsageError(unknown_name("model noise", unknown[0], (ALL_NOISES, *valid)))
    usual = {name for name in valid if ALL_NOISES in names} - {*ON_REQUEST, *PROVIDER_NOISES}
    wanted = [name for name in valid if name in usual or name in names]
    for name in PROVIDER_NOISES.keys() & {*wanted}:
        refuse_missing(PROVIDER_NOISES[name])
    return [name for name in wanted if name not in request.settings]
