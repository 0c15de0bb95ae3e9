/* The command `tpunet`: faults as text, tables as JSON and back, pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "tool/faults.h"
#include "tool/tool.h"

static struct tpunet_topology *topology_of(const char *text)
{
    struct tpunet_shape shape;
    struct tpunet_topology *t;
    assert_int_equal(tpunet_shape_parse(&shape, text, false, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&t, &shape, NULL), 0);
    return t;
}

static unsigned links_down(const struct tpunet_topology *t)
{
    unsigned n = 0;
    for (uint32_t end = 0; end < t->n_chips * TPUNET_PORTS; end += 2) {
        n += t->peer[end] == TPUNET_NONE;
    }
    return n;
}

static void faults_mean_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        unsigned links, chips;
    } rows[] = {
        {"", 0, 0},
        {"ocs:17", 8, 0},
        {"ocs:17,ocs:17", 8, 0},
        {"link:12+x", 1, 0},
        {"link:12+x,link:13-x", 1, 0}, /* one link by its two ends */
        {"link:3.0.2-z", 1, 0},
        {"chip:0", 6, 1},
        {"chip:0,chip:1", 11, 2},
        {"chip:1.0.0,chip:1", 6, 1},
        {"ocs:0,chip:511,link:7.7.7+y", 14, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tpunet_topology *t = topology_of("8x8x8");
        assert_int_equal(faults_apply(t, rows[i].list, NULL), 0);
        assert_int_equal(links_down(t), rows[i].links);
        assert_int_equal(t->n_dead, rows[i].chips);
        tpunet_topology_destroy(t);
    }
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const lists[] = {"ocs:48",     "ocs:",         "ocs:1x",       "link:12",
                                        "link:512+x", "link:1.2+x",   "link:8.0.0+x", "link:1+w",
                                        "chip:512",   "chip:-1",      "chip:1.2.3.4", "chips:1",
                                        "1",          "ocs:1,,ocs:2", "random:x"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct tpunet_topology *t = topology_of("8x8x8");
        struct tpunet_error err = {.text = ""};
        assert_int_equal(faults_apply(t, lists[i], &err), TPUNET_EINVAL);
        assert_non_null(strstr(err.text, "fault '"));
        tpunet_topology_destroy(t);
    }
    struct tpunet_topology *t = topology_of("2x4x4");
    char many[200];
    memset(many, '0', sizeof many);
    memcpy(many, "chip:", 5);
    many[sizeof many - 1] = '\0';
    assert_int_equal(faults_apply(t, many, NULL), TPUNET_EINVAL);
    assert_int_equal(faults_apply(t, "ocs:0", NULL), TPUNET_EINVAL);
    tpunet_topology_destroy(t);
}

static void a_seed_gives_the_same_faults_again(void **state)
{
    (void)state;
    struct tpunet_topology *a = topology_of("8x8x8"), *b = topology_of("8x8x8");
    size_t size = (size_t)a->n_chips * TPUNET_PORTS * sizeof *a->peer;
    assert_int_equal(faults_apply(a, "random:7", NULL), 0);
    faults_random(b, 7);
    assert_memory_equal(a->peer, b->peer, size);
    assert_true(links_down(a) >= 8);
    tpunet_topology_destroy(b);
    b = topology_of("8x8x8");
    faults_random(b, 8);
    assert_memory_not_equal(a->peer, b->peer, size);
    tpunet_topology_destroy(a);
    tpunet_topology_destroy(b);
}

/* --------------------------------------------------------------- files -- */

static char *text_of(const char *shape, bool twisted, const char *faults,
                     void (*write)(FILE *, const struct problem *, const struct answer *))
{
    struct problem p;
    struct answer a;
    char *text;
    size_t size;
    assert_int_equal(problem_make(&p, shape, twisted, faults, 3, NULL), 0);
    assert_int_equal(answer_init(&a, &p, NULL, NULL), 0);
    FILE *out = open_memstream(&text, &size);
    write(out, &p, &a);
    assert_int_equal(fclose(out), 0);
    answer_fini(&a);
    problem_fini(&p);
    return text;
}

static int verify(const char *text)
{
    char path[] = "/tmp/tpunet-tables-XXXXXX";
    char *argv[] = {(char[]){"verify"}, path, NULL};
    FILE *f = fdopen(mkstemp(path), "w");
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    int status = cmd_verify(2, argv);
    assert_int_equal(unlink(path), 0);
    return status;
}

static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void what_was_written_is_proved_again(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        bool twisted;
        const char *faults;
    } rows[] = {{"2x2x1", false, ""},
                {"4x4x4", false, "link:3+x,chip:9"},
                {"4x4x8", true, "ocs:40"},
                {"4x4x8", false, "random:5"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = text_of(rows[i].shape, rows[i].twisted, rows[i].faults, tables_write);
        assert_int_equal(verify(text), 0);
        free(text);
    }
}

static void what_was_changed_is_refuted(void **state)
{
    (void)state;
    /* Chip 0 of a 2x2x1 sends by +x (0) to 1, by +y (2) to 2, by +x to 3. */
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"06000200", "06000300"}, /* a port that leads nowhere */
        {"06000200", "06070200"}, /* no route */
        {"06000200", "060002"},   /* a row too short */
        {"06000200", "0600020x"}, /* not hexadecimal */
        {"\"06000200\",", ""},    /* a row too few */
        {"\"faults\": \"\"", "\"faults\": \"link:0+x\""},
        {"\"faults\": \"\"", "\"faults\": \"link:0+w\""},
        {"\"shape\": \"2x2x1\"", "\"shape\": \"2x2x2\""},
        {"\"shape\": \"2x2x1\"", "\"shape\": 4"},
        {"\"planes\": [0, 0, 0, 0]", "\"planes\": [1, 0, 0, 0]"},
        {"\"planes\": [0, 0, 0, 0]", "\"planes\": [0, 0]"},
        {"\"planes\": [0, 0, 0, 0]", "\"planes\": [-1, 0, 0, 0]"},
        {"\"n_vcs\": 1", "\"n_vcs\": 1000"},
        {"\"n_vcs\": 1", "\"n_vcs\": \"1\""},
        {"\"version\": 1", "\"version\": 2"},
        {"tpunet-tables", "other-tables"},
        {"\"rows\": [[", "\"rows\": [], \"x\": [["},
        {"]]}", "]]"},
    };
    char *text = text_of("2x2x1", false, "", tables_write);
    assert_int_equal(verify(text), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *changed = replace(text, rows[i].from, rows[i].to);
        assert_int_equal(verify(changed), EXIT_REFUTED);
        free(changed);
    }
    free(text);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

static void pictures_show_every_link(void **state)
{
    (void)state;
    char *dot = text_of("4x4x4", false, "link:3+x,chip:9", picture_dot);
    assert_int_equal(count(dot, " -- "), 192 - 7);
    assert_int_equal(count(dot, "xlabel"), 64);
    free(dot);
    char *svg = text_of("4x4x4", false, "link:3+x,chip:9", picture_svg);
    assert_int_equal(count(svg, "M"), 64 * 6);
    assert_int_equal(count(svg, "<circle"), 1);
    assert_int_equal(count(svg, "stroke-dasharray"), 1);
    assert_non_null(strstr(svg, "4x4x4, down: link:3+x,chip:9: up-down"));
    assert_non_null(strstr(svg, "</svg>"));
    free(svg);
}

static void loads_add_up_to_all_hops(void **state)
{
    (void)state;
    struct problem p;
    struct answer a;
    assert_int_equal(problem_make(&p, "4x4x8", false, "random:3", 2, NULL), 0);
    assert_int_equal(answer_init(&a, &p, NULL, NULL), 0);
    uint32_t *load = link_loads(a.tables, p.topology), most = 0;
    double hops = 0;
    for (uint32_t i = 0; i < p.topology->n_chips * TPUNET_PORTS; i++) {
        hops += load[i];
        most = load[i] > most ? load[i] : most;
    }
    assert_true(most == a.proof.max_link_load);
    assert_true(hops == (double)(uint64_t)(a.proof.mean_hops * (double)a.proof.pairs + 0.5));
    free(load);
    answer_fini(&a);
    problem_fini(&p);
}

/* --------------------------------------------------------------- weaves -- */

static char *file_of(const char *path)
{
    char *text = xcalloc(1, 1 << 20);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    return text;
}

static void a_weave_is_found_written_routed_and_proved_again(void **state)
{
    (void)state;
    char path[] = "/tmp/tpunet-weave-XXXXXX";
    char *search[] = {(char[]){"optimise"},
                      (char[]){"4x8x8"},
                      (char[]){"--trials=640"},
                      (char[]){"--rounds=2"},
                      (char[]){"-o"},
                      path,
                      NULL};
    struct tpunet_weave *weave;
    struct tpunet_error err;
    struct problem p;
    struct answer a;
    char name[32], *tables;
    size_t size;
    assert_int_equal(close(mkstemp(path)), 0);
    assert_int_equal(cmd_optimise(6, search), 0);
    json_t *json = json_load_file(path, 0, NULL);
    assert_int_equal(weave_read(&weave, json, &err), 0);
    assert_int_equal(problem_weave(&p, weave, "ocs:3", 3, &err), 0);
    assert_string_equal(problem_name(&p, name), "4x8x8 woven");
    assert_int_equal(answer_init(&a, &p, NULL, &err), 0);
    assert_true(a.retained > 1 && a.retained < 1.25);
    FILE *out = open_memstream(&tables, &size);
    tables_write(out, &p, &a);
    assert_int_equal(fclose(out), 0);
    answer_fini(&a);
    problem_fini(&p);
    assert_int_equal(verify(tables), 0);
    char *torus = replace(tables, "\"weave\": [[", "\"weave\": null, \"x\": [[");
    assert_int_equal(verify(torus), EXIT_REFUTED); /* routes of other links */
    free(torus);
    free(tables);
    json_decref(json);
    assert_int_equal(unlink(path), 0);
}

static void what_is_no_weave_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } rows[] = {
        {"tpunet-weave", "tpunet-tables", "no file of 'tpunet optimise'"},
        {"\"version\": 1", "\"version\": 2", "another version"},
        {"\"shape\"", "\"form\"", "'shape' is missing"},
        {"4x4x8", "4x4x9", "4x4x9"},
        {"4x4x8", "4x8x8", "48 lists of one logical cube for each cube"},
        {"[[", "[[0], [", "48 lists"},
        {"[[", "[[2, ", "48 lists"},
        {"[[1, ", "[[\"1\", ", "48 lists"},
        {"[[1, ", "[[-1, ", "48 lists"},
        {"[[1, 0]", "[[1, 2]", "48 lists"},
        {"[[1, 0]", "[[1, 1]", "ocs/0: logical cubes 0 and 1 are both to meet cube 1"},
        {"[[1, 0]", "[[1, true]", "48 lists"},
    };
    char path[] = "/tmp/tpunet-weave-XXXXXX";
    char *search[] = {(char[]){"optimise"},
                      (char[]){"4x4x8"},
                      (char[]){"--trials=3200"},
                      (char[]){"--rounds=1"},
                      (char[]){"-o"},
                      path,
                      NULL};
    assert_int_equal(close(mkstemp(path)), 0);
    assert_int_equal(cmd_optimise(6, search), 0);
    char *text = file_of(path);
    char *first = strstr(text, "[[");
    assert_non_null(first);
    assert_true(memcmp(first, "[[1, 0]", 7) == 0 || memcmp(first, "[[0, 1]", 7) == 0);
    memcpy(first, "[[1, 0]", 7);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tpunet_weave *weave;
        struct tpunet_error err = {.text = ""};
        char *changed = replace(text, rows[i].from, rows[i].to);
        json_t *json = json_loads(changed, 0, NULL);
        assert_non_null(json);
        assert_true(weave_read(&weave, json, &err) < 0);
        assert_non_null(strstr(err.text, rows[i].says));
        json_decref(json);
        free(changed);
    }
    free(text);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_mean_what_they_say),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_seed_gives_the_same_faults_again),
        cmocka_unit_test(what_was_written_is_proved_again),
        cmocka_unit_test(what_was_changed_is_refuted),
        cmocka_unit_test(pictures_show_every_link),
        cmocka_unit_test(loads_add_up_to_all_hops),
        cmocka_unit_test(a_weave_is_found_written_routed_and_proved_again),
        cmocka_unit_test(what_is_no_weave_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
