// The faults of the queue's design that take worker processes, servers and networks of their own; each in a file
// named for it. One after the other: they would starve each other.
import Testing

/// The fault tests with processes of their own.
@Suite("Faults", .serialized) struct FaultTests {}
