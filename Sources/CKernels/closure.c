// Stores a Swift closure as two words, and calls a closure stored in this form; see closure.h.
#include "closure.h"

typedef __attribute__((swiftcall)) void swift_closure(intptr_t argument,
                                                      __attribute__((swift_context)) void *context);

void ofa_closure_call(ofa_closure closure, intptr_t argument) {
    ((swift_closure *)closure.function)(argument, closure.context);
}

/// Stores a closure in `to`. Swift declares this function with two parameters: a closure (Int) ->
/// Void, and `to`. The closure arrives as the two words `function` and `context`.
__attribute__((swiftcall)) void ofa_closure_lend(void *function, void *context, ofa_closure *to) {
    *to = (ofa_closure){function, context};
}
