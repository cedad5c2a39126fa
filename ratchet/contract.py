"""What crosses into containers: file names, metric lines, the model's signature, the artefact's manifest, the split.

Standard library only and valid on Python 3.8: AWS's MXNet container imports this module as it stands.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tarfile
import unicodedata
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

CONTRACT_VERSION = 1

# What a model is asked about, by the layout of its input.
KINDS = {"NCHW": "image", "NC": "table", "NT": "text"}
TOKENIZERS = ("words", "characters")
PADDING, UNKNOWN = 0, 1  # token numbers; the vocabulary's come after them
MAX_TEXT_LETTERS = 100_000  # of a longer one training sees the beginning, and serving refuses it
_WORDS = re.compile(r"\w+|[^\w\s]")

SYMBOL_FILE = "model-symbol.json"
PARAMS_FILE = "model-0000.params"
SIGNATURE_FILE = "signature.json"
LABELS_FILE = "synset.txt"
METRICS_FILE = "metrics.json"
MANIFEST_FILE = "MANIFEST.json"
ARCHIVE_FILE = "model.tar.gz"
ARTEFACT_FILES = (SYMBOL_FILE, PARAMS_FILE, SIGNATURE_FILE, LABELS_FILE, METRICS_FILE)

# What `prepare` leaves in its model directory, and `train` and `evaluate` find in their channels.
SHARD_NAME = "{split}.rec"
SHARD_INDEX_NAME = "{split}.idx"
STATISTICS_FILE = "statistics.json"
SPLITS = ("train", "validation", "test")

# What `evaluate` leaves.
REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
CONFUSION_PNG = "confusion.png"
SMOKE_FILE = "smoke.json"

# The serving processes learn from their environment which model they are to serve.
ENV_MODEL_URI = "RATCHET_MODEL_URI"
ENV_MODEL_SHA256 = "RATCHET_MODEL_SHA256"
ENV_MODEL_NAME = "RATCHET_MODEL_NAME"
ENV_MODEL_VERSION = "RATCHET_MODEL_VERSION"
ENV_ALLOWED_HOSTS = "RATCHET_FETCH_ALLOWED_HOSTS"
ENV_PORT = "PORT"
ENV_HOST = "HOST"  # the address to listen on: a container listens on all of its own

MAX_ARCHIVE_BYTES = 4 * 1024**3
MAX_ARCHIVE_ENTRIES = 64
_COPY_CHUNK_BYTES = 1024 * 1024

RECORD_MAGIC = struct.pack("<I", 0xCED7230A)
RECORD_HEADER = struct.Struct("<IfQQ")  # MXNet's IRHeader: how many labels follow, label, id, id2
RECORD_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)

METRIC_NAMES = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "samples_per_second")
METRIC_PREFIX = "[ratchet:metric]"
TRIAL_PREFIX = "[ratchet:trial]"


class ContractError(ValueError):
    """What came across the border does not keep the contract; the message says which rule and where."""


def metric_line(values: Mapping[str, float]) -> str:
    """One log line that carries all of an epoch's metrics, readable by `metric_regex`."""
    return METRIC_PREFIX + " " + " ".join("%s=%.6g;" % (name, value) for name, value in values.items())


def metric_regex(name: str) -> str:
    """The regular expression that reads metric `name` from a line, as SageMaker's `MetricDefinitions` want it."""
    return re.escape(METRIC_PREFIX) + r".*?\b" + re.escape(name) + r"=([-+0-9.eEnaif]+);"


def trial_line(trial: Mapping[str, Any]) -> str:
    """One log line that carries what is known of a trial, readable by `read_trial_line`; a later one replaces it."""
    return "%s %s" % (TRIAL_PREFIX, json.dumps(dict(trial), sort_keys=True))


def read_trial_line(line: str) -> Optional[Dict[str, Any]]:
    """What a line says about a trial; None for any other line."""
    if not line.startswith(TRIAL_PREFIX):
        return None
    try:
        found: Dict[str, Any] = json.loads(line[len(TRIAL_PREFIX) :])
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"number", "state", "parameters"} <= set(found) else None


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_COPY_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8. Digests are taken of this."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def split_of(key: str, validation_percent: int = 15, test_percent: int = 15) -> str:
    """The side an example is on: a hash of its object key, so that it never changes side between retrains.

    Parameters
    ----------
    key
        The object's key relative to the dataset's prefix, for example `7/digit-0042.png`.
    validation_percent, test_percent
        Shares in percent; what is left is for training.
    """
    bucket = int(hashlib.sha256(key.encode("utf-8")).hexdigest()[:8], 16) % 100
    if bucket < test_percent:
        return "test"
    if bucket < test_percent + validation_percent:
        return "validation"
    return "train"


class RawRecord(NamedTuple):
    """One record of a RecordIO file; `label` is no number when the record has several."""

    number: int
    label: float
    payload: bytes


def read_record(stream: IO[bytes]) -> Optional[RawRecord]:
    """Read the next record of a file in MXNet's RecordIO format; None at its end.

    The format is dmlc-core's (`include/dmlc/recordio.h`): each part is a magic number, a word with three bits of kind
    and 29 of length, the bytes, and zeros up to a multiple of four. A record that itself holds the magic number at a
    multiple of four is cut there, and the reader puts the number back.

    Raises
    ------
    ContractError
        When the file is broken.
    """
    parts: List[bytes] = []
    while True:
        head = stream.read(8)
        if not head and not parts:
            return None
        if len(head) < 8 or head[:4] != RECORD_MAGIC:
            raise ContractError("no record begins where one should")
        word = struct.unpack_from("<I", head, 4)[0]
        kind, length = word >> RECORD_LENGTH_BITS, word & ((1 << RECORD_LENGTH_BITS) - 1)
        part = stream.read(length + -length % 4)
        if kind > _LAST or len(part) != length + -length % 4 or (kind in (_WHOLE, _FIRST)) == bool(parts):
            raise ContractError("a record is cut off or out of place")
        parts.append(part[:length])
        if kind in (_WHOLE, _LAST):
            return _raw_record(RECORD_MAGIC.join(parts))


def _raw_record(content: bytes) -> RawRecord:
    if len(content) < RECORD_HEADER.size:
        raise ContractError("a record is too short for its header")
    count, label, number, _ = RECORD_HEADER.unpack_from(content)
    payload = content[RECORD_HEADER.size :]
    if count:  # so many labels stand before the payload
        if len(payload) < 4 * count:
            raise ContractError("a record is too short for its labels")
        label = struct.unpack_from("<f", payload)[0] if count == 1 else float("nan")
        payload = payload[4 * count :]
    return RawRecord(int(number), float(label), payload)


def copy_name(key: str, version_id: str) -> str:
    """The name of an object version's copy: short and plain, however long and strange the key is."""
    digest = hashlib.sha256(("%s\n%s" % (version_id, key)).encode("utf-8")).hexdigest()
    return "%s/%s" % (digest[:2], digest[2:42])


@dataclass(frozen=True)
class Signature:
    """How to feed a model: kind, shape and the preprocessing that training used.

    - image: a pixel `p` (0 to 255) of channel `c` becomes `(p - mean[c]) * scale / std[c]`.
    - table: a row has the `features` in this order, `width` of them; the value `v` of column `c` becomes
      `(v - mean[c]) * scale / std[c]`.
    - text: `number_tokens` makes `width` token numbers of it.
    """

    channels: int  # 1 grey, 3 RGB; 1 for what is no image
    height: int
    width: int
    labels: Tuple[str, ...]
    mean: Tuple[float, ...]
    std: Tuple[float, ...]
    scale: float = 1.0
    dtype: str = "float32"
    layout: str = "NCHW"  # a key of KINDS
    resize: str = "bilinear"
    input_name: str = "data"
    output: str = "logits"  # or "probabilities"
    contract_version: int = CONTRACT_VERSION
    # Signatures from before there were tables and texts end here.
    features: Tuple[str, ...] = ()
    tokenizer: str = ""  # one of TOKENIZERS
    vocabulary: Tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the model is asked about: `image`, `table` or `text`; empty for a layout that nobody knows."""
        return KINDS.get(self.layout, "")

    @property
    def input_shape(self) -> Tuple[int, ...]:
        """The shape of one example: (channels, height, width) of an image, (width,) of a row or a text."""
        return (self.channels, self.height, self.width) if self.kind == "image" else (self.width,)

    @property
    def token_count(self) -> int:
        """How many token numbers there are: padding, the unknown one, and the vocabulary's."""
        return UNKNOWN + 1 + len(self.vocabulary)

    def to_json(self) -> Dict[str, Any]:
        """A plain dictionary, as `signature.json` holds it; `kind` is for people and other programs."""
        return {**asdict(self), "kind": self.kind}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Signature:
        """Read `signature.json`; `ContractError` names a missing key or a newer contract."""
        if int(raw.get("contract_version", 0)) > CONTRACT_VERSION:
            raise ContractError(
                "signature.json is of contract version %s, this reader knows %s: serve it with a newer Ratchet"
                % (raw.get("contract_version"), CONTRACT_VERSION)
            )
        later: Dict[str, Any] = {"features": (), "tokenizer": "", "vocabulary": ()}
        try:
            fields = {name: raw[name] if name in raw else later[name] for name in cls.__dataclass_fields__}
        except KeyError as error:
            raise ContractError("signature.json lacks the key %s" % error) from error
        for name in ("labels", "mean", "std", "features", "vocabulary"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def split_tokens(text: str, tokenizer: str) -> Iterator[str]:
    """The tokens of a text, in its order: words and signs, or characters; of equal forms of a letter one, and small."""
    plain = unicodedata.normalize("NFKC", text).lower()
    if tokenizer == "characters":
        return iter(" ".join(plain.split()))
    return (match.group() for match in _WORDS.finditer(plain))


def number_tokens(text: str, tokenizer: str, numbers: Mapping[str, int], length: int) -> List[int]:
    """The numbers of a text's first tokens, filled up in front so that the text's end is the sequence's end.

    Parameters
    ----------
    numbers
        From the vocabulary's tokens to their numbers, see `number_vocabulary`.
    length
        How many numbers come out.
    """
    found = [numbers.get(token, UNKNOWN) for token in islice(split_tokens(text, tokenizer), length)]
    return [PADDING] * (length - len(found)) + found


def number_vocabulary(vocabulary: Tuple[str, ...]) -> Dict[str, int]:
    """From each token of a vocabulary to its number."""
    return {token: UNKNOWN + 1 + place for place, token in enumerate(vocabulary)}


def write_manifest(folder: Path) -> Dict[str, str]:
    """Write `MANIFEST.json` beside an artefact's files: name to SHA-256 of each."""
    digests = {name: sha256_file(folder / name) for name in ARTEFACT_FILES}
    body = {"contract_version": CONTRACT_VERSION, "files": digests}
    (folder / MANIFEST_FILE).write_bytes(canonical_json(body))
    return digests


def verify_manifest(folder: Path) -> Dict[str, str]:
    """Check an unpacked artefact against its own manifest.

    Raises
    ------
    ContractError
        When a file is missing, is not named in the manifest, or its digest differs.
    """
    try:
        files = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError("%s is missing or unreadable: %s" % (MANIFEST_FILE, error)) from error
    found = {path.name for path in folder.iterdir()} - {MANIFEST_FILE}
    if not isinstance(files, dict) or set(files) != found or not set(ARTEFACT_FILES) <= found:
        raise ContractError("the artefact holds %s, its manifest names %s" % (sorted(found), sorted(files)))
    for name, expected in files.items():
        actual = sha256_file(folder / name)
        if actual != expected:
            raise ContractError("%s has SHA-256 %s, the manifest says %s" % (name, actual, expected))
    return dict(files)


def unpack_archive(archive: Path, target: Path, max_bytes: int = MAX_ARCHIVE_BYTES) -> List[str]:
    """Unpack a model archive flat into `target`, writing nothing outside it.

    Parameters
    ----------
    archive
        A gzip-compressed tar file from outside.
    target
        An existing, empty folder.
    max_bytes
        Bound on the sum of the unpacked sizes, in bytes.

    Returns
    -------
    The names of the files written.

    Raises
    ------
    ContractError
        For links, devices, folders, names with a path in them, too many entries, too many bytes, or a broken archive.
    """
    names: List[str] = []
    budget = max_bytes
    try:
        with tarfile.open(str(archive), "r:gz") as tar:
            for member in _safe_members(tar):
                budget -= _write_member(tar, member, target, budget)
                names.append(PurePosixPath(member.name).name)
                if len(names) > MAX_ARCHIVE_ENTRIES:
                    raise ContractError("the archive has more than %d entries" % MAX_ARCHIVE_ENTRIES)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ContractError("the archive cannot be read: %s" % error) from error
    return names


def _safe_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if member.isdir() and parts in ((), (".",)):
            continue
        plain = [part for part in parts if part != "."]
        if (
            not member.isreg()
            or len(plain) != 1
            or plain[0] in ("..", "/")
            or "\\" in member.name
            or "\0" in member.name
        ):
            raise ContractError("the archive entry %r leaves its folder or is no plain file" % member.name)
        yield member


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, budget: int) -> int:
    if member.size > budget:
        raise ContractError("the archive unpacks to more than it may")
    source = tar.extractfile(member)
    if source is None:
        raise ContractError("the archive entry %r has no content" % member.name)
    destination = target / PurePosixPath(member.name).name
    written = 0
    with destination.open("xb") as sink:
        for chunk in iter(lambda: source.read(_COPY_CHUNK_BYTES), b""):
            written += len(chunk)
            sink.write(chunk)
    return written


def read_labels(folder: Path) -> Tuple[str, ...]:
    """The labels of `synset.txt`, one per line, in the order of the model's outputs."""
    return tuple(line for line in (folder / LABELS_FILE).read_text("utf-8").splitlines() if line)


def describe_model(environment: Mapping[str, str]) -> Optional[Dict[str, str]]:
    """Which model a serving process is to load, from its environment; None when no model has been released yet."""
    if not environment.get(ENV_MODEL_URI):
        return None
    return {
        "uri": environment[ENV_MODEL_URI],
        "digest": environment.get(ENV_MODEL_SHA256, ""),
        "name": environment.get(ENV_MODEL_NAME, ""),
        "version": environment.get(ENV_MODEL_VERSION, ""),
    }
