#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what docs/performance.md shows and writes its tables and its plot anew.

    bench/update_performance.py --bench build/bench/attn-bench \\
        --library build/src/libattn.so --peers peers/bin/python

The text is left alone: only what stands between <!-- NAME --> and <!-- end -->
is replaced. --only suite,suite does a part; without --peers the comparison
stays as it is, without --stream the streams.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from line_plot import plot

DOCS = Path(__file__).resolve().parent.parent / "docs"
SUITES = ("prefill", "small", "decode", "masks", "dtypes", "threads", "scaling", "linear",
          "crossover", "cache")
PARTS = ("limits", "plot") + SUITES + ("selecting", "stream", "peers", "linear_peers")


def run(command, quiet=True, **env):
    """Standard output and, unless it is to be seen, the table on standard error."""
    print("+ " + " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE if quiet else None,
                          text=True, env={**os.environ, **env})
    if done.returncode:
        sys.stderr.write(done.stderr or "")
        raise SystemExit("%s failed with %d" % (command[0], done.returncode))
    return done.stdout, done.stderr


def short(problem):
    """Without what every row says, and n= where queries are as many as keys."""
    words = problem.replace("softmax ", "")
    return "`%s`" % re.sub(r"\bq=(\d+) k=\1\b", r"n=\1", words)


def table(head, rows):
    lines = ["| %s |" % " | ".join(head), "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| %s |" % " | ".join(row) for row in rows])


def number(value, digits=2):
    return "-" if value is None else "%.*f" % (digits, value)


def time_of(ns):
    return "%.1f us" % (ns * 1e-3) if ns < 1e6 else "%.1f ms" % (ns * 1e-6)


def compute_table(rows):
    return table(
        ("problem", "solver", "time", "GF/s", "of peak", "of sgemm", "times gemm"),
        [(short(r["problem"]), r["solver"], time_of(r["ns_median"]), number(r["gflops"], 1),
          number(r["of_peak"]), number(r["of_sgemm"]), number(r["of_materialised"]))
         for r in rows])


def memory_table(rows):
    return table(
        ("problem", "solver", "time", "GB/s", "of reading RAM", "of peak", "times gemm"),
        [(short(r["problem"]), r["solver"], time_of(r["ns_median"]), number(r["gbps"], 1),
          number(r["of_bandwidth"]), number(r["of_peak"]), number(r["of_materialised"], 1))
         for r in rows])


def both_table(rows):
    return table(
        ("problem", "time", "GF/s", "of peak", "GB/s", "of reading RAM", "times gemm"),
        [(short(r["problem"]), time_of(r["ns_median"]), number(r["gflops"], 1),
          number(r["of_peak"]), number(r["gbps"], 1), number(r["of_bandwidth"]),
          number(r["of_materialised"])) for r in rows])


def threads_table(rows):
    counts = sorted({r["threads"] for r in rows})
    best = {(r["problem"], r["threads"]): r["ns_min"] for r in rows}
    problems = list(dict.fromkeys(r["problem"] for r in rows))
    return table(
        ("problem, best runs",) + tuple("%d thread%s" % (n, "s" * (n > 1)) for n in counts)
        + tuple("times as fast with %d" % n for n in counts[1:]),
        [(short(p),) + tuple(time_of(best[p, n]) for n in counts)
         + tuple(number(best[p, counts[0]] / best[p, n]) for n in counts[1:]) for p in problems])


def peers_table(rows):
    lines = []
    for row in rows:
        if row["ratio"] is None:
            continue
        ours, peer = row["peers"]["attn"], row["peers"][row["best_peer"]]
        others = sorted((p["rate"], name) for name, p in row["peers"].items()
                        if name not in ("attn", row["best_peer"]) and not p["fault"])
        lines.append((
            short(row["problem"]).replace("b=1 ", ""), "%.1f %s" % (ours["rate"], row["unit"]),
            "%s %.1f" % (row["best_peer"], peer["rate"]),
            "%s %.1f" % (others[-1][1], others[-1][0]) if others else "-",
            "**%.2f**" % row["ratio"], number(row["ratio_of_best"]), number(row["ratio_of_cpu"]),
            "%.0e" % ours["max_error"], "%.0e" % peer["max_error"]))
    return table(("problem", "attn", "best peer", "next", "ratio", "of best runs",
                  "of CPU time", "error", "peer's error"), lines)


def linear_table(rows):
    """By the best runs: the others say more about who else was at work."""
    lines = []
    for r in rows:
        best = r["ns_median"] / r["ns_min"]
        step = r["of_peak"] is not None and " q=1 " in r["problem"]
        lines.append((
            short(r["problem"]), r["solver"], time_of(r["ns_min"]),
            "-" if step else number(r["gflops"] * best, 1),
            "-" if step else number(r["of_peak"] * best),
            number(r["gbps"] * best, 1) if step else "-",
            number(r["of_bandwidth"] * best) if step else "-"))
    return table(("problem, best runs", "solver", "time", "GF/s", "of peak", "GB/s",
                  "of changing RAM"), lines)


def crossover_table(rows):
    times = {}
    for r in rows:
        n = int(re.search(r"\bq=(\d+)", r["problem"]).group(1))
        times.setdefault(r["problem"].partition(" ")[0], {})[n] = r["ns_min"]
    soft, linear = times["softmax"], times["linear_attention"]
    (DOCS / "crossover.svg").write_text(plot(
        "causal, H=2, D=64: time of N tokens, one thread", "N", "ms",
        {name: [(n, ns * 1e-6) for n, ns in by.items()] for name, by in times.items()}))
    return table(("N, best runs", "softmax", "linear_attention", "times as fast"),
                 [(str(n), time_of(soft[n]), time_of(linear[n]), number(soft[n] / linear[n]))
                  for n in sorted(soft)])


def cache_table(rows):
    """Pairs of rows, the base first; what every row says is left out."""
    def side(row):
        paged = " view" in row["problem"]
        words = re.sub(r" (causal|packed|view)\b", "", short(row["problem"]))
        return words + (" in pages" if paged else " in tensors")

    return table(("problem", "compared with", "times as fast", "time", "its time", "GB/s",
                  "of reading RAM", "of peak"),
                 [(side(r), side(base), "**%.2f**" % r["speedup"], time_of(r["ns_median"]),
                   time_of(base["ns_median"]), number(r["gbps"], 1), number(r["of_bandwidth"]),
                   number(r["of_peak"])) for base, r in zip(rows[::2], rows[1::2])])


def routed_table(text):
    """Of the first part of attn-bench's suite `routed`."""
    rows = re.findall(r"^((?:softmax|moh) .*?) +(%s)$" % " +".join([r"[\d.]+"] * 5), text, re.M)
    lines = []
    for problem, numbers in rows:
        active, full, routed, ratio, per_active = map(float, numbers.split())
        lines.append(("`%s`" % problem, number(active), time_of(full * 1e3),
                      time_of(routed * 1e3), "**%s**" % number(ratio, 3), number(per_active)))
    return table(("problem", "active", "in full", "routed", "of full", "for each active"), lines)


def selecting_table(text):
    """Of the third part of attn-bench's suite `routed`, which is no JSON; draws the plot too."""
    rows = re.findall(r"^(\S.*?) +(h=\S+ d=\d+) +(\d+) (\w+) +(%s)$" % " +".join([r"[\d.]+"] * 6),
                      text, re.M)
    lines, series = [], {}
    for name, heads, n, data, numbers in rows:
        listed, dense, whole, select, attend, ratio = map(float, numbers.split())
        lines.append(("`%s %s n=%s`" % (name, heads, n), data, number(listed, 3),
                      time_of(dense * 1e3), time_of(whole * 1e3), time_of(select * 1e3),
                      time_of(attend * 1e3), number(ratio)))
        if data != "noise":
            series.setdefault(name.partition(" ")[0], []).append((int(n), dense / whole))
    (DOCS / "selecting.svg").write_text(plot(
        "times as fast as dense causal attention, selecting included, one thread", "N", "", series))
    return table(("problem", "data", "listed", "dense", "whole", "selecting", "attending",
                  "of dense"), lines)


def gather_table(text):
    """Of the second part of attn-bench's suite `routed`."""
    rows = re.findall(r"^(lists h=\S+ .*?d=\d+) +(of \w+ (?:key )?head) +(%s)$"
                      % " +".join([r"[\d.]+"] * 6), text, re.M)
    lines = []
    for problem, lists, numbers in rows:
        full, listed, times, reached, limit, share = map(float, numbers.split())
        lines.append(("`%s`" % problem, lists, time_of(full * 1e3), time_of(listed * 1e3),
                      number(times, 1), number(reached, 1), number(limit, 1), number(share)))
    return table(("problem", "lists", "in full", "lists", "times as fast", "GB/s", "gather",
                  "of gather"), lines)


TABLES = {"prefill": compute_table, "small": compute_table, "decode": memory_table,
          "masks": compute_table, "dtypes": both_table, "threads": threads_table,
          "scaling": compute_table, "linear": linear_table, "crossover": crossover_table,
          "cache": cache_table}


def limits_of(text):
    """The lines about limits that attn-bench puts above its table."""
    return "```\n%s\n```" % "\n".join(re.findall(r"^(?:limits,|  \S).*$", text, re.M)[:5])


def measured(text, load):
    """Whether others were at work on the machine."""
    return "%s\n\nLoad average when this began: %.1f on %d CPUs." % (text, load, os.cpu_count())


def replace(name, text):
    page = DOCS / "performance.md"
    old = page.read_text()
    new, n = re.subn(r"(<!-- %s -->\n).*?(<!-- end -->)" % name,
                     lambda m: m.group(1) + text + "\n" + m.group(2), old, flags=re.S)
    if n != 1:
        raise SystemExit("%s has %d blocks named %s, expected 1" % (page, n, name))
    page.write_text(new)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bench", required=True, help="attn-bench")
    parser.add_argument("--stream", help="the example linear_stream")
    parser.add_argument("--library", help="libattn.so, for the comparison")
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter that has the peers")
    parser.add_argument("--grid", choices=("small", "full"), default="small")
    parser.add_argument("--seconds", default="0.3", help="least time for a row")
    parser.add_argument("--only", help="parts by comma: " + ", ".join(PARTS))
    args = parser.parse_args(argv)
    parts = args.only.split(",") if args.only else PARTS
    for suite in SUITES:
        if suite in parts:
            load = os.getloadavg()[0]
            out, err = run([args.bench, "--seconds", args.seconds, "--suite", suite, "--json", "-"])
            replace(suite, measured(TABLES[suite](json.loads(out)), load))
            if suite == "prefill":
                replace("limits", limits_of(err))
    if "selecting" in parts:
        load = os.getloadavg()[0]
        out, err = run([args.bench, "--seconds", args.seconds, "--suite", "routed"])
        replace("routed", measured(routed_table(out + err), load))
        replace("selecting", measured(selecting_table(out + err), load))
        replace("gather", measured(gather_table(out + err), load))
    if "stream" in parts and args.stream:
        out, _ = run([args.stream, str(1 << 20)])
        replace("stream", "```\n%s```" % out)
    if "plot" in parts:
        run([args.bench, "--seconds", args.seconds, "--suite", "prefill", "--suite", "decode",
             "--plot", DOCS / "performance.svg"])
    for name, grid in (("peers", args.grid), ("linear_peers", "linear")):
        if name not in parts or not args.peers:
            continue
        load = os.getloadavg()[0]
        env = {"ATTN_LIBRARY": str(Path(args.library).resolve())} if args.library else {}
        out, _ = run([args.peers, Path(__file__).with_name("compare_peers.py"), "--grid",
                      grid, "--seconds", args.seconds, "--json", "-"], quiet=False, **env)
        rows = [row for row in json.loads(out)
                if grid == "linear" or row["problem"].startswith("softmax ")]
        replace(name, measured(peers_table(rows), load))


if __name__ == "__main__":
    main(sys.argv[1:])
