"""The manifests: each overlay built by kubectl's own kustomize, each object judged strictly by the API's
schemas, and what they say held against compose.yaml, the services' bounds and the documents. No cluster is
asked.
"""

import functools
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils
from typer.main import get_group

from deploy.cli import app
from deploy.contracts import API
from deploy.local.services import SERVICES
from deploy.secret_files import write_secrets
from services.console.forwarding import REQUEST_HEADERS
from services.reporting.lag import GROUPS
from shared.service import FORCE_S
from tests.promql import Checker, series_of_the_code

ROOT: Final = Path(__file__).resolve().parents[2]
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
GUIDE: Final = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
COMPOSE: Final = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
CONTAINERS: Final[Mapping[str, dict[str, Any]]] = COMPOSE["services"]
KUBECTL: Final = Path(sys.executable).with_name("kubectl")
OVERLAYS: Final = ("one-node", "production")
VERSIONS: Final = ("1.34", "1.37")
"""The oldest that has all that is used (a wait before the stop that is the kubelet's own), and the newest."""
PROCESSES: Final = tuple(service.name for service in SERVICES)
OPERATOR: Final = "cloudcoil.models.prometheus_operator.v1"
ADDED: Final = {
    "ScaledObject": "cloudcoil.models.keda.v1alpha1",
    "PodMonitor": OPERATOR,
    "PrometheusRule": OPERATOR,
}
"""What KEDA and the Prometheus operator add to a cluster: the module of each. They take a second to load, and
every worker collects this file."""

Object = dict[str, Any]


@functools.cache
def built(folder: Path) -> tuple[Object, ...]:
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


def of(overlay: str, *kinds: str) -> list[Object]:
    return [each for each in built(KUBERNETES / overlay) if not kinds or each["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Object:
    return next(each for each in of(overlay, kind) if each["metadata"]["name"] == name)


def pods(overlay: str) -> Iterator[tuple[str, Object]]:
    """Every template of a pod, with its owner's name."""
    for each in of(overlay, "Deployment", "StatefulSet", "Job"):
        yield each["metadata"]["name"], each["spec"]["template"]


def containers(template: Object) -> list[Object]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def process(overlay: str, name: str) -> Object:
    found: Object = named(overlay, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    return found


def strictly(given: Object, kind: str) -> None:
    """Raises when a field is missing, of another type, or unknown: what is unknown isn't given back."""
    model = getattr(importlib.import_module(ADDED[kind]), kind)
    read = model.model_validate(given)
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == given


# ---------------------------------------------------------------- the API's word


@pytest.fixture(autouse=True, scope="module")
def schemas_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_takes_every_object_as_it_is(overlay: str, version: str) -> None:
    objects = of(overlay)
    for each in objects:
        if each["kind"] in ADDED:
            strictly(each, each["kind"])
        else:
            kubernetes_validate.validate(each, version, strict=True)
    assert len({(each["kind"], each["metadata"]["name"]) for each in objects}) == len(objects)
    assert {each["metadata"].get("namespace", "shanliu") for each in objects} == {"shanliu"}


def test_a_field_that_is_misspelt_is_found() -> None:
    deployment = yaml.safe_load(yaml.safe_dump(named("production", "Deployment", "donation")))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)
    scaled = yaml.safe_load(yaml.safe_dump(of("production", "ScaledObject")[0]))
    scaled["spec"]["maxReplicas"] = 3
    with pytest.raises(AssertionError):
        strictly(scaled, "ScaledObject")


# ---------------------------------------------------------------- the same as in compose.yaml


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Object]:
    """The Secrets by name, as they are made of what `shanliu secrets` writes."""
    folder = tmp_path_factory.mktemp("kubernetes") / "secrets"
    shutil.copytree(KUBERNETES / "secrets", folder, ignore=lambda _, names: {*names} - {"kustomization.yaml"})
    write_secrets(folder, "postgres:5432")
    return {each["metadata"]["name"]: each for each in built(folder)}


def settings(overlay: str, container: Object) -> dict[str, str]:
    """All variables of a container. What comes from a Secret has no place among them."""
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        told |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for each in container.get("env", []):
        reference = each.get("valueFrom", {}).get("configMapKeyRef")
        source = named(overlay, "ConfigMap", reference["name"])["data"] if reference else {}
        told[each["name"]] = source[reference["key"]] if reference else each["value"]
    return told


def projected(template: Object) -> Iterator[tuple[str, Object]]:
    """Kind and reference of each Secret and ConfigMap that a pod is given as files."""
    for volume in template["spec"].get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            ((kind, reference),) = source.items()
            yield kind, reference


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_what_it_is_in_compose(name: str, overlay: str, made: Mapping[str, Object]) -> None:
    container, wanted = process(overlay, name), CONTAINERS[name]
    told = settings(overlay, container)
    template = dict(pods(overlay))[name]
    own = [source for kind, source in projected(template) if kind == "secret" and not source.get("optional")]

    assert container["command"] == wanted["command"]
    assert told.get("ROLES") == wanted["environment"].get("ROLES")
    assert wanted["environment"].keys() - told.keys() == set()
    assert {key for source in own for key in made[source["name"]]["data"]} == {
        each if isinstance(each, str) else each["target"] for each in wanted["secrets"]
    }
    assert container["resources"]["limits"]["memory"] == wanted["mem_limit"].replace("m", "Mi")
    assert [port["containerPort"] for port in container["ports"]] == [int(told["HTTP_PORT"])]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {told["SECRETS_DIR"], "/tmp"}  # noqa: S108


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_verifier_is_what_it_is_in_compose(overlay: str, made: Mapping[str, Object]) -> None:
    wanted, container = CONTAINERS["verifier"], process(overlay, "verifier")
    told = settings(overlay, container)
    template = dict(pods(overlay))["verifier"]
    ((own, *_),) = [[ref for kind, ref in projected(template) if kind == "secret"]]

    assert container["command"] == wanted["command"]
    assert wanted["environment"].keys() - told.keys() == set()
    assert made[own["name"]]["data"].keys() == {each["target"] for each in wanted["secrets"]}
    for each in wanted["secrets"]:
        assert made[own["name"]]["data"][each["target"]] == made["databases"]["data"][each["source"]]
    assert container["resources"]["limits"]["memory"] == wanted["mem_limit"].replace("g", "Gi")
    assert not template["spec"].get("initContainers")
    assert [volume["emptyDir"] for volume in template["spec"]["volumes"] if volume["name"] == "tmp"] == [
        {"sizeLimit": "10Gi"}
    ], "a workbook in memory would count against the limit"
    assert named(overlay, "Deployment", "verifier")["spec"]["replicas"] == 1


def test_on_one_node_images_servers_and_settings_are_those_of_compose() -> None:
    images = {each["image"] for _, template in pods("one-node") for each in containers(template)}
    assert COMPOSE["x-image"] == "${SHANLIU_IMAGE:-shanliu:local}"
    assert images == {"shanliu:local", *(CONTAINERS[server]["image"] for server in ("kafka", "postgres"))}
    for server in ("kafka", "postgres"):
        (container,) = named("one-node", "StatefulSet", server)["spec"]["template"]["spec"]["containers"]
        assert {each["name"]: each["value"] for each in container["env"]} == CONTAINERS[server]["environment"]
        assert container["image"] == CONTAINERS[server]["image"]
    assert process("one-node", "mail")["command"] == CONTAINERS["mail"]["command"]
    for name in PROCESSES:
        told, wanted = settings("one-node", process("one-node", name)), CONTAINERS[name]["environment"]
        assert {key for key, value in wanted.items() if "${" not in value and told[key] != value} == set()


# ---------------------------------------------------------------- what is referred to


def test_every_secret_that_a_pod_is_given_is_made_or_told_of(made: Mapping[str, Object]) -> None:
    for overlay in OVERLAYS:
        wanted = [given for _, template in pods(overlay) for given in projected(template)]
        by_name = {reference["name"] for kind, reference in wanted if kind == "secret"}
        by_name |= {
            each["secretName"] for ingress in of(overlay, "Ingress") for each in ingress["spec"]["tls"]
        }
        assert made.keys() <= by_name
        for name in by_name - made.keys():
            assert f"`{name}`" in GUIDE, name
        for kind, reference in wanted:
            if kind == "configMap":
                assert f"`{reference['name']}`" in GUIDE
                assert reference["optional"] is True
            elif not reference.get("optional"):
                keys = made[reference["name"]]["data"].keys()
                assert {item["key"] for item in reference.get("items", [])} <= keys
    assert not any(each["kind"] == "Secret" for overlay in OVERLAYS for each in of(overlay))
    assert all(
        "operators" not in each["data"] and "secrets.json" not in each["data"] for each in made.values()
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_object_names_is_there(overlay: str) -> None:
    accounts = {each["metadata"]["name"]: each for each in of(overlay, "ServiceAccount")}
    services = {each["metadata"]["name"]: each for each in of(overlay, "Service")}
    deployments = {each["metadata"]["name"]: each for each in of(overlay, "Deployment")}
    for name, template in pods(overlay):
        assert template["spec"].get("automountServiceAccountToken") is False
        if (account := template["spec"].get("serviceAccountName")) is not None:
            assert account == name
            assert accounts[account]["automountServiceAccountToken"] is False
        mounted = {mount["name"] for each in containers(template) for mount in each["volumeMounts"]}
        assert mounted - {"data"} == {volume["name"] for volume in template["spec"].get("volumes", [])}
    for name, service in services.items():
        if selector := service["spec"].get("selector"):
            (template,) = [each for _, each in pods(overlay) if selects({"matchLabels": selector}, each)]
            ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for each in of(overlay, "HorizontalPodAutoscaler", "ScaledObject"):
        assert each["spec"]["scaleTargetRef"]["name"] in deployments
        assert "replicas" not in deployments[each["metadata"]["name"]]["spec"]
    for each in of(overlay, "PodDisruptionBudget"):
        assert [name for name, template in pods(overlay) if selects(each["spec"]["selector"], template)] == [
            each["metadata"]["name"]
        ]
    for ingress in of(overlay, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {
                port["name"] for port in services[backend["name"]]["spec"]["ports"]
            }


def selects(selector: Object, template: Object) -> bool:
    """Whether a label selector takes a pod."""
    labels = template["metadata"]["labels"]
    for each in selector.get("matchExpressions", []):
        if (labels.get(each["key"]) in each["values"]) != {"In": True, "NotIn": False}[each["operator"]]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


# ---------------------------------------------------------------- what a pod may do


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_can_do_no_more_than_it_must(overlay: str) -> None:
    """All that the level `restricted` asks for, and a file system that can't be written."""
    assert (
        named(overlay, "Namespace", "shanliu")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    for _, template in pods(overlay):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= {"projected", "emptyDir"}
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""})
        for container in containers(template):
            guarded = container["securityContext"]
            assert guarded["allowPrivilegeEscalation"] is False
            assert guarded["readOnlyRootFilesystem"] is True
            assert guarded["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} == container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


COMMANDS: Final = ("prepare", "operations")

CONNECTIONS: Final = {
    *(
        (name, server)
        for name in PROCESSES
        for server in ("kafka", "postgres")
        if (name, server) != ("console", "kafka")
    ),
    *((name, server) for name in (*COMMANDS, "verifier") for server in ("kafka", "postgres")),
    *(("console", name) for name in ("donation", "campaign", "notification", "reporting")),
    ("verifier", "reporting"),
    ("notification", "mail"),
    ("kafka", "kafka"),
}


def test_on_one_node_nothing_reaches_what_it_need_not() -> None:
    policies = [each["spec"] for each in of("one-node", "NetworkPolicy")]
    known = dict(pods("one-node"))
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies

    def allowed(policy: Object, way: str) -> set[tuple[str, str]]:
        subjects = {name for name, template in known.items() if selects(policy["podSelector"], template)}
        assert subjects, policy
        pairs = set()
        for rule in policy.get(way, []):
            for peer in rule["to" if way == "egress" else "from"]:
                if "namespaceSelector" in peer:
                    continue
                others = {name for name, template in known.items() if selects(peer["podSelector"], template)}
                assert others, peer
                pairs |= {(a, b) if way == "egress" else (b, a) for a in subjects for b in others}
                listened = {
                    port["containerPort"]
                    for name in (others if way == "egress" else subjects)
                    for port in known[name]["spec"]["containers"][0]["ports"]
                }
                assert {port["port"] for port in rule["ports"]} <= listened
        return pairs

    out = set().union(*(allowed(policy, "egress") for policy in policies))
    into = set().union(*(allowed(policy, "ingress") for policy in policies))
    assert out == into == CONNECTIONS


def test_in_production_every_policy_is_for_somebody_and_the_servers_are_reached() -> None:
    reached: dict[int, set[str]] = {}
    for policy in of("production", "NetworkPolicy"):
        subjects = [
            name for name, template in pods("production") if selects(policy["spec"]["podSelector"], template)
        ]
        assert subjects, policy["metadata"]["name"]
        for rule in policy["spec"].get("egress", []):
            if any("ipBlock" in peer for peer in rule["to"]):
                for port in rule["ports"]:
                    reached.setdefault(port["port"], set()).update(subjects)
    told = settings("production", process("production", "donation"))
    (broker_port,) = {int(server.rpartition(":")[2]) for server in told["KAFKA_BOOTSTRAP_SERVERS"].split(",")}
    assert int(told["REPLICATION"]) == len(told["KAFKA_BOOTSTRAP_SERVERS"].split(","))
    assert reached.pop(broker_port) == {*PROCESSES, *COMMANDS, "verifier"} - {"console"}
    assert reached.pop(5432) == {*PROCESSES, *COMMANDS, "verifier"}
    assert int(settings("production", process("production", "notification"))["SMTP_PORT"]) in reached
    assert set().union(*reached.values()) == {"notification"}


def test_in_production_spans_reach_the_collector_and_nothing_else_does() -> None:
    (rule,) = named("production", "NetworkPolicy", "send-spans")["spec"]["egress"]
    told = next(word for word in GUIDE.split("`") if word.startswith("OTEL_EXPORTER_OTLP_ENDPOINT="))
    collector = urlsplit(told.partition("=")[2])
    (peer,), (port,) = rule["to"], rule["ports"]
    name, namespace = str(collector.hostname).split(".")
    chosen = named("production", "NetworkPolicy", "send-spans")["spec"]["podSelector"]
    senders = {each for each, template in pods("production") if selects(chosen, template)}

    assert senders == {*PROCESSES}
    assert port == {"port": collector.port}
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}


# ---------------------------------------------------------------- a new release, a surge


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_asked_how_it_is_and_has_time_to_end(name: str, overlay: str) -> None:
    deployment = named(overlay, "Deployment", name)
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    asked = {
        probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")
    }
    waits_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    answers = bool(CONTAINERS[name].get("ports")) or name == "campaign"

    assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    assert spec["terminationGracePeriodSeconds"] >= waits_s + FORCE_S + 5
    assert deployment["spec"]["strategy"]["rollingUpdate"] == (
        {"maxUnavailable": 0, "maxSurge": 1} if answers else {"maxUnavailable": 1, "maxSurge": 0}
    )
    assert (
        bool(waits_s) == answers == any(name == each["metadata"]["name"] for each in of(overlay, "Service"))
    )
    assert [each["command"] for each in spec["initContainers"]] == [
        ["shanliu", "await-schema", CONTAINERS[name]["command"][-1].removeprefix("services.")]
    ]


def test_in_production_each_process_is_there_twice_and_none_more_often_than_there_are_partitions() -> None:
    least, most = {}, {}
    for each in of("production", "HorizontalPodAutoscaler", "ScaledObject"):
        name, spec = each["metadata"]["name"], each["spec"]
        least[name] = spec.get("minReplicas", spec.get("minReplicaCount"))
        most[name] = spec.get("maxReplicas", spec.get("maxReplicaCount"))
    assert (
        {*least}
        == {*PROCESSES}
        == {each["metadata"]["name"] for each in of("production", "PodDisruptionBudget")}
    )
    assert min(least.values()) >= 2
    for each in of("production", "ScaledObject"):
        name = each["metadata"]["name"]
        assert most[name] <= int(settings("production", process("production", name))["PARTITIONS"])
        assert each["spec"]["fallback"]["replicas"] <= most[name]


@pytest.mark.parametrize(
    "scaled", of("production", "ScaledObject"), ids=lambda each: each["metadata"]["name"]
)
def test_what_a_worker_is_scaled_by_is_told_by_the_services(scaled: Object) -> None:
    (trigger,) = scaled["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    series = {name: {*labels, "namespace"} for name, labels in series_of_the_code().items()}
    assert Checker({name: frozenset(labels) for name, labels in series.items()}).labels(query) == frozenset()
    assert any(f'group="{group}"' in query for group in GROUPS)


def test_prometheus_finds_every_process_under_the_name_that_the_alerts_know() -> None:
    (monitor,) = of("production", "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    found = {
        template["metadata"]["labels"][monitor["spec"]["jobLabel"]]
        for _, template in pods("production")
        if selects(monitor["spec"]["selector"], template)
    }
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert found == {job["job_name"] for job in scraped["scrape_configs"]}
    assert endpoint["path"] == "/metrics"
    assert endpoint["interval"] == scraped["global"]["scrape_interval"]


def test_the_guides_line_makes_rules_that_the_operator_takes() -> None:
    line = next(line for line in GUIDE.splitlines() if "PrometheusRule" in line and line.startswith("for "))
    made = subprocess.run(
        ["sh", "-c", line.replace("| kubectl apply -f -", "")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rules = list(yaml.safe_load_all(made.stdout))
    assert [each["metadata"]["name"] for each in rules] == ["recording", "alerts"]
    (monitor,) = of("production", "PodMonitor")
    for each in rules:
        strictly(each, "PrometheusRule")
        assert each["metadata"]["labels"] == {"release": monitor["metadata"]["labels"]["release"]}


def test_the_name_of_the_operators_release_is_one_line_of_an_overlay(tmp_path: Path) -> None:
    (line,) = (word for word in GUIDE.split("`") if word.startswith("labels: ["))
    production = os.path.relpath(KUBERNETES / "production", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{production}]\n{line}\n", "utf-8")
    (monitor,) = (each for each in built(tmp_path) if each["kind"] == "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "NAME"


def test_an_operators_token_is_not_among_the_arguments_of_exec(tmp_path: Path) -> None:
    """The guide's two helpers, with a kubectl that writes down its arguments and runs the rest here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in (
        ("kubectl", 'printf "%s\\n" "$@" >arguments; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'),
        ("shanliu", 'echo "$OPERATOR_TOKEN $*"; cat "$3"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n", "utf-8")
        (programs / name).chmod(0o755)
    secrets = tmp_path / "deploy" / "kubernetes" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "secrets.json").write_text('{"operators": {"desk.lin": "a-token"}}', "utf-8")
    (tmp_path / "plan").write_text("the plan\n", "utf-8")
    helpers = [line for line in GUIDE.splitlines() if line.startswith(("operator()", "as()"))]
    done = subprocess.run(
        ["sh", "-c", "\n".join([*helpers, "as desk.lin campaign launch /dev/stdin <plan"])],
        cwd=tmp_path,
        env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "a-token campaign launch /dev/stdin\nthe plan\n"
    assert "a-token" not in (tmp_path / "arguments").read_text("utf-8")


# ---------------------------------------------------------------- commands of operators


def test_who_may_do_everything_is_not_there_until_asked_for() -> None:
    for overlay in OVERLAYS:
        deployment = named(overlay, "Deployment", "operations")
        prepared, template = dict(pods(overlay))["prepare"], deployment["spec"]["template"]
        assert deployment["spec"]["replicas"] == 0
        assert [reference["name"] for _, reference in projected(template)] == [
            "administrator",
            "databases",
            "kafka-operations",
            "kafka-reporting",
            "kafka-ca",
            "postgres-ca",
        ]
        (command,), (wanted,) = containers(template), containers(prepared)
        assert {key: value for key, value in command.items() if key not in {"command", "resources"}} == {
            key: value for key, value in wanted.items() if key not in {"command", "resources"}
        }


def asked_of_a_pod() -> list[tuple[str, str]]:
    """The target and the rest of each `kubectl exec` in the documents."""
    documents = " ".join(
        (ROOT / "docs" / name).read_text("utf-8") for name in ("kubernetes.md", "operations.md")
    )
    return re.findall(r"kubectl exec (?:-i )?(\w+/[\w-]+) ([^`\n]*)", documents)


@pytest.mark.parametrize(("target", "rest"), asked_of_a_pod())
def test_what_the_documents_ask_of_a_pod_it_has(target: str, rest: str, made: Mapping[str, Object]) -> None:
    kind, _, name = target.partition("/")
    template = named("one-node", {"deployment": "Deployment", "statefulset": "StatefulSet"}[kind], name)[
        "spec"
    ]["template"]
    chosen = re.search(r"-c (\w+)", rest.partition(" -- ")[0])
    known = [each["name"] for each in template["spec"]["containers"]]
    assert (chosen.group(1) if chosen else known[0]) in known
    assert chosen or len(containers(template)) == 1, "with an init container kubectl has to be told which"

    files = set()
    for kind_, reference in projected(template):
        keys = made[reference["name"]]["data"] if reference["name"] in made else ["kafka_sasl_password"]
        files |= {each["path"] for each in reference.get("items", [])} or (
            {*keys} if kind_ == "secret" else set()
        )
    assert {*re.findall(r"/run/secrets/(\w+)", rest)} <= files
    for command in re.findall(r"\bshanliu ([a-z-]+)", rest):
        assert command in get_group(app).commands
    for service, command in re.findall(r"python -m services\.(\w+) (\w+)", rest):
        assert command in str(importlib.import_module(f"services.{service}.__main__").__doc__)


# ---------------------------------------------------------------- the way in

OURS: Final = ("/livez", "/readyz", "/metrics")


def reached(host: str, path: str) -> str | None:
    """The Service that the Ingress of a host sends a path to: the longest that fits, exact ones first."""
    rules = [
        rule for each in of("production", "Ingress") for rule in each["spec"]["rules"] if rule["host"] == host
    ]
    (paths,) = [rule["http"]["paths"] for rule in rules]
    fitting = [each for each in paths if _fits(each, path)]
    best = max(fitting, key=lambda each: (each["pathType"] == "Exact", len(each["path"])), default=None)
    return best and str(best["backend"]["service"]["name"])


def _fits(given: Object, path: str) -> bool:
    prefix = given["path"].rstrip("/")
    return path == given["path"] or (given["pathType"] == "Prefix" and path.startswith(prefix + "/"))


def _paths(service: str) -> Mapping[str, Object]:
    """As the committed document has them, which the contract tests compare with the application."""
    document = json.loads((API / f"openapi.{service}.json").read_text("utf-8"))
    return {path: methods for path, methods in document["paths"].items() if path not in OURS}


def test_whoever_comes_from_outside_reaches_what_is_for_him_and_not_what_is_for_us() -> None:
    for host in ("screens", "console", "give", "messages"):
        assert {reached(f"{host}.example.org", path) for path in OURS} <= {None, "nowhere"}
    assert {reached("screens.example.org", path) for path in _paths("reporting")} == {"reporting"}
    assert reached("console.example.org", "/") == "console"
    outside = ("/v1/channels", "/v1/donations", "/v1/receipts/check/", "/v1/receipts/trace/")
    for path in _paths("donation"):
        assert (reached("give.example.org", path) == "donation") == path.startswith(outside), path
    for path in (
        "/v1/messages",
        "/v1/templates",
        "/v1/receipt-mails",
        "/v1/notices",
        "/v1/webhook-endpoints",
    ):
        assert reached("messages.example.org", path) is None
    assert reached("messages.example.org", "/unsubscribe/token") == "notification"


def test_the_internets_way_in_leads_operators_nowhere() -> None:
    """Where its prefixes cover their routes, the service knows by X-Forwarded-For who comes that way."""
    led = set()
    for host, service in (("give", "donation"), ("messages", "notification")):
        for path, methods in _paths(service).items():
            for_operators = any(
                {"operator"} & {*way} for each in methods.values() for way in each.get("security", [])
            )
            if for_operators and reached(f"{host}.example.org", path):
                led.add(service)
    assert led == {"donation"}
    assert settings("production", process("production", "donation"))["OPERATORS_BY_PROXY"] == "false"
    assert "sets X-Forwarded-For" in GUIDE
    assert "x-forwarded-for" not in {*REQUEST_HEADERS}, "the console comes with none"
