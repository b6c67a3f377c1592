// Replaces the C library's allocation functions with functions that count the calls made by watched
// threads. Only tests link this file.
#include "allocation_counter.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static _Thread_local int counting;
static _Atomic int64_t count;

void ofa_allocations_watch(int watched) { counting = watched; }

int64_t ofa_allocations_taken(void) { return atomic_exchange(&count, 0); }

#if defined(__GLIBC__)
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void note(void) {
    if (counting) atomic_fetch_add(&count, 1);
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}
void *calloc(size_t items, size_t size) {
    note();
    return __libc_calloc(items, size);
}
void *realloc(void *old, size_t size) {
    note();
    return __libc_realloc(old, size);
}
void *memalign(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **to, size_t alignment, size_t size) {
    note();
    void *made = __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *to = made;
    return 0;
}

int ofa_allocations_countable(void) { return 1; }
#else
int ofa_allocations_countable(void) { return 0; }
#endif
