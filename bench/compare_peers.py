#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same problems through libattn and through whatever else is installed.

    python3 -m venv peers && peers/bin/pip install numpy ml_dtypes onnx onnxruntime \\
        torch==2.13.0 openvino jax
    ATTN_LIBRARY=build/src/libattn.so peers/bin/python bench/compare_peers.py

All run in turns within one process, a slice of time each, so that they see the
same moods of the machine; plans, sessions and compiled functions are made
before, buffers are reused. Every result is compared with attention in float64;
one that is not the answer to the problem does not count. Peers that are not
installed, or cannot do a problem, are named and skipped.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
# Of the greatest magnitude. Roundings are far below, a missing mask is far above.
WRONG = {"f32": 1e-3, "f16": 2e-2, "bf16": 5e-2}
SLICE = 0.04  # seconds of a turn, and at least one run
LEAST_RUNS = 5
FAR_BEHIND = 4  # times the fastest peer: two runs are enough


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("problems", metavar="PROBLEM", nargs="*",
                        help="problem strings, instead of the grid")
    parser.add_argument("--grid", choices=("small", "full", "linear"), default="small")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.4,
                        help="least time for each peer and problem")
    parser.add_argument("--peers", help="only these, by comma")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the rows; -: to stdout, alone there")
    args = parser.parse_args(argv)
    if args.threads < 1:
        parser.error("--threads is %d, expected at least 1" % args.threads)
    return args


def pin_threads(threads):
    """Libraries read these when they are loaded."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                 "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=%s intra_op_parallelism_threads=%d"
                               % ("true" if threads > 1 else "false", threads))
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


class Entry:
    """A peer at a problem: its samples, in seconds, and how far off its result is."""

    def __init__(self, peer, run, result, case):
        self.peer, self.run = peer, run
        self.samples, self.spent, self.worked, self.runs = [], 0.0, 0.0, 0
        self.run()
        self.error, self.rms = case.errors(result())

    def turn(self):
        begin, work = time.perf_counter(), time.process_time()
        if self.samples and self.samples[-1] < SLICE / 4:
            self.run()  # somebody else has had the caches
            self.runs += 1
        while True:
            start = time.perf_counter()
            self.run()
            now = time.perf_counter()
            self.samples.append(now - start)
            self.runs += 1
            if now - begin >= SLICE:
                break
        self.spent += now - begin
        self.worked += time.process_time() - work

    def threads(self):
        """CPUs' worth of time that it used: more than was given is no comparison."""
        return self.worked / self.spent

    def done(self, seconds, fastest):
        if min(self.samples) > FAR_BEHIND * fastest:
            return len(self.samples) >= 2
        return len(self.samples) >= LEAST_RUNS and self.spent >= seconds


def prepare(peers, case, say):
    entries, refused = [], {}
    for peer in peers:
        reason = peer.supports(case)
        if reason is None:
            try:
                entries.append(Entry(peer, *peer.prepare(case), case))
                continue
            except Exception as error:  # a peer's trouble is its own
                reason = "%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0])
        refused[peer.name] = reason
        say("    %s: %s" % (peer.name, reason[:150]))
    return entries, refused


def fault(entry, case, threads):
    """Why it does not count, or None."""
    if not entry.error <= WRONG[case.dtype]:
        return "wrong result"
    if entry.threads() > threads + 0.3:
        return "uses %.1f CPUs" % entry.threads()
    return None


def measure(peers, case, threads, seconds, say):
    entries, refused = prepare(peers, case, say)
    more = list(entries)
    while more:
        for entry in more:
            entry.turn()
        fastest = min(min(entry.samples) for entry in entries)
        more = [entry for entry in more if not entry.done(seconds, fastest)]
    row = {"problem": case.text, "threads": threads, "unit": case.unit, "skipped": refused,
           "peers": {}}
    for entry in entries:
        ns = median(entry.samples) * 1e9
        row["peers"][entry.peer.name] = {
            "ns_median": ns, "ns_min": min(entry.samples) * 1e9, "runs": len(entry.samples),
            "rate": case.work / ns, "best_rate": case.work / (min(entry.samples) * 1e9),
            "max_error": entry.error, "rms_error": entry.rms,
            "cpus": entry.threads(), "cpu_ns": entry.worked / entry.runs * 1e9,
            "fault": fault(entry, case, threads),
        }
    return judged(row)


def judged(row):
    """Adds the best peer and our ratio to it: by medians, by the best runs, by CPU time.

    On a machine that others use too, the later say more than the earlier.
    """
    right = {name: p for name, p in row["peers"].items() if p["fault"] is None}
    ours = right.pop("attn", None)
    best = max(right, key=lambda name: right[name]["rate"], default=None)
    row["best_peer"] = row["ratio"] = row["ratio_of_best"] = row["ratio_of_cpu"] = None
    if ours and best:
        row["best_peer"] = best
        row["ratio"] = ours["rate"] / right[best]["rate"]
        row["ratio_of_best"] = ours["best_rate"] / max(p["best_rate"] for p in right.values())
        row["ratio_of_cpu"] = min(p["cpu_ns"] for p in right.values()) / ours["cpu_ns"]
    return row


def print_row(row, say):
    say("%s   [%s]" % (row["problem"], row["unit"]))
    for name, p in sorted(row["peers"].items(), key=lambda item: -item[1]["rate"]):
        say("    %-14s %8.1f (best %8.1f)   %10.1f us   max error %.1e, rms %.1e%s"
            % (name, p["rate"], p["best_rate"], p["ns_median"] * 1e-3, p["max_error"],
               p["rms_error"], "   DOES NOT COUNT: " + p["fault"] if p["fault"] else ""))
    if row["ratio"] is not None:
        say("    attn / %s = %.2f (best runs %.2f, CPU time %.2f)" % (
            row["best_peer"], row["ratio"], row["ratio_of_best"], row["ratio_of_cpu"]))


def print_summary(rows, say):
    say("\n%-52s %7s %-14s %7s %6s %6s %6s %9s" % ("problem", "attn", "best peer", "", "ratio",
                                                   "best", "CPU", "max error"))
    for row in rows:
        if row["ratio"] is None:
            continue
        ours, best = row["peers"]["attn"], row["peers"][row["best_peer"]]
        say("%-52s %7.1f %-14s %7.1f %6.2f %6.2f %6.2f %9.1e" % (
            row["problem"].replace("softmax ", "").replace("b=1 ", ""), ours["rate"],
            row["best_peer"], best["rate"], row["ratio"], row["ratio_of_best"],
            row["ratio_of_cpu"], ours["max_error"]))


def main(argv):
    args = parse_args(argv)
    pin_threads(args.threads)
    table = sys.stderr if args.json == "-" else sys.stdout

    def say(text):
        print(text, file=table, flush=True)

    # Only now: these load what counts threads.
    sys.path.insert(0, str(ROOT / "bindings" / "python"))
    from peers import load
    from peers.case import Case
    from peers.grid import GRIDS
    from peers.recurrence import Recurrence, is_recurrence

    wanted = args.peers.split(",") if args.peers else None
    peers, missing = load(args.threads, wanted)
    say("threads: %d" % args.threads)
    for peer in peers:
        say("  %-14s %s" % (peer.name, peer.version))
    for name, reason in missing.items():
        say("  %-14s missing: %s" % (name, reason))
    rows = []
    for text in args.problems or GRIDS[args.grid]:
        try:
            linear = is_recurrence(text)
            case = (Recurrence if linear else Case)(text, args.seed)
        except (ImportError, ValueError) as error:  # bfloat16 is a package of its own
            say("%s: skipped, %s" % (text, error))
            continue
        able = [peer for peer in peers
                if peer.name == "attn" or getattr(peer, "recurrent", False) == linear]
        row = measure(able, case, args.threads, args.seconds, say)
        print_row(row, say)
        rows.append(row)
    print_summary(rows, say)
    if args.json:
        text = json.dumps(rows, indent=1) + "\n"
        if args.json == "-":
            sys.stdout.write(text)
        else:
            Path(args.json).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
