#!/usr/bin/env python3
"""Writes the Grafana dashboard docs/alerts/dashboard.json. The descriptions and units come from docs/metrics.md.

Usage: scripts/dashboard.py            writes the file
       scripts/dashboard.py --check    fails if the file is not up to date, or if an expression of the dashboard or of the
                                       rules names a metric, a label or a value of a label that docs/metrics.md does not
                                       have, or does not parse, or if an alert links to a heading that does not exist;
                                       then runs the tests of the rules
"""

import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
ALERTS = os.path.join(ROOT, "docs", "alerts")
DASHBOARD = os.path.join(ALERTS, "dashboard.json")
RULES = os.path.join(ALERTS, "agentmail.rules.yml")

JOB = 'job=~"$job"'
RATE = "[$__rate_interval]"


def rate(metric, by, matchers=""):
    return f"sum by ({by}) (rate({metric}{{{JOB}{matchers}}}{RATE}))"


def quantile(number, metric, by):
    return f"histogram_quantile({number}, {rate(metric + '_bucket', by)})"


# Title, kind of panel, and expressions with their legends.
PANELS = [
    ("Deliveries by code", "timeseries",
     [(rate("agentmail_deliveries_total", "code") + " > 0", "{{code}}")]),
    ("Time since the last accepted delivery", "stat",
     [(f"time() - max by (job) (agentmail_last_accepted_timestamp_seconds{{{JOB}}})", "{{job}}")]),
    ("Age of accepted deliveries", "heatmap",
     [(rate("agentmail_delivery_age_seconds_bucket", "le"), "{{le}}")]),
    ("Verification", "timeseries",
     [(quantile(0.5, "agentmail_verify_duration_seconds", "le"), "p50"),
      (quantile(0.99, "agentmail_verify_duration_seconds", "le"), "p99")]),
    ("Once-only handling", "timeseries",
     [(rate("agentmail_dedupe_total", "outcome"), "{{outcome}}")]),
    ("Inbox by state", "timeseries",
     [(f'max by (state) (agentmail_inbox_messages{{{JOB},state!="dead"}})', "{{state}}")]),
    ("Oldest message that is due", "timeseries",
     [(f"max by (job) (agentmail_inbox_oldest_due_seconds{{{JOB}}})", "{{job}}")]),
    ("Attempts", "timeseries",
     [(rate("agentmail_inbox_attempts_total", "outcome"), "{{outcome}}")]),
    ("Dead messages", "stat",
     [(f'max by (job) (agentmail_inbox_messages{{{JOB},state="dead"}})', "{{job}}")]),
    ("Secret in use", "timeseries",
     [(rate("agentmail_accepted_by_secret_total", "secret"), "{{secret}}")]),
    ("Calls of stores, p99", "timeseries",
     [(quantile(0.99, "agentmail_store_duration_seconds", "le, op, store"), "{{store}} {{op}}")]),
    ("Events by type", "timeseries",
     [(rate("agentmail_events_total", "type"), "{{type}}")]),
]


def section(heading):
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as page:
        text = page.read().split(f"\n{heading}\n")[1].split("\n#")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    assert rows, f"{heading} has no table"
    return [[cell.strip() for cell in row] for row in rows]


def table():
    """Returns each metric by its name: its type, unit, labels and description. A label has its values, or None for any."""
    codes = lambda cell: re.findall(r"`([^`]+)`", cell)
    values = {(codes(metric)[0], codes(label)[0]): codes(value) for label, metric, value in section("## The labels")}
    metrics = {}
    for name, kind, unit, labels, description in section("## The metrics"):
        name = codes(name)[0]
        labels = {label: None if label == "secret" else values[name, label] for label in codes(labels)}
        metrics[name] = (kind, unit, labels, description)
    return metrics


def metric_of(name, metrics):
    """Returns the metric that a series belongs to: a histogram has three series."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    if base != name and metrics.get(base, ("",))[0] == "histogram":
        return base
    return name if name in metrics and metrics[name][0] != "histogram" else None


def dashboard(metrics):
    panels = []
    for number, (title, kind, targets) in enumerate(PANELS):
        name = metric_of(re.search(r"agentmail_\w+", targets[0][0])[0], metrics)
        metric, unit, _, description = metrics[name]
        unit = {"counter": "reqps"}.get(metric, {"seconds": "s", "bytes": "bytes"}.get(unit, "short"))
        panels.append({
            "title": title,
            "description": description,
            "type": kind,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 8, "x": number % 3 * 8, "y": number // 3 * 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "options": {"calculate": False} if kind == "heatmap" else {},
            "targets": [{"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend,
                         **({"format": "heatmap"} if kind == "heatmap" else {})}
                        for index, (expression, legend) in enumerate(targets)],
        })
    return {
        "title": "AgentMail webhooks",
        "tags": ["agentmail"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {"name": "job", "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"},
             "query": "label_values(agentmail_deliveries_total, job)", "includeAll": True, "multi": True},
        ]},
        "panels": panels,
    }


def faults_of(expression, metrics):
    """Returns what an expression names that the tables do not have."""
    faults = []
    known = {label for _, _, labels, _ in metrics.values() for label in labels} | {"job", "instance", "le"}
    for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        faults += [f"label {label}" for label in re.findall(r"\w+", labels) if label not in known]
    for name, matchers in re.findall(r"\b(agentmail_\w+)(?:\{([^}]*)\})?", expression):
        metric = metric_of(name, metrics)
        if metric is None:
            faults.append(f"metric {name}")
            continue
        kind, _, labels, _ = metrics[metric]
        for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
            if label in ("job", "instance") or (label == "le" and kind == "histogram"):
                continue
            if label not in labels:
                faults.append(f"label {label} of {metric}")
            elif labels[label] is not None:
                faults += [f'{label}="{each}" of {metric}' for each in value.split("|") if each not in labels[label]]
    if not re.search(r"\bagentmail_|\bup\{", expression):
        faults.append("no metric")
    return faults


def rules():
    """Returns the alerts of the rules file: name, expression and runbook."""
    with open(RULES, encoding="utf-8") as file:
        alerts = file.read().split("- alert: ")[1:]
    found = []
    for alert in alerts:
        name = alert.split("\n")[0]
        expression = re.search(r"expr: (.*?)\n        (?:for|labels):", alert, re.DOTALL)[1]
        found.append((name, expression, re.search(r"runbook: (\S+)", alert)[1]))
    assert len(found) == 10, f"there are {len(found)} rules"
    return found


def headings(page):
    """Returns the anchors of a page's headings."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        titles = re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check(metrics, text):
    faults = []
    with open(DASHBOARD, encoding="utf-8") as file:
        if file.read() != text:
            faults.append("docs/alerts/dashboard.json is not up to date: run scripts/dashboard.py")
    expressions = [(title, expression) for title, _, targets in PANELS for expression, _ in targets]
    for name, expression in expressions + [(name, expression) for name, expression, _ in rules()]:
        faults += [f"{name}: there is no {fault}" for fault in faults_of(expression, metrics)]
    for name, _, runbook in rules():
        page, anchor = runbook.split("#")
        if anchor != name.lower() or anchor not in headings(page):
            faults.append(f"{name}: its runbook is not the heading `{name}` of {page}")
    if faults:
        sys.exit("\n".join(faults))
    promtool = os.path.join(subprocess.run([os.path.join(ROOT, "scripts", "prometheus")], check=True, text=True,
                                           stdout=subprocess.PIPE).stdout.strip(), "promtool")
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as generated:
        panels = [{"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$job", ".*")}
                  for number, (_, expression) in enumerate(expressions)]
        json.dump({"groups": [{"name": "panels", "rules": panels}]}, generated)  # JSON is YAML
        generated.flush()
        for command in (["check", "rules", generated.name], ["check", "rules", RULES],
                        ["test", "rules", os.path.join(ALERTS, "agentmail.test.yml")]):
            subprocess.run([promtool, *command], check=True)
    print(f"{len(PANELS)} panels, {len(rules())} alerts")


def main(arguments):
    metrics = table()
    text = json.dumps(dashboard(metrics), indent=1) + "\n"
    if arguments == ["--check"]:
        check(metrics, text)
    elif not arguments:
        with open(DASHBOARD, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
