/* list.h -- intrusive doubly linked lists: a ring through a head. No allocation. */
#ifndef COVE_BASE_LIST_H
#define COVE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list {
    struct list *prev, *next;
} list;

#define LIST_ENTRY(node, type, field) ((type *)(void *)((char *)(node) - offsetof(type, field)))
#define LIST_FOR(node, head) for (list *node = (head)->next; node != (head); node = node->next)

static inline void list_init(list *l) { l->prev = l->next = l; }
static inline bool list_empty(const list *l) { return l->next == l; }
static inline void list_push_back(list *head, list *n) {
    n->prev = head->prev; n->next = head; head->prev->next = n; head->prev = n;
}
static inline void list_push_front(list *head, list *n) {
    n->next = head->next; n->prev = head; head->next->prev = n; head->next = n;
}
/* Unlinks and leaves n a ring of its own, so a second remove is harmless. */
static inline void list_remove(list *n) {
    n->prev->next = n->next; n->next->prev = n->prev; n->prev = n->next = n;
}
static inline list *list_first(list *head) { return head->next == head ? NULL : head->next; }

#endif
