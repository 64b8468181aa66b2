"""Manifests: what real providers publish is read, what we publish is strict."""

from __future__ import annotations

import pytest

from tests.dialects.mrp.made import raw
from treaty.dialects.mrp.manifest import (
    make_manifest,
    read_manifest,
    read_well_known,
    resolve,
)
from treaty.errors import MisuseError, WireError

AT = "http://provider.example:8080/mrp/manifest"
BRIDGED = {
    "capability": "a b",
    "endpoints": {"discover": "/mrp/discover", "execute": "https://other.example/x"},
    "metadata": {"generated": True},
}


def test_a_bridges_manifest_is_read() -> None:
    manifest = read_manifest(raw(BRIDGED), AT)

    assert manifest.discover_url == "http://provider.example:8080/mrp/discover"
    assert manifest.execute_url == "https://other.example/x"
    assert manifest.negotiate_url is None
    assert manifest.document["metadata"] == {"generated": True}
    assert manifest.residency is None


def test_our_manifest_is_read_back() -> None:
    made = make_manifest(
        capability_id="capability:acme/summarize",
        capability="summarize",
        version="0.1",
        inputs=("url", "text"),
        outputs=("markdown",),
        constraints={"policy": ["no_pii"], "data_residency": "us"},
    )

    manifest = read_manifest(raw(made), AT)

    assert (manifest.inputs, manifest.outputs) == (("url", "text"), ("markdown",))
    assert manifest.negotiate_url == "http://provider.example:8080/mrp/negotiate"
    assert manifest.residency == "us"
    assert made["inputs"][0] == {"type": "url", "schema_ref": "schema://mrp/types/url@1.0"}
    assert None not in made.values()


def test_we_publish_nothing_that_the_schema_refuses() -> None:
    with pytest.raises(MisuseError):
        make_manifest(
            capability_id="c",
            capability="c",
            version="1",
            inputs=(),
            outputs=(),
            endpoints={"discover": "/d", "execute": "/e"},
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoints": None},
        {"endpoints": {"discover": "/d"}},
        {"endpoints": {"discover": "/d", "execute": 5}},
        {"endpoints": {"discover": "file:///etc/passwd", "execute": "/e"}},
        {"endpoints": {"discover": "http://u:p@host/d", "execute": "/e"}},
        {"endpoints": {"discover": "http://[::1", "execute": "/e"}},
        {"endpoints": {"discover": "http://h:99999/", "execute": "/e"}},
    ],
)
def test_what_is_no_manifest_is_refused(changes: dict) -> None:
    with pytest.raises(WireError):
        read_manifest(raw(BRIDGED | changes), AT)


@pytest.mark.parametrize("capability", [None, "", 5])
def test_a_manifest_may_leave_its_capability_to_its_offers(capability: object) -> None:
    assert read_manifest(raw(BRIDGED | {"capability": capability}), AT).capability == ""


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/mrp/discover", "http://provider.example:8080/mrp/discover"),
        ("discover", "http://provider.example:8080/mrp/discover"),
        ("/mrp/manifest/a b", "http://provider.example:8080/mrp/manifest/a%20b"),
        ("//other.example/d", "http://other.example/d"),
    ],
)
def test_addresses_are_resolved_against_where_the_manifest_came_from(reference, url) -> None:
    assert resolve(reference, AT) == url


def test_the_well_known_file_names_the_manifest() -> None:
    found = read_well_known(
        raw({"mrp_version": "0.1", "capabilities": ["a", 5], "manifest_url": "/mrp/manifest/a b"}),
        "http://provider.example:8080/.well-known/mrp.json",
    )

    assert found.capabilities == ("a",)
    assert found.manifest_url == "http://provider.example:8080/mrp/manifest/a%20b"
    assert found.provider is None
