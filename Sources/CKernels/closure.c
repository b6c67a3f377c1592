// Splits a Swift closure into its two words and calls it; see closure.h.
#include "closure.h"

typedef __attribute__((swiftcall)) void swift_closure(intptr_t argument,
                                                      __attribute__((swift_context)) void *context);

void ofa_closure_call(ofa_closure closure, intptr_t argument) {
    ((swift_closure *)closure.function)(argument, closure.context);
}

/// Declared in Swift as taking the closure (Int) -> Void itself, which arrives as its two words.
__attribute__((swiftcall)) void ofa_closure_lend(void *function, void *context, ofa_closure *to) {
    *to = (ofa_closure){function, context};
}
