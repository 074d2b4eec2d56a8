# SPDX-License-Identifier: MIT
"""Recurrences: python3 make_linear.py ORACLE_FOLDER core|maps|favor|gates|deltas

core: every decay, update, way of reading and direction of `scan`; maps: linear
attention with every feature map and what is built of it; favor: Performer's
maxima; gates, deltas: the
mechanisms with decays and with the delta rule.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import linear  # noqa: E402
from gold import Case, formula  # noqa: E402

LOGIT = 8.6  # the bound is then 3e-6


def grid(seed, shape, step, lo, hi):
    """Multiples of step from lo to hi, exact in every type."""
    n = int(round((hi - lo) / step)) + 1
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    x = (i * np.uint64(2654435761) + np.uint64(seed * 40503)) % np.uint64(2**32)
    return (lo + step * ((x >> np.uint64(13)) % np.uint64(n)).astype(np.float64)).reshape(shape)


class Builder:
    def __init__(self, text, b=1, h=2, t=65, d=8, dv=5, hk=None, hv=None, steps=1):
        hk = hk or h
        hv = hv or hk
        self.b, self.h, self.t, self.d, self.dv, self.hk, self.hv = b, h, t, d, dv, hk, hv
        self.n = t * steps
        self.case = Case("%s b=%d h=%d/%d/%d q=%d d=%d/%d"
                         % (text, b, h, hk, hv, t, d, dv), LOGIT)
        self.q = self.case.make("q", "q", 1, (b, h, t, d))

    def keys(self, scale=1 / 16, nk=None):
        n = nk or self.n
        self.k = self.case.make("k", "kv", 2, (self.b, self.hk, n, self.d), scale)
        self.v = self.case.make("v", "kv", 3, (self.b, self.hv, n, self.dv))
        return self

    def give(self, role, kind, array):
        self.case.give(role, kind, array)
        return array

    def make(self, role, kind, seed, shape, scale=1 / 16):
        return self.case.make(role, kind, seed, shape, scale)

    def token_gate(self, seed=5, hs=None):
        return self.give("g", "row", grid(seed, (self.b, hs or self.hv, self.t), 1 / 64, -2, 0))

    def channel_gate(self, seed=6, lo=-1.0, hs=None):
        return self.give("g", "row", grid(seed, (self.b, hs or self.hv, self.t, self.d), 1 / 32,
                                          lo, 0))

    def beta(self, n=None, most=1.0):
        return self.give("beta", "row", grid(7, (self.b, self.hv, n or self.n), 1 / 64, 1 / 64,
                                             most))

    def expect(self, out):
        self.case.expect("out", out)
        self.case.write()


def rep(x, n):
    return linear.repeat_heads(x, n)


def core():
    for t in (1, 63, 64):
        x = Builder("scan", t=t, h=1).keys()
        x.expect(linear.gen_recurrence(x.q, x.k, x.v)[0])
    x = Builder("scan decay=token", t=1000, h=1, d=3, dv=1).keys()
    g = x.token_gate()
    x.expect(linear.gen_recurrence(x.q, x.k, x.v, g)[0])
    x = Builder("scan state_norm=sum feature_map=sigmoid", t=1000, h=1, d=3, dv=1).keys()
    x.expect(linear.linear_attention(x.q, x.k, x.v, "sigmoid", causal=True))

    g = None
    for decay in ("none", "head", "token", "channel"):
        for update in ("add", "writer", "general", "general erase_reads=previous"):
            for read in ("after", "before bonus") if update == "add" else ("after",):
                text = "scan decay=%s update=%s scale=0.5%s" % (
                    decay, update, "" if read == "after" else " read=" + read)
                x = Builder(text, t=18, d=7, h=2 if decay == "head" else 1).keys(1 / 32)
                g = (None if decay == "none" else
                     x.give("g", "row", np.array([-0.5, -0.015625])) if decay == "head" else
                     x.token_gate() if decay == "token" else x.channel_gate())
                kw = dict(g=g, scale=0.5)
                if update != "add":
                    e = x.make("erase", "kv", 9, x.k.shape, 1 / 64)
                    if update == "writer":
                        kw.update(w=x.k, e=e)
                    else:
                        kw.update(w=x.make("write", "kv", 8, x.k.shape, 1 / 64), e=e)
                    if "previous" in update:
                        kw.update(erase_reads="previous")
                if read != "after":
                    kw.update(read="before", bonus=x.make("bonus", "row", 10, (x.h, 7)))
                x.expect(linear.gen_recurrence(x.q, x.k, x.v, **kw)[0])

    # extreme gates, resets, reverse, both ways, groups of heads
    x = Builder("scan decay=channel reset", t=70, h=1, d=5).keys()
    g = x.give("g", "row", -np.where(grid(11, (1, 1, 70, 5), 1, 0, 9) < 2, 120.0, 0.03125))
    reset = (grid(12, (1, 70), 1, 0, 12) == 0).astype(int)
    x.give("reset", "bool", reset)
    x.expect(linear.gen_recurrence(x.q, x.k, x.v, np.maximum(g, -104), reset=reset > 0)[0])
    x = Builder("scan decay=token reset direction=reverse state_norm=max feature_map=relu2",
                t=67, h=1).keys()
    g = x.token_gate()
    x.give("reset", "bool", (grid(12, (1, 67), 1, 0, 12) == 0).astype(int))
    f = linear.feature_map
    x.expect(linear.gen_recurrence(f(x.q, "relu2"), f(x.k, "relu2"), x.v, g, norm="max", eps=1e-6,
                                   reverse=True, reset=grid(12, (1, 67), 1, 0, 12) == 0)[0])
    for decay in ("none", "token"):
        x = Builder("scan direction=symmetric decay=" + decay, t=67, h=1).keys()
        g = x.token_gate() if decay == "token" else None
        o = linear.gen_recurrence(x.q, x.k, x.v, g)[0]
        o = o + linear.gen_recurrence(x.q, x.k, x.v, g, reverse=True)[0]
        x.expect(o - np.sum(x.q * x.k, -1, keepdims=True) * x.v)
    x = Builder("scan decay=channel", b=2, h=4, hk=1, hv=2, t=20).keys()
    g = x.channel_gate()
    x.expect(linear.gen_recurrence(x.q, rep(rep(x.k, 2), 4), rep(x.v, 4), rep(g, 4))[0])
    x = Builder("scan decay=token update=delta l2norm", h=1, hk=2, hv=4, t=20).keys()
    g, beta = x.token_gate(), x.beta()
    n = linear.l2norm
    x.expect(linear.delta_rule(rep(n(x.q), 4), rep(n(x.k), 4), x.v, beta, 1.0, None, g)[0])


def maps():
    la = linear.linear_attention
    for name in ("relu", "relu2", "elu1", "exp", "sigmoid", "softmax", "dpfp", "taylor2"):
        for causal in (False, True):
            mech = "based" if name == "taylor2" else "linear_attention feature_map=" + name
            t = 1 if name == "relu" and causal else 40
            x = Builder(mech + (" causal" if causal else " k=31"), t=t, d=5, h=1,
                        ).keys(nk=None if causal else 31)
            eps = {"relu": 0.0}.get(name, 0.0)
            x.expect(la(x.q, x.k, x.v, name, causal, fkw={"eps": eps}))
    x = Builder("linear_attention feature_map=identity state_norm=none causal", t=65, h=1).keys()
    x.expect(la(x.q, x.k, x.v, "identity", True, None))
    x = Builder("linear_attention feature_map=silu state_norm=none causal", t=65, h=1).keys()
    x.expect(la(x.q, x.k, x.v, "silu", True, None))
    for name, mech, f, eps in (("relu_linear", "linear_attention", 6, 1e-6),
                               ("hedgehog_exp", "hedgehog", 6, 1e-12),
                               ("hedgehog_joint", "hedgehog", 6, 1e-12),
                               ("hedgehog_split", "hedgehog", 6, 1e-12)):
        bias = name != "hedgehog_split"
        x = Builder("%s feature_map=%s feature_dim=%d%s causal"
                    % (mech, name, f, " feature_bias" if bias else ""), t=40, d=5).keys()
        w = [x.make("feature_w" + c, "row", s, (2, 5, f)) for c, s in (("q", 20), ("k", 21))]
        b = [x.make("feature_b" + c, "row", s, (2, f)) if bias else None
             for c, s in (("q", 22), ("k", 23))]
        q = linear.feature_map(x.q, name, w[0], b[0], 1e-12)
        k = linear.feature_map(x.k, name, w[1], b[1], 1e-12)
        x.expect(la(q, k, x.v, "identity", True, eps=eps))
    x = Builder("linear_attention feature_map=hadamard feature_dim=4 state_norm=none causal",
                t=33, d=5).keys()
    w = [x.make("feature_w" + c, "row", s, (5, 8)) for c, s in (("q", 20), ("k", 21))]
    q, k = (linear.feature_map(a, "hadamard", (m[:, :4], m[:, 4:])) for a, m in zip((x.q, x.k), w))
    x.expect(la(q, k, x.v, "identity", True, None))
    for causal in (False, True):
        for name in ("favor", "favor_hyp"):
            x = Builder("performer feature_map=%s feature_dim=12%s"
                        % (name, " causal" if causal else ""), t=33, d=5, h=1).keys()
            w = [x.make("feature_w" + c, "row", 20, (5, 12)) for c in "qk"]
            fn = ((lambda a: linear.favor_plus(a, w[0].T, True, stabilise=False))
                  if name == "favor" else lambda a: linear.favor_hyp(a, w[0].T))
            x.expect(la(fn(x.q), fn(x.k), x.v, "identity", causal))
        x = Builder("cosformer" + (" causal max_position=90" if causal else " k=70"), t=65,
                    d=5, h=1).keys(nk=None if causal else 70)
        x.expect(linear.cosformer(x.q, x.k, x.v, causal, 90 if causal else None))


def favor():
    """Choices of feature_max, and the relu form."""
    la = linear.linear_attention
    for text, causal in (("feature_max=rows feature_key_max=1.5", False),
                         ("feature_max=rows feature_key_max=-0.5 feature_eps=0.001", True),
                         ("feature_max=rows", True), ("feature_max=all", False),
                         ("feature_max=all k=21", False)):
        x = Builder("performer feature_dim=6 %s%s" % (text, " causal" if causal else ""),
                    t=17, d=4, h=2).keys(1 / 8, nk=21 if "k=21" in text else None)
        w = [x.make("feature_w" + c, "row", 20, (4, 6), 1 / 8) for c in "qk"][0]
        eps = 1e-3 if "feature_eps" in text else 1e-6
        q = linear.favor_plus(x.q, w.T, True, eps)
        if "all" in text:
            k = linear.favor_plus(x.k, w.T, False, eps)
        else:
            c = 1.5 if "1.5" in text else -0.5 if "-0.5" in text else 0
            k = linear.favor_plus(x.k, w.T, False, 0, False) * np.exp(-c) + eps / np.sqrt(6)
        x.expect(la(q, k, x.v, "identity", causal))
    x = Builder("performer feature_map=relu_linear feature_dim=6 feature_eps=0.001", t=17, d=4,
                ).keys()
    w = [x.make("feature_w" + c, "row", s, (4, 6)) for c, s in (("q", 20), ("k", 21))]
    q, k = (np.maximum(a @ m, 0) + 1e-3 for a, m in zip((x.q, x.k), w))
    x.expect(la(q, k, x.v, "identity", False))


def gates():
    x = Builder("gla", t=65, d=7, h=1).keys()
    g = x.channel_gate(lo=-0.5)
    x.expect(linear.gla(x.q, x.k, x.v, g)[0])
    x = Builder("gla gate=logsigmoid gate_min=-0.0625", t=65, h=1).keys()
    g = x.make("g", "row", 30, (1, 1, 65, 8), 1 / 4)
    x.expect(linear.gla(x.q, x.k, x.v, linear.gla_gate(g, clamp_min=-0.0625))[0])
    x = Builder("lightning alibi", h=3, t=33).keys()
    x.expect(linear.lightning_attention(x.q, x.k, x.v, linear.alibi_slopes(3))[0])
    x = Builder("lightning alibi_slopes=[0,1.5]", t=65).keys()
    x.expect(linear.lightning_attention(x.q, x.k, x.v, np.array([0, 1.5]))[0])
    x = Builder("lightning", t=33, h=1).keys()
    x.expect(linear.lightning_attention(x.q, x.k, x.v, np.array([0]))[0])
    x = Builder("retnet", h=3, t=33).keys()
    x.expect(linear.retention(x.q, x.k, x.v)[0])
    x = Builder("retnet", h=4, hk=1, t=20).keys()
    x.expect(linear.retention(x.q, rep(x.k, 4), rep(x.v, 4))[0])
    x = Builder("retnet", t=33).keys()
    g = x.give("g", "row", np.array([-0.125, -3]))
    x.expect(linear.retention(x.q, x.k, x.v, gamma_log=g)[0])
    for causal in (True, False):
        x = Builder("lightnet" + (" causal" if causal else " k=70"), t=65, d=7, h=1,
                    ).keys(1 / 4, nk=None if causal else 70)
        x.expect(linear.lightnet(x.q, x.k, x.v, causal)[0])
    for bound in (False, True):
        x = Builder("hgrn2" + (" gate_bias" if bound else ""), t=33).keys(1 / 8)
        low = x.give("gate_bias", "row", grid(31, (2, 8), 1 / 64, 1 / 64, 0.5)) if bound else None
        lb = low[None, :, None] if bound else None
        x.expect(linear.hgrn2(x.q, x.k, x.v, lb)[0])
    x = Builder("mamba2 gate_bias gate_min=0.001 gate_max=0.25 skip", h=1, hk=1, hv=4, t=65).keys()
    dt = x.make("g", "row", 32, (1, 4, 65))
    a = x.give("gate_a", "row", np.array([-1, -0.5, -16, -4.0]))
    bias = x.give("gate_bias", "row", np.array([-4, -3, -2, -1.0]))
    skip = x.give("skip", "row", np.array([1, 0, -0.5, 2.0]))
    x.expect(linear.ssd(x.v, dt, a, x.k, x.q, skip, bias, None, (0.001, 0.25))[0])
    x = Builder("rwkv6", t=65, d=7, h=1).keys()
    g = x.channel_gate()
    u = x.make("bonus", "row", 33, (1, 7))
    x.expect(linear.rwkv6(x.q, x.k, x.v, g, u)[0])
    x = Builder("rwkv6 gate=exp", t=33, h=1).keys()
    g = x.make("g", "row", 34, (1, 1, 33, 8), 1 / 8)
    u = x.make("bonus", "row", 33, (1, 8))
    x.expect(linear.rwkv6(x.q, x.k, x.v, -np.exp(g), u)[0])


def deltas():
    n = linear.l2norm
    for text, most in (("deltanet l2norm", 2.0), ("deltanet l2norm feature_map=silu", 1.0)):
        x = Builder(text, t=65, h=1).keys()
        beta = x.beta(most=most)
        f = linear.silu if "silu" in text else lambda a: a
        x.expect(linear.delta_rule(n(f(x.q)), n(f(x.k)), x.v, beta)[0])
    x = Builder("gated_deltanet l2norm", h=2, hv=4, t=65).keys()
    g, beta = x.token_gate(), x.beta()
    x.expect(linear.delta_rule(rep(n(x.q), 4), rep(n(x.k), 4), x.v, beta, None, None, g)[0])
    x = Builder("gated_deltanet l2norm gate=softplus gate_bias", t=33).keys()
    g, beta = x.make("g", "row", 40, (1, 2, 33)), x.beta()
    a = x.give("gate_a", "row", np.array([0.5, -1]))
    b = x.give("gate_bias", "row", np.array([-2, 0.25]))
    x.expect(linear.delta_rule(n(x.q), n(x.k), x.v, beta, None, None, linear.gdn_gate(g, a, b))[0])
    x = Builder("kda l2norm", t=65, h=1).keys()
    g, beta = x.channel_gate(), x.beta()
    x.expect(linear.delta_rule(n(x.q), n(x.k), x.v, beta, None, None, g)[0])
    for kind in ("softplus", "safe"):
        x = Builder("kda l2norm gate_bias gate=" + kind, t=33).keys()
        g, beta = x.make("g", "row", 41, (1, 2, 33, 8)), x.beta()
        a = x.give("gate_a", "row", np.array([0.5, -1]))
        b = x.make("gate_bias", "row", 42, (2, 8))
        fn = linear.gdn_gate if kind == "softplus" else linear.kda_safe_gate
        x.expect(linear.delta_rule(n(x.q), n(x.k), x.v, beta, None, None, fn(g, a, b))[0])
    x = Builder("comba", t=33).keys(1 / 64)
    g, beta = x.token_gate(), x.beta()
    e = x.make("erase", "kv", 43, x.k.shape, 1 / 64)
    bv = beta[..., None] * x.v
    x.expect(linear.gen_recurrence(x.q, x.k, bv, g, x.k, beta[..., None] * e, scale=8 ** -0.5)[0])
    x = Builder("gdn2", t=33).keys(1 / 64)
    g = x.channel_gate()
    e = x.make("erase", "kv", 43, x.k.shape, 1 / 64)
    w = x.make("value_gate", "kv", 44, x.v.shape, 1 / 32)
    x.expect(linear.gen_recurrence(x.q, x.k, w * x.v, g, x.k, e * x.k, scale=8 ** -0.5)[0])
    for steps in (2, 3):
        x = Builder("deltaproduct l2norm delta_steps=%d" % steps, t=33, steps=steps).keys()
        g, beta = x.token_gate(), x.beta()
        gm = np.zeros(beta.shape)
        gm[..., ::steps] = g
        qm = np.zeros(x.k.shape)
        qm[:, :, steps - 1::steps] = n(x.q)
        o = linear.delta_rule(qm, n(x.k), x.v, beta, None, None, gm)[0]
        x.expect(o[:, :, steps - 1::steps])
    x = Builder("rwkv7", t=33).keys()
    g = x.make("g", "row", 45, (1, 2, 33, 8))
    a = x.give("write", "kv", grid(46, x.k.shape, 1 / 64, 1 / 64, 63 / 64))
    ks = x.make("k_scale", "row", 47, (2, 8))
    km = x.make("k_mix", "row", 48, (2, 8), 1 / 32)
    x.expect(linear.rwkv7(x.q, g, x.k, x.v, a, ks, km)[0])


{"core": core, "maps": maps, "favor": favor, "gates": gates, "deltas": deltas}[sys.argv[2]]()
