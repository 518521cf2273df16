"""Stages and actors: what fails, what restarts, what waits."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel
from dashboards.source.queries import per_minute, quantile, rate, total

STAGES = (
    Panel(
        "Restarts",
        "By stage and reason, those that happened. crash: our bug, or an engine's that raised what it may not; slow: "
        "a deadline passed; broken, refused, unavailable: the engine. Callers mostly hear none of it.",
        "cpm",
        {"{{stage}} {{reason}}": f"{per_minute('stage_restarts_total', by='stage, reason')} > 0"},
        runbook="stagerestarting",
    ),
    Panel(
        "Down time",
        "Down to ready again. A restart in place takes under 10 ms; seconds are back-off, or a model that loads.",
        "s",
        {"p95 {{stage}}": quantile(0.95, "stage_down_seconds", by="stage")},
        limits=(0.5, 2.0),
        runbook="stagerestarting",
    ),
    Panel(
        "Passing faults, tried again in place",
        "A 5xx, a dropped connection: the stage lives on, and the caller waits a little longer.",
        "cpm",
        {"{{stage}}": per_minute("stage_retries_total", by="stage")},
        runbook="enginefailing",
    ),
    Panel(
        "Steps of the ladder",
        "next_engine: another engine took over. repeat_please: the caller was asked again. apology, hang_up: nothing "
        "served a stage any more, and the call ended.",
        "cpm",
        {"{{step}}": per_minute("escalations_total", by="step")},
        runbook="callsgivenup",
    ),
    Panel(
        "Engines replaced in calls",
        "From which to which, those that happened.",
        "cpm",
        {
            "{{stage}}: {{from_engine}} to {{to_engine}}": (
                f"{per_minute('engine_switches_total', by='stage, from_engine, to_engine')} > 0"
            )
        },
        runbook="enginereplaced",
    ),
)

MAIL = (
    Panel(
        "Deepest mailbox",
        "Of any call, in the last second. Tens are a burst; hundreds are a stage that does not keep up.",
        "short",
        {"{{stage}}": total("mailbox_depth", by="stage", how="max")},
        limits=(50, 200),
        runbook="mailboxbacklog",
    ),
    Panel(
        "How long mail waits, p99",
        "Sent to handled, one message in 16. 20 ms is a packet's time.",
        "s",
        {"{{stage}}": quantile(0.99, "message_wait_seconds", by="stage")},
        limits=(0.02, 0.1),
        runbook="mailboxbacklog",
    ),
    Panel(
        "Dead letters",
        "Messages that nobody handled, those that happened: the one that crashed a stage, or mail for a call that "
        "ended.",
        "cpm",
        {"{{stage}} {{message}}": f"{per_minute('dead_letters_total', by='stage, message')} > 0"},
        runbook="deadletters",
    ),
    Panel(
        "Stale mail",
        "Dropped because the caller had spoken over it: the fence at work, no fault.",
        "cpm",
        {"{{stage}}": per_minute("stale_messages_total", by="stage")},
    ),
    Panel(
        "Killed after their call",
        "Stages, or whole calls, that did not end when their call did, those that happened: a fault of ours.",
        "cpm",
        {"{{actor}}": f"{per_minute('actors_reaped_total', by='actor')} > 0"},
        runbook="actorsleft",
    ),
)

LOOP = (
    Panel(
        "Lateness of the event loop",
        "The worst in the last second. All calls of a process wait that long.",
        "s",
        {"{{instance}}": total("event_loop_lag_seconds", by="instance", how="max")},
        limits=(0.05, 0.1),
        runbook="eventlooplate",
    ),
    Panel(
        "How busy the event loop is",
        "The share of the last second for which it computed. It is one thread: near 1, whatever comes waits.",
        "percentunit",
        {"{{instance}}": total("event_loop_busy_ratio", by="instance", how="max")},
        limits=(0.7, 0.9),
        runbook="eventlooplate",
    ),
    Panel(
        "Stalls",
        "The loop stood still for so long that the stacks of all threads were written to the log.",
        "cpm",
        {"{{instance}}": per_minute("event_loop_stalls_total", by="instance")},
        runbook="eventloopstalled",
    ),
    Panel(
        "Jobs that wait for a worker",
        "By pool. Recognisers and voices that compute run in worker processes, which take several jobs at once.",
        "short",
        {"{{pool}}": total("pool_queue_depth", by="pool", how="max")},
        limits=(4, 16),
        runbook="workersbehind",
    ),
    Panel(
        "Workers killed",
        "Past a deadline. Each costs the jobs it had a second try.",
        "cpm",
        {"{{pool}}": per_minute("pool_abandoned_total", by="pool")},
        runbook="workerskilled",
    ),
    Panel(
        "Jobs a worker takes at once",
        "The mean. More than one means that callers speak at the same time, and share a batch.",
        "short",
        {"{{pool}}": f"{rate('pool_batch_jobs_sum', by='pool')} / {rate('pool_batch_jobs_count', by='pool')}"},
    ),
    Panel(
        "Garbage collections",
        "By generation. A full collection of a host with many calls takes milliseconds of the loop.",
        "cps",
        {"generation {{generation}}": rate("python_gc_collections_total", by="generation")},
    ),
)

RECORDS = (
    Panel(
        "Records that wait to be written",
        "Events go to their listeners when they are committed, so this is their delay too.",
        "short",
        {"{{instance}}": total("store_queue_depth", by="instance", how="max")},
        limits=(100, 1000),
        runbook="storebehind",
    ),
    Panel(
        "Writing a batch of records",
        "Begin to commit.",
        "s",
        {"p95": quantile(0.95, "store_write_seconds"), "p99": quantile(0.99, "store_write_seconds")},
        runbook="storebehind",
    ),
    Panel(
        "Failures of the store",
        "By reason, those that happened. Calls go on without records.",
        "cpm",
        {"{{reason}}": f"{per_minute('store_failures_total', by='reason')} > 0"},
        runbook="storefailing",
    ),
)

STAGES_AND_ACTORS = Dashboard(
    "openclaw-actors-stages",
    "Stages and actors",
    "What fails, what restarts, what waits: which stage is wrong, and why.",
    (("Stages", STAGES), ("Mail", MAIL), ("Loop and workers", LOOP), ("Records", RECORDS)),
)
