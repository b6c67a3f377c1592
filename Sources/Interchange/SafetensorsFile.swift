// The content of a safetensors file: named tensors and text metadata.

/// Named tensors of 32-bit floats, tensors of 64-bit integers (labels), and metadata.
public struct SafetensorsFile: Sendable, Equatable {
    /// A tensor in row-major order.
    public struct Tensor<Value: Sendable & Equatable>: Sendable, Equatable {
        /// The extents, outermost first; empty for a scalar.
        public var shape: [Int]
        /// The values; their number is the product of the extents.
        public var values: [Value]

        /// Takes shape and values; whether the values fill the shape is checked when the tensor is written.
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
    /// Scalars in a PyTorch checkpoint, by name; only read, never written.
    public var numbers: [String: Double] = [:]
    /// Names of the entries of a PyTorch checkpoint that are neither tensors nor numbers, and were skipped.
    public var passedOver: Set<String> = []

    /// The tensors that were not read, such as complex ones, by name; the text says why: `holds C64, which is not …`.
    public var unread: [String: String] = [:]

    /// Makes the content of a file; empty by default.
    public init(
        tensors: [String: Tensor<Float>] = [:], integers: [String: Tensor<Int64>] = [:],
        metadata: [String: String] = [:]
    ) {
        self.tensors = tensors
        self.integers = integers
        self.metadata = metadata
    }

    /// Returns the float tensor called `name`. Errors: `missingTensor`.
    public func tensor(_ name: String) throws -> Tensor<Float> {
        guard let tensor = tensors[name] else {
            throw InterchangeError(
                .missingTensor,
                "no tensor of floats is named \(name); the file has \(tensors.count)")
        }
        return tensor
    }

    /// Returns the integer tensor called `name`. Errors: `missingTensor`.
    public func integerTensor(_ name: String) throws -> Tensor<Int64> {
        guard let tensor = integers[name] else {
            throw InterchangeError(
                .missingTensor,
                "no tensor of integers is named \(name); the file has \(integers.count)")
        }
        return tensor
    }
}
