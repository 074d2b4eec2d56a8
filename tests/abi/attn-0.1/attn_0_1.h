/* SPDX-License-Identifier: MIT */
/* The interface of 0.1; made by tests/abi/freeze.sh, not to be edited. */
#ifndef ATTN_FROZEN_0_1
#define ATTN_FROZEN_0_1

#include <stddef.h>
#include <stdint.h>

#define ATTN_VERSION_MAJOR 0
#define ATTN_VERSION_MINOR 1
#define ATTN_VERSION_PATCH 0

#define ATTN_ABI 0

#define ATTN_VERSION \
    ((ATTN_VERSION_MAJOR << 16) | (ATTN_VERSION_MINOR << 8) | \
     ATTN_VERSION_PATCH)

#if defined(__GNUC__)
#define ATTN_API __attribute__((visibility("default")))
#else
#define ATTN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API uint32_t attn_version(void);

ATTN_API const char *attn_version_text(void);

#ifdef __cplusplus
}
#endif

#define ATTN_STATUS_LIST(X) \
    X(OK, 0, "success") \
    X(ERR_INVALID, -1, "an argument has a value that is not allowed") \
    X(ERR_NULL, -2, "a required pointer is NULL") \
    X(ERR_STATE, -3, "the object is in a state that forbids the call") \
    X(ERR_UNSUPPORTED, -4, "a legal request that this build cannot serve") \
    X(ERR_NOMEM, -5, "the allocator returned NULL") \
    X(ERR_BUSY, -6, "the object is in use: workspaces, or an open step") \
    X(ERR_OVERFLOW, -7, "a size does not fit in 64 bits") \
    X(ERR_THREAD, -8, "a worker thread could not be started") \
    X(ERR_INTERNAL, -9, "a defect in the library") \
    X(ERR_DTYPE, -20, "a tensor has the wrong element type") \
    X(ERR_SHAPE, -21, "a tensor has the wrong shape") \
    X(ERR_STRIDE, -22, "a tensor has strides that are not allowed") \
    X(ERR_ROLE, -23, "a role is missing, doubled or not expected") \
    X(ERR_RANGE, -24, "a length, offset or index is out of range") \
    X(ERR_ALIGN, -25, "a pointer is not aligned as required") \
    X(ERR_WORKSPACE, -26, "the workspace is too small") \
    X(ERR_DATA, -27, "data that must be finite or bounded is not") \
    X(ERR_UNKNOWN_PARAM, -40, "no parameter has this number") \
    X(ERR_UNKNOWN_NAME, -41, "no parameter, role or value has this name") \
    X(ERR_SYNTAX, -42, "the problem string cannot be read") \
    X(ERR_UNKNOWN_MECH, -43, "no mechanism has this id") \
    X(ERR_UNKNOWN_SOLVER, -44, "no solver has this name") \
    X(ERR_UNSET, -45, "a parameter that is needed was not set") \
    X(ERR_BAD_ID, -60, "no sequence has this handle") \
    X(ERR_FULL, -61, "the cache has too little room; try when some is free") \
    X(ERR_LIMIT, -62, "a sequence would become too long") \
    X(ERR_UNAVAILABLE, -63, "tokens are needed that a rule has dropped") \
    X(ERR_FORMAT, -64, "the bytes are of another kind or version") \
    X(ERR_MISMATCH, -65, "what was saved does not fit the object") \
    X(ERR_CORRUPT, -66, "the saved bytes are damaged")

enum {
#define ATTN_STATUS_ENUM(name, value, text) ATTN_##name = value,
    ATTN_STATUS_LIST(ATTN_STATUS_ENUM)
#undef ATTN_STATUS_ENUM

    ATTN_STATUS_END = -1000
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API const char *attn_status_name(int32_t status);

ATTN_API const char *attn_status_text(int32_t status);

ATTN_API size_t attn_last_error(char *buf, size_t len);

#ifdef __cplusplus
}
#endif

enum {
    ATTN_DTYPE_F32 = 1,
    ATTN_DTYPE_F64 = 2,
    ATTN_DTYPE_F16 = 3,
    ATTN_DTYPE_BF16 = 4,
    ATTN_DTYPE_I32 = 5,
    ATTN_DTYPE_I64 = 6,
    ATTN_DTYPE_U8 = 7,
    ATTN_DTYPE_BOOL = 8,

    ATTN_DTYPE_FP8_E4M3 = 9,
    ATTN_DTYPE_FP8_E5M2 = 10,
    ATTN_DTYPE_Q8_0 = 32,
    ATTN_DTYPE_Q4_0 = 33,
    ATTN_DTYPE_KIVI4 = 34,
    ATTN_DTYPE_KIVI2 = 35
};

#define ATTN_TENSOR_MAX_RANK 8

#define ATTN_UNBOUNDED INT64_MIN

typedef struct attn_tensor {
    void *data;
    int32_t dtype;
    int32_t rank;
    int64_t shape[ATTN_TENSOR_MAX_RANK];
    int64_t stride[ATTN_TENSOR_MAX_RANK];
} attn_tensor;

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_tensor_init(attn_tensor *tensor, void *data,
                                  int32_t dtype, int32_t rank,
                                  const int64_t *shape);

ATTN_API size_t attn_dtype_size(int32_t dtype);

ATTN_API size_t attn_dtype_row_size(int32_t dtype, int64_t n);

ATTN_API const char *attn_dtype_name(int32_t dtype);

#ifdef __cplusplus
}
#endif

typedef struct attn_ctx attn_ctx;

typedef struct attn_allocator {
    size_t size;
    void *user;
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*free)(void *user, void *ptr, size_t bytes);
} attn_allocator;

enum {
    ATTN_LOG_SILENT = 0,
    ATTN_LOG_ERROR = 1,
    ATTN_LOG_WARNING = 2,
    ATTN_LOG_INFO = 3,
    ATTN_LOG_TRACE = 4
};

typedef struct attn_logger {
    size_t size;
    void *user;
    void (*log)(void *user, int32_t level, const char *line);
} attn_logger;

typedef struct attn_parallel {
    size_t size;
    void *user;
    int64_t threads;
    void (*run)(void *user, int64_t n, void (*fn)(void *arg, int64_t i),
                void *arg);
} attn_parallel;

enum {
    ATTN_ISA_C = 0,
    ATTN_ISA_SSE2 = 10,
    ATTN_ISA_AVX2 = 20,
    ATTN_ISA_AVX512 = 30,
    ATTN_ISA_AVX512_BF16 = 31,
    ATTN_ISA_NEON = 40
};

enum {
    ATTN_CTX_THREADS = 1,
    ATTN_CTX_MAX_ISA = 2,
    ATTN_CTX_LOG_LEVEL = 3,
    ATTN_CTX_ISA = 4,
    ATTN_CTX_BLAS = 5
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_ctx_create(const attn_allocator *allocator,
                                 attn_ctx **ctx);

ATTN_API void attn_ctx_destroy(attn_ctx *ctx);

ATTN_API int32_t attn_ctx_set_i64(attn_ctx *ctx, int32_t option,
                                  int64_t value);

ATTN_API int32_t attn_ctx_get_i64(const attn_ctx *ctx, int32_t option,
                                  int64_t *value);

ATTN_API int32_t attn_ctx_set_logger(attn_ctx *ctx, const attn_logger *logger);

ATTN_API int32_t attn_ctx_set_parallel(attn_ctx *ctx,
                                       const attn_parallel *parallel);

ATTN_API int32_t attn_ctx_describe(const attn_ctx *ctx, char *buf, size_t len,
                                   size_t *needed);

ATTN_API const char *attn_isa_name(int32_t isa);

ATTN_API int32_t attn_isa_at(size_t index);

ATTN_API int32_t attn_isa_usable(int32_t isa);

#ifdef __cplusplus
}
#endif

typedef struct attn_desc attn_desc;

enum {
    ATTN_PARAM_B = 100,
    ATTN_PARAM_HQ = 101,
    ATTN_PARAM_HK = 102,
    ATTN_PARAM_HV = 103,
    ATTN_PARAM_Q = 104,
    ATTN_PARAM_K = 105,
    ATTN_PARAM_D = 106,
    ATTN_PARAM_DV = 107,
    ATTN_PARAM_PACKED = 108,
    ATTN_PARAM_VIEW = 109,
    ATTN_PARAM_Q_HEAD = 110,
    ATTN_PARAM_K_HEAD = 111,
    ATTN_PARAM_V_HEAD = 112,
    ATTN_PARAM_KV_HEAD = 113,
    ATTN_PARAM_CAUSAL = 200,
    ATTN_PARAM_ALIGN = 201,
    ATTN_PARAM_WINDOW_LEFT = 202,
    ATTN_PARAM_WINDOW_RIGHT = 203,
    ATTN_PARAM_SINK_TOKENS = 204,
    ATTN_PARAM_PREFIX = 205,
    ATTN_PARAM_SEGMENTS = 206,
    ATTN_PARAM_MASK = 207,
    ATTN_PARAM_POSITIONS = 210,
    ATTN_PARAM_SCALE = 300,
    ATTN_PARAM_SOFTCAP = 301,
    ATTN_PARAM_BIAS = 302,
    ATTN_PARAM_ALIBI = 303,
    ATTN_PARAM_ALIBI_SLOPES = 304,
    ATTN_PARAM_SINK_LOGITS = 305,
    ATTN_PARAM_NORMALIZER = 310,
    ATTN_PARAM_NORM_POWER = 311,
    ATTN_PARAM_NORM_BIAS = 312,
    ATTN_PARAM_NORM_COUNT = 313,
    ATTN_PARAM_NORM_N = 314,
    ATTN_PARAM_NORM_GAMMA = 315,
    ATTN_PARAM_HEAD_SCALE = 320,
    ATTN_PARAM_ROW_SCALE = 321,
    ATTN_PARAM_LOGN_TRAIN = 322,
    ATTN_PARAM_SSMAX = 323,
    ATTN_PARAM_LOGN_COUNT = 324,
    ATTN_PARAM_BIAS_TABLE = 325,
    ATTN_PARAM_TABLE_ZERO = 326,
    ATTN_PARAM_T5_BUCKETS = 327,
    ATTN_PARAM_T5_MAX_DISTANCE = 328,
    ATTN_PARAM_T5_BIDIRECTIONAL = 329,
    ATTN_PARAM_GRID_W = 330,
    ATTN_PARAM_SWIN_H = 331,
    ATTN_PARAM_SWIN_W = 332,
    ATTN_PARAM_QUERY_TABLE_ZERO = 333,
    ATTN_PARAM_QUERY_TABLE = 334,
    ATTN_PARAM_Q_BIAS_CONTENT = 335,
    ATTN_PARAM_Q_BIAS_TABLE = 336,
    ATTN_PARAM_QUERY_TABLE_BIAS = 337,
    ATTN_PARAM_CLASS_TERMS = 338,
    ATTN_PARAM_CLASS_ROWS = 339,
    ATTN_PARAM_QK_NORM = 340,
    ATTN_PARAM_QK_NORM_EPS = 341,
    ATTN_PARAM_QK_NORM_WEIGHT = 342,
    ATTN_PARAM_QK_NORM_BIAS = 343,
    ATTN_PARAM_QK_NORM_PLUS_ONE = 344,
    ATTN_PARAM_ROPE = 350,
    ATTN_PARAM_ROPE_DIM = 351,
    ATTN_PARAM_ROPE_BASE = 352,
    ATTN_PARAM_ROPE_SCALING = 353,
    ATTN_PARAM_ROPE_FACTOR = 354,
    ATTN_PARAM_ROPE_ORIGINAL = 355,
    ATTN_PARAM_ROPE_BETA_FAST = 356,
    ATTN_PARAM_ROPE_BETA_SLOW = 357,
    ATTN_PARAM_ROPE_TRUNCATE = 358,
    ATTN_PARAM_ROPE_LOW = 359,
    ATTN_PARAM_ROPE_HIGH = 360,
    ATTN_PARAM_ROPE_APPLY = 361,
    ATTN_PARAM_ROPE_ATTENTION = 362,
    ATTN_PARAM_ROPE_MSCALE = 363,
    ATTN_PARAM_ROPE_FREQS = 364,
    ATTN_PARAM_ROPE_POSITIONS = 365,
    ATTN_PARAM_OUT_GATE = 370,
    ATTN_PARAM_HEAD_FACTOR = 371,
    ATTN_PARAM_HEAD_MIX = 372,
    ATTN_PARAM_OUT_NORM = 373,
    ATTN_PARAM_OUT_NORM_EPS = 374,
    ATTN_PARAM_OUT_NORM_WEIGHT = 375,
    ATTN_PARAM_OUT_SCALE = 376,
    ATTN_PARAM_HEAD_GATE = 377,
    ATTN_PARAM_SELECT = 380,
    ATTN_PARAM_OBSERVE = 385,
    ATTN_PARAM_FEATURE_MAX = 390,
    ATTN_PARAM_FEATURE_KEY_MAX = 391,
    ATTN_PARAM_DTYPE = 400,
    ATTN_PARAM_KV_DTYPE = 401,
    ATTN_PARAM_COMPUTE = 402,
    ATTN_PARAM_WANT = 500,
    ATTN_PARAM_MASS_CLASSES = 501,
    ATTN_PARAM_SOLVER = 600,
    ATTN_PARAM_BLAS = 601,
    ATTN_PARAM_EXECUTORS = 602,
    ATTN_PARAM_CHECK = 603,
    ATTN_PARAM_EFFORT = 604,
    ATTN_PARAM_INVARIANT = 605,
    ATTN_PARAM_DECAY = 700,
    ATTN_PARAM_UPDATE = 701,
    ATTN_PARAM_ERASE_READS = 702,
    ATTN_PARAM_READ = 703,
    ATTN_PARAM_BONUS = 704,
    ATTN_PARAM_STATE_NORM = 705,
    ATTN_PARAM_STATE_NORM_EPS = 706,
    ATTN_PARAM_DIRECTION = 707,
    ATTN_PARAM_FEATURE_MAP = 708,
    ATTN_PARAM_FEATURE_DIM = 709,
    ATTN_PARAM_FEATURE_EPS = 710,
    ATTN_PARAM_FEATURE_BIAS = 711,
    ATTN_PARAM_RESET = 712,
    ATTN_PARAM_GATE = 713,
    ATTN_PARAM_GATE_DIVISOR = 714,
    ATTN_PARAM_GATE_MIN = 715,
    ATTN_PARAM_GATE_MAX = 716,
    ATTN_PARAM_GATE_BIAS = 717,
    ATTN_PARAM_L2NORM = 718,
    ATTN_PARAM_L2NORM_EPS = 719,
    ATTN_PARAM_STATE_HEADS = 720,
    ATTN_PARAM_MAX_POSITION = 721,
    ATTN_PARAM_DELTA_STEPS = 722,
    ATTN_PARAM_SKIP = 723,
    ATTN_PARAM_CACHE_LAYERS = 900,
    ATTN_PARAM_CACHE_OWNER = 901,
    ATTN_PARAM_CACHE_PAGE = 902,
    ATTN_PARAM_CACHE_PAGES = 903,
    ATTN_PARAM_CACHE_SEQUENCES = 904,
    ATTN_PARAM_CACHE_GROUP = 905,
    ATTN_PARAM_CACHE_K_DTYPE = 906,
    ATTN_PARAM_CACHE_V_DTYPE = 907,
    ATTN_PARAM_CACHE_WINDOW = 908,
    ATTN_PARAM_CACHE_SINK = 909,
    ATTN_PARAM_CACHE_SLACK = 910,
    ATTN_PARAM_CACHE_FOLD = 911,
    ATTN_PARAM_CACHE_KEYS = 912,
    ATTN_PARAM_CACHE_MAX_POSITION = 913,
    ATTN_PARAM_CACHE_K_SCALE = 914,
    ATTN_PARAM_CACHE_V_SCALE = 915,
    ATTN_PARAM_CACHE_SCORES = 916,
    ATTN_PARAM_CACHE_SCORE_ROWS = 917,
    ATTN_PARAM_POLICY = 918,
    ATTN_PARAM_CACHE_V_PREFIX = 919,
    ATTN_PARAM_CACHE_SUMMARY = 920,
    ATTN_PARAM_CACHE_RESIDUAL = 921
};

enum {
    ATTN_PARAM_TYPE_I64 = 1,
    ATTN_PARAM_TYPE_BOOL = 2,
    ATTN_PARAM_TYPE_ENUM = 3,
    ATTN_PARAM_TYPE_SET = 4,
    ATTN_PARAM_TYPE_F64 = 5,
    ATTN_PARAM_TYPE_TEXT = 6,
    ATTN_PARAM_TYPE_I64S = 7,
    ATTN_PARAM_TYPE_F64S = 8
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_desc_create(attn_ctx *ctx, int32_t id,
                                  attn_desc **desc);

ATTN_API int32_t attn_desc_parse(attn_ctx *ctx, const char *text,
                                 attn_desc **desc);

ATTN_API int32_t attn_desc_print(const attn_desc *desc, char *buf, size_t len,
                                 size_t *needed);

ATTN_API void attn_desc_destroy(attn_desc *desc);

ATTN_API int32_t attn_desc_set_i64(attn_desc *desc, int32_t param,
                                   int64_t value);
ATTN_API int32_t attn_desc_set_f64(attn_desc *desc, int32_t param,
                                   double value);
ATTN_API int32_t attn_desc_set_text(attn_desc *desc, int32_t param,
                                    const char *value);
ATTN_API int32_t attn_desc_set_i64s(attn_desc *desc, int32_t param,
                                    const int64_t *values, size_t n);
ATTN_API int32_t attn_desc_set_f64s(attn_desc *desc, int32_t param,
                                    const double *values, size_t n);

ATTN_API int32_t attn_desc_get_i64(const attn_desc *desc, int32_t param,
                                   int64_t *value);
ATTN_API int32_t attn_desc_get_f64(const attn_desc *desc, int32_t param,
                                   double *value);
ATTN_API int32_t attn_desc_get_text(const attn_desc *desc, int32_t param,
                                    char *buf, size_t len, size_t *needed);
ATTN_API int32_t attn_desc_get_i64s(const attn_desc *desc, int32_t param,
                                    int64_t *values, size_t room, size_t *n);
ATTN_API int32_t attn_desc_get_f64s(const attn_desc *desc, int32_t param,
                                    double *values, size_t room, size_t *n);

typedef void (*attn_score_fn)(void *user, float *s, int64_t q_stride,
                              int64_t k_stride, int64_t b, int64_t h,
                              int64_t q0, int64_t nq, int64_t k0, int64_t nk);

ATTN_API int32_t attn_desc_set_score_fn(attn_desc *desc, attn_score_fn fn);

ATTN_API int32_t attn_desc_unset(attn_desc *desc, int32_t param);

ATTN_API int32_t attn_desc_is_set(const attn_desc *desc, int32_t param,
                                  int32_t *set);

#ifdef __cplusplus
}
#endif

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

enum {

    ATTN_MECH_CACHE = 1,

    ATTN_MECH_SOFTMAX = 100,

    ATTN_MECH_MLA = 101,

    ATTN_MECH_DIFF_ATTENTION = 102,

    ATTN_MECH_REVERSED_ATTENTION = 103,

    ATTN_MECH_TENSOR_ATTENTION = 104,

    ATTN_MECH_PATTENTION = 105,

    ATTN_MECH_LSSA = 106,
    ATTN_MECH_LSSAR = 107,

    ATTN_MECH_RELU_ATTENTION = 108,
    ATTN_MECH_SIGMOID_ATTENTION = 109,
    ATTN_MECH_ENTMAX15 = 110,
    ATTN_MECH_SPARSEMAX = 111,

    ATTN_MECH_POINTER = 112,

    ATTN_MECH_RMHA = 113,

    ATTN_MECH_RCMHA = 114,

    ATTN_MECH_COMPLEXFORMER = 115,

    ATTN_MECH_LAMA = 116,

    ATTN_MECH_KDGQA = 117,
    ATTN_MECH_DGQA = 118,

    ATTN_MECH_PGQA = 119,

    ATTN_MECH_ACT = 120,

    ATTN_MECH_VAR = 121,

    ATTN_MECH_VHR = 122,

    ATTN_MECH_IMBALANCED_ATTENTION = 123,

    ATTN_MECH_PINE = 124,

    ATTN_MECH_SOFT_INJECTION = 125,

    ATTN_MECH_CROC = 126,

    ATTN_MECH_MMA = 127,

    ATTN_MECH_EE_MLLM = 128,

    ATTN_MECH_MODA = 129,

    ATTN_MECH_MIXFORMER = 130,

    ATTN_MECH_PWCA = 131,

    ATTN_MECH_GLCA = 132,

    ATTN_MECH_MULTITAB = 133,

    ATTN_MECH_S2_ATTENTION = 134,

    ATTN_MECH_MOA_SPAN = 135,

    ATTN_MECH_SSA = 136,

    ATTN_MECH_MASFORMER = 137,

    ATTN_MECH_SQA = 138,

    ATTN_MECH_SHSA = 139,

    ATTN_MECH_LOWFORMER_MHSA = 140,

    ATTN_MECH_SCAN = 199,

    ATTN_MECH_LINEAR_ATTENTION = 200,

    ATTN_MECH_GLA = 201,

    ATTN_MECH_LIGHTNING = 202,

    ATTN_MECH_HEDGEHOG = 203,

    ATTN_MECH_FLOW_ATTENTION = 204,

    ATTN_MECH_LIGHTNET = 205,

    ATTN_MECH_RETNET = 206,

    ATTN_MECH_MAMBA2 = 207,

    ATTN_MECH_DELTANET = 208,

    ATTN_MECH_GATED_DELTANET = 209,

    ATTN_MECH_KDA = 210,

    ATTN_MECH_RWKV6 = 211,
    ATTN_MECH_RWKV7 = 212,

    ATTN_MECH_HGRN2 = 213,

    ATTN_MECH_PERFORMER = 214,

    ATTN_MECH_COSFORMER = 215,

    ATTN_MECH_GDN2 = 216,

    ATTN_MECH_COMBA = 217,

    ATTN_MECH_DELTAPRODUCT = 218,

    ATTN_MECH_BASED = 219,

    ATTN_MECH_AGENT_ATTENTION = 220,
    ATTN_MECH_AGENT_SD = 221,

    ATTN_MECH_BIRDIE = 222,

    ATTN_MECH_MOH = 300,

    ATTN_MECH_UOE_SMHA = 301,

    ATTN_MECH_BAM_SOFT_MOA = 302,

    ATTN_MECH_MOA_HEADS = 303,

    ATTN_MECH_BIFORMER = 304,

    ATTN_MECH_ROUTING = 305,

    ATTN_MECH_LANDMARK = 306,

    ATTN_MECH_LONGHEADS = 307,

    ATTN_MECH_HCAM = 308,

    ATTN_MECH_DHSA = 309,

    ATTN_MECH_HIP = 310,

    ATTN_MECH_FLEXPREFILL = 311,

    ATTN_MECH_HYPER = 312,

    ATTN_MECH_SPT = 313,

    ATTN_MECH_SPARSIFINER = 314,

    ATTN_MECH_TOKENSELECT = 315,

    ATTN_MECH_MOBA = 316,

    ATTN_MECH_NSA = 317,

    ATTN_MECH_QUEST = 318,

    ATTN_MECH_MINFERENCE = 319,

    ATTN_MECH_XATTENTION = 320,

    ATTN_MECH_INDEXER_TOPK = 321,

    ATTN_MECH_LISTS = 322,

    ATTN_MECH_POOLED_SELECT = 323
};

enum { ATTN_ALIGN_BOTTOM_RIGHT = 0, ATTN_ALIGN_TOP_LEFT = 1 };

enum { ATTN_MOH_CODE = 0, ATTN_MOH_PAPER = 1, ATTN_MOH_LLAMA = 2 };

enum { ATTN_LISTS_AND = 0, ATTN_LISTS_OR = 1 };

enum { ATTN_SELECT_ATTEND = 0, ATTN_SELECT_ONLY = 1 };

enum { ATTN_MOA_PAPER = 0, ATTN_MOA_CODE = 1 };

enum {
    ATTN_POOLED_KEYS_MEAN = 0,
    ATTN_POOLED_KEYS_NORM = 1,
    ATTN_POOLED_KEYS_BOUNDS = 2,
    ATTN_POOLED_KEYS_STRIDES = 3,
    ATTN_POOLED_KEYS_GIVEN = 4,
    ATTN_POOLED_KEYS_WINDOWS = 5
};
enum {
    ATTN_POOLED_SCORE_DOT = 0,
    ATTN_POOLED_SCORE_PROB = 1,
    ATTN_POOLED_SCORE_REST = 2,
    ATTN_POOLED_SCORE_RELU = 3
};
enum {
    ATTN_POOLED_REDUCE_NONE = 0,
    ATTN_POOLED_REDUCE_MEAN = 1,
    ATTN_POOLED_REDUCE_SUM = 2,
    ATTN_POOLED_REDUCE_MAX = 3
};
enum {
    ATTN_POOLED_OPEN_ALL = 0,
    ATTN_POOLED_OPEN_STARTS = 1,
    ATTN_POOLED_OPEN_BEFORE = 2
};
enum {
    ATTN_POOLED_PICK_TOP = 0,
    ATTN_POOLED_PICK_COVER = 1,
    ATTN_POOLED_PICK_LEAST = 2
};

enum {
    ATTN_LANDMARK_OVER_NOTHING = 0,
    ATTN_LANDMARK_OVER_HEADS = 1,
    ATTN_LANDMARK_OVER_TOKENS = 2
};

enum { ATTN_MINFERENCE_VERTICAL_SLASH = 0, ATTN_MINFERENCE_BLOCK_SPARSE = 1 };

enum { ATTN_COMPUTE_F32 = 0, ATTN_COMPUTE_BF16 = 1, ATTN_COMPUTE_INT8 = 2 };

enum {
    ATTN_QK_NORM_NONE = 0,
    ATTN_QK_NORM_RMS = 1,
    ATTN_QK_NORM_LAYER = 2,
    ATTN_QK_NORM_L2 = 3
};

enum { ATTN_ROPE_NONE = 0, ATTN_ROPE_HALF = 1, ATTN_ROPE_INTERLEAVED = 2 };

enum {
    ATTN_ROPE_SCALING_NONE = 0,
    ATTN_ROPE_SCALING_LINEAR = 1,
    ATTN_ROPE_SCALING_NTK = 2,
    ATTN_ROPE_SCALING_DYNAMIC_NTK = 3,
    ATTN_ROPE_SCALING_YARN = 4,
    ATTN_ROPE_SCALING_LLAMA3 = 5
};

enum { ATTN_ROPE_APPLY_QK = 0, ATTN_ROPE_APPLY_Q = 1, ATTN_ROPE_APPLY_K = 2 };

enum {
    ATTN_NORMALIZER_SOFTMAX = 0,
    ATTN_NORMALIZER_EXP_N = 1,
    ATTN_NORMALIZER_EXP_SUM = 2,
    ATTN_NORMALIZER_RELU = 3,
    ATTN_NORMALIZER_SIGMOID = 4,
    ATTN_NORMALIZER_NONE = 5,
    ATTN_NORMALIZER_SOFTPLUS = 6,
    ATTN_NORMALIZER_TAYLOR2 = 7,
    ATTN_NORMALIZER_GELU_L2 = 8,
    ATTN_NORMALIZER_L2_GELU = 9,
    ATTN_NORMALIZER_LSSAR = 10,
    ATTN_NORMALIZER_SPARSEMAX = 11,
    ATTN_NORMALIZER_ENTMAX = 12
};

enum {
    ATTN_NORM_COUNT_VISIBLE = 0,
    ATTN_NORM_COUNT_KEYS = 1,
    ATTN_NORM_COUNT_ONE = 2,
    ATTN_NORM_COUNT_GIVEN = 3
};

enum {
    ATTN_OUT_GATE_NONE = 0,
    ATTN_OUT_GATE_SIGMOID = 1,
    ATTN_OUT_GATE_MULTIPLY = 2
};
enum { ATTN_OUT_NORM_NONE = 0, ATTN_OUT_NORM_RMS = 1 };

enum { ATTN_MULTITAB_T_T = 0, ATTN_MULTITAB_F_T = 1, ATTN_MULTITAB_BOTH = 2 };

enum { ATTN_MLA_ABSORBED = 0, ATTN_MLA_NAIVE = 1 };

enum { ATTN_BLAS_AUTO = 0, ATTN_BLAS_NEVER = 1 };

enum { ATTN_CHECK_SHAPES = 0, ATTN_CHECK_INDICES = 1, ATTN_CHECK_DATA = 2 };

enum {
    ATTN_EFFORT_ESTIMATE = 0,
    ATTN_EFFORT_MEASURE = 1,
    ATTN_EFFORT_EXHAUSTIVE = 2
};

enum { ATTN_INVARIANT_BATCH = 0, ATTN_INVARIANT_CHUNK = 1 };

enum {
    ATTN_CACHE_KEYS_ROTATED = 0,
    ATTN_CACHE_KEYS_RAW = 1,
    ATTN_CACHE_KEYS_BLOCK_LOCAL = 2
};

enum { ATTN_CACHE_SUMMARY_NONE = 0, ATTN_CACHE_SUMMARY_MINMAX = 1 };

enum {
    ATTN_CACHE_SCORES_NONE = 0,
    ATTN_CACHE_SCORES_SUM = 1,
    ATTN_CACHE_SCORES_LAST = 2,
    ATTN_CACHE_SCORES_COUNT_LOW = 3,
    ATTN_CACHE_SCORES_WINDOW_SUM = 4,
    ATTN_CACHE_SCORES_LAST_MAX = 5
};

enum {
    ATTN_POLICY_NONE = 0,
    ATTN_POLICY_DUO_ATTENTION = 500,
    ATTN_POLICY_RAZOR_ATTENTION = 501,
    ATTN_POLICY_TASK_KV = 502,
    ATTN_POLICY_STREAMING_LLM = 503,
    ATTN_POLICY_MOA_CACHE = 504,
    ATTN_POLICY_H2O = 505,
    ATTN_POLICY_SNAPKV = 506,
    ATTN_POLICY_TOVA = 507,
    ATTN_POLICY_SCISSORHANDS = 508,
    ATTN_POLICY_RECYCLED_ATTENTION = 509,
    ATTN_POLICY_HOGWILD = 510,
    ATTN_POLICY_KIVI = 511
};

enum {
    ATTN_WANT_PROBS = 1,
    ATTN_WANT_SCORES_RAW = 2,
    ATTN_WANT_SCORES_CAPPED = 4,
    ATTN_WANT_SCORES_BIASED = 8,
    ATTN_WANT_COLSUM = 16,
    ATTN_WANT_ROWMAX = 32,
    ATTN_WANT_ENTROPY = 64,

    ATTN_WANT_ARGMAX = 128,
    ATTN_WANT_CLASSMASS = 256,

    ATTN_WANT_COUNTS = 512,
    ATTN_WANT_AUX_LOSS = 1024,
    ATTN_WANT_SKIP_BOUND = 2048

};

enum {
    ATTN_LOGN_COUNT_POSITION = 0,
    ATTN_LOGN_COUNT_KEYS = 1
};

enum {
    ATTN_DECAY_NONE = 0,
    ATTN_DECAY_HEAD = 1,
    ATTN_DECAY_TOKEN = 2,
    ATTN_DECAY_CHANNEL = 3
};

enum {
    ATTN_UPDATE_ADD = 0,
    ATTN_UPDATE_DELTA = 1,
    ATTN_UPDATE_WRITER = 2,
    ATTN_UPDATE_GENERAL = 3,
    ATTN_UPDATE_COMBA = 4,
    ATTN_UPDATE_GDN2 = 5,
    ATTN_UPDATE_RWKV7 = 6
};

enum { ATTN_ERASE_DECAYED = 0, ATTN_ERASE_PREVIOUS = 1 };

enum { ATTN_READ_AFTER = 0, ATTN_READ_BEFORE = 1 };

enum {
    ATTN_STATE_NORM_NONE = 0,
    ATTN_STATE_NORM_SUM = 1,
    ATTN_STATE_NORM_MAX = 2
};

enum {
    ATTN_DIRECTION_FORWARD = 0,
    ATTN_DIRECTION_REVERSE = 1,
    ATTN_DIRECTION_FULL = 2,
    ATTN_DIRECTION_SYMMETRIC = 3
};

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

enum {
    ATTN_FEATURE_MAX_NONE = 0,
    ATTN_FEATURE_MAX_ROWS = 1,
    ATTN_FEATURE_MAX_ALL = 2
};

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

enum { ATTN_BIRDIE_VECTOR = 0, ATTN_BIRDIE_MATRIX = 1 };

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_param_at(size_t index);
ATTN_API const char *attn_param_name(int32_t param);
ATTN_API int32_t attn_param_find(const char *name, int32_t *param);
ATTN_API int32_t attn_param_type(int32_t param);
ATTN_API const char *attn_param_help(int32_t param);
ATTN_API const char *attn_param_word(int32_t param, size_t index,
                                     int64_t *value);
ATTN_API int32_t attn_param_bounds_i64(int32_t param, int64_t *least,
                                       int64_t *greatest);
ATTN_API int32_t attn_param_bounds_f64(int32_t param, double *least,
                                       double *greatest);

ATTN_API int32_t attn_mech_at(size_t index);
ATTN_API const char *attn_mech_name(int32_t id);
ATTN_API int32_t attn_mech_find(const char *name, int32_t *id);

#ifdef __cplusplus
}
#endif

enum {
    ATTN_PIECE_BAND = 1,
    ATTN_PIECE_RECT = 2,
    ATTN_PIECE_PREFIX = 3,
    ATTN_PIECE_STRIDE = 4,
    ATTN_PIECE_SEGMENT = 5,
    ATTN_PIECE_PAIR = 6,
    ATTN_PIECE_LIST = 7,
    ATTN_PIECE_TREE = 8
};

enum { ATTN_MODE_MUST = 0, ATTN_MODE_ANY = 1 };

enum { ATTN_PIECES_MAX = 16 };

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_desc_add_piece(attn_desc *desc, int32_t kind,
                                     int32_t mode, const int64_t *values,
                                     size_t n);

ATTN_API int32_t attn_desc_piece_count(const attn_desc *desc, size_t *n);

ATTN_API int32_t attn_desc_piece_at(const attn_desc *desc, size_t index,
                                    int32_t *kind, int32_t *mode,
                                    int64_t *values, size_t room, size_t *n);

ATTN_API int32_t attn_desc_clear_pieces(attn_desc *desc);

typedef int32_t (*attn_mask_fn)(void *user, uint8_t *visible,
                                int64_t q_stride, int64_t k_stride, int64_t b,
                                int64_t h, int64_t q0, int64_t nq, int64_t k0,
                                int64_t nk);

ATTN_API int32_t attn_desc_set_mask_fn(attn_desc *desc, attn_mask_fn fn);

ATTN_API int32_t attn_piece_kind_at(size_t index);
ATTN_API const char *attn_piece_name(int32_t kind);
ATTN_API int32_t attn_piece_find(const char *name, int32_t *kind);

#ifdef __cplusplus
}
#endif

typedef struct attn_plan attn_plan;

enum {
    ATTN_ROLE_Q = 1,
    ATTN_ROLE_K = 2,
    ATTN_ROLE_V = 3,
    ATTN_ROLE_K2 = 4,
    ATTN_ROLE_V2 = 5,
    ATTN_ROLE_ROWS = 6,
    ATTN_ROLE_GATE = 7,
    ATTN_ROLE_Q2 = 8,
    ATTN_ROLE_DOCS = 9,
    ATTN_ROLE_BIAS = 10,
    ATTN_ROLE_MASK = 11,
    ATTN_ROLE_SINK_LOGITS = 12,
    ATTN_ROLE_SEG_Q = 13,
    ATTN_ROLE_SEG_K = 14,
    ATTN_ROLE_Q_OFFSETS = 20,
    ATTN_ROLE_K_OFFSETS = 21,
    ATTN_ROLE_Q_LEN = 22,
    ATTN_ROLE_K_LEN = 23,
    ATTN_ROLE_K_START = 24,
    ATTN_ROLE_VIEW = 25,
    ATTN_ROLE_LAYER = 26,
    ATTN_ROLE_USER = 29,
    ATTN_ROLE_POS_Q = 30,
    ATTN_ROLE_POS_K = 31,
    ATTN_ROLE_CLASS_Q = 32,
    ATTN_ROLE_CLASS_K = 33,
    ATTN_ROLE_RECTS = 34,
    ATTN_ROLE_PREFIX_LEN = 35,
    ATTN_ROLE_LIST_OFFSETS = 36,
    ATTN_ROLE_LIST_INDEX = 37,
    ATTN_ROLE_TREE_BITS = 38,
    ATTN_ROLE_PGQA_NOISE = 40,
    ATTN_ROLE_LAMA_P = 41,
    ATTN_ROLE_LAMA_Q = 42,
    ATTN_ROLE_ROW_SCALE = 60,
    ATTN_ROLE_BIAS_TABLE = 61,
    ATTN_ROLE_T5_WEIGHT = 62,
    ATTN_ROLE_GRID_Y = 63,
    ATTN_ROLE_GRID_X = 64,
    ATTN_ROLE_SWIN_TABLE = 65,
    ATTN_ROLE_QUERY_TABLE = 66,
    ATTN_ROLE_Q_BIAS_CONTENT = 67,
    ATTN_ROLE_Q_BIAS_TABLE = 68,
    ATTN_ROLE_QUERY_TABLE_BIAS = 69,
    ATTN_ROLE_CONV_Q = 70,
    ATTN_ROLE_CONV_K = 71,
    ATTN_ROLE_CONV_V = 72,
    ATTN_ROLE_CONV_Q_BIAS = 73,
    ATTN_ROLE_CONV_K_BIAS = 74,
    ATTN_ROLE_CONV_V_BIAS = 75,
    ATTN_ROLE_EULER_DELTA = 76,
    ATTN_ROLE_EULER_SHIFT = 77,
    ATTN_ROLE_POINTER_W = 78,
    ATTN_ROLE_CLASS_TERMS = 79,
    ATTN_ROLE_Q_NORM_W = 80,
    ATTN_ROLE_K_NORM_W = 81,
    ATTN_ROLE_Q_NORM_B = 82,
    ATTN_ROLE_K_NORM_B = 83,
    ATTN_ROLE_ROPE_POS_Q = 84,
    ATTN_ROLE_ROPE_POS_K = 85,
    ATTN_ROLE_OUT_NORM_W = 86,
    ATTN_ROLE_OUT_GATE = 87,
    ATTN_ROLE_HEAD_FACTOR = 88,
    ATTN_ROLE_MIX_TARGET = 89,
    ATTN_ROLE_MIX_ALPHA = 90,
    ATTN_ROLE_DIFF_LAMBDA = 91,
    ATTN_ROLE_Q_NOPE = 92,
    ATTN_ROLE_Q_PE = 93,
    ATTN_ROLE_LATENT = 94,
    ATTN_ROLE_MLA_WUK = 95,
    ATTN_ROLE_MLA_WUV = 96,
    ATTN_ROLE_OUT = 100,
    ATTN_ROLE_LSE = 101,
    ATTN_ROLE_PROBS = 102,
    ATTN_ROLE_SCORES_RAW = 103,
    ATTN_ROLE_SCORES_CAPPED = 104,
    ATTN_ROLE_SCORES_BIASED = 105,
    ATTN_ROLE_COLSUM = 106,
    ATTN_ROLE_ROWMAX = 107,
    ATTN_ROLE_ENTROPY = 108,
    ATTN_ROLE_ARGMAX = 109,
    ATTN_ROLE_CLASSMASS = 110,
    ATTN_ROLE_COUNTS = 111,
    ATTN_ROLE_OUT_CROSS = 112,
    ATTN_ROLE_LSE_CROSS = 113,
    ATTN_ROLE_FACTORS = 114,
    ATTN_ROLE_AUX_LOSS = 115,
    ATTN_ROLE_SKIP_BOUND = 117,
    ATTN_ROLE_EXPERTS = 118,
    ATTN_ROLE_G = 120,
    ATTN_ROLE_BETA = 121,
    ATTN_ROLE_WRITE = 122,
    ATTN_ROLE_ERASE = 123,
    ATTN_ROLE_VALUE_GATE = 124,
    ATTN_ROLE_BONUS = 125,
    ATTN_ROLE_RESET = 126,
    ATTN_ROLE_STATE = 127,
    ATTN_ROLE_STATE_INDEX = 128,
    ATTN_ROLE_GATE_A = 129,
    ATTN_ROLE_GATE_BIAS = 130,
    ATTN_ROLE_FEATURE_WQ = 131,
    ATTN_ROLE_FEATURE_WK = 132,
    ATTN_ROLE_FEATURE_BQ = 133,
    ATTN_ROLE_FEATURE_BK = 134,
    ATTN_ROLE_SKIP = 135,
    ATTN_ROLE_K_SCALE = 136,
    ATTN_ROLE_K_MIX = 137,
    ATTN_ROLE_AGENTS = 140,
    ATTN_ROLE_AGENT_K_BIAS = 141,
    ATTN_ROLE_AGENT_Q_BIAS = 142,
    ATTN_ROLE_AGENT_CONV = 143,
    ATTN_ROLE_AGENT_CONV_BIAS = 144,
    ATTN_ROLE_FORGET = 145,
    ATTN_ROLE_BIRDIE_MASK = 146,
    ATTN_ROLE_ROUTER_X = 160,
    ATTN_ROLE_ROUTER_W = 161,
    ATTN_ROLE_ROUTER_SHARED_W = 162,
    ATTN_ROLE_ROUTER_MIX_W = 163,
    ATTN_ROLE_ROUTER_B = 164,
    ATTN_ROLE_SELECTION = 165,
    ATTN_ROLE_EXPERT_W = 166,
    ATTN_ROLE_SELECT_Q = 170,
    ATTN_ROLE_SELECT_K = 171,
    ATTN_ROLE_SELECT_OFFSETS = 172,
    ATTN_ROLE_SELECT_MASK = 173,
    ATTN_ROLE_SELECT_W = 174,
    ATTN_ROLE_SELECTION_OUT = 175,
    ATTN_ROLE_LANDMARK = 180,
    ATTN_ROLE_SELECT_SCORES = 181,
    ATTN_ROLE_PREDICT_WQ = 182,
    ATTN_ROLE_PREDICT_WK = 183,
    ATTN_ROLE_PREDICT_BQ = 184,
    ATTN_ROLE_PREDICT_BK = 185,
    ATTN_ROLE_PREDICT_DOWN = 186,
    ATTN_ROLE_PREDICT_UP = 187,
    ATTN_ROLE_CODEBOOK = 188,
    ATTN_ROLE_PROJECTIONS = 189,
    ATTN_ROLE_SAMPLES = 190,
    ATTN_ROLE_CENTROIDS = 191,
    ATTN_ROLE_CENTROID_STATE = 192,
    ATTN_ROLE_NEW_CENTROIDS = 193,
    ATTN_ROLE_NEW_CENTROID_STATE = 194,
    ATTN_ROLE_LOCAL_Q = 195,
    ATTN_ROLE_LOCAL_K = 196,
    ATTN_ROLE_CHUNK_KEYS = 197,
    ATTN_ROLE_CHOICE_Q = 198,
    ATTN_ROLE_CHOICE_KEYS = 199,
    ATTN_ROLE_NEW_CHOICE_Q = 200,
    ATTN_ROLE_NEW_CHOICE_KEYS = 201
};

typedef struct attn_arg {
    int32_t role;
    int32_t zero;
    const void *object;
} attn_arg;

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_plan_create(attn_ctx *ctx, const attn_desc *desc,
                                  attn_plan **plan);

ATTN_API void attn_plan_destroy(attn_plan *plan);

ATTN_API int32_t attn_plan_workspace(const attn_plan *plan, size_t *bytes,
                                     size_t *align);

ATTN_API int32_t attn_plan_execute(const attn_plan *plan,
                                   const attn_arg *args, size_t n_args,
                                   void *workspace, size_t workspace_bytes);

ATTN_API int32_t attn_plan_describe(const attn_plan *plan, int64_t q,
                                    int64_t k, char *buf, size_t len,
                                    size_t *needed);

ATTN_API const char *attn_plan_solver(const attn_plan *plan, int64_t q,
                                      int64_t k);

ATTN_API const char *attn_solver_at(size_t index);

ATTN_API int32_t attn_role_at(size_t index);
ATTN_API const char *attn_role_name(int32_t role);
ATTN_API int32_t attn_role_find(const char *name, int32_t *role);
ATTN_API int32_t attn_role_is_output(int32_t role);

ATTN_API const char *attn_role_shape(int32_t role);

ATTN_API int32_t attn_plan_role_at(const attn_plan *plan, size_t index,
                                   int32_t *required);

ATTN_API int32_t attn_plan_shape(const attn_plan *plan, const attn_arg *args,
                                 size_t n_args, int32_t role,
                                 attn_tensor *shape);

enum { ATTN_TILE_EMPTY = 0, ATTN_TILE_PARTIAL = 1, ATTN_TILE_FULL = 2 };

ATTN_API int32_t attn_plan_tiles(const attn_plan *plan, const attn_arg *args,
                                 size_t n_args, int64_t seq, int64_t head,
                                 int64_t q_tile, int64_t k_tile,
                                 uint8_t *classes, size_t n, int64_t *rows,
                                 int64_t *columns);

#ifdef __cplusplus
}
#endif

typedef struct attn_selection attn_selection;

enum {
    ATTN_SELECTION_PART_ROW_PTR = 1,
    ATTN_SELECTION_PART_START = 2,
    ATTN_SELECTION_PART_LENGTH = 3,
    ATTN_SELECTION_PART_LOGIT = 4,
    ATTN_SELECTION_PART_REPLACE = 5,
    ATTN_SELECTION_PART_G_BATCH = 6,
    ATTN_SELECTION_PART_G_HEAD = 7,
    ATTN_SELECTION_PART_Q_PTR = 8,
    ATTN_SELECTION_PART_K_PTR = 9,
    ATTN_SELECTION_PART_Q_IDX = 10,
    ATTN_SELECTION_PART_K_IDX = 11
};

enum {
    ATTN_SELECTION_LAYOUT = 1,
    ATTN_SELECTION_BATCH = 2,
    ATTN_SELECTION_HEADS = 3,
    ATTN_SELECTION_QUERIES = 4,
    ATTN_SELECTION_END_KEY = 5,
    ATTN_SELECTION_HEAD_GROUP = 6,
    ATTN_SELECTION_Q_BLOCK = 7,
    ATTN_SELECTION_ROW_COUNT = 8,
    ATTN_SELECTION_ENTRIES = 9,
    ATTN_SELECTION_KEYS_LISTED = 10,
    ATTN_SELECTION_HAS_LOGIT = 11,
    ATTN_SELECTION_HAS_REPLACE = 12,
    ATTN_SELECTION_EMPTY_ROWS = 13,
    ATTN_SELECTION_GROUP_COUNT = 14,
    ATTN_SELECTION_COMBINE = 15,
    ATTN_SELECTION_QUERIES_LISTED = 16
};

enum { ATTN_SELECTION_EPS = 1 };

enum { ATTN_SELECTION_ROWS = 1, ATTN_SELECTION_GROUPS = 2 };

enum {
    ATTN_SELECTION_EXCLUSIVE = 0,
    ATTN_SELECTION_SUM = 1,
    ATTN_SELECTION_MEAN = 2,
    ATTN_SELECTION_LSE = 3
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_selection_import_rows(
    attn_ctx *ctx, int64_t batch, int64_t heads, int64_t head_group,
    int64_t queries, int64_t q_block, int64_t keys, int64_t k_block,
    const attn_arg *parts, size_t n_parts, attn_selection **selection);

ATTN_API int32_t attn_selection_import_groups(
    attn_ctx *ctx, int64_t batch, int64_t heads, int64_t queries, int64_t keys,
    int32_t combine, double eps, const attn_arg *parts, size_t n_parts,
    attn_selection **selection);

ATTN_API int32_t attn_selection_create(attn_ctx *ctx, const attn_plan *plan,
                                       attn_selection **selection);

ATTN_API void attn_selection_destroy(attn_selection *selection);

ATTN_API int32_t attn_selection_get_i64(const attn_selection *selection,
                                        int32_t number, int64_t *value);
ATTN_API int32_t attn_selection_get_f64(const attn_selection *selection,
                                        int32_t number, double *value);

ATTN_API int32_t attn_selection_shape(const attn_selection *selection,
                                      int32_t part, attn_tensor *shape);

ATTN_API int32_t attn_selection_export(const attn_selection *selection,
                                       int32_t part, const attn_tensor *tensor);

#ifdef __cplusplus
}
#endif

typedef struct attn_state attn_state;

enum {
    ATTN_STATE_PART_S = 1,
    ATTN_STATE_PART_SUM = 2,
    ATTN_STATE_PART_LSE = 3,
    ATTN_STATE_PART_COUNT = 4,
    ATTN_STATE_PART_M = 5,
    ATTN_STATE_PART_LOG_M = 6
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_state_create(attn_ctx *ctx, const attn_plan *plan,
                                   int64_t slots, attn_state **state);

ATTN_API void attn_state_destroy(attn_state *state);

ATTN_API int64_t attn_state_slots(const attn_state *state);

ATTN_API int32_t attn_state_zero(attn_state *state, int64_t first, int64_t n);

ATTN_API int32_t attn_state_copy(attn_state *to, int64_t to_slot,
                                 const attn_state *from, int64_t from_slot);

ATTN_API int32_t attn_state_shape(const attn_state *state, int32_t part,
                                  attn_tensor *shape);

ATTN_API int32_t attn_state_export(const attn_state *state, int64_t slot,
                                   int32_t part, const attn_tensor *tensor);
ATTN_API int32_t attn_state_import(attn_state *state, int64_t slot,
                                   int32_t part, const attn_tensor *tensor);

ATTN_API int32_t attn_segment_create(attn_ctx *ctx, const attn_plan *plan,
                                     int64_t slots, attn_state **segment);

ATTN_API int32_t attn_segment_compose(attn_state *to, int64_t to_slot,
                                      const attn_state *first,
                                      int64_t first_slot,
                                      const attn_state *second,
                                      int64_t second_slot);

ATTN_API int32_t attn_segment_apply(const attn_state *segment,
                                    int64_t segment_slot, attn_state *state,
                                    int64_t state_slot);

#ifdef __cplusplus
}
#endif

typedef struct attn_cache attn_cache;
typedef struct attn_step attn_step;

enum { ATTN_CACHE_LOSSY = 1 };

enum {
    ATTN_CACHE_PRUNE_TOP = 1,
    ATTN_CACHE_PRUNE_SINK = 2,
    ATTN_CACHE_PRUNE_RECENT = 3,
    ATTN_CACHE_PRUNE_POOL_MEAN = 4,
    ATTN_CACHE_PRUNE_POOL_MAX = 5,
    ATTN_CACHE_PRUNE_POOL_ALL = 6
};

enum {
    ATTN_CACHE_PAGES_TOTAL = 1,
    ATTN_CACHE_PAGES_USED = 2,
    ATTN_CACHE_PAGES_PEAK = 3,
    ATTN_CACHE_PAGES_SHARED = 4,
    ATTN_CACHE_BYTES = 5,
    ATTN_CACHE_SEQUENCES = 6,
    ATTN_CACHE_CELLS = 7,
    ATTN_CACHE_APPENDED = 8,
    ATTN_CACHE_COPIES = 9,
    ATTN_CACHE_EVICTED = 10,
    ATTN_CACHE_PRUNED = 11,
    ATTN_CACHE_REFUSED = 12
};

enum {
    ATTN_CACHE_SEQ_NEXT = 1,
    ATTN_CACHE_SEQ_LAST = 2,
    ATTN_CACHE_SEQ_CELLS = 3,

    ATTN_CACHE_SEQ_LOSSY = 4,
    ATTN_CACHE_SEQ_OPEN = 5
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_cache_create(attn_ctx *ctx, const attn_desc *desc,
                                   attn_cache **cache);

ATTN_API void attn_cache_destroy(attn_cache *cache);

ATTN_API int32_t attn_cache_seq_create(attn_cache *cache, int64_t *seq);

ATTN_API int32_t attn_cache_seq_free(attn_cache *cache, int64_t seq);

ATTN_API int32_t attn_cache_fork(attn_cache *cache, int64_t seq, int64_t upto,
                                 int32_t flags, int64_t *fork);

ATTN_API int32_t attn_cache_truncate(attn_cache *cache, int64_t seq,
                                     int64_t next, int32_t flags);

ATTN_API int32_t attn_cache_remove(attn_cache *cache, int64_t seq, int64_t p0,
                                   int64_t p1);

ATTN_API int32_t attn_cache_shift(attn_cache *cache, int64_t seq, int64_t p0,
                                  int64_t delta);

ATTN_API int32_t attn_cache_append(attn_cache *cache, int64_t seq,
                                   int64_t from);

ATTN_API int32_t attn_cache_prune(attn_cache *cache, int64_t seq,
                                  int64_t layer, int64_t group,
                                  const int64_t *keep, size_t n);

ATTN_API int32_t attn_cache_observe(attn_cache *cache, int64_t seq,
                                    int64_t layer, int64_t group,
                                    const attn_tensor *weights);

ATTN_API int32_t attn_cache_scores(const attn_cache *cache, int64_t seq,
                                   int64_t layer, int64_t group,
                                   float *scores, size_t room, size_t *n);

ATTN_API int32_t attn_cache_prune_scores(attn_cache *cache, int64_t seq,
                                         int64_t layer, int64_t group,
                                         const int32_t *rules,
                                         const int64_t *values, size_t n);

ATTN_API int32_t attn_cache_reorder(attn_cache *cache, size_t n,
                                    const int64_t *old, const int32_t *parent,
                                    int64_t *seq);

ATTN_API int32_t attn_cache_get_i64(const attn_cache *cache, int32_t what,
                                    int64_t *value);
ATTN_API int32_t attn_cache_seq_get_i64(const attn_cache *cache, int64_t seq,
                                        int32_t what, int64_t *value);

ATTN_API int32_t attn_cache_positions(const attn_cache *cache, int64_t seq,
                                      int64_t layer, int64_t group,
                                      int64_t *positions, size_t room,
                                      size_t *n);

ATTN_API int32_t attn_cache_read(const attn_cache *cache, int64_t seq,
                                 int64_t layer, int64_t group,
                                 const attn_tensor *k, const attn_tensor *v);

ATTN_API int32_t attn_cache_read_fold(const attn_cache *cache, int64_t seq,
                                      int64_t layer, int64_t group, int64_t *n,
                                      const attn_tensor *k,
                                      const attn_tensor *v);

ATTN_API int32_t attn_cache_page_bounds(const attn_cache *cache, int64_t seq,
                                        int64_t layer, int64_t group,
                                        const attn_tensor *low,
                                        const attn_tensor *high,
                                        int64_t *page_of, size_t room,
                                        size_t *n);

ATTN_API int32_t attn_cache_save(const attn_cache *cache, int64_t seq,
                                 void *buf, size_t len, size_t *needed);

ATTN_API int32_t attn_cache_load(attn_cache *cache, const void *buf,
                                 size_t len, int64_t *seq);

ATTN_API int32_t attn_cache_check(const attn_cache *cache);

ATTN_API int32_t attn_step_begin(attn_cache *cache, size_t n,
                                 const int64_t *seqs, const int64_t *counts,
                                 const int32_t *parents, attn_step **step);

ATTN_API int32_t attn_step_write(attn_step *step, int64_t layer,
                                 const attn_tensor *k, const attn_tensor *v);

ATTN_API int32_t attn_step_commit(attn_step *step, const int64_t *n_keep,
                                  const int32_t *keep);

ATTN_API int32_t attn_step_abort(attn_step *step);

ATTN_API void attn_step_destroy(attn_step *step);

#ifdef __cplusplus
}
#endif

typedef struct attn_view attn_view;

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_view_create(attn_cache *cache, size_t n,
                                  const int64_t *counts, const int64_t *seqs,
                                  const int64_t *ends, attn_view **view);

ATTN_API int32_t attn_view_create_raw(attn_ctx *ctx, size_t n_layers,
                                      const attn_tensor *k,
                                      const attn_tensor *v,
                                      const attn_tensor *lengths,
                                      const attn_tensor *offsets,
                                      const attn_tensor *pages,
                                      attn_view **view);

ATTN_API void attn_view_destroy(attn_view *view);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_wisdom_export(const attn_ctx *ctx, char *buf, size_t len,
                                    size_t *needed);

ATTN_API int32_t attn_wisdom_import(attn_ctx *ctx, const char *text,
                                    size_t *taken, size_t *skipped);

ATTN_API int32_t attn_wisdom_clear(attn_ctx *ctx);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_merge(size_t n_parts, const attn_tensor *part_out,
                            const attn_tensor *part_lse,
                            const attn_tensor *out, const attn_tensor *lse);

ATTN_API int32_t attn_softmax_f32(attn_ctx *ctx, int64_t b, int64_t hq,
                                  int64_t hk, int64_t nq, int64_t nk,
                                  int64_t d, int32_t causal, const float *q,
                                  const float *k, const float *v, float *out);

#ifdef __cplusplus
}
#endif

enum {
    ATTN_DGQA_DIFF = 0,
    ATTN_DGQA_EMA = 1
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_head_map_norms(const attn_tensor *k, size_t hk,
                                     double *norms);

ATTN_API int32_t attn_head_map_kdgqa(size_t hk, const double *norms, size_t hq,
                                     int64_t *alloc);

ATTN_API int32_t attn_head_map_dgqa(size_t hk, const double *norms,
                                    const double *cache, int32_t rule,
                                    size_t hq, int64_t *alloc);

ATTN_API int32_t attn_head_map_expand(size_t hk, const int64_t *alloc,
                                      size_t hq, int64_t *map);

ATTN_API int32_t attn_pgqa_noise(const attn_tensor *uniform, size_t hk,
                                 const attn_tensor *noise);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_retrieval_head_scores(const attn_tensor *positions,
                                            const attn_tensor *generated,
                                            const attn_tensor *prompt,
                                            int64_t needle_start,
                                            int64_t needle_end,
                                            const attn_tensor *scores);

ATTN_API int32_t attn_razor_head_scores(const attn_tensor *probs,
                                        int64_t period, int64_t bos,
                                        const attn_tensor *echo,
                                        const attn_tensor *induction);

ATTN_API int32_t attn_moa_span_rule(size_t n_heads, const double *alpha,
                                    const double *beta, int64_t n,
                                    int64_t minimum, int64_t unit,
                                    int64_t *spans, int64_t *bands);

ATTN_API int32_t attn_task_kv_rule(int64_t heads, int64_t layer, int64_t layers,
                                   double share, double least, int64_t n,
                                   int64_t budget, int64_t sink, int64_t recent,
                                   int64_t *full, int64_t *middle);

ATTN_API int32_t attn_task_kv_heads(const attn_tensor *weights,
                                    const attn_tensor *v, int64_t top,
                                    int64_t n_full, const attn_tensor *vectors,
                                    const attn_tensor *distances,
                                    const attn_tensor *full);

ATTN_API int32_t attn_vhd(const attn_tensor *out_with,
                          const attn_tensor *out_without,
                          const attn_tensor *distances);

ATTN_API int32_t attn_rollout(const attn_tensor *probs, double residual,
                              const attn_tensor *before,
                              const attn_tensor *after);

#ifdef __cplusplus
}
#endif

enum {
    ATTN_LIGHTNING_CODE = 0,
    ATTN_LIGHTNING_PAPER = 1
};

#ifdef __cplusplus
extern "C" {
#endif

ATTN_API int32_t attn_alibi_slopes(size_t heads, double *slopes);

ATTN_API int32_t attn_lightning_slopes(size_t heads, int32_t rule,
                                       int64_t layer, int64_t layers,
                                       double *slopes);

ATTN_API int32_t attn_short_conv(attn_ctx *ctx, const attn_tensor *x,
                                 const attn_tensor *weight,
                                 const attn_tensor *bias, int32_t silu,
                                 const attn_tensor *state,
                                 const attn_tensor *y);

ATTN_API int32_t attn_agent_bias(const attn_tensor *table,
                                 const attn_tensor *rows,
                                 const attn_tensor *columns,
                                 const attn_tensor *first,
                                 const attn_tensor *to);

#ifdef __cplusplus
}
#endif

#endif
