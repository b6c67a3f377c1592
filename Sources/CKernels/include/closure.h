// A Swift closure as two words, so that a caller can lend a closure in its stack frame to other
// threads without an allocation.
//
// In Swift's calling convention, a closure argument consists of a function and its context. A call
// passes the context in the register that clang calls swift_context
// (https://clang.llvm.org/docs/AttributeReference.html#swift-context).
#pragma once
#include <stdint.h>

/// A closure (Int) -> Void; the code that fills this struct keeps the closure alive.
typedef struct {
    void *function, *context;
} ofa_closure;

/// Calls `closure` with `argument`.
void ofa_closure_call(ofa_closure closure, intptr_t argument);
