"""Cluster: every host beside the others."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel
from dashboards.source.queries import of, per_minute, quantile, rate, total

HOSTS = (
    Panel(
        "Hosts",
        "1: Prometheus reaches it, and it takes new calls. 0 after SIGTERM or a drain is as it should be.",
        "short",
        {
            "{{instance}} up": total("up", by="instance", how="min"),
            "{{instance}} takes calls": total("ready", by="instance", how="min"),
        },
        kind="state-timeline",
        width=24,
        values={"0": ("no", "red"), "1": ("yes", "green")},
        runbook="hostdown",
    ),
    Panel(
        "Version and uptime",
        "Seconds since each process began; a host that begins again and again crashes, or is killed.",
        "dtdurations",
        {"{{instance}}": f"time() - {of('process_start_time_seconds')}"},
        runbook="hostrestarts",
    ),
    Panel(
        "Versions",
        "Hosts by version: two at once is a roll-out.",
        "short",
        {"{{version}}": total("build_info", by="version")},
    ),
    Panel(
        "Calls by host",
        "Against its places.",
        "short",
        {
            "{{instance}}": total("calls_active", by="instance"),
            "{{instance}} places": total("calls_limit", by="instance"),
        },
        runbook="hostnearlyfull",
    ),
    Panel(
        "Refused for want of a place",
        "By host: unevenness here is the balancer's.",
        "cpm",
        {"{{instance}}": per_minute("calls_rejected_total", 'reason=~"full|overloaded|draining"', by="instance")},
        runbook="callersrefusedfull",
    ),
)

MACHINE = (
    Panel(
        "Processor",
        "Cores that the process takes; its loop has one, so from 0.7 on calls begin to notice. Workers are not in it.",
        "short",
        {"{{instance}}": rate("process_cpu_seconds_total", by="instance")},
        limits=(0.7, 0.9),
        runbook="eventlooplate",
    ),
    Panel(
        "Memory",
        "Resident. It rises with calls and falls little; a slope that goes on without calls is a leak.",
        "bytes",
        {"{{instance}}": total("process_resident_memory_bytes", by="instance")},
        runbook="memorygrowing",
    ),
    Panel(
        "File descriptors",
        "Open, and how many may be: a call has two to six.",
        "short",
        {
            "{{instance}}": total("process_open_fds", by="instance"),
            "{{instance}} at most": total("process_max_fds", by="instance"),
        },
        runbook="descriptorsrunningout",
    ),
    Panel(
        "Lateness of the loop, by host",
        "The worst in the last second.",
        "s",
        {"{{instance}}": total("event_loop_lag_seconds", by="instance", how="max")},
        limits=(0.05, 0.1),
        runbook="eventlooplate",
    ),
)

FRONTS = (
    Panel(
        "Hosts, as each front knows them",
        "open: takes calls. All that are not open while nobody drains: look at their logs, and at Ray's.",
        "short",
        {"{{instance}} {{state}}": total("cluster_hosts", by="instance, state", how="max")},
    ),
    Panel(
        "New calls that fronts placed",
        "placed_again: the first host that was asked had filled up or died. head_away: Ray's head does not answer.",
        "cpm",
        {"{{result}}": per_minute("cluster_placements_total", by="result")},
    ),
    Panel(
        "Ray's head answers",
        "0: calls go on, and no new ones are placed.",
        "short",
        {"{{instance}}": total("cluster_head_up", by="instance", how="min")},
        values={"0": ("no", "red"), "1": ("yes", "green")},
        kind="state-timeline",
    ),
)

SHARED = (
    Panel(
        "Calls lost with their host, by who put it on record",
        "A host of the cluster died: these calls are failed, node_lost. Their callers may go on in new calls.",
        "cpm",
        {"{{instance}}": per_minute("calls_ended_total", 'reason="node_lost"', by="instance")},
        runbook="hostlost",
    ),
    Panel(
        "Places of the cluster",
        "Taken, and those of all hosts that take calls. A host that dies or drains takes its free ones along.",
        "short",
        {
            "taken": total("calls_active"),
            "there are": f"sum ({of('calls_limit')} and on (job, instance) {of('ready')} == 1)",
        },
        runbook="clusternearlyfull",
    ),
    Panel(
        "Shared engines: actors that serve",
        "The fewest and the most that any host may ask. They differ when hosts do not reach the same machines.",
        "short",
        {
            "{{engine}}: fewest": total("engine_actors_serving", by="engine", how="min"),
            "{{engine}}: most": total("engine_actors_serving", by="engine", how="max"),
        },
        runbook="engineactorsgone",
    ),
    Panel(
        "Shared engines: what actors have to do",
        "Requests of all hosts that an actor had when it last told. One far above the others is on a slower machine; "
        "all above 16 want another.",
        "short",
        {"{{engine}} {{actor}}": total("engine_actor_requests", by="engine, actor", how="max")},
    ),
    Panel(
        "Shared engines: actors lost",
        "Each time that a host found that one does not answer any more; Ray starts it anew.",
        "cpm",
        {"{{engine}}": per_minute("engine_actors_lost_total", by="engine")},
        runbook="engineactorsgone",
    ),
)

FACES = (
    Panel(
        "HTTP requests",
        "By route and code.",
        "reqps",
        {"{{method}} {{route}} {{code}}": rate("http_requests_total", by="method, route, code")},
    ),
    Panel(
        "HTTP requests' time",
        "Streams (events, media) are not in it.",
        "s",
        {"p50": quantile(0.5, "http_request_seconds"), "p99": quantile(0.99, "http_request_seconds")},
    ),
    Panel(
        "Events delivered by webhook",
        "failed: to be tried again. given_up, gone: lost for that receiver.",
        "cpm",
        {"{{result}}": per_minute("webhook_deliveries_total", by="result")},
        runbook="webhooksgivenup",
    ),
)

CLUSTER = Dashboard(
    "openclaw-actors-cluster",
    "Cluster",
    "Every host beside the others.",
    (("Are they there", HOSTS), ("As one", SHARED), ("Fronts", FRONTS), ("Machines", MACHINE), ("HTTP", FACES)),
)
