"""The manifest of a cluster is valid by Kubernetes' schemas, agrees with itself, the image and the hosts' settings.

RayCluster is the KubeRay operator's own kind, whose schema no package brings: its fields are those of the operator's
reference of ray.io/v1, and what is in it, templates of pods, is checked as pods.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from openclaw_actors.settings.sections import Server, Settings, Supervision
from tests.deploy.image import ROOT, instructions
from tests.deploy.test_files import DRAIN_S, secrets_of, settings_of

MANIFEST = ROOT / "config" / "kubernetes" / "cluster.yaml"
VERSIONS = pytest.mark.parametrize("version", ["1.29", "1.33"])

CLUSTER_FIELDS = {
    "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec",
    "headServiceAnnotations", "managedBy", "rayVersion", "suspend", "workerGroupSpecs",
}  # fmt: skip
HEAD_FIELDS = {"enableIngress", "headService", "rayStartParams", "serviceType", "template"}
GROUP_FIELDS = {
    "groupName", "idleTimeoutSeconds", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams", "replicas",
    "scaleStrategy", "suspend", "template",
}  # fmt: skip
REDIS_FIELDS = {"externalStorageNamespace", "redisAddress", "redisPassword", "redisUsername"}


def manifests() -> dict[str, dict]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text())}


def spec() -> dict:
    return manifests()["RayCluster"]["spec"]


def groups() -> dict[str, dict]:
    return {each["groupName"]: each for each in spec()["workerGroupSpecs"]}


def templates() -> dict[str, dict]:
    return {"head": spec()["headGroupSpec"]["template"]} | {name: each["template"] for name, each in groups().items()}


def hosts() -> dict:
    (container,) = templates()["hosts"]["spec"]["containers"]
    return container


@VERSIONS
def test_what_kubernetes_itself_knows_holds_to_its_schemas(version):
    found = manifests()
    assert found.keys() == {"ConfigMap", "RayCluster", "Service", "PodDisruptionBudget"}
    for each in found.values():
        if each["kind"] != "RayCluster":
            kubernetes_validate.validate(each, version, strict=True)


@VERSIONS
@pytest.mark.parametrize("name", ["head", "hosts", "engines"])
def test_each_template_is_a_pod(name, version):
    pod = {"apiVersion": "v1", "kind": "Pod", **templates()[name]}
    kubernetes_validate.validate(pod, version, strict=True)


def test_the_ray_cluster_has_fields_that_there_are():
    cluster = manifests()["RayCluster"]
    assert cluster["apiVersion"] == "ray.io/v1"
    assert cluster["spec"].keys() <= CLUSTER_FIELDS
    assert cluster["spec"]["headGroupSpec"].keys() <= HEAD_FIELDS
    assert cluster["spec"]["gcsFaultToleranceOptions"].keys() <= REDIS_FIELDS
    for group in groups().values():
        assert group.keys() <= GROUP_FIELDS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for params in (spec()["headGroupSpec"]["rayStartParams"], *(each["rayStartParams"] for each in groups().values())):
        assert all(isinstance(value, str) for value in params.values()), "the operator takes strings alone"


def test_the_ray_of_the_manifest_is_one_that_the_package_takes():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (ours,) = map(Requirement, extras["cluster"])
    assert ours.name == "ray"
    assert ours.specifier.contains(spec()["rayVersion"])


def test_parts_select_each_other_and_what_is_mounted_is_there():
    found = manifests()
    labels = templates()["hosts"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    for template in templates().values():
        pod = template["spec"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        for container in pod["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} == volumes.keys()
    settings = {each["name"]: each for each in templates()["hosts"]["spec"]["volumes"]}["settings"]
    assert settings["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]


def test_pods_run_the_image_as_it_is_made_and_may_write_where_ray_does():
    told = dict(instructions())
    uid, gid = map(int, told["USER"].split(":"))
    for template in templates().values():
        pod = template["spec"]
        security = pod["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (uid, gid, gid)
        for container in pod["containers"]:
            assert {each["mountPath"] for each in container["volumeMounts"]} >= {told["VOLUME"], "/tmp"}
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "$KUBERAY_GEN_RAY_START_CMD" in container["args"][0], "the image would begin with `serve`"


def test_hosts_that_drain_are_not_ready_and_are_not_killed():
    container, pod = hosts(), templates()["hosts"]["spec"]
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    slept = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > DRAIN_S + slept
    patience = container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"]
    assert patience > Supervision().loop_abort_s
    assert container["args"][0].splitlines()[-1].startswith("exec openclaw-actors serve"), "it has the pod's signals"


def settings(folder: Path) -> Settings:
    environ = {each["name"]: each.get("value", "") for each in hosts()["env"] if each["name"].startswith("OPENCLAW_")}
    environ["OPENCLAW_ACTORS_STORE__URL"] = "postgresql://openclaw:password@postgres/calls"  # from the Secret
    environ["OPENCLAW_ACTORS_CLUSTER__ZONE"] = "node-1"
    environ = {name: value.replace("$(NODE_IP)", "192.0.2.7") for name, value in environ.items()}
    return settings_of(manifests()["ConfigMap"]["data"]["host.toml"], secrets_of(environ, folder), folder)


def test_the_hosts_have_settings_that_are_good_and_ask_for_what_the_manifest_gives(tmp_path):
    ours = settings(tmp_path)
    (port,) = hosts()["ports"]
    assert port["containerPort"] == ours.server.port
    assert ours.server.drain_timeout_s == Server().drain_timeout_s
    assert ours.webrtc.announced_ips == ("192.0.2.7",)
    assert (ours.cluster.engine, ours.cluster.address) == ("ray", "auto")
    assert ours.auth.join_secret.get_secret_value()
    gpus = int(templates()["engines"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
    assert ours.cluster.engines * ours.cluster.engine_gpus == groups()["engines"]["replicas"] * gpus
    assert set(ours.cluster.shared) <= {*ours.stt.engines, *ours.tts.engines}


def test_ray_itself_can_be_lost(tmp_path):
    assert spec()["gcsFaultToleranceOptions"]["redisAddress"]
    assert spec()["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0", "nothing dies with the head"
