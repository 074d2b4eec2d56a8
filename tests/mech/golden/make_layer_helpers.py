# SPDX-License-Identifier: MIT
"""golden_layer_helpers.h of tests/unit:
make_layer_helpers.py FOLDER_OF_linear.py > golden_layer_helpers.h"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import linear  # noqa: E402


def rows(array):
    flat = np.asarray(array).reshape(-1)
    for i in range(0, len(flat), 3):
        print("    " + ", ".join("%.17g" % x for x in flat[i:i + 3]) + ",")


def array(name, values):
    print("static const double %s[] = {" % name)
    rows(values)
    print("};\n")


print("""/* SPDX-License-Identifier: MIT */
/*
 * What tests/mech/golden/make_layer_helpers.py made of float64 functions, for
 * test_layer_helpers. Inputs: element i is (x % 61 - 30) / 16, x as in gold.py.
 */
#ifndef ATTN_UNIT_GOLDEN_LAYER_HELPERS_H
#define ATTN_UNIT_GOLDEN_LAYER_HELPERS_H
""")
array("alibi_8", linear.alibi_slopes(8))
array("alibi_12", linear.alibi_slopes(12))
array("code_12", linear.tnl_slopes(12, 3, 7))
array("paper_12", linear.tnl_slopes_paper(12, 3, 7))

# x of seed 1 [2,9,5], weight of seed 2 [5,4], bias of seed 3 [5]
x, w, b = gold.formula(1, (2, 9, 5)), gold.formula(2, (5, 4)), gold.formula(3, (5,))
y, state = linear.short_conv(x, w, b)
array("conv_silu", y)
array("conv_state", state)
array("conv_plain", linear.short_conv(x, w, None, act=False)[0])

# table of seed 1 [2,4,7,7], rows of seed 2 [2,4,3], columns of seed 3 [2,4,11], first of seed 4
table, up, along = (gold.formula(1, (2, 4, 7, 7)), gold.formula(2, (2, 4, 3)),
                    gold.formula(3, (2, 4, 11)))
bias = linear.agent_bias_kv(table, up[None, ..., None], along[None, :, :, None], 3, 11)
print("/* without the class token's column, [2,4,33] */")
array("agent_bias", bias)
# the other bias, of rows [2,3,4] of seed 5 and columns [2,11,4] of seed 6, is [2,33,4]
up, along = gold.formula(5, (2, 3, 4)), gold.formula(6, (2, 11, 4))
array("agent_bias_q", linear.agent_bias_q(table, up[None, :, :, None], along[None, :, None], 3, 11))
print("#endif")
