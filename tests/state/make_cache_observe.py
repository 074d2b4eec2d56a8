# SPDX-License-Identifier: MIT
"""Which tokens mechanisms keep by the weights of executes, by NumPy models.

usage: make_cache_observe.py DIRECTORY_OF_ORACLES > cache_observe.gold

Lines: `new POLICY ROWS HEADS` a cache of one KV head with that policy (ROWS:
cache_score_rows, 0: unset) for so many query heads; `add N` and the keys of N
tokens; `step N`, their keys, and the queries of all heads, which are executed
before the tokens are committed; `prune N` and so many pairs of rule and value;
`keep N` and the positions that are left.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

TOP, RECENT, MEAN = 1, 3, 4
rng = np.random.default_rng(12)
D = 8


def say(word, *data):
    text = ('%.6g' % x for a in data for x in a.ravel())
    print(word, *text)


def prune(**rules):
    names = dict(top=TOP, recent=RECENT, mean=MEAN)
    print('prune', len(rules), *(x for k, v in rules.items() for x in (names[k], v)))


def keep(positions):
    print('keep', len(positions), *(int(x) for x in positions))


def data(heads, n):
    """Numbers that the text has whole."""
    return [np.round(2 * rng.standard_normal((h, n, D)), 3) for h in (heads, 1)]


def h2o(heads, hh, recent, chunks):
    q, k = data(heads, sum(chunks))
    model = oracle.H2O(1, hh, recent)
    print('new h2o 0', heads)
    at = 0
    for c in chunks:
        say('step %d' % c, k[:, at:at + c], q[:, at:at + c])
        prune(top=hh, recent=recent)
        model.step(q[:, at:at + c], k, k)
        keep(model.idx[0])
        at += c


def snapkv(n, window, capacity, kernel):
    q, k = data(3, n)
    print('new snapkv', window, 3)
    say('step %d' % n, k, q)
    prune(top=capacity - window, recent=window, mean=kernel)
    keep(oracle.snapkv_keep(q, k, window, capacity, kernel, reduce_group='mean')[0])


def tova(size, n, steps):
    q, k = data(4, n + steps)
    print('new tova 0 4')
    idx = np.arange(n)
    say('step %d' % n, k[:, :n], q[:, :n])
    for t in range(n, n + steps):
        p = oracle.attend(q[:, t - 1:t], k[:, idx], k[:, idx])[2]
        prune(top=size)
        idx = idx[oracle.tova_keep(p[:, -1], size)]
        keep(idx)
        say('step 1', k[:, t:t + 1], q[:, t:t + 1])
        idx = np.append(idx, t)


def scissorhands(n, w, recent, drop):
    q, k = data(1, n)
    p = oracle.attend(q[:, -w:], k, k, oracle.causal_mask(w, n))[2]
    print('new scissorhands 0 1')
    say('add %d' % (n - w), k[:, :n - w])
    say('step %d' % w, k[:, n - w:], q[:, n - w:])
    prune(top=n - drop - recent, recent=recent)
    keep(oracle.scissorhands_drop(p[0], recent, drop))


h2o(2, 4, 6, [13, 1, 1, 5, 1, 1, 1, 3])
h2o(1, 0, 5, [9, 1, 1])
h2o(5, 7, 0, [12, 1, 2, 1])
snapkv(30, 4, 12, 5)
snapkv(40, 8, 15, 3)
snapkv(30, 6, 10, 1)
tova(9, 14, 6)
scissorhands(24, 10, 4, 8)
scissorhands(24, 10, 0, 8)
