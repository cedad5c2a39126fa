"""pipelines/*.yaml as pydantic models; a mistake is answered with file, line, key, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from ratchet.dataset_spec import Bound, Data, Name, Part, Percent
from ratchet.errors import SpecError
from ratchet.naming import machine_type
from ratchet.tuning_spec import Complaint, Hyperparameter, Tuning, complain

Target = Literal["ecs", "lambda"]
_CRON = re.compile(r"^(@(hourly|daily|weekly|monthly|yearly)|(\S+\s+){4}\S+)$")
# libyaml's where it was built in: ten times as fast, and a scheduler reads every file again and again.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 20
# What the loop itself tells the programs, or decides where a trial keeps its things.
_OWN_HYPERPARAMETERS = frozenset(
    {"network", "study", "trial-program", "checkpoint-dir", "init-from", "champion-sha256"}
)


Compute = Literal["sagemaker", "ec2", "ecs"]
MachineType = Annotated[
    str,
    Field(
        pattern=r"^(ml\.)?[a-z0-9-]+\.[a-z0-9-]+$",
        validate_default=True,
        description="For every `compute`, with or without SageMaker's `ml.`: each backend gets its own form.",
    ),
]


class Fallback(Part):
    """A machine to try when the one before has none; what is not said is as for the first."""

    compute: Compute | None = None
    instance_type: str | None = Field(None, pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+){1,2}$")
    spot: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Fallback:
        if not self.model_fields_set:
            raise ValueError("needs `compute`, `instance_type` or `spot`")
        return self


class Training(Part):
    """What runs where to make a model."""

    compute: Compute = "sagemaker"
    instance_type: MachineType = "ml.p3.2xlarge"
    instance_count: int = Field(1, ge=1, le=20, description="Machines that train together, by MXNet's `dist_sync`.")
    preparation_instance_type: MachineType = "ml.m5.large"
    volume_gib: int = Field(30, ge=1, le=16_384)
    max_runtime_seconds: int = Field(5 * 86_400, ge=60, le=28 * 86_400)
    image_uri: str | None = Field(None, description="Your own image to train in; otherwise AWS's MXNet container.")
    preparation_image_uri: str | None = Field(None, description="The same for the jobs that prepare and evaluate.")
    source_folder: str = Field(".", description="Holds your own script, or all of `training/`; beside `pipelines/`.")
    entry_point: str = Field("training/train.py", pattern=r"^[\w][\w./-]*\.py$")
    network: str = Field("resnet18", description="A file of training/zoo/, without `.py`.")
    precision: Literal["auto", "fp32", "amp"] = Field("auto", description="Mixed precision; auto: where a GPU is.")
    hyperparameters: dict[str, Hyperparameter] = Field(default_factory=dict)
    init_from: Literal["scratch", "champion"] = Field("scratch", description="Which weights a training begins with.")
    attempts: int = Field(2, ge=1, le=10, description="How often a failed job may be bought again.")
    checkpoints: bool | None = Field(
        None, description="Whether the script goes on from checkpoints; one of your own has to say so for `spot`."
    )
    spot: bool = Field(False, description="Train on spare machines, at a part of the price; needs checkpoints.")
    spot_wait_seconds: int = Field(
        3600, ge=0, le=28 * 86_400, description="How long to wait for a spare machine, besides `max_runtime_seconds`."
    )
    fallback: tuple[Fallback, ...] = Field((), description="Machines to try in turn when there is none of the first.")
    capacity_wait_seconds: int = Field(
        300, ge=1, le=86_400, description="Before all are tried again when none was there; doubled each time."
    )

    @field_validator("fallback", mode="before")
    @classmethod
    def _may_be_types(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [{"instance_type": item} if isinstance(item, str) else item for item in value]

    @field_validator("instance_type", "preparation_instance_type")
    @classmethod
    def _is_of_the_backend(cls, value: str, info: ValidationInfo) -> str:
        return machine_type(info.data.get("compute", "sagemaker"), value)

    @field_validator("instance_count")
    @classmethod
    def _is_one_when_rented(cls, value: int, info: ValidationInfo) -> int:
        compute = info.data.get("compute")
        if value > 1 and compute in ("ec2", "ecs"):
            raise ValueError(f"compute: {compute} trains on one machine; choose a larger one, or compute: sagemaker")
        return value

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _are_plain(cls, value: Any) -> Any:
        for key, item in value.items() if isinstance(value, dict) else ():
            if not isinstance(item, str | int | float | bool):
                raise ValueError(f"{key!r} must be text, a number, true or false")  # noqa: TRY004 - pydantic
        return value

    @field_validator("spot", "fallback")
    @classmethod
    def _keeps_checkpoints(cls, value: Any, info: ValidationInfo) -> Any:
        ours = all(info.data.get(name) == cls.model_fields[name].default for name in ("entry_point", "source_folder"))
        declared = info.data.get("checkpoints")
        wanted = value if isinstance(value, bool) else any(other.spot for other in value)
        if wanted and not (ours if declared is None else declared):
            raise ValueError(
                "spot needs checkpoints: AWS may take a spare machine back at any time, and what was trained by then "
                "would be paid for again. Let the script go on from what lies in /opt/ml/checkpoints and say "
                "`checkpoints: true`, or leave `spot` out"
            )
        return value


class Slice(Part):
    """A class that must not become worse unnoticed."""

    label: str = Field("*", description="A label, or * for every one.")
    min_recall: float | None = Field(None, ge=0, le=1)
    max_recall_drop: float | None = Field(None, ge=0, le=1, description="Against the champion.")


Metric = Literal["accuracy", "top5_accuracy", "log_loss"]


class Gates(Part):
    """When a candidate may be shown to a person."""

    thresholds: dict[Metric, Bound] = Field(default={"accuracy": Bound(min=0.5)})
    change: dict[Metric, Bound] = Field(default={"accuracy": Bound(min=0.0)})
    slices: tuple[Slice, ...] = ()


class Approval(Part):
    """Who may say yes."""

    approvers: tuple[str, ...] = Field(min_length=1, description="Airflow user names; nobody else may decide.")
    timeout_hours: float = Field(72.0, gt=0, le=24 * 90, description="Unanswered means expired, never approved.")


class Release(Part):
    """Where and how a model goes live."""

    targets: tuple[Target, ...] = Field(get_args(Target), min_length=1)
    tasks: int = Field(2, ge=1, le=1000, description="Running copies of the ECS service.")
    canary_percent: Percent = Field(10.0, description="First share of the Lambda alias's traffic.")
    smoke_images: int = Field(5, ge=1, le=10, description="Test examples, of whatever kind, that every target answers.")
    health_timeout_seconds: int = Field(900, ge=30, le=7200)
    bake_seconds: int = Field(
        0, ge=0, le=86400, description="How long a first share, and in the end the whole, is watched for alarms."
    )


class Pipeline(Part):
    """One pipeline: what to retrain, when, how it is judged, who approves, where it goes."""

    name: Name
    description: str = ""
    owner: str = "ml-platform"
    model: Name | None = Field(None, description="Name in the registry; the pipeline's own by default.")
    schedule: str | None = Field(None, description="Cron expression or @daily and the like; null for events only.")
    data: Data
    training: Training = Training()
    tuning: Tuning | None = Field(None, description="A search for better hyperparameters in place of one training.")
    gates: Gates = Gates()
    approval: Approval
    release: Release = Release()

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and not _CRON.match(value.strip()):
            raise ValueError("is no cron expression: five fields such as `0 3 * * *`, or @hourly, @daily, @weekly, ...")
        return value

    @field_validator("tuning")
    @classmethod
    def _fits_the_training(cls, tuning: Tuning | None, info: ValidationInfo) -> Tuning | None:
        if tuning is not None and "training" in info.data:
            for complaint in _complaints_about(tuning, info.data["training"]):
                raise complain(complaint)
        return tuning

    @property
    def model_name(self) -> str:
        """The model's name in the registry."""
        return self.model or self.name


def _complaints_about(tuning: Tuning, training: Training) -> Iterator[Complaint]:
    for name in tuning.ranges:
        if name in training.hyperparameters:
            yield (
                ("ranges", name),
                f"{name!r} also stands in training.hyperparameters: a hyperparameter is either fixed or searched",
            )
        if name in _OWN_HYPERPARAMETERS:
            yield ("ranges", name), f"{name!r} is Ratchet's own: it cannot be searched"
    yield from _complaints_about_machines(tuning, training)
    most = tuning.hyperband.max or training.hyperparameters.get("epochs")
    if tuning.strategy == "hyperband" and not isinstance(most, int | float):
        yield ("hyperband",), "needs `max`, the most epochs of a trial, as training.hyperparameters has no `epochs`"


def _complaints_about_machines(tuning: Tuning, training: Training) -> Iterator[Complaint]:
    compute: str = training.compute
    if tuning.trials == "jobs" and compute != "sagemaker":
        yield ("trials",), f"`jobs` are SageMaker's; on {compute} trials are `processes` of one job"
    if training.spot and tuning.runs_jobs(compute):
        yield ("trials",), "must be `processes` with training.spot: trials that are jobs keep no checkpoints"
    if training.fallback:
        yield (), "stays on one machine's type: remove training.fallback"
    if not tuning.runs_jobs(compute) and training.instance_count > 1:
        yield ("trials",), "`processes` run on one machine: set training.instance_count to 1"


def load_pipeline(path: Path) -> Pipeline:
    """Read one pipeline file.

    Raises
    ------
    SpecError
        Names the file, the line, the key, what is wrong and what is allowed, one line for each mistake.
    """
    try:
        text = path.read_text("utf-8")
        _refuse_depth(text)
        raw = yaml.load(text, Loader=_LOADER)  # noqa: S506 - one of the two safe ones
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: must be a mapping of keys to values, see pipelines/digits.yaml")
    try:
        return Pipeline.model_validate(raw)
    except ValidationError as error:
        node = yaml.compose(text, Loader=_LOADER)  # only now: lines are for mistakes
        lines = [_explain(path, node, problem) for problem in error.errors(include_url=False)]
        raise SpecError("\n".join(lines)) from error


def read_folder(folder: Path) -> Iterator[tuple[Path, Pipeline | SpecError]]:
    """Read every `*.yaml` of a folder for those whom one wrong file must not keep from the others."""
    for path in sorted(folder.glob("*.yaml")):
        try:
            yield path, load_pipeline(path)
        except SpecError as error:
            yield path, error


def load_pipelines(folder: Path) -> list[Pipeline]:
    """Read every `*.yaml` of a folder, sorted by name; two files with one name are a mistake."""
    found: dict[str, Path] = {}
    pipelines = []
    for path in sorted(folder.glob("*.yaml")):
        pipeline = load_pipeline(path)
        if pipeline.name in found:
            raise SpecError(
                f"{path}: name: {pipeline.name!r} is also the name in {found[pipeline.name]}; give each its own"
            )
        found[pipeline.name] = path
        pipelines.append(pipeline)
    return pipelines


def find_pipeline(folder: Path, name: str) -> Pipeline:
    """Read the pipeline of a name; `SpecError` lists those that exist."""
    pipelines = load_pipelines(folder)
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    known = ", ".join(pipeline.name for pipeline in pipelines) or "none"
    raise SpecError(f"no pipeline {name!r} in {folder}; there is: {known}")


def _refuse_depth(text: str) -> None:
    """Refuse brackets within brackets without end: the loaders recurse, and libyaml's then ends the whole process."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"nested more than {_DEEPEST} deep")


def _explain(path: Path, node: yaml.Node | None, problem: Any) -> str:
    location: Sequence[Any] = (*problem["loc"], *problem.get("ctx", {}).get("at", ()))
    key = ".".join(str(part) for part in location if part != "[key]") or "(whole file)"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = _keys_at(location[:-1])
        near = get_close_matches(str(location[-1]), allowed, 1)
        message = (
            "is no key here" + (f", did you mean {near[0]!r}?" if near else "") + f" Allowed: {', '.join(allowed)}"
        )
    elif problem["type"] == "missing":
        message = "is missing"
    elif problem["type"] != "rule":  # a rule of ours says itself what it found
        message += f" (found {problem['input']!r})"
    return f"{path}:{_line_of(node, location)}: {key}: {message}"


def _keys_at(location: Sequence[Any]) -> list[str]:
    model: Any = Pipeline
    for part in location:
        if part not in getattr(model, "model_fields", {}):  # a place in a list, or the key of an entry
            continue
        annotation = model.model_fields[part].annotation
        options = [annotation, *get_args(annotation)]
        options += [inner for option in options for inner in get_args(option)]
        model = next((option for option in options if hasattr(option, "model_fields")), None)
    return sorted(getattr(model, "model_fields", {}))


def _line_of(node: yaml.Node | None, location: Sequence[Any]) -> int:
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
