// The weights of a network, in two arenas laid out by a `ParameterLayout`.

import Foundation
import Tensors

/// Learned parameters and running statistics of a supernet or of one extracted subnet.
public final class Weights {
    /// Names and offsets.
    public let layout: ParameterLayout
    /// The learned parameters.
    public let parameters: Storage
    /// The running statistics.
    public let statistics: Storage

    /// Zeros (variances 1) in the given layout.
    public init(_ layout: ParameterLayout) {
        self.layout = layout
        parameters = Storage(count: layout.parameterCount)
        statistics = Storage(count: layout.statisticCount)
        for statistic in layout.statistics where statistic.name.hasSuffix("running_var") {
            view(statistic, in: statistics).fill(with: 1)
        }
    }

    /// The supernet of `space`, with the reference's initial values drawn from `seed`.
    ///
    /// Convolutions: normal with variance 2 / (kernel² · out channels), depthwise too (the published he_fout);
    /// squeeze-and-excite biases, norms' offsets 0, scales 1; transform matrices the identity; the classifier
    /// uniform within 1 / √inputs.
    public convenience init(supernetOf space: SearchSpace, seed: UInt64) throws {
        self.init(try Self.layout(supernetOf: space))
        initialise(seed: seed)
    }

    /// The layout of the supernet of `space`.
    public static func layout(supernetOf space: SearchSpace) throws -> ParameterLayout {
        ParameterLayout(
            try NetworkShape(space, space.largest),
            naming: .supernet(transform: space.kernelTransform))
    }

    /// A view of one parameter or statistic.
    public func view(_ parameter: ParameterLayout.Parameter, in storage: Storage? = nil) -> Tensor {
        let home = storage ?? (parameter.role == .statistic ? statistics : parameters)
        return Tensor(storage: home, offset: parameter.offset, count: parameter.count)
    }

    /// The values called `name`; an unknown name is an error.
    public func values(_ name: String) throws -> [Float] { view(try find(name)).values }

    /// Overwrites the values called `name`; an unknown name or another number of values is an error.
    public func set(_ name: String, to values: [Float]) throws {
        let parameter = try find(name)
        guard values.count == parameter.count else {
            throw NetworkError(
                .invalidWeights,
                "\(name) has \(values.count) values; this network needs \(parameter.count), shape \(parameter.shape)"
            )
        }
        view(parameter).fill(from: values)
    }

    /// Every array by name with its shape: the state dict.
    public var named: [(parameter: ParameterLayout.Parameter, values: [Float])] {
        (layout.parameters + layout.statistics).map { ($0, view($0).values) }
    }

    /// Overwrites everything. A missing, unknown or wrongly sized array is an error, after which
    /// some arrays may be overwritten.
    public func load(_ arrays: [String: (shape: [Int], values: [Float])]) throws {
        for parameter in layout.parameters + layout.statistics {
            guard let array = arrays[parameter.name] else {
                throw NetworkError(
                    .invalidWeights, "the file has no \(parameter.name), which this space needs")
            }
            guard array.shape == parameter.shape else {
                throw NetworkError(
                    .invalidWeights,
                    "\(parameter.name) is \(array.shape); this space needs \(parameter.shape)")
            }
            try set(parameter.name, to: array.values)
        }
        let known = Set((layout.parameters + layout.statistics).map(\.name))
        if let extra = arrays.keys.filter({ !known.contains($0) }).min() {
            throw NetworkError(
                .invalidWeights, "the file has \(extra), which this space does not know")
        }
    }

    /// A deep copy.
    public func copy() -> Weights {
        let other = Weights(layout)
        other.parameters.all.copy(from: parameters.all)
        other.statistics.all.copy(from: statistics.all)
        return other
    }

    private func find(_ name: String) throws -> ParameterLayout.Parameter {
        guard let parameter = layout.parameter(name) ?? layout.statistic(name) else {
            throw NetworkError(
                .invalidWeights, "there is no parameter called \(name) in this network")
        }
        return parameter
    }

    private func initialise(seed: UInt64) {
        for (index, parameter) in layout.parameters.enumerated() {
            var stream = RandomStream(seed: seed, index, 0, 0x1217)
            let tensor = view(parameter)
            switch parameter.role {
            case .norm:
                tensor.fill(with: parameter.name.hasSuffix(".weight") ? 1 : 0)
            case .transform:
                let side = parameter.shape[0]
                for i in 0..<side { tensor[i * side + i] = 1 }
            case .weight where parameter.shape.count == 4:
                let fan = parameter.shape[2] * parameter.shape[3] * parameter.shape[0]
                let deviation = (2 / Float(fan)).squareRoot()
                for i in 0..<tensor.count { tensor[i] = stream.normal() * deviation }
            case .weight, .bias:
                // PyTorch's default for a linear layer, which the reference keeps: a weight of two dimensions, and the
                // bias beside it. Other biases, those of squeeze-and-excite, stay 0.
                let weight = parameter.name.replacing(/bias$/, with: "weight")
                guard let shape = layout.parameter(weight)?.shape, shape.count == 2 else {
                    continue
                }
                let limit = 1 / Float(shape[1]).squareRoot()
                for i in 0..<tensor.count { tensor[i] = (2 * stream.uniform() - 1) * limit }
            case .statistic:
                break
            }
        }
    }
}
