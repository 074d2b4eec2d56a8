/* SPDX-License-Identifier: MIT */
/*
 * The numbers of mechanisms, one of which every descriptor is of. The first
 * word of a problem string is the same in lower case. Included by desc.h.
 */
#ifndef ATTN_MECHS_H
#define ATTN_MECHS_H

/* Mechanisms. Numbers are pinned; attn_mech_find has them by name. */
enum {
    /* No mechanism: storage of keys and values, for attn_cache_create. */
    ATTN_MECH_CACHE = 1,
    /* Scaled dot-product softmax attention (Vaswani et al., 2017), with the
     * online softmax of Milakov and Gimelshein (2018) where it is tiled. */
    ATTN_MECH_SOFTMAX = 100,
    /* Multi-head latent attention (DeepSeek-V2, 2024). */
    ATTN_MECH_MLA = 101,
    /* Differential attention (Ye et al., 2024): the second softmax of a pair is
     * taken off the first. */
    ATTN_MECH_DIFF_ATTENTION = 102,
    /* DependencyViT (Ding et al., 2023): weights normalised over the keys and
     * summed over the queries, out_j = sum_i p_ij g_i v_i. */
    ATTN_MECH_REVERSED_ATTENTION = 103,
    /* Third-order attention (Alman and Song, 2023): the keys are all products
     * of a key of K and one of K2, s = scale * sum_c q_c k_c k2_c. */
    ATTN_MECH_TENSOR_ATTENTION = 104,
    /* Token-parameter attention (TokenFormer, 2024): normalizer l2_gelu,
     * gelu_l2 or exp_n, scale 1. */
    ATTN_MECH_PATTENTION = 105,
    /* Length scaled softplus attention (Gao and Spratling, 2025), and with
     * reweighting. */
    ATTN_MECH_LSSA = 106,
    ATTN_MECH_LSSAR = 107,
    /* normalizer=relu (Wortsman et al., 2023), sigmoid (Ramapuram et al.,
     * 2024), entmax with alpha 1.5 (Peters et al., 2019), sparsemax (Martins
     * and Astudillo, 2016). */
    ATTN_MECH_RELU_ATTENTION = 108,
    ATTN_MECH_SIGMOID_ATTENTION = 109,
    ATTN_MECH_ENTMAX15 = 110,
    ATTN_MECH_SPARSEMAX = 111,
    /* Pointer networks (Vinyals et al., 2015): probabilities of the additive
     * scores sum_c w_c tanh(q_c + k_c), no values. */
    ATTN_MECH_POINTER = 112,
    /* Relative attention (Transformer-XL, Dai et al., 2019): query_table. */
    ATTN_MECH_RMHA = 113,
    /* The same behind short convolutions of q, k and v (RCMHA, 2023). */
    ATTN_MECH_RCMHA = 114,
    /* Pairs of channels as complex numbers with stretched angles
     * (ComplexFormer, 2025; EulerFormer, Tian et al., 2024). */
    ATTN_MECH_COMPLEXFORMER = 115,
    /* Low-rank factorised pooling (LAMA, Mehta et al., 2019): every head is a
     * mean of the tokens, asked for by the mean of all. */
    ATTN_MECH_LAMA = 116,
    /* Groups of query heads by the size of their keys, or by how much it
     * changed (Khan et al., 2024): kv_head from head_maps.h. */
    ATTN_MECH_KDGQA = 117,
    ATTN_MECH_DGQA = 118,
    /* The same paper's perturbed form: noise is taken off the output. */
    ATTN_MECH_PGQA = 119,
    /* Attention calibration (ACT, Yu et al., 2024): sinks but the first keep a
     * share of their weight, the other keys get the rest. */
    ATTN_MECH_ACT = 120,
    /* Visual attention redistribution (VAR, Kang et al., 2025): in rows that
     * look at the image, weight of sink tokens goes to the rest of it. */
    ATTN_MECH_VAR = 121,
    /* Vision-aware head reinforcement (VHR, He et al., 2025): heads whose
     * output changes most with the image are multiplied. */
    ATTN_MECH_VHR = 122,
    /* Scores raised or lowered by class of the key (PAI, Liu et al., 2024):
     * class_terms. */
    ATTN_MECH_IMBALANCED_ATTENTION = 123,
    /* Position-invariant inference (PINE, Wang et al., 2024): documents whose
     * order does not matter. */
    ATTN_MECH_PINE = 124,
    /* Soft injection of task embeddings (2025): softmax with head_mix. */
    ATTN_MECH_SOFT_INJECTION = 125,
    /* Croc (2024): causal, with a prefix or an image that all or its own
     * queries see. */
    ATTN_MECH_CROC = 126,
    /* Modality-mutual attention (AKI, 2025): causal, and image queries see
     * the text behind them. */
    ATTN_MECH_MMA = 127,
    /* EE-MLLM (2024): queries of the text alone over images and text. */
    ATTN_MECH_EE_MLLM = 128,
    /* Modular duplex attention (MODA, 2025): within each of two modalities,
     * and across with aligned keys. */
    ATTN_MECH_MODA = 129,
    /* MixFormer (Cui et al., 2022): templates see templates, the search
     * region sees all. */
    ATTN_MECH_MIXFORMER = 130,
    /* Pair-wise cross attention (Dual Cross-Attention Learning, Zhu et al.,
     * 2022): one softmax over the keys of two sources, K and K2. */
    ATTN_MECH_PWCA = 131,
    /* Its global-local form: the rows in ROWS alone attend to all keys. */
    ATTN_MECH_GLCA = 132,
    /* MultiTab (2026): tokens of features and of tasks in one sequence. */
    ATTN_MECH_MULTITAB = 133,
    /* S2 attention (Lin et al., 2024): local blocks and every n-th block, a
     * phase for each head. */
    ATTN_MECH_S2_ATTENTION = 134,
    /* MoA (Fu et al., 2024): the first block and a span of blocks for each
     * head. */
    ATTN_MECH_MOA_SPAN = 135,
    /* Stochastically subsampled self-attention (Hussain et al., 2023): all
     * queries see the keys of one list. */
    ATTN_MECH_SSA = 136,
    /* MASFormer (Zhang et al., 2023): causal, with a window in some layers. */
    ATTN_MECH_MASFORMER = 137,
    /* Sparse query attention (2025): fewer query than key heads are legal. */
    ATTN_MECH_SQA = 138,
    /* Single-head attention of SHViT (2024). */
    ATTN_MECH_SHSA = 139,
    /* Attention of LowFormer (2024) on tokens of low resolution. */
    ATTN_MECH_LOWFORMER_MHSA = 140,
    /* The recurrence core of the linear family, everything a parameter. */
    ATTN_MECH_SCAN = 199,
    /* Linear attention (Katharopoulos et al., 2020) with any feature map. */
    ATTN_MECH_LINEAR_ATTENTION = 200,
    /* Gated linear attention (Yang et al., 2023). */
    ATTN_MECH_GLA = 201,
    /* Lightning attention, TransNormerLLM (Qin et al., 2023, 2024). */
    ATTN_MECH_LIGHTNING = 202,
    /* Hedgehog (Zhang et al., 2024): learned feature maps. */
    ATTN_MECH_HEDGEHOG = 203,
    /* Flow attention (Flowformer, Wu et al., 2022): conserved flows. */
    ATTN_MECH_FLOW_ATTENTION = 204,
    /* LightNet (Qin et al., 2024): additive recurrence, softmax over keys. */
    ATTN_MECH_LIGHTNET = 205,
    /* Retention (RetNet, Sun et al., 2023). */
    ATTN_MECH_RETNET = 206,
    /* State space duality (Mamba-2, Dao and Gu, 2024). */
    ATTN_MECH_MAMBA2 = 207,
    /* Delta rule (Schlag et al., 2021; DeltaNet, Yang et al., 2024). */
    ATTN_MECH_DELTANET = 208,
    /* Gated delta rule (Yang et al., 2024). */
    ATTN_MECH_GATED_DELTANET = 209,
    /* Kimi delta attention (2025). */
    ATTN_MECH_KDA = 210,
    /* RWKV-6 and RWKV-7 (Peng et al., 2024, 2025). */
    ATTN_MECH_RWKV6 = 211,
    ATTN_MECH_RWKV7 = 212,
    /* HGRN2 (Qin et al., 2024). */
    ATTN_MECH_HGRN2 = 213,
    /* Performer, FAVOR+ (Choromanski et al., 2020). */
    ATTN_MECH_PERFORMER = 214,
    /* cosFormer (Qin et al., 2022). */
    ATTN_MECH_COSFORMER = 215,
    /* Gated DeltaNet with channel gates of erasing and writing (2025). */
    ATTN_MECH_GDN2 = 216,
    /* Comba (Hu et al., 2025). */
    ATTN_MECH_COMBA = 217,
    /* DeltaProduct (Siems et al., 2025). */
    ATTN_MECH_DELTAPRODUCT = 218,
    /* Based (Arora et al., 2024): the Taylor map of second order. */
    ATTN_MECH_BASED = 219,
    /* Agent attention (Han et al., 2024): a few agent tokens read the keys,
     * queries read the agents; and its form for Stable Diffusion. */
    ATTN_MECH_AGENT_ATTENTION = 220,
    ATTN_MECH_AGENT_SD = 221,
    /* Birdie (Blouir et al., 2024): recurrences both ways over a prefix. */
    ATTN_MECH_BIRDIE = 222,
    /* Mixture-of-Head attention (Jin et al., 2024): a router gives each token
     * some of the heads. */
    ATTN_MECH_MOH = 300,
    /* Selective multi-head attention (Union of Experts, Yang et al., 2025):
     * heads among the tokens that joined them. */
    ATTN_MECH_UOE_SMHA = 301,
    /* Soft mixture of attention experts (BAM!, Zhang et al., 2024). */
    ATTN_MECH_BAM_SOFT_MOA = 302,
    /* Mixture of attention heads (Zhang et al., 2022): queries of chosen
     * experts, one head of keys and values. */
    ATTN_MECH_MOA_HEADS = 303,
    /* Bi-level routing attention (BiFormer, Zhu et al., 2023): regions of an
     * image attend to the regions that suit them best. */
    ATTN_MECH_BIFORMER = 304,
    /* The Routing Transformer (Roy et al., 2020): clusters around centroids. */
    ATTN_MECH_ROUTING = 305,
    /* Blocks by their landmark tokens (Mohtashami and Jaggi, 2023), normalised
     * in two levels. */
    ATTN_MECH_LANDMARK = 306,
    /* Chunks by their chunk keys (LongHeads, Lu et al., 2024). */
    ATTN_MECH_LONGHEADS = 307,
    /* Hierarchical chunk attention memory (Lampinen et al., 2021). */
    ATTN_MECH_HCAM = 308,
    /* Dynamic hierarchical sparse attention (Xiong et al., 2025): tokens of
     * chunks of any lengths. */
    ATTN_MECH_DHSA = 309,
    /* Hierarchically pruned attention (Lee et al., 2024): blocks that a search
     * by halves finds. */
    ATTN_MECH_HIP = 310,
    /* FlexPrefill (Lai et al., 2025): each head finds its pattern. */
    ATTN_MECH_FLEXPREFILL = 311,
    /* HyperAttention (Han et al., 2023): blocks of like hash codes, and keys
     * drawn at random. */
    ATTN_MECH_HYPER = 312,
    /* Tokens by equal codes of product quantisation (SPT, Gui et al., 2023). */
    ATTN_MECH_SPT = 313,
    /* Tokens by predicted scores of low rank (Sparsifiner, Wei et al.,
     * 2023). */
    ATTN_MECH_SPARSIFINER = 314,
    /* Tokens by the votes of all heads (TokenSelect, Wu et al., 2024). */
    ATTN_MECH_TOKENSELECT = 315,
    /* Mixture of block attention (Lu et al., 2025). */
    ATTN_MECH_MOBA = 316,
    /* Native sparse attention (Yuan et al., 2025): compressed, selected and
     * latest keys. */
    ATTN_MECH_NSA = 317,
    /* Query-aware sparsity (Quest, Tang et al., 2024): pages by bounds. */
    ATTN_MECH_QUEST = 318,
    /* The patterns of MInference (Jiang et al., 2024). */
    ATTN_MECH_MINFERENCE = 319,
    /* Blocks by sums of antidiagonals (XAttention, Xu et al., 2025). */
    ATTN_MECH_XATTENTION = 320,
    /* Tokens by an indexer of short heads (DeepSeek-V3.2, 2025). */
    ATTN_MECH_INDEXER_TOPK = 321,
    /* Attention along the caller's index lists (selection.h). */
    ATTN_MECH_LISTS = 322,
    /* Attention along lists that the pooled selector makes, all of whose fields
     * are parameters; several of the above are settings of it. */
    ATTN_MECH_POOLED_SELECT = 323
};

#endif /* ATTN_MECHS_H */
