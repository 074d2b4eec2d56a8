/* SPDX-License-Identifier: MIT */
/*
 * The linear family (mechanisms 199 to 219): a state S of Dk x Dv numbers for
 * each state head, updated token by token,
 *
 *     R = D S  or  S (erase_reads),  D = diag(e^g)
 *     S <- D S + k v^T - w (e^T R),  out = scale q^T S
 *
 * (Katharopoulos et al., 2020, and what followed). The values of its
 * parameters; docs/mechanisms/scan.md tells what goes with what. All are
 * since 0.1.
 */
#ifndef ATTN_RECURRENCE_H
#define ATTN_RECURRENCE_H

/* Values of `decay`: what g hangs on. */
enum {
    ATTN_DECAY_NONE = 0,
    ATTN_DECAY_HEAD = 1,   /* G [heads], or alibi: -slope */
    ATTN_DECAY_TOKEN = 2,  /* G [B,heads,N] */
    ATTN_DECAY_CHANNEL = 3 /* G [B,heads,N,Dk] */
};

/*
 * Values of `update`: what w, e and v are. add: none, v. delta: k, beta k,
 * beta v. writer: k, ERASE, v. general: WRITE, ERASE, v. comba: k, beta
 * ERASE, beta v. gdn2: k, ERASE k, VALUE_GATE v. rwkv7: kk a, kk, v with
 * kk = K_SCALE k / max(|K_SCALE k|, 1e-12), a = WRITE, and k becomes
 * k (1 + (a - 1) K_MIX); it erases from the previous state.
 */
enum {
    ATTN_UPDATE_ADD = 0,
    ATTN_UPDATE_DELTA = 1,
    ATTN_UPDATE_WRITER = 2,
    ATTN_UPDATE_GENERAL = 3,
    ATTN_UPDATE_COMBA = 4,
    ATTN_UPDATE_GDN2 = 5,
    ATTN_UPDATE_RWKV7 = 6
};

/* Values of `erase_reads`. */
enum { ATTN_ERASE_DECAYED = 0, ATTN_ERASE_PREVIOUS = 1 };

/* Values of `read`. before: out = scale (q^T S + (q . (bonus k)) v^T) with the
 * state before the token (RWKV-6). */
enum { ATTN_READ_AFTER = 0, ATTN_READ_BEFORE = 1 };

/* Values of `state_norm`: z <- D z + k, and out is divided by scale q.z + eps
 * or by max(scale q.z, eps). */
enum {
    ATTN_STATE_NORM_NONE = 0,
    ATTN_STATE_NORM_SUM = 1,
    ATTN_STATE_NORM_MAX = 2
};

/* Values of `direction`. full: every query sees every key; symmetric: key j
 * decays with |i - j|. */
enum {
    ATTN_DIRECTION_FORWARD = 0,
    ATTN_DIRECTION_REVERSE = 1,
    ATTN_DIRECTION_FULL = 2,
    ATTN_DIRECTION_SYMMETRIC = 3
};

/*
 * Values of `feature_map`, of a row x of D channels; y = x W + b with W
 * FEATURE_WQ or FEATURE_WK [D,F], F = feature_dim.
 *
 * relu          max(x, feature_eps)
 * relu2         max(x, 0)^2
 * elu1          x + 1 where x > 0, else e^x
 * silu          x sigmoid(x)
 * softmax       over the channels
 * linear        y; relu_linear max(y, 0) + feature_eps (0)
 * hadamard      the product of two y; W [D,2 F]
 * hedgehog_exp  [e^y, e^-y] (Zhang et al., 2024), F default D, width 2 F
 * hedgehog_joint softmax of [2 y, -2 y]
 * hedgehog_split [softmax(y), softmax(-y)], at least feature_eps (1e-12)
 * dpfp          r = [max(x,0), -max(x,0)], products of r with itself shifted
 *               by 1 to 4 (Schlag et al., 2021), width 8 D
 * taylor2       [1, x / D^(1/4), x x^T / sqrt(2 D)], width 1 + D + D^2
 * favor         F^(-1/2) (e^(y - |x|^2 / (2 sqrt(D)) - c) + feature_eps
 *               (1e-6)) of y = x W / D^(1/4) (Choromanski et al., 2020); c:
 *               feature_max
 * favor_hyp     e^(+-y - |x|^2 / (2 sqrt(D))) / sqrt(2 F), width 2 F
 * cosformer     r = max(x, 0): [r sin(a), r cos(a)] with the angle a =
 *               pi/2 (position + 1) / max_position (Qin et al., 2022)
 */
enum {
    ATTN_FEATURE_IDENTITY = 0,
    ATTN_FEATURE_RELU = 1,
    ATTN_FEATURE_RELU2 = 2,
    ATTN_FEATURE_ELU1 = 3,
    ATTN_FEATURE_EXP = 4,
    ATTN_FEATURE_SIGMOID = 5,
    ATTN_FEATURE_SILU = 6,
    ATTN_FEATURE_SOFTMAX = 7,
    ATTN_FEATURE_LINEAR = 8,
    ATTN_FEATURE_RELU_LINEAR = 9,
    ATTN_FEATURE_HADAMARD = 10,
    ATTN_FEATURE_HEDGEHOG_EXP = 11,
    ATTN_FEATURE_HEDGEHOG_JOINT = 12,
    ATTN_FEATURE_HEDGEHOG_SPLIT = 13,
    ATTN_FEATURE_DPFP = 14,
    ATTN_FEATURE_TAYLOR2 = 15,
    ATTN_FEATURE_FAVOR = 16,
    ATTN_FEATURE_FAVOR_HYP = 17,
    ATTN_FEATURE_COSFORMER = 18
};

/*
 * Values of `feature_max`: c of feature_map=favor, which takes the largest
 * exponents to 1 so that nothing overflows, and what is below feature_eps of
 * those to feature_eps. rows: of a query its largest y, of all keys
 * feature_key_max. all: of keys the largest y that any key of the head has,
 * which needs direction=full.
 */
enum {
    ATTN_FEATURE_MAX_NONE = 0, /* c = 0 */
    ATTN_FEATURE_MAX_ROWS = 1,
    ATTN_FEATURE_MAX_ALL = 2
};

/*
 * Values of `gate`: the log decay g of an entry x of G, with a = GATE_A of the
 * head and b = GATE_BIAS or 0. g is clamped to -104 or more.
 *
 * log        x
 * logsigmoid ln sigmoid(x) / gate_divisor, at least gate_min
 * softplus   -e^a ln(1 + e^(x + b)) (Gated DeltaNet, KDA)
 * safe       gate_min sigmoid(e^a (x + b)) (KDA)
 * exp        -e^x (RWKV-6)
 * rwkv7      -e^(-1/2) sigmoid(x)
 * hgrn2      ln(b + (1 - b) sigmoid(x)) of x in K; k = 1 - e^g, silu of Q
 * lightnet   Z_(t-1) - Z_t, Z the running log-sum-exp of K; k = e^(K - Z_t)
 * mamba2     a t, t = ln(1 + e^(x + b)) in gate_min..gate_max; v is t V
 */
enum {
    ATTN_GATE_LOG = 0,
    ATTN_GATE_LOGSIGMOID = 1,
    ATTN_GATE_SOFTPLUS = 2,
    ATTN_GATE_SAFE = 3,
    ATTN_GATE_EXP = 4,
    ATTN_GATE_RWKV7 = 5,
    ATTN_GATE_HGRN2 = 6,
    ATTN_GATE_LIGHTNET = 7,
    ATTN_GATE_MAMBA2 = 8
};

/* Values of `birdie_form`: a number for each channel, or the state of scan. */
enum { ATTN_BIRDIE_VECTOR = 0, ATTN_BIRDIE_MATRIX = 1 };

#endif /* ATTN_RECURRENCE_H */
