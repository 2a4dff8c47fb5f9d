#!/usr/bin/env python3
"""Draws the ratio to the floor by size of body, as SVG: benches/peers/plot.py RESULTS.json > docs/benchmarks.svg

RESULTS.json is what `benches/peers/run --json` writes.
"""

import json
import math
import platform
import sys
from datetime import date

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 440, 56, 210, 48, 44
COLOURS = ["#0b6e4f", "#c1440e", "#3b5ba9", "#8c6d1f", "#7a3b8f", "#1b8a9a", "#5a5a5a"]

with open(sys.argv[1]) as results:
    rows = [row for row in json.load(results) if row["group"] == "whole"]
contenders = list(dict.fromkeys(row["case"].split(": ", 1)[1] for row in rows))
sizes = sorted({row["bytes"] for row in rows})
highest = max(row["floor_ratio"] for row in rows)


def x(size):
    return LEFT + sizes.index(size) * (WIDTH - LEFT - RIGHT) / (len(sizes) - 1)


def y(ratio):
    return HEIGHT - BOTTOM - math.log(ratio) / math.log(highest * 1.1) * (HEIGHT - TOP - BOTTOM)


def text(at_x, at_y, words, anchor="start", colour="#222", size=12):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{words}</text>'


def sha():
    with open("/proc/cpuinfo") as cpu:
        return "yes" if {"sha_ni", "sha2"} & set(cpu.read().split()) else "no"


def named(size):
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
       f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
       text(LEFT, 20, "Whole call, accepted: time as a multiple of the SHA-256 floor", size=14),
       text(LEFT, 36, f"{date.today()}, {platform.machine()}, SHA instructions: {sha()}; the ratio on a logarithmic scale", colour="#666")]
for ratio in [1, 1.5, 2, 3, 5, 8, 12, 16]:
    if ratio <= highest * 1.1:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(ratio):.1f}" y2="{y(ratio):.1f}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y(ratio) + 4, f"{ratio} x", "end"))
out += [text(x(size), HEIGHT - BOTTOM + 20, named(size), "middle") for size in sizes]

labels = []
for colour, contender in zip(COLOURS, contenders):
    points = {row["bytes"]: row["floor_ratio"] for row in rows if row["case"].endswith(": " + contender)}
    line = " ".join(f"{x(size):.1f},{y(points[size]):.1f}" for size in sizes)
    out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    labels.append([y(points[sizes[-1]]), colour, contender])
# Each label is to the right of the last point. Labels that would overlap are moved apart.
labels.sort(reverse=True)
for above, label in zip(labels, labels[1:]):
    label[0] = min(label[0], above[0] - 15)
out += [text(WIDTH - RIGHT + 8, at + 4, words, colour=colour, size=11) for at, colour, words in labels]
print("\n".join(out + ["</svg>"]))
