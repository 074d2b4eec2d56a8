#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes the hand-made part of corpus/execute: one problem of each kind, followed
# by bytes that drive a few executes (fuzz_execute.c says how they are read).
# What libFuzzer found beside them has names of 40 hexadecimal digits.
# usage: seed_execute.sh DIRECTORY
set -eu

dir=$1
mkdir -p "$dir"
n=0

# seed NAME PROBLEM: all declared roles, lengths from the bytes behind.
seed() {
    n=$((n + 1))
    {
        printf '%s\n' "$2"
        # context, no odd parameters, two executes
        printf "\\$(printf %03o $((n % 8)))\\000\\001"
        # lengths, types, layouts, fills: bytes from 1 to 230, never "seldom"
        awk -v n="$n" 'BEGIN { for (i = 0; i < 120; i++) printf "%03o\n", (n * 37 + i * 53 + i * i * 11) % 230 + 1 }' |
            while read -r octal; do
                printf "\\$octal"
            done
    } >"$dir/$1"
}

seed plain "softmax b=2 h=4/2 q=7 k=40 d=8"
seed defaults "softmax h=1 q=1 k=1 d=1"
seed causal "softmax b=3 h=2 q=9 k=70 d=16 causal"
seed top_left "softmax h=2 q=9 k=20 d=5/3 causal align=top_left"
seed window "softmax h=2 q=9 k=64 d=8 causal window=7,0"
seed window_inf "softmax h=2 q=9 k=64 d=8 window=inf,-1"
seed sink_tokens "softmax h=2 q=9 k=64 d=8 causal window=3,0 sink_tokens=2"
seed prefix "softmax h=2 q=9 k=64 d=8 causal prefix=5"
seed segments "softmax b=2 h=2 q=9 k=40 d=8 segments"
seed mask "softmax b=2 h=2 q=9 k=40 d=8 mask"
seed bias "softmax b=2 h=4/2 q=9 k=40 d=8 bias softcap=20"
seed alibi "softmax h=3 q=9 k=40 d=8 alibi causal"
seed slopes "softmax h=2 q=9 k=40 d=8 alibi alibi_slopes=[0.5,0.25]"
seed sink_logits "softmax b=2 h=2 q=9 k=40 d=8 sink_logits check=data"
seed heads "softmax h=4/2 q=5 k=20 d=8 q_head=[3,0,1] kv_head=[1,0,1]"
seed three_heads "softmax h=6/3/2 q=5 k=20 d=8"
seed packed "softmax b=4 h=4/2 q=6 k=30 d=8 packed causal"
seed packed_all "softmax b=3 h=2 q=6 k=30 d=8 packed bias mask segments sink_logits"
seed packed_want "softmax b=3 h=2 q=6 k=30 d=8 packed want=probs,colsum,rowmax,entropy"
seed want "softmax b=2 h=2 q=6 k=20 d=8 causal want=probs,scores_raw,scores_capped,scores_biased,colsum,rowmax,entropy"
seed unbounded "softmax b=2 h=4/2 q=9 k=inf d=8 causal"
seed unbounded_window "softmax h=2 q=9 k=inf d=8 window=5,5 mask"
seed f64 "softmax b=2 h=2 q=9 k=40 d=7 dtype=f64 causal"
seed f16 "softmax b=2 h=4/2 q=9 k=40 d=20 dtype=f16"
seed bf16 "softmax b=2 h=4/2 q=9 k=40 d=20 dtype=bf16 bias"
seed mixed "softmax b=2 h=4/2 q=9 k=40 d=20 kv_dtype=bf16 causal"
seed shapes_only "softmax b=3 h=2 q=6 k=30 d=8 packed check=shapes"
seed reference "softmax b=2 h=2 q=9 k=40 d=8 solver=reference causal"
seed flash "softmax b=2 h=2 q=9 k=40 d=8 solver=flash mask bias"
seed decode "softmax b=3 h=8/2 q=1 k=70 d=16 solver=decode causal"
seed gemm "softmax b=2 h=2 q=9 k=40 d=8 solver=gemm sink_logits alibi"
seed executors "softmax h=2 q=9 k=40 d=8 executors=3 blas=never"
seed large "softmax b=9223372036854775807 h=65536 q=9223372036854775807 k=9223372036854775807 d=65536"
seed wide "softmax h=1 q=1 k=3 d=300/200 scale=-1e30"
seed want_rows "softmax b=2 h=2 q=6 k=20 d=8 causal want=argmax,classmass,counts mass_classes=3"
seed want_packed "softmax b=3 h=2 q=6 k=30 d=8 packed dtype=f16 want=argmax,classmass,counts mass_classes=5"
seed want_counts "softmax b=3 h=4/2 q=6 k=inf d=8 causal want=counts"
seed vhr "vhr b=2 h=4/2 q=6 k=20 d=8 causal"
seed moda "moda b=2 h=4/2 q=9 k=20 d=8/12 moda_base=1 moda_decay=0.5"
seed moda_plain "moda h=2 q=9 k=inf d=8 moda_align=0 dtype=f16"
seed pine "pine b=2 h=4/2 q=20 k=20 d=8 pine_docs=2"
seed pine_shapes "pine h=2 q=9 k=30 d=8 pine_docs=3 check=shapes dtype=f64"
seed agent "agent_attention b=2 h=4/2 q=12 k=6 d=8 agent_tokens=4 agent_h=3 agent_w=4 agent_kv_h=2 agent_kv_w=3 agent_conv agent_k_bias"
seed agent_given "agent_attention b=2 h=2 q=9 k=inf d=8/3 agent_tokens=5 agent_q_bias dtype=f16"
seed agent_sd "agent_sd h=2 n=12 d=8 agent_sd_tokens=4"
seed flow "flow_attention b=2 h=2 q=9 k=20 d=8/12"
seed flow_causal "flow_attention b=3 h=4/4/2 q=70 d=8 causal reset packed dtype=bf16"
seed birdie "birdie b=2 h=4 q=30 d=8 packed"
seed birdie_matrix "birdie birdie_form=matrix b=2 h=3 q=40 d=8/5 decay=channel update=delta l2norm"
seed gate "softmax b=2 h=4/2 q=9 k=40 d=8 causal head_gate"
seed gate_packed "softmax b=3 h=2 q=6 k=30 d=8 packed head_gate want=counts,probs"
seed gate_decode "softmax b=3 h=8/2 q=1 k=70 d=16 solver=decode head_gate dtype=f16"
seed moh "moh b=2 h=6/2 q=9 k=40 d=8 causal moh_shared=2 moh_active=2 moh_channels=5 want=aux_loss"
seed moh_paper "moh b=3 h=4 q=6 k=30 d=8 packed moh_form=paper moh_shared=1 moh_active=2 moh_channels=3 check=data"
seed moh_llama "moh b=2 h=8/2 q=9 k=inf d=8 causal moh_form=llama moh_shared=2 moh_active=3 dtype=bf16"
seed moh_given "moh b=2 h=4/2 q=9 k=40 d=8 moh_router=0"
seed uoe "uoe_smha b=3 h=4 q=9 k=9 d=8 causal uoe_active=2 uoe_channels=5 packed"
seed bam "bam_soft_moa b=2 h=6/3 q=9 k=30 d=8 bam_experts=2 bam_shared_kv bam_channels=4"
seed moa "moa_heads b=3 h=3/1 q=9 k=30 d=8 packed moa_experts=5 moa_channels=4 want=aux_loss"
seed moa_given "moa_heads b=2 h=3/1 q=9 k=30 d=8 causal dtype=f64"
echo "$n inputs in $dir"
