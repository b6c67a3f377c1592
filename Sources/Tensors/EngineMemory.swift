// The memory of an engine. Host code accesses this memory only by `upload` and `download`, because the memory may be
// that of another device.

/// Makes arrays and moves values between these arrays and the host.
public protocol EngineMemory: AnyObject {
    /// Returns `count` zeros.
    func storage(_ count: Int) -> Storage
    /// Writes `value(i)` to float number i of `tensor`, in order.
    func upload(to tensor: Tensor, _ value: (Int) -> Float)
    /// Returns a copy of the values of `tensor`.
    func download(_ tensor: Tensor) -> [Float]
    /// Sets every value of `tensor` to `value`.
    func fill(_ tensor: Tensor, with value: Float)
    /// Copies the values of `from` to `to`; both have the same number of values.
    func copy(_ from: Tensor, to: Tensor)
    /// Returns a copy of `map`, a feature map in host memory, in this memory; returns `map` itself if this is the
    /// host's memory.
    func receive(_ map: FeatureMap) -> FeatureMap
}

extension EngineMemory {
    /// Writes `values` to `tensor`; both must have the same number of values.
    public func upload(_ values: [Float], to tensor: Tensor) {
        precondition(values.count == tensor.count, "\(values.count) values for \(tensor.count)")
        upload(to: tensor) { values[$0] }
    }
}

/// The host's memory, in which `CPUEngine` works. This class has no state.
public final class HostMemory: EngineMemory, Sendable {
    /// The host's memory.
    public static let shared = HostMemory()

    private init() {}

    /// Returns `count` zeros.
    public func storage(_ count: Int) -> Storage { Storage(count: count) }

    /// Writes `value(i)` to float number i of `tensor`.
    public func upload(to tensor: Tensor, _ value: (Int) -> Float) {
        let to = tensor.pointer
        for i in 0..<tensor.count { to[i] = value(i) }
    }

    /// Returns a copy of the values of `tensor`.
    public func download(_ tensor: Tensor) -> [Float] { tensor.values }

    /// Sets every value of `tensor` to `value`.
    public func fill(_ tensor: Tensor, with value: Float) { tensor.fill(with: value) }

    /// Copies the values of `from` to `to`; both have the same number of values.
    public func copy(_ from: Tensor, to: Tensor) { to.copy(from: from) }

    /// Returns `map`.
    public func receive(_ map: FeatureMap) -> FeatureMap { map }
}
