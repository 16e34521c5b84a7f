/* expr.c -- filters: lexer, parser, evaluator.
 *
 *   text --tokens--> a stack of operators --> postfix program --> a stack of values
 *
 * The parser is the operator-precedence one that needs no grammar: operands go out at
 * once, an operator waits until one that binds less comes. It does not ask whether
 * operand and operator take turns, so
 * ".a not in [2]" means "(not .a) in [2]", as in Redis; it only counts operands.
 *
 * Errors quote the rest of the text from where the lexer stopped; the whole text when it
 * stopped at the end, before a byte that is not ASCII, or when the fault is in the
 * structure. */
#include "modules/vector/expr.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "modules/vector/json.h"

#define NUMBER_TEXT_MAX 255 /* characters of a number */
#define TEXT_NUMBER_MAX 256 /* A longer string is not read as a number. */

enum opcode {
    OP_OPEN, OP_CLOSE, OP_OR, OP_AND, OP_GT, OP_GE, OP_LT, OP_LE, OP_EQ, OP_NE, OP_IN,
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_POW, OP_NOT
};

static const struct op {
    const char *word;
    enum opcode code;
    int precedence;
} ops[] = {
    {"(", OP_OPEN, 7}, {")", OP_CLOSE, 7},
    {"or", OP_OR, 0},  {"||", OP_OR, 0},
    {"and", OP_AND, 1}, {"&&", OP_AND, 1},
    {">", OP_GT, 2},   {">=", OP_GE, 2},  {"<", OP_LT, 2}, {"<=", OP_LE, 2},
    {"==", OP_EQ, 2},  {"!=", OP_NE, 2},  {"in", OP_IN, 2},
    {"+", OP_ADD, 3},  {"-", OP_SUB, 3},
    {"*", OP_MUL, 4},  {"/", OP_DIV, 4},  {"%", OP_MOD, 4},
    {"**", OP_POW, 5},
    {"!", OP_NOT, 6},  {"not", OP_NOT, 6},
};
#define OPS (sizeof(ops) / sizeof(*ops))

enum token_kind { TOKEN_VALUE, TOKEN_SELECTOR, TOKEN_OP };

struct token {
    enum token_kind kind;
    struct json_value value; /* VALUE */
    slice name;              /* SELECTOR */
    const struct op *op;     /* OP */
};

struct tokens {
    struct token *list;
    size_t n, cap;
};

struct expr {
    char *text;              /* owned; what tokens borrow */
    struct tokens program;   /* postfix */
    struct arena constants;  /* of the program */
    struct arena scratch;    /* of one evaluation */
    struct json_value *stack;
};

static void push(struct tokens *t, struct token token) {
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->list = mem_realloc(t->list, t->cap * sizeof(*t->list));
    }
    t->list[t->n++] = token;
}

/* ---- lexer: every function leaves *p where it stopped ------------------------------ */

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct lexer {
    const uint8_t *p, *end;
    struct arena *arena;
};

static uint8_t at(const struct lexer *l, size_t i) {
    return (size_t)(l->end - l->p) > i ? l->p[i] : 0;
}
static void skip_space(struct lexer *l) {
    while (l->p < l->end && is_space(*l->p)) l->p++;
}

static bool lex_number(struct lexer *l, struct json_value *out) {
    char text[NUMBER_TEXT_MAX + 1], *end;
    size_t n = 0;
    if (*l->p == '-') {
        text[n++] = '-';
        l->p++;
    }
    while (l->p < l->end && n < NUMBER_TEXT_MAX &&
           (is_digit(*l->p) || *l->p == '.' || *l->p == 'e' || *l->p == 'E'))
        text[n++] = (char)*l->p++;
    text[n] = '\0';
    *out = (struct json_value){.kind = JSON_NUMBER, .number = strtod(text, &end)};
    bool whole = n < NUMBER_TEXT_MAX || !is_digit(at(l, 0));
    return whole && end == text + n;
}

static bool lex_string(struct lexer *l, struct json_value *out) {
    uint8_t quote = *l->p++;
    *out = (struct json_value){.kind = JSON_STRING};
    return json_string(&l->p, l->end, quote, l->arena, &out->text);
}

/* '[' has not been passed yet. */
static bool lex_tuple(struct lexer *l, struct json_value *out) {
    struct json_value *items = NULL;
    size_t n = 0, cap = 0;
    bool ok = false;
    l->p++;
    for (;;) {
        skip_space(l);
        uint8_t c = at(l, 0);
        if (c == ']') {
            l->p++;
            ok = true;
            break;
        }
        if (n == cap) {
            cap = cap == 0 ? 8 : cap * 2;
            items = mem_realloc(items, cap * sizeof(*items));
        }
        bool number = is_digit(c) || (c == '-' && is_digit(at(l, 1)));
        if (number ? !lex_number(l, &items[n]) : c != '"' && c != '\'') break;
        if (!number && !lex_string(l, &items[n])) break;
        n++;
        skip_space(l);
        if (at(l, 0) == ',') l->p++;
        else if (at(l, 0) != ']') break;
    }
    struct json_value *kept = ok ? arena_alloc(l->arena, n * sizeof(*kept)) : NULL;
    if (ok && n > 0) memcpy(kept, items, n * sizeof(*kept));
    *out = (struct json_value){.kind = JSON_ARRAY, .items = kept, .count = n};
    mem_free(items);
    return ok;
}

static bool selector_char(uint8_t c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

static void lex_selector(struct lexer *l, slice *name) {
    const uint8_t *from = ++l->p;
    while (l->p < l->end && selector_char(*l->p)) l->p++;
    *name = slice_make(from, (size_t)(l->p - from));
}

/* The longest operator that the run of letters and signs begins with, or the word
 * null. */
static bool lex_word(struct lexer *l, struct token *out) {
    const uint8_t *from = l->p;
    while (l->p < l->end &&
           (is_letter(*l->p) || memchr("+-*%/!()<>=|&", *l->p, 13) != NULL))
        l->p++;
    slice run = slice_make(from, (size_t)(l->p - from));
    if (slice_eq(run, SLICE("null"))) {
        *out = (struct token){.kind = TOKEN_VALUE, .value = {.kind = JSON_NULL}};
        return true;
    }
    size_t best = 0;
    for (size_t i = 0; i < OPS; i++) {
        size_t n = strlen(ops[i].word);
        if (n <= best || n > run.n || memcmp(run.p, ops[i].word, n) != 0) continue;
        best = n;
        *out = (struct token){.kind = TOKEN_OP, .op = &ops[i]};
    }
    if (best == 0) return false;
    l->p = from + best;
    return true;
}

/* A minus before a digit belongs to the number where an operand is due. */
static bool minus_is_sign(const struct tokens *t) {
    if (t->n == 0) return true;
    const struct token *last = &t->list[t->n - 1];
    return last->kind == TOKEN_OP && last->op->code != OP_CLOSE;
}

static bool lex_all(struct lexer *l, struct tokens *out) {
    for (;;) {
        struct token t = {.kind = TOKEN_VALUE};
        bool ok = true;
        skip_space(l);
        if (l->p == l->end) return true;
        uint8_t c = *l->p;
        if (is_digit(c) || (c == '-' && is_digit(at(l, 1)) && minus_is_sign(out))) {
            ok = lex_number(l, &t.value);
        } else if (c == '"' || c == '\'') {
            ok = lex_string(l, &t.value);
        } else if (c == '[') {
            ok = lex_tuple(l, &t.value);
        } else if (c == '.') {
            t.kind = TOKEN_SELECTOR;
            lex_selector(l, &t.name);
        } else {
            ok = lex_word(l, &t);
        }
        if (!ok) return false;
        push(out, t);
    }
}

/* ---- parser ------------------------------------------------------------------------ */

struct parser {
    struct tokens *program;
    struct tokens waiting; /* operators */
    size_t operands;       /* that the program would leave on the stack */
};

/* Moves the last waiting operator to the program; false: it lacks operands. */
static bool emit(struct parser *p) {
    struct token t = p->waiting.list[--p->waiting.n];
    size_t takes = t.op->code == OP_NOT ? 1 : 2;
    if (p->operands < takes) return false;
    p->operands -= takes - 1;
    push(p->program, t);
    return true;
}

static const struct op *last_waiting(const struct parser *p) {
    return p->waiting.n == 0 ? NULL : p->waiting.list[p->waiting.n - 1].op;
}

static bool parse_op(struct parser *p, struct token t) {
    const struct op *top;
    bool to_the_right = t.op->code == OP_POW || t.op->code == OP_NOT;
    switch (t.op->code) {
    case OP_OPEN: break;
    case OP_CLOSE:
        while ((top = last_waiting(p)) != NULL && top->code != OP_OPEN)
            if (!emit(p)) return false;
        if (top == NULL) return false;
        p->waiting.n--;
        return true;
    default:
        while ((top = last_waiting(p)) != NULL && top->code != OP_OPEN) {
            if (top->precedence < t.op->precedence) break;
            if (top->precedence == t.op->precedence && to_the_right) break;
            if (!emit(p)) return false;
        }
    }
    push(&p->waiting, t);
    return true;
}

static bool parse(const struct tokens *in, struct tokens *program) {
    struct parser p = {.program = program};
    bool ok = true;
    for (size_t i = 0; ok && i < in->n; i++) {
        if (in->list[i].kind == TOKEN_OP) {
            ok = parse_op(&p, in->list[i]);
        } else {
            push(program, in->list[i]);
            p.operands++;
        }
    }
    while (ok && p.waiting.n > 0) ok = last_waiting(&p)->code != OP_OPEN && emit(&p);
    mem_free(p.waiting.list);
    return ok && p.operands == 1;
}

expr *expr_compile(slice text, slice *near) {
    const uint8_t *nul = text.n == 0 ? NULL : memchr(text.p, 0, text.n);
    if (nul != NULL) text.n = (size_t)(nul - text.p);
    expr *e = mem_calloc(1, sizeof(*e));
    e->text = slice_strdup(text);
    struct lexer l = {.p = (const uint8_t *)e->text,
                      .end = (const uint8_t *)e->text + text.n,
                      .arena = &e->constants};
    struct tokens tokens = {NULL, 0, 0};
    bool lexed = lex_all(&l, &tokens);
    bool ok = lexed && parse(&tokens, &e->program);
    mem_free(tokens.list);
    if (!ok) {
        size_t stop = lexed ? 0 : (size_t)(l.p - (const uint8_t *)e->text);
        if (stop < text.n && text.p[stop] >= 0x80) stop = 0;
        if (stop >= text.n) stop = 0;
        *near = slice_make(text.p + stop, text.n - stop);
        expr_free(e);
        return NULL;
    }
    /* A program never has more operands at a time than tokens. */
    e->stack = mem_alloc((e->program.n + 1) * sizeof(*e->stack));
    return e;
}

slice expr_text(const expr *e) { return slice_str(e->text); }

void expr_free(expr *e) {
    if (e == NULL) return;
    mem_free(e->text);
    mem_free(e->program.list);
    mem_free(e->stack);
    arena_deinit(&e->constants);
    arena_deinit(&e->scratch);
    mem_free(e);
}

/* ---- evaluator --------------------------------------------------------------------- */

static double number_of(const struct json_value *v) {
    char text[TEXT_NUMBER_MAX], *end;
    if (v->kind == JSON_NUMBER) return v->number;
    if (v->kind != JSON_STRING || v->text.n == 0 || v->text.n >= sizeof(text)) return 0;
    memcpy(text, v->text.p, v->text.n);
    text[v->text.n] = '\0';
    double d = strtod(text, &end);
    return *end == '\0' ? d : 0;
}

static bool truth(const struct json_value *v) {
    switch (v->kind) {
    case JSON_NULL: return false;
    case JSON_NUMBER: return v->number != 0;
    case JSON_STRING: return v->text.n > 0;
    case JSON_ARRAY: return true;
    }
    return false;
}

static bool equal(const struct json_value *a, const struct json_value *b) {
    if (a->kind == JSON_STRING && b->kind == JSON_STRING)
        return slice_eq(a->text, b->text);
    if (a->kind == JSON_NULL || b->kind == JSON_NULL) return a->kind == b->kind;
    return number_of(a) == number_of(b);
}

static bool contains(const struct json_value *where, const struct json_value *what) {
    if (where->kind == JSON_ARRAY) {
        for (size_t i = 0; i < where->count; i++)
            if (equal(what, &where->items[i])) return true;
        return false;
    }
    if (where->kind != JSON_STRING || what->kind != JSON_STRING) return false;
    if (what->text.n == 0) return true;
    return where->text.n > 0 &&
           memmem(where->text.p, where->text.n, what->text.p, what->text.n) != NULL;
}

static double binary(enum opcode code, const struct json_value *a,
                     const struct json_value *b) {
    switch (code) {
    case OP_OR: return truth(a) || truth(b);
    case OP_AND: return truth(a) && truth(b);
    case OP_GT: return number_of(a) > number_of(b);
    case OP_GE: return number_of(a) >= number_of(b);
    case OP_LT: return number_of(a) < number_of(b);
    case OP_LE: return number_of(a) <= number_of(b);
    case OP_EQ: return equal(a, b);
    case OP_NE: return !equal(a, b);
    case OP_IN: return contains(b, a);
    case OP_ADD: return number_of(a) + number_of(b);
    case OP_SUB: return number_of(a) - number_of(b);
    case OP_MUL: return number_of(a) * number_of(b);
    case OP_DIV: return number_of(a) / number_of(b);
    case OP_MOD: return fmod(number_of(a), number_of(b));
    case OP_POW: return pow(number_of(a), number_of(b));
    case OP_OPEN:
    case OP_CLOSE:
    case OP_NOT: break;
    }
    assert(false);
    return 0;
}

bool expr_match(expr *e, slice json) {
    size_t n = 0;
    arena_reset(&e->scratch);
    for (size_t i = 0; i < e->program.n; i++) {
        const struct token *t = &e->program.list[i];
        if (t->kind == TOKEN_VALUE) {
            e->stack[n++] = t->value;
        } else if (t->kind == TOKEN_SELECTOR) {
            /* A field that is not there makes the whole false, whatever stands around
             * it. */
            if (!json_field(json, t->name, &e->scratch, &e->stack[n++])) return false;
        } else if (t->op->code == OP_NOT) {
            assert(n >= 1);
            double v = !truth(&e->stack[n - 1]);
            e->stack[n - 1] = (struct json_value){.kind = JSON_NUMBER, .number = v};
        } else {
            assert(n >= 2);
            n--;
            double v = binary(t->op->code, &e->stack[n - 1], &e->stack[n]);
            e->stack[n - 1] = (struct json_value){.kind = JSON_NUMBER, .number = v};
        }
    }
    assert(n == 1);
    return truth(&e->stack[0]);
}
