# SPDX-License-Identifier: MIT
"""Writes cache_trace.gold: random calls to a NumPy model of the cache and what
it said, for test_cache_trace to repeat.
usage: make_cache_trace.py FOLDER, the one with cache.py, which has the model
(class RefCache; CacheError's first argument is the status)"""
import random
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as reference  # noqa: E402

PAGE, WIDTH, CALLS, WORLDS = 8, 2, 120, 14


def tables(seq):
    for layer in seq["t"]:
        yield from enumerate(layer)


def digest(model):
    """Of all sequences: ends, positions, tokens, folded sums."""
    h = 1
    for sid in sorted(model.seqs):
        seq = model.seqs[sid]
        numbers = [seq["next"], seq["last"]]
        for _, table in tables(seq):
            for pos, page, slot in table.cells:
                numbers += [pos, int(page.k[slot, 0, 0]), int(page.v[slot, -1, 1])]
            numbers.append(table.cn)
            if table.cn:
                numbers += [int(table.ck[0, 0]), int(table.cv[-1, 1])]
        for x in numbers:
            h = (h * 31 + x) % 2**32
    return h


class World:
    def __init__(self, rng):
        heads = rng.randint(1, 3)
        self.groups = min(heads, rng.randint(1, 2))
        group_of = [h if h < self.groups else rng.randint(0, self.groups - 1) for h in range(heads)]
        self.layers, pages = rng.randint(1, 2), rng.randint(8, 24)
        limit = rng.choice([40, 10**6])
        rules = []
        for g in range(self.groups):
            rule = dict(heads=[h for h in range(heads) if group_of[h] == g], policy="full")
            if rng.random() < 0.6:
                fold = rng.random() < 0.4
                rule.update(policy="window", window=rng.randint(1, 8), sink=rng.randint(0, 4),
                            slack=0 if fold else rng.randint(0, 5), comp=fold)
            rules.append(rule)
        self.rng, self.heads, self.limit = rng, heads, limit
        self.model = reference.RefCache(self.layers, WIDTH, WIDTH, PAGE, pages, rules, max_pos=limit)
        self.step, self.items, self.serial, self.gone = None, [], 0, 999
        print("world", heads, self.layers, self.groups, pages, limit, *group_of)
        for r in rules:
            print("rule", r.get("window", 0), r.get("sink", 0), r.get("slack", 0),
                  int(r.get("comp", False)))

    def seq(self):
        live = list(self.model.seqs)
        if not live or self.rng.random() < 0.02:
            return self.gone
        return self.rng.choice(live)

    def end(self, sid):
        top = self.model.seqs[sid]["next"] if sid in self.model.seqs else 3
        return self.rng.choice([top, top, max(top - 1, 0), max(top - 3, 0),
                                self.rng.randint(0, top), top + 1])

    def call(self):
        """-> words of the call, and what does it."""
        rng, m = self.rng, self.model
        names = ["create"] * 2 + ["free", "fork", "fork", "fork", "trunc", "trunc", "remove", "shift",
                                  "prune", "reorder"] + ["begin"] * 8
        if self.step and rng.random() < 0.8:
            names = ["write"] * 6 + ["commit", "commit", "abort"]
            if len(self.step["written"]) == self.layers and rng.random() < 0.9:
                names = ["commit"]
        name, sid = rng.choice(names), self.seq()
        top = m.seqs[sid]["next"] if sid in m.seqs else 3
        if len(m.seqs) < 2 or (name == "create" and len(m.seqs) < 6):
            return ["create"], m.seq_create
        if name == "free":
            return ["free", sid], lambda: m.seq_free(sid)
        if name in ("fork", "trunc"):
            p, lossy = self.end(sid), int(rng.random() < 0.3)
            if name == "fork" and len(m.seqs) < 6:
                return ["fork", sid, p, lossy], lambda: m.fork(sid, p, bool(lossy))
            return ["trunc", sid, p, lossy], lambda: m.truncate(sid, p, bool(lossy))
        if name == "remove":
            a = rng.randint(0, top)
            b = a + rng.randint(-1 if rng.random() < 0.1 else 0, 3)
            return ["remove", sid, a, b], lambda: m.remove(sid, a, b)
        if name == "shift":
            a, d = self.end(sid), rng.randint(-3, 5)
            return ["shift", sid, a, d], lambda: m.shift(sid, a, d)
        if name == "prune":
            layer, group = rng.randint(0, self.layers - 1), rng.randint(0, self.groups - 1)
            keep = []
            if sid in m.seqs and m.seqs[sid]["step"] is None:
                keep = [p for p in m.positions(sid, layer, group) if rng.random() < 0.8]
            return (["prune", sid, layer, group, len(keep), *keep],
                    lambda: m.prune(sid, layer, group, keep))
        if name == "reorder":
            idle = [s for s in m.seqs if m.seqs[s]["step"] is None]
            rng.shuffle(idle)
            old = idle[:rng.randint(1, 3)]
            if old:
                return ["reorder", len(old), *old], lambda: m.reorder(old)
        if name == "write" and self.step:
            layer = rng.randint(0, self.layers - 1)
            return ["write", layer], lambda: self.write(layer)
        if name == "commit" and self.step:
            return self.commit()
        if name == "abort" and self.step:
            return ["abort"], self.abort
        if not self.step:
            return self.begin()
        return ["create"], m.seq_create

    def begin(self):
        rng, m = self.rng, self.model
        some = list(m.seqs) if rng.random() < 0.97 else [self.gone]
        rng.shuffle(some)
        items = [(s, rng.randint(1, 12)) for s in some[:rng.randint(1, 3)]]
        parents, words = {}, ["begin", len(items)]
        tree = rng.random() < 0.4
        for s, n in items:
            parents[s] = [rng.randint(max(-1, t - 2), t - 1) if tree else t - 1 for t in range(n)]
            words += [s, n, *parents[s]]

        def do():
            self.step = m.step_begin(items, parents)
            self.items = items

        return words, do

    def write(self, layer):
        total = sum(n for _, n in self.items)
        shape = (total, self.heads, WIDTH)
        base = (np.arange(total) + self.serial)[:, None, None] % 251
        k = np.broadcast_to(base, shape) + np.arange(self.heads)[:, None] + layer
        v = k + 2 * np.arange(WIDTH)
        self.model.step_write(self.step, layer, np.array(k, float), np.array(v, float))

    def commit(self):
        keep, words, chain = {}, ["commit"], True
        for s, n in self.items:
            par, at, path = self.step["par"][s], -1, []
            chain = chain and par == list(range(-1, n - 1))
            for t in range(n):
                if par[t] == at and self.rng.random() < 0.8:
                    path.append(t)
                    at = t
            keep[s] = path
            words += [len(path), *path]
        if chain and self.rng.random() < 0.7:
            keep, words = None, ["commit"]

        def do():
            self.model.step_commit(self.step, keep)
            self.step = None

        return words, do

    def abort(self):
        self.model.step_abort(self.step)
        self.step = None

    def run(self):
        for _ in range(CALLS):
            words, do = self.call()
            self.serial += 37
            if words[0] == "free" and words[1] in self.model.seqs:
                gone = words[1]
            else:
                gone = self.gone
            try:
                do()
                status = "OK"
                self.gone = gone
            except reference.CacheError as e:
                status = e.args[0]
            s = self.model.stats()
            print(*words, "=", status, s["blocks_used"], s["blocks_peak"], s["cow_copies"],
                  s["sequences"], s["tokens_stored"], digest(self.model))


for n in range(WORLDS):
    World(random.Random(n)).run()
