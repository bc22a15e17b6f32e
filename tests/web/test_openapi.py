"""What the API answers is what its description says: status, media type and shape, to good requests and to bad ones.

Schemathesis (not needed here) asks the same question with many more requests; how it is run stands in schemathesis.toml beside this file.
"""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

METHODS = ("get", "post", "put", "patch", "delete", "trace")
GOOD = {"task": "polarity", "name": "mp-149", "id": "000000000000", "q": "SiO2"}
JUNK = ("", "x", "-1", "\x00", "é%2f..", "9" * 400)
BODIES = (
    {},
    {"data": {"smiles": "CCO"}},
    {"data": {"text": "SMILES,y\nCCO,1\n"}},
    {"data": {"smiles": ["C", "not one", "CCO"]}},
    {"data": {"text": "\x00\ufeff?", "smiles": "", "target": "y"}},
    {"files": [("files", ("a.cif", b"\xff\x00data_")), ("file", ("a.csv", b"\xff\x00"))]},
    {"files": [("files", ("..", b""))] * 8},
    {"content": b"{}", "headers": {"content-type": "application/json"}},
    {"content": b"--", "headers": {"content-type": "multipart/form-data; boundary=-"}},
)


@pytest.fixture(scope="module")
def spec(server):
    return server.client.get("/openapi.json").json()


def operations(spec):
    return [(method, path, found) for path, each in spec["paths"].items() for method, found in each.items()]


def nonconformity(spec, operation, answer) -> str:
    """What an answer does that its operation does not say; empty if nothing."""
    documented = operation["responses"].get(str(answer.status_code))
    if documented is None:
        return f"status {answer.status_code} is not documented: {answer.text[:200]}"
    media = answer.headers.get("content-type", "").partition(";")[0]
    content = documented.get("content", {})
    if not answer.content:
        return f"no content where {list(content)} is documented" if content else ""
    if media not in content:
        return f"{media} is not documented for {answer.status_code}"
    rows = answer.text.strip().split("\n") if media == "application/x-ndjson" else [answer.text]
    if media.startswith("application/") and "json" in media:
        schema = {**content[media].get("schema", {}), "components": spec["components"]}
        for row in rows:
            error = jsonschema.exceptions.best_match(
                jsonschema.Draft202012Validator(schema).iter_errors(json.loads(row))
            )
            if error is not None:
                return f"{answer.status_code}: {error.json_path}: {error.message[:200]}"
    return ""


def filled(path: str, **values: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], GOOD[found[1]]), path)


def requests(path: str, operation) -> list[tuple[str, dict[str, str], dict]]:
    """Address, query and form of good and bad requests to an operation."""
    names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    needed = {
        p["name"]: GOOD[p["name"]] for p in operation.get("parameters", ()) if p["in"] == "query" and p["required"]
    }
    bodies = BODIES if "requestBody" in operation else ({},)
    found = [(filled(path), needed, body) for body in bodies]
    found += [(filled(path), needed | {name: junk}, bodies[min(1, len(bodies) - 1)]) for name in names for junk in JUNK]
    for name in re.findall(r"\{(\w+)\}", path):
        found += [
            (filled(path, **{name: junk}), needed, bodies[min(1, len(bodies) - 1)])
            for junk in ("nosuch", "-1", "%00", "a b")
        ]
    return found


def test_every_answer_is_as_described(server, spec):
    wrong, codes = [], set()
    for method, path, operation in operations(spec):
        if method == "delete" or path == "/api/construct":
            continue  # these are asked in test_construct
        for where, query, body in requests(path, operation):
            answer = server.client.request(method, where, params=query, **body)
            codes.add(answer.status_code)
            told = nonconformity(spec, operation, answer)
            if told:
                wrong.append(f"{method.upper()} {where} {query} {body}: {told}")
    assert wrong == []
    assert codes >= {200, 404, 413, 422}


def test_streams_are_as_described(server, spec):
    answer = server.client.post(
        "/api/predict/polarity", data={"smiles": ["CCO", "x"]}, headers={"accept": "application/x-ndjson"}
    )
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert nonconformity(spec, spec["paths"]["/api/predict/{task}"]["post"], answer) == ""


def test_the_check_can_fail(server, spec):
    operation = spec["paths"]["/api/health"]["get"]
    assert nonconformity(spec, operation, server.client.get("/api/health")) == ""
    assert "is not documented" in nonconformity(spec, operation, server.client.get("/nosuch"))
    assert "application/json is not" in nonconformity(
        spec, spec["paths"]["/api/report"]["get"], server.client.get("/api/health")
    )
    assert "is a required property" in nonconformity(spec, operation, server.client.get("/api/measurements"))


def test_other_methods_are_refused_with_those_that_are_taken(server, spec):
    for path, each in spec["paths"].items():
        for method in set(METHODS) - set(each):
            if path == "/api/construct/look" and method in ("get", "delete"):
                continue  # taken for the id of a construction
            answer = server.client.request(method, filled(path))
            assert (answer.status_code, answer.json()["error"]["kind"]) == (405, "bad_method"), (method, path)
            taken = {name.strip().lower() for name in answer.headers["allow"].split(",")}
            assert taken >= set(each), (method, path)
            assert method not in taken


def test_tasks_geometries_and_media_types_are_enumerated(spec):
    tasks = {"conduction", "polarity", "porosity"}
    for _, path, operation in operations(spec):
        found = {p["name"]: p["schema"] for p in operation.get("parameters", ())}
        if "{task}" in path:
            assert set(found["task"]["enum"]) >= tasks
        if "geometry" in found:
            assert found["geometry"]["enum"] == ["none", "one", "many"]
        for code, answer in operation["responses"].items():
            assert answer.get("content") or code == "204", (path, code)
            for media, content in answer.get("content", {}).items():
                assert content.get("schema"), f"{path} {code} {media} has no shape"
