/* SPDX-License-Identifier: MIT */
/*
 * The main program of every unit test: one suite, CK_* from the environment.
 */
#ifndef ATTN_UNIT_UNIT_H
#define ATTN_UNIT_UNIT_H

#include <check.h>
#include <stdlib.h>

/* Sanitizer builds on a busy machine need far more than Check's 4 seconds. */
enum { UNIT_SECONDS = 300 };

static inline int unit_run(const char *name, const TTest *const *tests,
                           size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, UNIT_SECONDS);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, ...)                                                  \
    int main(void)                                                            \
    {                                                                         \
        const TTest *const tests[] = {__VA_ARGS__};                           \
        return unit_run(name, tests, sizeof tests / sizeof tests[0]);         \
    }

#endif
