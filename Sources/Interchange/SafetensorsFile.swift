// What a safetensors file holds, in memory: named tensors and free text about them.

/// Named tensors of 32-bit floats, tensors of 64-bit integers (labels), and metadata.
public struct SafetensorsFile: Sendable, Equatable {
    /// A tensor in row-major order.
    public struct Tensor<Value: Sendable & Equatable>: Sendable, Equatable {
        /// The extents, outermost first; empty for a scalar.
        public var shape: [Int]
        /// The values; as many as the product of the shape.
        public var values: [Value]

        /// Makes a tensor; whether values and shape agree is checked where it is written.
        public init(shape: [Int], values: [Value]) {
            self.shape = shape
            self.values = values
        }
    }

    /// The tensors of 32-bit floats by name.
    public var tensors: [String: Tensor<Float>]
    /// The tensors of 64-bit integers by name; only read, never written.
    public var integers: [String: Tensor<Int64>]
    /// Free text by key.
    public var metadata: [String: String]
    /// Plain numbers beside the tensors of a PyTorch checkpoint, by name; only read, never written.
    public var numbers: [String: Double] = [:]
    /// The names of what else such a checkpoint has beside its tensors, and nothing of that was read.
    public var passedOver: Set<String> = []

    /// Makes a file's content.
    public init(
        tensors: [String: Tensor<Float>] = [:], integers: [String: Tensor<Int64>] = [:],
        metadata: [String: String] = [:]
    ) {
        self.tensors = tensors
        self.integers = integers
        self.metadata = metadata
    }

    /// The tensor of floats of this name; throws `missingTensor` naming it.
    public func tensor(_ name: String) throws -> Tensor<Float> {
        guard let tensor = tensors[name] else {
            throw InterchangeError(
                .missingTensor,
                "no tensor of floats is named \(name); the file has \(tensors.count)")
        }
        return tensor
    }

    /// The tensor of integers of this name; throws `missingTensor` naming it.
    public func integerTensor(_ name: String) throws -> Tensor<Int64> {
        guard let tensor = integers[name] else {
            throw InterchangeError(
                .missingTensor,
                "no tensor of integers is named \(name); the file has \(integers.count)")
        }
        return tensor
    }
}
