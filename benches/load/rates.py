"""Genuine deliveries at full load, to our receivers and to bare ones in alternating rounds."""

from statistics import median

from receiver import SAMPLE, Receiver, signed
from wrk import wrk

CONNECTIONS = 32
GROUPS = [("bare_axum", "axum_layer", "axum_extractor"), ("bare_actix", "actix_middleware", "actix_extractor")]


def spread(values):
    """Returns the median, and the limits within which 80 % of the values are."""
    values = sorted(values)
    cut = len(values) // 10
    return {"median": median(values), "low": values[cut], "high": values[-1 - cut]}


def rates(rounds, seconds):
    """Returns a row for each receiver, and the faults."""
    receivers = [Receiver(name) for group in GROUPS for name in group]
    samples = {receiver.name: [] for receiver in receivers}
    faults = []
    try:
        for round in range(rounds + 1):
            for at in range(len(receivers)):
                # Each round begins with another receiver.
                receiver = receivers[(round + at) % len(receivers)]
                # A delivery stays fresh for 300 seconds, and so for the whole round.
                counted = wrk(receiver, signed(SAMPLE), SAMPLE, seconds, CONNECTIONS)
                if counted["refused"] or counted["broken"] or not counted["requests"]:
                    faults.append(f"{receiver.name}: genuine deliveries at full load: {counted}")
                if round > 0:  # The first round is a warm-up.
                    samples[receiver.name].append(counted)
    finally:
        for receiver in receivers:
            receiver.stop()

    rows = []
    for group in GROUPS:
        for name in group:
            row = {"receiver": name}
            for key in ["rate", "p50", "p99"]:
                pairs = zip(samples[name], samples[group[0]])
                row[key] = spread([own[key] for own in samples[name]])["median"]
                row[f"{key}_ratio"] = spread([own[key] / bare[key] for own, bare in pairs])
            rows.append(row)
    return rows, faults


def show(rows):
    ratio = lambda of: "{median:.2f} ({low:.2f} - {high:.2f})".format(**of)
    print(f"{'':18} {'requests/s':>10} {'ratio':>21} {'p50 ms':>7} {'ratio':>21} {'p99 ms':>7} {'ratio':>21}")
    for row in rows:
        print(f"{row['receiver']:18} {row['rate']:10.0f} {ratio(row['rate_ratio']):>21} {row['p50']:7.2f} {ratio(row['p50_ratio']):>21}"
              f" {row['p99']:7.2f} {ratio(row['p99_ratio']):>21}")
