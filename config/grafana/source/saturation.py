"""What is full, what is refused, what is dropped?"""

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
        "From submission to the beginning of the batch. It grows first when more comes than the networks can take.",
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
        "On average. Batches form behind busy workers: larger ones mean that the workers are busy.",
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
        "Answers that were no success",
        "HTTP answers by the code in them: queue_full is ours, image_corrupt the caller's. The README's table has all.",
        "reqps",
        [query(rate("refusals_total", ["reason"], INSTANCE), "{{reason}}")],
        stacked=True,
    ),
    lines(
        "Lost behind the queue",
        "Pictures whose caller left (abandoned) or whose deadline passed (expired) before they were run, and batches that "
        "failed.",
        "reqps",
        [query(rate("batch_losses_total", [*VERSION, "reason"], MODEL), NAME + " {{reason}}")],
        stacked=True,
    ),
]

DOORS = [
    lines(
        "Connections",
        "Open now, by listener. At max_connections the newest are closed.",
        "none",
        [query(f"sum by (instance, listener) (stillhouse_connections{{{INSTANCE}}})", "{{instance}} {{listener}}")],
        min=0,
        width=8,
    ),
    lines(
        "Connections turned away",
        "Closed at once because max_connections were open, and failed accepts (for want of file descriptors, say).",
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
        "Being answered now; and callers who left before their answer, per second.",
        "none",
        [
            query(f"sum by (instance) (stillhouse_requests_in_flight{{{INSTANCE}}})", "{{instance}} in flight"),
            query(rate("clients_gone_total", ["instance"], INSTANCE), "{{instance}} left, per second"),
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
        "Open now. Dashed: the process's limit.",
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
        "The slowest half of what loading took in the last hour, by stage: tried in a process of its own, read, examined and "
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
        "Answers that were sampled, by who gave them, and pairs that came of them.",
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
        "By why. budget and cooldown are meant; queue_full says that the machine is busy, and shadows go first; the others "
        "that something is broken.",
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
    "What is full, what is refused, what is dropped?",
    [("Queue", QUEUE), ("Doors", DOORS), ("Machine", MACHINE), ("Shadows", SHADOWS)],
)
