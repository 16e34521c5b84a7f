/* list_test.c -- intrusive lists. */
#include "test.h"

#include "base/list.h"

struct item {
    int value;
    list node;
};

static int sum_in_order(list *head) {
    int sum = 0;
    LIST_FOR(n, head) sum = sum * 10 + LIST_ENTRY(n, struct item, node)->value;
    return sum;
}

TEST("items come in the order they were pushed, from both ends") {
    list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&head);
    CHECK(list_empty(&head) && list_first(&head) == NULL);
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_push_front(&head, &c.node);
    CHECK_INT(sum_in_order(&head), 312);
    CHECK(list_first(&head) == &c.node);
}

TEST("an item leaves from anywhere, and may leave twice") {
    list head;
    struct item x[3] = {{1, {0}}, {2, {0}}, {3, {0}}};
    for (int gone = 0; gone < 3; gone++) {
        list_init(&head);
        for (int i = 0; i < 3; i++) list_push_back(&head, &x[i].node);
        list_remove(&x[gone].node);
        list_remove(&x[gone].node);
        CHECK_INT(sum_in_order(&head), gone == 0 ? 23 : gone == 1 ? 13 : 12);
    }
    list_remove(&x[0].node);
    list_remove(&x[1].node);
    CHECK(list_empty(&head));
}
