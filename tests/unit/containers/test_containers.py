"""The container files, as far as that can be told without an engine."""

import io
import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser

from sidespand.cli import commands
from sidespand.config import load
from sidespand.config.keys import KEYS
from sidespand.limits import ANCHOR_BYTES_MAX

CONTAINERS = Path(__file__).parents[3] / "containers"
COMPOSE: dict[str, Any] = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((CONTAINERS / "daemonset.yaml").read_text())
)
VARIABLES = {key.variable for key in KEYS}
# Source: the Dockerfile reference; Containerfile(5).
INSTRUCTIONS = {
    "FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER",
    "WORKDIR", "ARG", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL",
}  # fmt: skip
# Of the client, not of the daemon.
CLIENTS = {"SIDESPAN_SOCKET"}


def lines() -> list[tuple[str, str]]:
    """Return instructions of the image, and their values."""
    parser = DockerfileParser(fileobj=io.BytesIO((CONTAINERS / "Containerfile").read_bytes()))
    found = [(one["instruction"], one["value"]) for one in parser.structure]
    return [one for one in found if one[0] != "COMMENT"]


def instructions(name: str) -> list[str]:
    """Return the values of one kind of instruction."""
    return [value for instruction, value in lines() if instruction == name]


def manifest(kind: str) -> dict[str, Any]:
    """Return the one manifest of a kind."""
    (found,) = (one for one in MANIFESTS if one["kind"] == kind)
    return found


def test_the_image_is_made_of_instructions_that_there_are() -> None:
    """None is misspelt, and what is copied from another stage is copied from one before."""
    stages: list[str] = []
    for instruction, value in lines():
        assert instruction in INSTRUCTIONS
        if instruction == "FROM":
            stages.append(value.partition(" AS ")[2])
        source = re.match(r"--from=(\S+)", value) if instruction == "COPY" else None
        assert source is None or source[1] in stages[:-1]

    assert len(stages) == 2


def test_the_compose_file_follows_the_specification() -> None:
    """A strict parser of it knows every key and value; each volume and service that is named is."""
    parsed = PyCompose.from_yaml((CONTAINERS / "compose.yaml").read_text())

    parsed.validate()
    services = COMPOSE["services"]
    assert set(parsed.service_names()) == set(services)
    assert set(services["agent"]["depends_on"]) <= set(services)
    recorder = services["sidespan"]
    assert (recorder["cap_drop"], recorder["read_only"]) == (["ALL"], True)
    assert recorder["security_opt"] == ["no-new-privileges:true"]
    # Of the formats that an image may have, one has no place for the probe.
    assert recorder["healthcheck"]["test"] == ["CMD", *probe()]
    build = recorder["build"]
    assert (CONTAINERS / build["context"] / build["dockerfile"]).is_file()


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user is a number other than root's, and the command is one that there is."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instructions("USER")[-1])
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["sidespan"]
    for command in (json.loads(instructions("CMD")[-1])[0], probe()[1]):
        assert command in commands.SUMMARIES


def probe() -> list[str]:
    """Return what tells whether the container is healthy."""
    (check,) = instructions("HEALTHCHECK")
    found: list[str] = json.loads(check.partition("CMD ")[2])
    return found


def test_the_image_installs_what_the_lock_has() -> None:
    """Every package comes with a hash from the file that a release is made of."""
    (built,) = (one for one in instructions("RUN") if "pip install" in one)

    assert "--require-hashes -r requirements/daemon.txt" in built
    assert built.count("pip install") == 2
    assert "--no-deps ." in built


def test_every_variable_is_a_key() -> None:
    """What the files set is read: no name in them is misspelt."""
    containers = [*COMPOSE["services"].values()]
    given = {name for one in containers for name in one.get("environment", {})}
    pods = [manifest("DaemonSet")["spec"]["template"], manifest("Pod")]
    for pod in pods:
        for container in pod["spec"]["containers"]:
            given |= {one["name"] for one in container.get("env", ())}
    environment = " ".join(instructions("ENV"))
    given |= set(re.findall(r"(SIDESPAN_\w+)=", environment))

    assert {name for name in given if name.startswith("SIDESPAN")} <= VARIABLES | CLIENTS


def test_the_image_opens_no_port_by_default() -> None:
    """All three TCP doors are off until somebody sets one."""
    environment = dict(re.findall(r"(SIDESPAN_\w+)=(\S+)", " ".join(instructions("ENV"))))
    environment["HOME"] = "/nonexistent"

    config = load(None, environment=environment)

    assert config.otlp_grpc is None
    assert config.otlp_http is None
    assert config.web_listen is None


@pytest.mark.parametrize("one", MANIFESTS, ids=lambda one: one["kind"])
def test_the_manifests_follow_the_schema(one: dict[str, Any]) -> None:
    """Kubernetes' own schema takes each of them, and no field of them is unknown to it."""
    kubernetes_validate.validate(one, "1.31", strict=True)


def test_the_config_map_loads(tmp_path: Path) -> None:
    """The configuration in the manifest is one that the daemon takes."""
    path = tmp_path / "sidespan.toml"
    path.write_text(manifest("ConfigMap")["data"]["sidespan.toml"])

    assert load(path, environment={"HOME": str(tmp_path)}).otlp_grpc is None


def test_one_recorder_a_store_with_the_configuration_that_is_mounted() -> None:
    """The old pod ends before the new one starts; the command and what it reads are there."""
    spec = manifest("DaemonSet")["spec"]
    template = spec["template"]
    (container,) = template["spec"]["containers"]
    command, flag, path = container["args"]
    directory, _, name = path.rpartition("/")
    (volume,) = (one["name"] for one in container["volumeMounts"] if one["mountPath"] == directory)
    (source,) = (one for one in template["spec"]["volumes"] if one["name"] == volume)

    assert spec["updateStrategy"]["rollingUpdate"]["maxSurge"] == 0
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert command in commands.SUMMARIES
    assert flag == "--config"
    assert source["configMap"]["name"] == manifest("ConfigMap")["metadata"]["name"]
    assert name in manifest("ConfigMap")["data"]
    assert container["readinessProbe"]["exec"]["command"] == probe()


def test_each_mount_has_a_volume_and_the_anchor_is_in_memory() -> None:
    """Every path of the recorder's container comes from a volume; none of them is a network's."""
    spec = manifest("DaemonSet")["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    (container,) = spec["containers"]
    mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
    environment = {one["name"]: one.get("value") for one in container["env"]}

    anchor = mounts[environment["SIDESPAN_JOURNAL_ANCHOR_DIR"]]
    assert anchor["emptyDir"]["medium"] == "Memory"
    assert ANCHOR_BYTES_MAX <= 1024 * 1024
    assert mounts["/var/lib/sidespan"]["hostPath"]["path"] == "/var/lib/sidespan"
    assert mounts["/run/sidespan"]["hostPath"]["path"] == "/run/sidespan"


def test_nothing_in_the_recorders_pod_has_more_rights_than_it_needs() -> None:
    """It is no root, adds no capability, writes only to its volumes, and names its node."""
    spec = manifest("DaemonSet")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    fields = {
        one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"]
        for one in container["env"]
        if "valueFrom" in one
    }

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["hostPID"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert fields == {"NODE_NAME": "spec.nodeName"}


def test_agents_get_the_sockets_and_their_group_alone() -> None:
    """An agent's pod is in the recorder's group and mounts the sockets, never the store."""
    group = manifest("DaemonSet")["spec"]["template"]["spec"]["securityContext"]["runAsGroup"]
    agent = manifest("Pod")["spec"]
    mounts = {one["hostPath"]["path"] for one in agent["volumes"]}

    assert agent["securityContext"]["supplementalGroups"] == [group]
    assert mounts == {"/run/sidespan"}
    assert COMPOSE["services"]["agent"]["user"].endswith(f":{group}")
    assert all("store" not in one for one in COMPOSE["services"]["agent"]["volumes"])
