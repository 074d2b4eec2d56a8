/* SPDX-License-Identifier: MIT */
/*
 * Parameters that one mechanism reads each; their numbers are that of the
 * mechanism times 100 and more. docs/mechanisms/ has their text. Included by
 * desc.h, whose functions set them.
 *
 * | no.   | key             | type   | values            | unset means      |
 * |-------|-----------------|--------|-------------------|------------------|
 * | 10100 | mla_form      | enum   | absorbed naive    | absorbed         |
 * | 10101 | mla_rank      | i64    | 1..65536          | needed           |
 * | 10102 | mla_rope_dim  | i64    | 0..65536          | 0                |
 * | 10200 | diff_attention_init | f64 | finite         | 0.2              |
 * | 12000 | act_beta        | f64    | 0..1              | 0.4              |
 * | 12001 | act_threshold   | f64    | 0..1              | 0.1              |
 * | 12002 | act_heads       | i64s   | 0..Hout-1 each    | all              |
 * | 12100 | var_p           | f64    | 0..1              | 0.6              |
 * | 12101 | var_rho         | f64    | 0..1              | 0.5              |
 * | 12102 | var_summ        | f64    | 0..1              | 0.2              |
 * | 12200 | vhr_alpha       | f64    | >= 0              | 2                |
 * | 12201 | vhr_filter      | bool   |                   | 1                |
 * | 12400 | pine_docs       | i64    | 1..65536          | needed           |
 * | 12900 | moda_align      | bool   |                   | 1                |
 * | 12901 | moda_base       | f64    | finite            | none             |
 * | 12902 | moda_decay      | f64    | >= 0              | 0                |
 * | 13300 | multitab_tasks  | i64    | 1..63             | needed           |
 * | 13301 | multitab_mask   | enum   | t_t f_t both      | t_t              |
 * | 13400 | s2_block        | i64    | 1..               | 64               |
 * | 13401 | s2_local_blocks | i64    | 1..               | needed           |
 * | 13402 | s2_stride       | i64    | 1..               | needed           |
 * | 13403 | s2_offset       | i64    | 0..               | 0                |
 * | 13404 | s2_dense_heads  | i64    | 0..65536          | 0                |
 * | 13405 | s2_homo_head    | bool   |                   | 0                |
 * | 13500 | moa_bands       | i64s   | 1.. each          | needed           |
 * | 13501 | moa_block       | i64    | 1..               | 64               |
 * | 20400 | flow_clamp      | f64    | > 0, at most 80   | 1                |
 * | 20401 | flow_eps        | f64    | >= 0              | 1e-6             |
 * | 22000 | agent_tokens    | i64    | 1..65536          | needed           |
 * | 22001 | agent_h         | i64    | 1..65536          | AGENTS given     |
 * | 22002 | agent_w         | i64    | 1..65536          | AGENTS given     |
 * | 22003 | agent_kv_h      | i64    | 1..65536          | agent_h          |
 * | 22004 | agent_kv_w      | i64    | 1..65536          | agent_w          |
 * | 22005 | agent_class     | bool   |                   | 0                |
 * | 22006 | agent_k_bias    | bool   | AGENT_K_BIAS      | 0                |
 * | 22007 | agent_q_bias    | bool   | AGENT_Q_BIAS      | 0                |
 * | 22008 | agent_conv      | bool   | AGENT_CONV, _BIAS | 0                |
 * | 22100 | agent_sd_tokens | i64    | 1..65536          | needed           |
 * | 22101 | agent_sd_power  | f64    | finite            | 0.3              |
 * | 22102 | agent_sd_shortcut | f64  | finite            | 0.075            |
 * | 22200 | birdie_form     | enum   | vector matrix     | vector           |
 * | 22201 | birdie_forward  | i64    | 1..H              | H / 2            |
 * | 30000 | moh_form        | enum   | code paper llama  | code             |
 * | 30001 | moh_shared      | i64    | 0..hout           | 0                |
 * | 30002 | moh_active      | i64    | 0..hout-moh_shared| needed           |
 * | 30003 | moh_channels    | i64    | 1..               | hq * d           |
 * | 30004 | moh_router      | bool   |                   | 1                |
 * | 30100 | uoe_active      | i64    | 1..hq             | hq div 2         |
 * | 30101 | uoe_channels    | i64    | 1..               | hq * d           |
 * | 30102 | uoe_pad         | bool   |                   | 0                |
 * | 30200 | bam_experts     | i64    | a divisor of hq   | needed           |
 * | 30201 | bam_shared_kv   | bool   |                   | 0                |
 * | 30202 | bam_channels    | i64    | 1..               | hq / experts * d |
 * | 30300 | moa_experts     | i64    | hq..65536         | no router        |
 * | 30301 | moa_form        | enum   | paper code        | paper            |
 * | 30302 | moa_channels    | i64    | 1..               | hq * d           |
 * | 30400 | biformer_region | i64    | 1..               | needed           |
 * | 30401 | biformer_top    | i64    | 1..               | needed           |
 * | 30402 | biformer_columns | i64    | 1..               | by regions       |
 * | 30403 | biformer_width  | i64    | 1..               | needed by lines  |
 * | 30500 | routing_clusters | i64    | 1..65536          | needed           |
 * | 30501 | routing_window  | i64    | 1..               | needed           |
 * | 30502 | routing_shared  | bool   |                   | 1                |
 * | 30503 | routing_eps     | f64    | >= 0              | 1e-2             |
 * | 30504 | routing_update  | bool   | CENTROID_STATE    | 0                |
 * | 30505 | routing_decay   | f64    | 0..1              | 0.999            |
 * | 30506 | routing_strided | bool   |                   | 0                |
 * | 30507 | routing_ranked  | bool   |                   | 0                |
 * | 30600 | landmark_blocks | i64    | 1..               | needed           |
 * | 30601 | landmark_top    | i64    | 1..               | all              |
 * | 30602 | landmark_over   | enum   | nothing heads     | nothing          |
 * |       |                 |        | tokens            |                  |
 * | 30700 | longheads_chunk | i64    | 1..               | 256              |
 * | 30701 | longheads_chunks | i64    | 3..               | 16               |
 * | 30702 | longheads_made  | bool   | LOCAL_Q, LOCAL_K  | 0                |
 * | 30703 | longheads_compact | bool |                   | 0                |
 * | 30800 | hcam_chunk      | i64    | 1..               | needed           |
 * | 30801 | hcam_top        | i64    | 1..               | needed           |
 * | 30802 | hcam_width      | i64    | 1..65536          | d                |
 * | 30803 | hcam_mask       | bool   | SELECT_MASK       | 0                |
 * | 30900 | dhsa_q_block    | i64    | 1..               | 64               |
 * | 30901 | dhsa_budget     | i64    | 1..               | 2048             |
 * | 30902 | dhsa_global     | i64    | 0..               | 128              |
 * | 30903 | dhsa_local      | i64    | 0..               | 128              |
 * | 30904 | dhsa_window     | i64    | 1..               | all keys         |
 * | 30905 | dhsa_tail       | i64    | 0..               | 0                |
 * | 31000 | hip_tokens      | i64    | 1..               | 512              |
 * | 31001 | hip_q_block     | i64    | 1..               | 32               |
 * | 31002 | hip_k_block     | i64    | 1..               | 2                |
 * | 31003 | hip_window      | i64    | 1..               | 128              |
 * | 31004 | hip_first       | i64    | 0..               | 1                |
 * | 31005 | hip_stride      | i64    | 1..               | 2                |
 * | 31006 | hip_middle      | bool   |                   | 0                |
 * | 31100 | flexprefill_block | i64    | 1..               | 128              |
 * | 31101 | flexprefill_gamma | f64    | > 0, at most 1    | 0.9              |
 * | 31102 | flexprefill_tau | f64    | 0..1              | 0.1              |
 * | 31103 | flexprefill_min | i64    | 1..               | 512              |
 * | 31104 | flexprefill_max | i64    | 1..               | all              |
 * | 31200 | hyper_block     | i64    | 1..               | 256              |
 * | 31201 | hyper_samples   | i64    | 0..2^24           | 256              |
 * | 31202 | hyper_least     | i64    | 1..               | 4096             |
 * | 31203 | hyper_bits      | i64    | 1..30             | 7                |
 * | 31204 | hyper_seed      | i64    | 0..               | needed           |
 * | 31205 | hyper_given     | bool   | SAMPLES           | 0                |
 * | 31300 | spt_top         | i64    | 1..               | k div 8          |
 * | 31301 | spt_words       | i64    | 1..256            | 16               |
 * | 31302 | spt_part        | i64    | divides d         | 8                |
 * | 31303 | spt_slots       | i64    | 1..parts          | none             |
 * | 31304 | spt_clamp       | f64    | > 0               | 10               |
 * | 31400 | sparsifiner_budget | i64 | 1..               | k / 4, up        |
 * | 31401 | sparsifiner_basis | i64    | 1..65536          | k div 6          |
 * | 31402 | sparsifiner_width | i64    | 1..65536          | half of d        |
 * | 31403 | sparsifiner_top | i64    | 1..65536          | 8                |
 * | 31404 | sparsifiner_least | f64    | >= 0              | 0.02             |
 * | 31405 | sparsifiner_class | i64    | 0..               | 1                |
 * | 31406 | sparsifiner_scale | f64    | finite            | 1/sqrt(hq)       |
 * | 31407 | sparsifiner_given | bool   | SELECT_SCORES     | 0                |
 * | 31500 | tokenselect_init | i64    | 0..               | 128              |
 * | 31501 | tokenselect_local | i64    | 1..               | 512              |
 * | 31502 | tokenselect_top | i64    | 1..               | 2048             |
 * | 31503 | tokenselect_pool | i64    | 0, odd            | 0                |
 * | 31504 | tokenselect_chunk | i64    | 1..               | q                |
 * | 31505 | tokenselect_raw | bool   | SELECT_Q, _K      | 0                |
 * | 31506 | tokenselect_compact | bool |                 | 0                |
 * | 31507 | tokenselect_reuse | f64  | -1..1, CHOICE_*   | none             |
 * | 31600 | moba_block      | i64    | 1..               | needed           |
 * | 31601 | moba_top        | i64    | 1..               | needed           |
 * | 31700 | nsa_compress    | i64    | 1..               | 32               |
 * | 31701 | nsa_stride      | i64    | 1..               | 16               |
 * | 31702 | nsa_block       | i64    | 1..               | 64               |
 * | 31703 | nsa_top         | i64    | 1..               | 16               |
 * | 31704 | nsa_first       | i64    | 0..               | 1                |
 * | 31705 | nsa_last        | i64    | 0..               | 2                |
 * | 31706 | nsa_local       | i64    | 0..               | 512              |
 * | 31707 | nsa_given       | bool   | K2, V2            | 0                |
 * | 31800 | quest_page      | i64    | 1..               | 16               |
 * | 31801 | quest_budget    | i64    | 1..               | needed           |
 * | 31900 | minference_pattern | enum | see values.h | vertical_slash |
 * | 31901 | minference_vertical | i64 | 1.. | 1000 |
 * | 31902 | minference_slash | i64    | 1..               | 6096             |
 * | 31903 | minference_last | i64    | 1..               | 64               |
 * | 31904 | minference_first | i64    | 0..               | 30               |
 * | 31905 | minference_near | i64    | 0..               | 100              |
 * | 31906 | minference_blocks | i64    | 1..               | 100              |
 * | 31907 | minference_tile | i64    | 1..               | 64               |
 * | 32000 | xattention_block | i64    | 1..               | 128              |
 * | 32001 | xattention_stride | i64    | divides the block | 8                |
 * | 32002 | xattention_threshold | f64 | > 0 | 0.9 |
 * | 32003 | xattention_norm | f64    | > 0               | 1                |
 * | 32004 | xattention_thresholds | f64s | > 0, one per    | all              |
 * |       |                 |        | output head       | ..._threshold    |
 * | 32100 | indexer_heads   | i64    | 1..65536          | needed           |
 * | 32101 | indexer_width   | i64    | 1..65536          | needed           |
 * | 32102 | indexer_tokens  | i64    | 1..               | 2048             |
 * | 32200 | lists           | enum   | and or            | and              |
 * | 32201 | lists_logits    | bool   |                   | 0                |
 * | 32202 | lists_layout    | enum   | rows groups       | rows             |
 * | 32300 | pooled_q_block  | i64    | 1..               | 1                |
 * | 32301 | pooled_k_block  | i64    | 1..               | needed           |
 * | 32302 | pooled_keys     | enum   | mean norm bounds  | mean             |
 * |       |                 |        | strides given ... |                  |
 * | 32303 | pooled_score    | enum   | dot prob rest relu | dot              |
 * | 32304 | pooled_reduce   | enum   | none mean sum max | none             |
 * | 32305 | pooled_open     | enum   | all starts before | starts           |
 * | 32306 | pooled_pick     | enum   | top cover least   | top              |
 * | 32307 | pooled_top      | i64    | 1..               | pick=top         |
 * | 32308 | pooled_mass     | f64    | finite            | other picks      |
 * | 32309 | pooled_scale    | f64    | finite            | 1                |
 * | 32310 | pooled_head_group | i64    | divides hout      | 1                |
 * | 32311 | pooled_first    | i64    | 0..               | 0                |
 * | 32312 | pooled_last     | i64    | 0..               | 0                |
 * | 32313 | pooled_max      | i64    | 0..               | 0                |
 * | 32314 | pooled_stride   | i64    | 1..               | strides, windows |
 * | 32315 | pooled_window   | i64    | 1..               | windows          |
 * | 32316 | pooled_offsets  | bool   | SELECT_OFFSETS    | 0                |
 * | 32317 | pooled_tokens   | bool   |                   | 0                |
 * | 32318 | pooled_mask     | bool   | SELECT_MASK       | 0                |
 * | 32319 | pooled_logits   | bool   |                   | 0                |
 * | 32320 | pooled_heads    | i64    | 1..65536          | hq               |
 * | 32321 | pooled_k_heads  | i64    | 1..65536          | 1                |
 * | 32322 | pooled_width    | i64    | 1..65536          | d                |
 */
#ifndef ATTN_MECH_PARAMS_H
#define ATTN_MECH_PARAMS_H

enum {
    ATTN_PARAM_MLA_FORM = 10100,
    ATTN_PARAM_MLA_RANK = 10101,
    ATTN_PARAM_MLA_ROPE_DIM = 10102,
    ATTN_PARAM_DIFF_ATTENTION_INIT = 10200,
    ATTN_PARAM_ACT_BETA = 12000,
    ATTN_PARAM_ACT_THRESHOLD = 12001,
    ATTN_PARAM_ACT_HEADS = 12002,
    ATTN_PARAM_VAR_P = 12100,
    ATTN_PARAM_VAR_RHO = 12101,
    ATTN_PARAM_VAR_SUMM = 12102,
    ATTN_PARAM_VHR_ALPHA = 12200,
    ATTN_PARAM_VHR_FILTER = 12201,
    ATTN_PARAM_PINE_DOCS = 12400,
    ATTN_PARAM_MODA_ALIGN = 12900,
    ATTN_PARAM_MODA_BASE = 12901,
    ATTN_PARAM_MODA_DECAY = 12902,
    ATTN_PARAM_MULTITAB_TASKS = 13300,
    ATTN_PARAM_MULTITAB_MASK = 13301,
    ATTN_PARAM_S2_BLOCK = 13400,
    ATTN_PARAM_S2_LOCAL_BLOCKS = 13401,
    ATTN_PARAM_S2_STRIDE = 13402,
    ATTN_PARAM_S2_OFFSET = 13403,
    ATTN_PARAM_S2_DENSE_HEADS = 13404,
    ATTN_PARAM_S2_HOMO_HEAD = 13405,
    ATTN_PARAM_MOA_BANDS = 13500,
    ATTN_PARAM_MOA_BLOCK = 13501,
    ATTN_PARAM_FLOW_CLAMP = 20400,
    ATTN_PARAM_FLOW_EPS = 20401,
    ATTN_PARAM_AGENT_TOKENS = 22000,
    ATTN_PARAM_AGENT_H = 22001,
    ATTN_PARAM_AGENT_W = 22002,
    ATTN_PARAM_AGENT_KV_H = 22003,
    ATTN_PARAM_AGENT_KV_W = 22004,
    ATTN_PARAM_AGENT_CLASS = 22005,
    ATTN_PARAM_AGENT_K_BIAS = 22006,
    ATTN_PARAM_AGENT_Q_BIAS = 22007,
    ATTN_PARAM_AGENT_CONV = 22008,
    ATTN_PARAM_AGENT_SD_TOKENS = 22100,
    ATTN_PARAM_AGENT_SD_POWER = 22101,
    ATTN_PARAM_AGENT_SD_SHORTCUT = 22102,
    ATTN_PARAM_BIRDIE_FORM = 22200,
    ATTN_PARAM_BIRDIE_FORWARD = 22201,
    ATTN_PARAM_MOH_FORM = 30000,
    ATTN_PARAM_MOH_SHARED = 30001,
    ATTN_PARAM_MOH_ACTIVE = 30002,
    ATTN_PARAM_MOH_CHANNELS = 30003,
    ATTN_PARAM_MOH_ROUTER = 30004,
    ATTN_PARAM_UOE_ACTIVE = 30100,
    ATTN_PARAM_UOE_CHANNELS = 30101,
    ATTN_PARAM_UOE_PAD = 30102,
    ATTN_PARAM_BAM_EXPERTS = 30200,
    ATTN_PARAM_BAM_SHARED_KV = 30201,
    ATTN_PARAM_BAM_CHANNELS = 30202,
    ATTN_PARAM_MOA_EXPERTS = 30300,
    ATTN_PARAM_MOA_FORM = 30301,
    ATTN_PARAM_MOA_CHANNELS = 30302,
    ATTN_PARAM_BIFORMER_REGION = 30400,
    ATTN_PARAM_BIFORMER_TOP = 30401,
    ATTN_PARAM_BIFORMER_COLUMNS = 30402,
    ATTN_PARAM_BIFORMER_WIDTH = 30403,
    ATTN_PARAM_ROUTING_CLUSTERS = 30500,
    ATTN_PARAM_ROUTING_WINDOW = 30501,
    ATTN_PARAM_ROUTING_SHARED = 30502,
    ATTN_PARAM_ROUTING_EPS = 30503,
    ATTN_PARAM_ROUTING_UPDATE = 30504,
    ATTN_PARAM_ROUTING_DECAY = 30505,
    ATTN_PARAM_ROUTING_STRIDED = 30506,
    ATTN_PARAM_ROUTING_RANKED = 30507,
    ATTN_PARAM_LANDMARK_BLOCKS = 30600,
    ATTN_PARAM_LANDMARK_TOP = 30601,
    ATTN_PARAM_LANDMARK_OVER = 30602,
    ATTN_PARAM_LONGHEADS_CHUNK = 30700,
    ATTN_PARAM_LONGHEADS_CHUNKS = 30701,
    ATTN_PARAM_LONGHEADS_MADE = 30702,
    ATTN_PARAM_LONGHEADS_COMPACT = 30703,
    ATTN_PARAM_HCAM_CHUNK = 30800,
    ATTN_PARAM_HCAM_TOP = 30801,
    ATTN_PARAM_HCAM_WIDTH = 30802,
    ATTN_PARAM_HCAM_MASK = 30803,
    ATTN_PARAM_DHSA_Q_BLOCK = 30900,
    ATTN_PARAM_DHSA_BUDGET = 30901,
    ATTN_PARAM_DHSA_GLOBAL = 30902,
    ATTN_PARAM_DHSA_LOCAL = 30903,
    ATTN_PARAM_DHSA_WINDOW = 30904,
    ATTN_PARAM_DHSA_TAIL = 30905,
    ATTN_PARAM_HIP_TOKENS = 31000,
    ATTN_PARAM_HIP_Q_BLOCK = 31001,
    ATTN_PARAM_HIP_K_BLOCK = 31002,
    ATTN_PARAM_HIP_WINDOW = 31003,
    ATTN_PARAM_HIP_FIRST = 31004,
    ATTN_PARAM_HIP_STRIDE = 31005,
    ATTN_PARAM_HIP_MIDDLE = 31006,
    ATTN_PARAM_FLEXPREFILL_BLOCK = 31100,
    ATTN_PARAM_FLEXPREFILL_GAMMA = 31101,
    ATTN_PARAM_FLEXPREFILL_TAU = 31102,
    ATTN_PARAM_FLEXPREFILL_MIN = 31103,
    ATTN_PARAM_FLEXPREFILL_MAX = 31104,
    ATTN_PARAM_HYPER_BLOCK = 31200,
    ATTN_PARAM_HYPER_SAMPLES = 31201,
    ATTN_PARAM_HYPER_LEAST = 31202,
    ATTN_PARAM_HYPER_BITS = 31203,
    ATTN_PARAM_HYPER_SEED = 31204,
    ATTN_PARAM_HYPER_GIVEN = 31205,
    ATTN_PARAM_SPT_TOP = 31300,
    ATTN_PARAM_SPT_WORDS = 31301,
    ATTN_PARAM_SPT_PART = 31302,
    ATTN_PARAM_SPT_SLOTS = 31303,
    ATTN_PARAM_SPT_CLAMP = 31304,
    ATTN_PARAM_SPARSIFINER_BUDGET = 31400,
    ATTN_PARAM_SPARSIFINER_BASIS = 31401,
    ATTN_PARAM_SPARSIFINER_WIDTH = 31402,
    ATTN_PARAM_SPARSIFINER_TOP = 31403,
    ATTN_PARAM_SPARSIFINER_LEAST = 31404,
    ATTN_PARAM_SPARSIFINER_CLASS = 31405,
    ATTN_PARAM_SPARSIFINER_SCALE = 31406,
    ATTN_PARAM_SPARSIFINER_GIVEN = 31407,
    ATTN_PARAM_TOKENSELECT_INIT = 31500,
    ATTN_PARAM_TOKENSELECT_LOCAL = 31501,
    ATTN_PARAM_TOKENSELECT_TOP = 31502,
    ATTN_PARAM_TOKENSELECT_POOL = 31503,
    ATTN_PARAM_TOKENSELECT_CHUNK = 31504,
    ATTN_PARAM_TOKENSELECT_RAW = 31505,
    ATTN_PARAM_TOKENSELECT_COMPACT = 31506,
    ATTN_PARAM_TOKENSELECT_REUSE = 31507,
    ATTN_PARAM_MOBA_BLOCK = 31600,
    ATTN_PARAM_MOBA_TOP = 31601,
    ATTN_PARAM_NSA_COMPRESS = 31700,
    ATTN_PARAM_NSA_STRIDE = 31701,
    ATTN_PARAM_NSA_BLOCK = 31702,
    ATTN_PARAM_NSA_TOP = 31703,
    ATTN_PARAM_NSA_FIRST = 31704,
    ATTN_PARAM_NSA_LAST = 31705,
    ATTN_PARAM_NSA_LOCAL = 31706,
    ATTN_PARAM_NSA_GIVEN = 31707,
    ATTN_PARAM_QUEST_PAGE = 31800,
    ATTN_PARAM_QUEST_BUDGET = 31801,
    ATTN_PARAM_MINFERENCE_PATTERN = 31900,
    ATTN_PARAM_MINFERENCE_VERTICAL = 31901,
    ATTN_PARAM_MINFERENCE_SLASH = 31902,
    ATTN_PARAM_MINFERENCE_LAST = 31903,
    ATTN_PARAM_MINFERENCE_FIRST = 31904,
    ATTN_PARAM_MINFERENCE_NEAR = 31905,
    ATTN_PARAM_MINFERENCE_BLOCKS = 31906,
    ATTN_PARAM_MINFERENCE_TILE = 31907,
    ATTN_PARAM_XATTENTION_BLOCK = 32000,
    ATTN_PARAM_XATTENTION_STRIDE = 32001,
    ATTN_PARAM_XATTENTION_THRESHOLD = 32002,
    ATTN_PARAM_XATTENTION_NORM = 32003,
    ATTN_PARAM_XATTENTION_THRESHOLDS = 32004,
    ATTN_PARAM_INDEXER_HEADS = 32100,
    ATTN_PARAM_INDEXER_WIDTH = 32101,
    ATTN_PARAM_INDEXER_TOKENS = 32102,
    ATTN_PARAM_LISTS = 32200,
    ATTN_PARAM_LISTS_LOGITS = 32201,
    ATTN_PARAM_LISTS_LAYOUT = 32202,
    ATTN_PARAM_POOLED_Q_BLOCK = 32300,
    ATTN_PARAM_POOLED_K_BLOCK = 32301,
    ATTN_PARAM_POOLED_KEYS = 32302,
    ATTN_PARAM_POOLED_SCORE = 32303,
    ATTN_PARAM_POOLED_REDUCE = 32304,
    ATTN_PARAM_POOLED_OPEN = 32305,
    ATTN_PARAM_POOLED_PICK = 32306,
    ATTN_PARAM_POOLED_TOP = 32307,
    ATTN_PARAM_POOLED_MASS = 32308,
    ATTN_PARAM_POOLED_SCALE = 32309,
    ATTN_PARAM_POOLED_HEAD_GROUP = 32310,
    ATTN_PARAM_POOLED_FIRST = 32311,
    ATTN_PARAM_POOLED_LAST = 32312,
    ATTN_PARAM_POOLED_MAX = 32313,
    ATTN_PARAM_POOLED_STRIDE = 32314,
    ATTN_PARAM_POOLED_WINDOW = 32315,
    ATTN_PARAM_POOLED_OFFSETS = 32316,
    ATTN_PARAM_POOLED_TOKENS = 32317,
    ATTN_PARAM_POOLED_MASK = 32318,
    ATTN_PARAM_POOLED_LOGITS = 32319,
    ATTN_PARAM_POOLED_HEADS = 32320,
    ATTN_PARAM_POOLED_K_HEADS = 32321,
    ATTN_PARAM_POOLED_WIDTH = 32322
};

#endif /* ATTN_MECH_PARAMS_H */
