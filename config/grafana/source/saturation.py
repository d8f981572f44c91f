"""Queues, refusals, resources and shadows"""

from frame import dashboard
from panels import INSTANCE, MODEL, RATE, ROLE, limit, lines, query


def quantile(q, histogram, by, matchers):
    rate = f"rate(stillhouse_{histogram}_bucket{{{matchers}}}{RATE})"
    return f"histogram_quantile({q}, sum by ({', '.join(['le', *by])}) ({rate}))"


def rate(counter, by, matchers):
    return f"sum by ({', '.join(by)}) (rate(stillhouse_{counter}{{{matchers}}}{RATE}))"


VERSION = ["model", "version"]
NAME = "{{model}}/{{version}}"

QUEUE = [
    lines(
        "Wait in the queue",
        "From submission to the start of the batch. Under overload this grows first.",
        "s",
        [
            query(quantile(0.5, "queue_duration_seconds", VERSION, MODEL), NAME + " p50"),
            query(quantile(0.99, "queue_duration_seconds", VERSION, MODEL), NAME + " p99"),
        ],
        logarithmic=True,
        width=8,
    ),
    lines(
        "Inference of a batch",
        "Duration of one run of the network on one batch.",
        "s",
        [
            query(quantile(0.5, "inference_duration_seconds", VERSION, MODEL), NAME + " p50"),
            query(quantile(0.99, "inference_duration_seconds", VERSION, MODEL), NAME + " p99"),
        ],
        logarithmic=True,
        width=8,
    ),
    lines(
        "Pictures in a batch",
        "Mean batch size. Batches form while workers are busy, so larger ones mean busier workers.",
        "none",
        [
            query(
                f"{rate('batch_rows_sum', VERSION, MODEL)} / {rate('batch_rows_count', VERSION, MODEL)}",
                NAME,
            )
        ],
        min=0,
        width=8,
    ),
    lines(
        "Refused and failed requests",
        "HTTP answers by their code: queue_full is the server's, image_corrupt the caller's. docs/api.md has a table.",
        "reqps",
        [query(rate("refusals_total", ["reason"], INSTANCE), "{{reason}}")],
        stacked=True,
    ),
    lines(
        "Lost after the queue",
        "Pictures whose caller disconnected (abandoned) or whose deadline passed (expired) before they were run, and batches that "
        "failed.",
        "reqps",
        [query(rate("batch_losses_total", [*VERSION, "reason"], MODEL), NAME + " {{reason}}")],
        stacked=True,
    ),
]

CONNECTIONS = [
    lines(
        "Connections",
        "Open connections, by listener. At max_connections new ones are closed.",
        "none",
        [query(f"sum by (instance, listener) (stillhouse_connections{{{INSTANCE}}})", "{{instance}} {{listener}}")],
        min=0,
        width=8,
    ),
    lines(
        "Refused connections",
        "Closed immediately because max_connections were open, and failed accepts (for example for lack of file descriptors).",
        "reqps",
        [
            query(rate("connections_refused_total", ["instance", "listener"], INSTANCE), "{{instance}} {{listener}} refused"),
            query(rate("accept_errors_total", ["instance", "listener"], INSTANCE), "{{instance}} {{listener}} not accepted"),
        ],
        min=0,
        width=8,
    ),
    lines(
        "Requests in flight",
        "Requests being answered; and callers who disconnected before their answer, per second.",
        "none",
        [
            query(f"sum by (instance) (stillhouse_requests_in_flight{{{INSTANCE}}})", "{{instance}} in flight"),
            query(rate("clients_gone_total", ["instance"], INSTANCE), "{{instance}} disconnected, per second"),
        ],
        min=0,
        width=8,
    ),
]

MACHINE = [
    lines(
        "CPU",
        "Cores in use by the process: decoding, answering and running networks.",
        "none",
        [
            query(
                f"sum by (instance) (rate(process_cpu_seconds_total{{{INSTANCE}}}{RATE}))",
                "{{instance}}",
            )
        ],
        min=0,
        width=8,
    ),
    lines(
        "Memory",
        "Resident memory of the process. It must not grow from one loaded version to the next.",
        "bytes",
        [query(f"sum by (instance) (process_resident_memory_bytes{{{INSTANCE}}})", "{{instance}}")],
        min=0,
        width=8,
    ),
    lines(
        "File descriptors",
        "Open file descriptors. Dashed: the process's limit.",
        "none",
        [
            query(f"sum by (instance) (process_open_fds{{{INSTANCE}}})", "{{instance}}"),
            limit(f"min(process_max_fds{{{INSTANCE}}})", "limit"),
        ],
        logarithmic=True,
        width=8,
    ),
    lines(
        "Decoding a picture",
        "From its bytes to the network's pixels.",
        "s",
        [
            query(quantile(0.5, "decode_duration_seconds", ["instance"], INSTANCE), "{{instance}} p50"),
            query(quantile(0.99, "decode_duration_seconds", ["instance"], INSTANCE), "{{instance}} p99"),
        ],
        logarithmic=True,
    ),
    lines(
        "Loading a version",
        "Median duration of loading in the last hour, by stage: validated in a separate process, read, measured and "
        "warmed up.",
        "s",
        [
            query(
                f"histogram_quantile(0.5, sum by (le, model, stage) "
                f"(increase(stillhouse_load_stage_duration_seconds_bucket{{{MODEL}}}[1h])))",
                "{{model}} {{stage}}",
            )
        ],
        logarithmic=True,
    ),
]

SHADOWS = [
    lines(
        "Shadows",
        "Sampled answers, by role, and the pairs compared.",
        "reqps",
        [
            query(rate("shadow_samples_total", ["model", "role"], ROLE), "{{model}} sampled, answered by {{role}}"),
            query(rate("shadow_pairs_total", ["model"], MODEL), "{{model}} pairs"),
        ],
        min=0,
        width=8,
    ),
    lines(
        "Shadows dropped",
        "By reason. budget and cooldown are intended; queue_full means that the machine is busy and shadows are dropped first; "
        "the others indicate an error.",
        "reqps",
        [query(rate("shadow_dropped_total", ["model", "reason"], MODEL), "{{model}} {{reason}}")],
        stacked=True,
        width=8,
    ),
    lines(
        "Running a shadow",
        "Duration of one batch of shadows.",
        "s",
        [
            query(quantile(0.5, "shadow_run_duration_seconds", VERSION, MODEL), NAME + " p50"),
            query(quantile(0.99, "shadow_run_duration_seconds", VERSION, MODEL), NAME + " p99"),
        ],
        logarithmic=True,
        width=8,
    ),
]

DASHBOARD = dashboard(
    "saturation",
    "Saturation",
    "Queues, refusals, resources and shadows",
    [("Queue", QUEUE), ("Connections and refusals", CONNECTIONS), ("Machine", MACHINE), ("Shadows", SHADOWS)],
)
