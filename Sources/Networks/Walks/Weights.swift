// The weights of a network, in two arenas laid out by a `ParameterLayout`.

import Foundation
import Tensors

/// Learned parameters and running statistics of a supernet or of one extracted subnet.
public final class Weights {
    /// The names and offsets of the arrays.
    public let layout: ParameterLayout
    /// The learned parameters.
    public let parameters: Storage
    /// The running statistics.
    public let statistics: Storage
    /// The memory of `parameters` and `statistics`: the memory of the engine that runs the network.
    public let memory: any EngineMemory

    /// Makes weights of zeros, with running variances of 1, in `layout`.
    public init(_ layout: ParameterLayout, in memory: any EngineMemory = HostMemory.shared) {
        self.layout = layout
        self.memory = memory
        parameters = memory.storage(layout.parameterCount)
        statistics = memory.storage(layout.statisticCount)
        for statistic in layout.statistics where statistic.name.hasSuffix("running_var") {
            memory.fill(view(statistic, in: statistics), with: 1)
        }
    }

    /// Makes the weights of the supernet of `space`, with the reference code's initial values drawn from
    /// `seed`.
    ///
    /// Weights of convolutions, also depthwise ones, are normal with variance 2 / (kernel² · out channels) (the
    /// published he_fout). Norms' scales are 1; their offsets and the biases of squeeze-and-excite are 0; transform
    /// matrices are the identity. Weight and bias of a linear layer are uniform within ±1 / √inputs.
    public convenience init(
        supernetOf space: SearchSpace, seed: UInt64,
        in memory: any EngineMemory = HostMemory.shared
    ) throws {
        self.init(try Self.layout(supernetOf: space), seed: seed, in: memory)
    }

    /// Makes weights in `layout`, with the same rules for initial values as those of a supernet, drawn from `seed`.
    public convenience init(
        _ layout: ParameterLayout, seed: UInt64, in memory: any EngineMemory = HostMemory.shared
    ) {
        self.init(layout, in: memory)
        initialise(seed: seed)
    }

    /// Returns the layout of the supernet of `space`. Errors: those of `NetworkShape.init`.
    public static func layout(supernetOf space: SearchSpace) throws -> ParameterLayout {
        ParameterLayout(
            try NetworkShape(space, space.largest),
            naming: .supernet(transform: space.kernelTransform))
    }

    /// Returns a view of one parameter or statistic in `storage` or, if `storage` is nil, in these weights.
    public func view(_ parameter: ParameterLayout.Parameter, in storage: Storage? = nil) -> Tensor {
        let home = storage ?? (parameter.role == .statistic ? statistics : parameters)
        return Tensor(storage: home, offset: parameter.offset, count: parameter.count)
    }

    /// Returns the values called `name`. Errors: `invalidWeights` for an unknown name.
    public func values(_ name: String) throws -> [Float] {
        memory.download(view(try find(name)))
    }

    /// Overwrites the values called `name`. Errors: `invalidWeights` for an unknown name or another number of values.
    public func set(_ name: String, to values: [Float]) throws {
        let parameter = try find(name)
        guard values.count == parameter.count else {
            throw NetworkError(
                .invalidWeights,
                "\(name) has \(values.count) values; this network needs \(parameter.count), shape \(parameter.shape)"
            )
        }
        memory.upload(values, to: view(parameter))
    }

    /// A copy of every array, with its name and shape: the state dict.
    public var named: [(parameter: ParameterLayout.Parameter, values: [Float])] {
        (layout.parameters + layout.statistics).map { ($0, memory.download(view($0))) }
    }

    /// Returns the names of the classifier's parameters in the supernet of `space`: those of the last layer, whose
    /// sizes depend on the number of classes.
    public static func classifier(supernetOf space: SearchSpace) throws -> Set<String> {
        let naming = ParameterLayout.Naming.supernet(transform: space.kernelTransform)
        guard case .dense(let dense) = try NetworkShape(space, space.largest).layers.last else {
            return []
        }
        return ["\(dense.prefix(naming)).weight", "\(dense.prefix(naming)).bias"]
    }

    /// Overwrites all arrays except those called `kept`. Errors: `invalidWeights` for a missing, unknown or wrongly
    /// sized array; then some arrays may have been overwritten.
    public func load(
        _ arrays: [String: (shape: [Int], values: [Float])], keeping kept: Set<String> = []
    ) throws {
        for parameter in layout.parameters + layout.statistics
        where !kept.contains(parameter.name) {
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
        let known = Set((layout.parameters + layout.statistics).map(\.name)).union(kept)
        if let extra = arrays.keys.filter({ !known.contains($0) }).min() {
            throw NetworkError(
                .invalidWeights, "the file has \(extra), which this space does not know")
        }
    }

    /// Returns a deep copy.
    public func copy() -> Weights {
        let other = Weights(layout, in: memory)
        memory.copy(parameters.all, to: other.parameters.all)
        memory.copy(statistics.all, to: other.statistics.all)
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
                memory.fill(tensor, with: parameter.name.hasSuffix(".weight") ? 1 : 0)
            case .transform:
                let side = parameter.shape[0]
                memory.upload(to: tensor) { $0 % (side + 1) == 0 ? 1 : 0 }
            case .weight where parameter.shape.count == 4:
                let fan = parameter.shape[2] * parameter.shape[3] * parameter.shape[0]
                let deviation = (2 / Float(fan)).squareRoot()
                memory.upload(to: tensor) { _ in stream.normal() * deviation }
            case .weight, .bias:
                // A weight of two dimensions and its bias get PyTorch's default for a linear layer, as in the reference
                // code. Other biases, those of squeeze-and-excite, stay 0.
                let weight = parameter.name.replacing(/bias$/, with: "weight")
                guard let shape = layout.parameter(weight)?.shape, shape.count == 2 else {
                    continue
                }
                let limit = 1 / Float(shape[1]).squareRoot()
                memory.upload(to: tensor) { _ in (2 * stream.uniform() - 1) * limit }
            case .statistic:
                break
            }
        }
    }
}
