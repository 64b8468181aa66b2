"""The schemas are schemas, resolve without a network, and say what the checker says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.dialects.mrp.made import SEED, seeded
from tests.dialects.mrp.mutants import STARTS, mutants
from treaty.dialects.mrp.checking import CHECK_ENVELOPE
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.manifest import make_manifest
from treaty.dialects.mrp.schemas import ID_ROOT, PATHS, ROOTS, SCHEMA_REFS, all_schemas, schema_at

REGISTRY = Registry().with_resources(
    (str(one["$id"]), Resource.from_contents(one)) for one in all_schemas().values()
)


def validator(path: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": ID_ROOT + path}, registry=REGISTRY)


ENVELOPES = {profile: validator(f"{ROOTS[profile]}envelope.schema.json") for profile in Profile}


@pytest.mark.parametrize("path", PATHS)
def test_each_is_a_schema_of_its_draft_with_an_id_below_the_base(path: str) -> None:
    schema = all_schemas()[path]

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == ID_ROOT + path
    assert schema_at(path) == schema_at(f"0.1/{path}") == schema


def test_what_is_not_there_is_not_found() -> None:
    assert schema_at("nope.json") is None
    assert schema_at("../envelope.schema.json") is None


def test_the_paths_of_the_peers_are_there() -> None:
    payloads = ("discover", "offer", "negotiate", "execute", "evidence", "error")
    expected = {
        "envelope.schema.json",
        "manifest.schema.json",
        "types/input.schema.json",
        "types/artifact.schema.json",
        *(f"payloads/{name}.schema.json" for name in payloads),
    }

    assert expected <= set(PATHS)
    assert {f"strict/{path}" for path in expected} <= set(PATHS)
    assert "strict/payloads/stream_chunk.schema.json" in PATHS


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", SEED)
def test_the_seed_is_valid(profile: Profile, name: str) -> None:
    assert ENVELOPES[profile].is_valid(seeded(name))


@pytest.mark.parametrize("profile", Profile)
@settings(max_examples=150)
@given(whole=mutants())
def test_schema_and_checker_have_one_verdict(profile: Profile, whole) -> None:
    fault = CHECK_ENVELOPE[profile](whole)
    if fault is not None and "RFC 3339" in fault.what:
        return  # A format is a remark to a schema.

    assert ENVELOPES[profile].is_valid(whole) == (fault is None), fault


def test_mutants_are_of_both_kinds() -> None:
    assert all(CHECK_ENVELOPE[profile](one) is None for profile in Profile for one in STARTS)


@pytest.mark.parametrize(
    ("ref", "valid"),
    [
        ("schema://mrp/types/text@1.0", {"type": "text", "value": "x"}),
        ("schema://mrp/types/url@1.0", {"type": "url", "value": "https://x"}),
        ("schema://mrp/types/json@1.0", {"type": "json", "value": {}}),
        ("schema://mrp/types/markdown@1.0", {"type": "markdown", "value": "#"}),
        ("schema://mrp/types/artifact@1.0", {"type": "artifact", "uri": "u", "hash": "sha256:a"}),
    ],
)
def test_core_types_are_found_by_their_reference(ref: str, valid: dict) -> None:
    one = validator(SCHEMA_REFS[ref])

    assert one.is_valid(valid)
    assert not one.is_valid({**valid, "type": "file"})
    assert not one.is_valid({**valid, "more": 1})


def test_our_manifests_are_valid() -> None:
    made = make_manifest(
        capability_id="c", capability="c", version="1", inputs=("url",), outputs=("markdown",)
    )

    assert validator("manifest.schema.json").is_valid(made)
    assert not validator("manifest.schema.json").is_valid({**made, "metadata": {}})
