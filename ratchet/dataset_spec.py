"""The `data` part of a pipeline's file: which dataset, in which format, and what must hold before money is spent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$", description="Small letters, digits and hyphens.")]
Percent = Annotated[float, Field(ge=0, le=100)]
Format = Literal["images", "recordio", "csv", "text"]


class Part(BaseModel):
    """A mapping of a pipeline's file: no key that is not known, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(Part):
    """A range that a figure must be in."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("needs `min` or `max`")
        return self


class Image(Part):
    """What the network is fed."""

    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for RGB.")
    height: int = Field(224, ge=8, le=2048, description="Pixels.")
    width: int = Field(224, ge=8, le=2048, description="Pixels.")


class Csv(Part):
    """How to read a table."""

    label_column: str = Field("label", min_length=1)
    features: tuple[str, ...] = Field((), description="Columns to learn from; empty means all others.")
    delimiter: str = Field(",", min_length=1, max_length=1)
    text_column: str = Field("", description="Column of the texts to learn from, instead of numbers.")

    @model_validator(mode="after")
    def _learns_from_one_thing(self) -> Csv:
        if self.text_column and self.features:
            raise ValueError("learn from `features` or from `text_column`, not from both: remove one")
        return self


class Text(Part):
    """What of a text the network is fed."""

    tokenizer: Literal["words", "characters"] = Field("words", description="What a text is cut into.")
    length: int = Field(100, ge=1, le=10_000, description="So many words or characters of each are looked at.")
    vocabulary: int = Field(20_000, ge=1, le=1_000_000, description="At most so many different ones are known.")


class Column(Part):
    """What a column of a table may hold."""

    type: Literal["number", "integer", "text"] = "number"
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = Field((), description="Nothing else may be in it.")
    empty: bool = Field(False, description="Whether cells may be empty.")


class Checks(Part):
    """Rules besides required classes, least images and unreadable files; what is not named is not checked."""

    width: Bound | None = Field(None, description="Pixels of each image's file.")
    height: Bound | None = Field(None, description="Pixels of each image's file.")
    channels: tuple[Literal[1, 3, 4], ...] = Field((), description="Channels that an image's file may have.")
    headers: int = Field(10_000, ge=1, description="How many images' first bytes are read, evenly spread.")
    max_duplicates_across_labels: int | None = Field(
        None, ge=0, description="The same bytes under two labels: at least one label is wrong."
    )
    count_change_percent: Bound | None = Field(None, description="Objects, against the dataset's version before.")
    size_change_percent: Bound | None = Field(None, description="Bytes, against the dataset's version before.")
    columns: dict[str, Column] = Field(default_factory=dict, description="Of a table.")


class Data(Part):
    """Which dataset, and what must hold before money is spent on it."""

    dataset: Name
    format: Format = Field("images", description="Image folders, MXNet's record files, tables, or text folders.")
    freeze: Literal["reference", "copy"] = Field(
        "reference", description="Train on the objects where they lie, or on copies that nobody overwrites."
    )
    labels: tuple[str, ...] = Field((), description="Required classes; empty means whatever the dataset holds.")
    image: Image = Image()
    csv: Csv = Csv()
    text: Text = Text()
    checks: Checks = Checks()
    min_images_per_class: int = Field(1, ge=1, description="Images, records, rows or texts.")
    max_unreadable_percent: Percent = 0.0
    quiet_seconds: float = Field(60.0, ge=0, le=86_400, description="How long the prefix must have been still.")
    max_wait_seconds: float = Field(3600.0, gt=0, le=7 * 86_400, description="Freeze then, still or not.")

    @model_validator(mode="after")
    def _rules_fit_the_format(self) -> Data:
        checks = self.checks
        if self.format != "csv" and checks.columns:
            raise ValueError("checks.columns are for tables: set `format: csv` or remove them")
        if self.format != "images" and (checks.width or checks.height or checks.channels):
            raise ValueError("checks of width, height and channels are for image folders: remove them")
        return self

    @property
    def holds_texts(self) -> bool:
        """Whether an example is a text, in a file of its own or in a table's column."""
        return self.format == "text" or (self.format == "csv" and bool(self.csv.text_column))
