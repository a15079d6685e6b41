"""docker/: the image has what the package is built of, and the compose file what the service needs.

`make test-tools` lints the Dockerfile with hadolint.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from panodepth.predict.folder.memory import GIB, PIXEL_BYTES, PROCESS_BYTES
from panodepth.serve.options import KEY_VARIABLE, ServeOptions
from panodepth.serve.service import PIECES_HELD

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
COMPOSE = ROOT / "docker/compose.yaml"
DURATION = r"^(\d+h)?(\d+m)?(\d+s)?$"
# What https://github.com/compose-spec/compose-spec/blob/main/05-services.md says of the keys used
# here; no other key is allowed.
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["build"],
    "properties": {
        "build": {
            "type": "object",
            "additionalProperties": False,
            "required": ["context"],
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "command": {"type": "array", "items": {"type": "string"}},
        "ports": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^(\d+(\.\d+){3}:)?\d+:\d+(/(tcp|udp))?$"},
        },
        "environment": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Z_]+$"},
            "additionalProperties": {"type": ["string", "number", "null"]},
        },
        "read_only": {"type": "boolean"},
        "tmpfs": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
        "cap_drop": {"type": "array", "items": {"type": "string"}},
        "security_opt": {"type": "array", "items": {"type": "string"}},
        "mem_limit": {"type": "string", "pattern": r"^\d+(b|k|kb|m|mb|g|gb)$"},
        "stop_grace_period": {"type": "string", "pattern": DURATION},
        "restart": {"type": "string", "pattern": r"^(no|always|on-failure(:\d+)?|unless-stopped)$"},
    },
}
FILE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "services": {"type": "object", "minProperties": 1, "additionalProperties": SERVICE}
    },
}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [
        (word, rest) for word, _, rest in (x.partition(" ") for x in joined.splitlines()) if word
    ]


def said(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["panodepth"]
    return found


def test_the_compose_file_is_one() -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    jsonschema.Draft202012Validator.check_schema(FILE)
    jsonschema.validate(document, FILE)
    for wrong in (
        {"services": {}},
        {"services": {"a": {"build": {"context": "."}, "port": []}}},
        {"services": {"a": {"build": {"context": "."}, "ports": [8360]}}},
        {"services": {"a": {"build": {"context": "."}, "stop_grace_period": "soon"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, FILE)


def test_the_compose_file_builds_this_repository_and_listens_where_the_image_does(
    service: dict[str, Any],
) -> None:
    context = (COMPOSE.parent / service["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / service["build"]["dockerfile"]).is_file()
    [port] = service["ports"]
    address, _, inside = port.split(":")
    assert address == "127.0.0.1"
    assert said("EXPOSE") == [inside] == [str(ServeOptions().port)]
    assert list(service["environment"]) == [KEY_VARIABLE]
    assert service["environment"][KEY_VARIABLE] == f"${{{KEY_VARIABLE}:-}}"


def test_the_container_may_do_little_and_has_time_to_end(service: dict[str, Any]) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # where results are written
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace > ServeOptions().stop_seconds
    [user] = said("USER")
    assert int(user) > 0


def test_what_the_service_takes_at_once_fits_into_the_container(service: dict[str, Any]) -> None:
    """By the estimate that --max-memory goes by, with every limit used up: else it is killed."""
    flag, most = service["command"]
    assert flag == "--max-megapixels"
    options = ServeOptions(max_megapixels=float(most))
    held = options.cache_megabytes + options.job_megabytes + options.queue * options.max_megabytes
    pictures = PIECES_HELD * options.max_megapixels * PIXEL_BYTES
    limit = int(service["mem_limit"].removesuffix("g")) * GIB
    assert PROCESS_BYTES + (held + pictures) * 1e6 < limit


def test_the_image_holds_what_the_package_is_built_of() -> None:
    copied = [name for line in said("COPY") for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *(Path(path).parts[0] for path in (*wheel["packages"], *wheel["force-include"])),
    ]
    assert set(needed) <= set(copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == {
        name.removeprefix("./") for name in copied
    }


def test_the_image_is_of_named_versions_and_starts_without_a_shell() -> None:
    [base] = said("FROM")
    assert re.fullmatch(r"python:3\.\d+-slim", base)
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    [entry] = said("ENTRYPOINT")
    assert json.loads(entry)[:2] == ["panodepth", "serve"]
    [check] = said("HEALTHCHECK")
    compile(json.loads(check.partition("CMD ")[2])[2], "HEALTHCHECK", "exec")
    [install] = said("RUN")[1:]
    [torch] = re.findall(r"torch==([\d.]+)", install)
    assert f"\ntorch=={torch}\n" in (ROOT / "constraints.txt").read_text()
    assert install.count("--constraint constraints.txt") == install.count("pip install")
