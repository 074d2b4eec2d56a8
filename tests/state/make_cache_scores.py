# SPDX-License-Identifier: MIT
"""Which tokens mechanisms keep by scores, by NumPy models of them.

usage: make_cache_scores.py DIRECTORY_OF_ORACLES > cache_scores.gold

Lines: `new POLICY ROWS` a cache with that policy (ROWS: cache_score_rows, 0:
unset); `add N` tokens; `see H R N` and the weights; `prune N` and so many
pairs of rule and value; `keep N` and the positions that are left.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

TOP, SINK, RECENT, MEAN, MAX, ALL = range(1, 7)
rng = np.random.default_rng(11)
D = 8


def say(word, numbers=(), *head):
    print(word, *head, *('%.7g' % x for x in np.asarray(numbers, float).ravel()))


def see(p):
    say('see', np.asarray(p, np.float32), *p.shape)


def prune(**rules):
    names = dict(top=TOP, sink=SINK, recent=RECENT, mean=MEAN, max=MAX, all=ALL)
    print('prune', len(rules), *(x for k, v in rules.items() for x in (names[k], v)))


def keep(positions):
    print('keep', len(positions), *(int(x) for x in positions))


def data(heads, n):
    return [2 * rng.standard_normal((h, n, D)) for h in (heads, 1, 1)]


def h2o(hh, recent, chunks):
    n = sum(chunks)
    q, k, v = data(2, n)
    model = oracle.H2O(1, hh, recent)
    print('new h2o 0')
    at = 0
    for c in chunks:
        idx = np.concatenate([model.idx[0], np.arange(at, at + c)])
        new = np.arange(at, at + c)
        p = oracle.attend(q[:, at:at + c], k[:, idx], v[:, idx], idx[None] <= new[:, None])[2]
        print('add', c)
        see(p)
        prune(top=hh, recent=recent)
        model.step(q[:, at:at + c], k, v)
        keep(model.idx[0])
        at += c


def snapkv(n, window, capacity, kernel, pooling):
    q, k, _ = data(3, n)
    print('new snapkv', window)
    print('add', n)
    rows = min(n, window + 3)
    see(oracle.attend(q[:, -rows:], k, k, oracle.causal_mask(rows, n))[2])
    prune(top=capacity - window, recent=window, **{'mean' if pooling == 'avg' else 'max': kernel})
    keep(oracle.snapkv_keep(q, k, window, capacity, kernel, pooling, reduce_group='mean')[0])


def tova(size, n):
    print('new tova 0')
    idx = np.arange(n)
    print('add', n)
    for t in range(5):
        q, k, _ = data(4, len(idx))
        p = oracle.attend(q[:, -2:], k, k, oracle.causal_mask(2, len(idx)))[2]
        see(p)
        prune(top=size)
        idx = idx[oracle.tova_keep(p[:, -1], size)]
        keep(idx)
        print('add 1')
        idx = np.append(idx, n + t)


def scissorhands(n, w, recent, drop):
    q, k, _ = data(1, n)
    p = oracle.attend(q[:, -w:], k, k, oracle.causal_mask(w, n))[2]
    print('new scissorhands 0')
    print('add', n)
    see(p[:, :w // 2])
    see(p[:, w // 2:])
    prune(top=n - drop - recent, recent=recent)
    keep(oracle.scissorhands_drop(p[0], recent, drop))


def task_kv(n, sink, recent, mid, rows, pool):
    q, k, v = data(2, n)
    weights = oracle.taskkv_weights(q, k, rows)
    print('new task_kv', rows)
    print('add', n)
    see(oracle.attend(q[:, -rows:], k, k, oracle.causal_mask(rows, n))[2])
    prune(sink=sink, recent=recent, top=mid, mean=pool, all=1)
    keep(oracle.taskkv_keep(weights, v, 0, mid, sink, recent, n, pool)[1][0])


h2o(4, 6, [13, 1, 1, 5, 1, 1, 1, 3])
h2o(0, 5, [9, 1, 1])
h2o(7, 0, [12, 1, 2, 1])
snapkv(30, 4, 12, 5, 'avg')
snapkv(30, 4, 12, 5, 'max')
snapkv(30, 6, 10, 1, 'avg')
snapkv(12, 4, 12, 5, 'avg')
tova(9, 14)
scissorhands(24, 10, 4, 8)
scissorhands(24, 10, 0, 8)
task_kv(32, 3, 5, 9, 8, 7)
task_kv(32, 0, 5, 9, 6, 3)
