"""Draws the panels of the dashboard as an SVG, from the data of a Prometheus: a part of scripts/alerts.py."""

import html
import math

import dashboard

WIDTH, HEIGHT, COLUMNS, GAP = 400, 190, 3, 14
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 30, 34
STEPS = 120
COLORS = ["#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#b59400", "#0f7b8a", "#a16a85"]


def number(value):
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def text(x, y, words, size=11, anchor="start", color="#333"):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{color}">{html.escape(words)}</text>'


def legend_of(template, labels):
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template


def lines(series, place, top, step):
    """Draws each series as a line, broken where it has no value."""
    parts = []
    for index, (_, points) in enumerate(series):
        path, before = [], None
        for at, value in points:
            if not math.isfinite(value):
                before = None
                continue
            x, y = place(at, value / top)
            follows = before is not None and at - before < 1.5 * step
            path.append(f"{'L' if follows else 'M'}{x:.1f} {y:.1f}")
            before = at
        parts.append(f'<path d="{" ".join(path)}" fill="none" stroke="{COLORS[index % len(COLORS)]}" stroke-width="1.5"/>')
    return parts


def heat(series, place, start, end):
    """Draws how many deliveries each bucket has, one column for each step. The buckets are cumulative."""
    bounds = sorted(series, key=lambda each: float(each[0].replace("+Inf", "inf")))
    rows, below = [], {}
    for label, points in bounds:
        values = dict(points)
        rows.append((label, {at: value - below.get(at, 0) for at, value in values.items()}))
        below = values
    rows = [(label, values) for label, values in rows if any(value > 1e-9 for value in values.values())]
    most = max((value for _, values in rows for value in values.values()), default=1)
    parts, width = [], (WIDTH - LEFT - RIGHT) / STEPS + 0.3
    for index, (label, values) in enumerate(rows):
        x, low = place(start, index / len(rows))
        high = place(start, (index + 1) / len(rows))[1]
        parts.append(text(x - 4, (low + high) / 2 + 4, f"≤ {label}", 10, "end", "#666"))
        for at, value in values.items():
            if value > 1e-9:
                x, _ = place(at, 0)
                parts.append(f'<rect x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{low - high - 1:.1f}" '
                             f'fill="#3274d9" opacity="{0.15 + 0.85 * value / most:.2f}"/>')
    return parts


def panel(query, start, end, title, kind, targets, unit):
    series = []
    for expression, legend in targets:
        expression = expression.replace("$__rate_interval", "10s").replace("$job", "agentmail")
        found = query("query_range", query=expression, start=start, end=end, step=(end - start) / STEPS)["result"]
        series += [(legend_of(legend, each["metric"]), [(float(at), float(value)) for at, value in each["values"]])
                   for each in found]
    place = lambda at, share: (LEFT + (WIDTH - LEFT - RIGHT) * (at - start) / (end - start),
                               HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(share, 1))
    values = [value for _, points in series for _, value in points if math.isfinite(value)]
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff" stroke="#ccc"/>',
             text(8, 18, title, 13), text(WIDTH - 8, 18, unit, 10, "end", "#666")]
    if not values:
        return parts + [text(WIDTH / 2, HEIGHT / 2, "no data: this receiver has no claims", 11, "middle", "#666")]
    if kind == "heatmap":
        return parts + heat(series, place, start, end)
    top = max(values) * 1.05 or 1
    for share in (0, 0.5, 1):
        _, y = place(start, share)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#eee"/>')
        parts.append(text(LEFT - 4, y + 4, number(top * share), 10, "end", "#666"))
    series.sort(key=lambda each: -max((value for _, value in each[1] if math.isfinite(value)), default=0))
    parts += lines(series, place, top, (end - start) / STEPS)
    x = LEFT
    for index, (name, _) in enumerate(series):
        if x + 6.2 * len(name) > WIDTH - 20:
            parts.append(text(x, HEIGHT - 10, "…", 10))
            break
        parts.append(text(x, HEIGHT - 10, name, 10, color=COLORS[index % len(COLORS)]))
        x += 6.2 * len(name) + 10
    return parts


def draw(query, start, end, path):
    metrics = dashboard.table()
    drawn = dashboard.dashboard(metrics)["panels"]
    rows = math.ceil(len(drawn) / COLUMNS)
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
             f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>']
    units = {"reqps": "per second", "s": "seconds", "short": ""}
    for number_of, (title, kind, targets) in enumerate(dashboard.PANELS):
        unit = units[drawn[number_of]["fieldConfig"]["defaults"]["unit"]]
        x, y = GAP + number_of % COLUMNS * (WIDTH + GAP), GAP + number_of // COLUMNS * (HEIGHT + GAP)
        parts.append(f'<g transform="translate({x} {y})">')
        parts += panel(query, start, end, title, kind, targets, unit)
        parts.append("</g>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")
    print(f"drawn: {path}")
