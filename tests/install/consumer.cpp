/* SPDX-License-Identifier: MIT */
/*
 * The same from C++: handles in unique_ptr, statuses as exceptions. One query
 * that scores alike with both keys gives the mean of the values.
 */
#include <attn/attn.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

template <typename T, void (*destroy)(T *)> struct Deleter {
    void operator()(T *object) const { destroy(object); }
};
using Ctx = std::unique_ptr<attn_ctx, Deleter<attn_ctx, attn_ctx_destroy>>;
using Desc = std::unique_ptr<attn_desc, Deleter<attn_desc, attn_desc_destroy>>;
using Plan = std::unique_ptr<attn_plan, Deleter<attn_plan, attn_plan_destroy>>;

void check(int32_t status)
{
    if (status == ATTN_OK)
        return;
    std::vector<char> text(attn_last_error(nullptr, 0));
    attn_last_error(text.data(), text.size());
    throw std::runtime_error(std::string(attn_status_name(status)) + ": " + text.data());
}

Ctx make_ctx()
{
    attn_ctx *ctx = nullptr;
    check(attn_ctx_create(nullptr, &ctx));
    return Ctx(ctx);
}

Desc parse(const Ctx &ctx, const char *problem)
{
    attn_desc *desc = nullptr;
    check(attn_desc_parse(ctx.get(), problem, &desc));
    return Desc(desc);
}

Plan make_plan(const Ctx &ctx, const Desc &desc)
{
    attn_plan *plan = nullptr;
    check(attn_plan_create(ctx.get(), desc.get(), &plan));
    return Plan(plan);
}

attn_tensor view(std::vector<float> &data, const std::vector<int64_t> &shape)
{
    attn_tensor tensor;
    check(attn_tensor_init(&tensor, data.data(), ATTN_DTYPE_F32,
                           static_cast<int32_t>(shape.size()), shape.data()));
    return tensor;
}

} // namespace

int main()
try {
    Plan plan;
    {
        const Ctx ctx = make_ctx();
        plan = make_plan(ctx, parse(ctx, "softmax h=1 q=1 k=2 d=3"));
        try {
            parse(ctx, "softmax h=1 q=1 k=2 d=none");
            std::fprintf(stderr, "consumer: d=none was accepted\n");
            return 1;
        } catch (const std::runtime_error &) {
        }
    }
    std::vector<float> q{1, 2, 3}, k{0, 3, 0, 6, 0, 0}, v{1, 2, 3, 5, 6, 7}, out(3);
    const attn_tensor tq = view(q, {1, 1, 1, 3}), tk = view(k, {1, 1, 2, 3}),
                      tv = view(v, {1, 1, 2, 3}), to = view(out, {1, 1, 1, 3});
    const std::vector<attn_arg> args{{ATTN_ROLE_Q, 0, &tq},
                                     {ATTN_ROLE_K, 0, &tk},
                                     {ATTN_ROLE_V, 0, &tv},
                                     {ATTN_ROLE_OUT, 0, &to}};
    check(attn_plan_execute(plan.get(), args.data(), args.size(), nullptr, 0));
    for (int c = 0; c < 3; c++) {
        if (!(std::fabs(out[c] - (3 + c)) < 1e-5f)) {
            std::fprintf(stderr, "consumer: out[%d] is %g, not %d\n", c, double(out[c]), 3 + c);
            return 1;
        }
    }
    std::printf("consumer.cpp: right, with libattn %s\n", attn_version_text());
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
}
