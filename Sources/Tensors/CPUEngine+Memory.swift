// The memory of the CPU engine, which is the host's.

extension CPUEngine {
    /// Returns `count` zeros.
    public func storage(_ count: Int) -> Storage { HostMemory.shared.storage(count) }

    /// Writes `value(i)` to float number i of `tensor`.
    public func upload(to tensor: Tensor, _ value: (Int) -> Float) {
        HostMemory.shared.upload(to: tensor, value)
    }

    /// Returns a copy of the values of `tensor`.
    public func download(_ tensor: Tensor) -> [Float] { HostMemory.shared.download(tensor) }

    /// Sets every value of `tensor` to `value`.
    public func fill(_ tensor: Tensor, with value: Float) {
        HostMemory.shared.fill(tensor, with: value)
    }

    /// Copies the values of `from` to `to`; both have the same number of values.
    public func copy(_ from: Tensor, to: Tensor) { HostMemory.shared.copy(from, to: to) }

    /// Returns `map`.
    public func receive(_ map: FeatureMap) -> FeatureMap { map }
}
