"""What crosses into containers: hostile archives are refused, digests bind, the split never moves an example."""

from __future__ import annotations

import io
import json
import re
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet import contract


def pack(path, entries):
    with tarfile.open(path, "w:gz") as tar:
        for name, content, kind in entries:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            member.linkname = "../../outside" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(member, io.BytesIO(content) if member.size else None)
    return path


@pytest.fixture
def artefact(tmp_path):
    folder = tmp_path / "artefact"
    folder.mkdir()
    for name in contract.ARTEFACT_FILES:
        (folder / name).write_bytes(name.encode())
    contract.write_manifest(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/etc/evil", tarfile.REGTYPE),
        ("a/../../evil", tarfile.REGTYPE),
        ("folder/file", tarfile.REGTYPE),
        ("..", tarfile.REGTYPE),
        ("a\\b", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("folder", tarfile.DIRTYPE),
    ],
)
def test_refuses_an_entry_that_leaves_its_folder_or_is_no_plain_file(tmp_path, name, kind):
    target = tmp_path / "target"
    target.mkdir()
    archive = pack(tmp_path / "a.tar.gz", [("good", b"x", tarfile.REGTYPE), (name, b"x", kind)])
    with pytest.raises(contract.ContractError, match="leaves its folder or is no plain file"):
        contract.unpack_archive(archive, target)
    assert {path.name for path in tmp_path.iterdir()} == {"target", "a.tar.gz"}


def test_refuses_an_archive_that_unpacks_to_more_than_it_may(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    archive = pack(tmp_path / "bomb.tar.gz", [("zeros", bytes(10_000_000), tarfile.REGTYPE)])
    with pytest.raises(contract.ContractError, match="more than it may"):
        contract.unpack_archive(archive, target, max_bytes=1_000_000)
    assert list(target.iterdir()) == []


def test_refuses_an_archive_with_too_many_entries(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    entries = [(f"f{number}", b"", tarfile.REGTYPE) for number in range(contract.MAX_ARCHIVE_ENTRIES + 1)]
    with pytest.raises(contract.ContractError, match="entries"):
        contract.unpack_archive(pack(tmp_path / "many.tar.gz", entries), target)


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b\x08\x00broken"])
def test_refuses_a_broken_archive(tmp_path, content):
    archive = tmp_path / "broken.tar.gz"
    archive.write_bytes(content)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(contract.ContractError):
        contract.unpack_archive(archive, target)


def test_unpacks_what_sagemaker_packs(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    entries = [("./", b"", tarfile.DIRTYPE), ("./synset.txt", b"a\n", tarfile.REGTYPE)]
    assert contract.unpack_archive(pack(tmp_path / "a.tar.gz", entries), target) == ["synset.txt"]


def test_accepts_an_untouched_artefact(artefact):
    assert set(contract.verify_manifest(artefact)) == set(contract.ARTEFACT_FILES)


@pytest.mark.parametrize("name", contract.ARTEFACT_FILES)
def test_refuses_a_flipped_byte_in_any_file(artefact, name):
    content = bytearray((artefact / name).read_bytes())
    content[0] ^= 1
    (artefact / name).write_bytes(content)
    with pytest.raises(contract.ContractError, match=re.escape(name)):
        contract.verify_manifest(artefact)


def test_refuses_a_file_too_many_and_one_too_few(artefact):
    (artefact / "extra.bin").write_bytes(b"x")
    with pytest.raises(contract.ContractError, match=r"extra\.bin"):
        contract.verify_manifest(artefact)
    (artefact / "extra.bin").unlink()
    (artefact / contract.LABELS_FILE).unlink()
    with pytest.raises(contract.ContractError, match="manifest names"):
        contract.verify_manifest(artefact)


@pytest.mark.parametrize("body", ["", "[]", '{"files": []}', '{"files": "all"}', "{}"])
def test_refuses_a_manifest_that_is_none(artefact, body):
    (artefact / contract.MANIFEST_FILE).write_text(body)
    with pytest.raises(contract.ContractError):
        contract.verify_manifest(artefact)


@given(st.dictionaries(st.sampled_from(contract.METRIC_NAMES), st.floats(allow_nan=False, width=32), min_size=1))
def test_a_metric_line_is_read_by_its_regular_expression(values):
    line = contract.metric_line(values)
    for name, value in values.items():
        found = re.search(contract.metric_regex(name), line)
        assert found
        assert float(found.group(1)) == pytest.approx(value, rel=1e-5)


@given(st.text(min_size=1))
def test_an_example_is_always_on_the_same_side(key):
    assert contract.split_of(key) == contract.split_of(key)
    assert contract.split_of(key) in contract.SPLITS


def test_the_split_has_about_the_shares_asked_for():
    sides = [contract.split_of(f"7/digit-{number:05d}.png") for number in range(10_000)]
    assert 0.13 < sides.count("test") / 10_000 < 0.17
    assert 0.13 < sides.count("validation") / 10_000 < 0.17


def test_a_signature_survives_json():
    signature = contract.Signature(channels=1, height=28, width=28, labels=("a", "b"), mean=(1.0,), std=(2.0,))
    assert contract.Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


def test_refuses_a_signature_of_a_newer_contract():
    with pytest.raises(contract.ContractError, match="newer Ratchet"):
        contract.Signature.from_json({"contract_version": contract.CONTRACT_VERSION + 1})


def test_a_signature_from_before_there_were_tables_is_read():
    signature = contract.Signature(channels=1, height=28, width=28, labels=("a", "b"), mean=(1.0,), std=(2.0,))
    old = signature.to_json()
    for name in ("kind", "features", "tokenizer", "vocabulary"):
        del old[name]
    assert contract.Signature.from_json(old) == signature
    assert (signature.kind, signature.input_shape) == ("image", (1, 28, 28))


@given(st.text(max_size=40), st.sampled_from(contract.TOKENIZERS), st.integers(1, 9))
def test_any_text_becomes_as_many_token_numbers_as_the_model_wants(text, tokenizer, length):
    vocabulary = tuple(dict.fromkeys(contract.split_tokens("a quick, brown fox", tokenizer)))
    numbers = contract.number_tokens(text, tokenizer, contract.number_vocabulary(vocabulary), length)
    assert len(numbers) == length
    assert all(0 <= number < 2 + len(vocabulary) for number in numbers)
    assert contract.PADDING not in numbers[next((n for n, number in enumerate(numbers) if number), length) :]


def test_forms_of_a_letter_and_kinds_of_space_are_one():
    assert list(contract.split_tokens("Ｃafe\u0301,  A", "words")) == ["café", ",", "a"]
    assert list(contract.split_tokens("A \t\nb", "characters")) == ["a", " ", "b"]
