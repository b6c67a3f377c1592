// The costs of every layer a space can have, looked up instead of computed: all costs of a network
// are sums over its layers (the peak is their largest), and a layer's share depends only on its
// stage, on being the stage's first, and on its kernel and ratio. A search asks for tens of
// thousands of networks; this answers each in a few additions.
import Networks

/// The costs of all layers of a space on one device, at the resolutions of a search.
struct LayerCosts: Sendable {
    /// Costs of a part of a network.
    struct Tally: Sendable {
        var cost: NetworkCost
        var latencyMs: Double

        mutating func add(_ part: Tally) {
            cost.combine(part.cost)
            latencyMs += part.latencyMs
        }
    }

    /// The costs at one resolution.
    private struct Plane: Sendable {
        /// Stem, first block and head.
        var fixed: Tally
        /// By stage, first or later, kernel and ratio; see `place`.
        var layers: [Tally]
    }

    private let space: SearchSpace
    private let hasLatency: Bool
    private let planes: [Int: Plane]

    /// Looks up every layer; `space.resolutions` are those of the search.
    ///
    /// Errors: `missingLatency` naming the first key or resolution that `table` lacks.
    init(_ space: SearchSpace, table: LatencyTable?) throws {
        self.space = space
        hasLatency = table != nil
        var planes: [Int: Plane] = [:]
        for resolution in space.resolutions {
            planes[resolution] = try Self.plane(space, resolution, table)
        }
        self.planes = planes
    }

    /// The costs of a network of the space at one of its resolutions.
    func metrics(_ config: SubnetConfig, on device: DeviceTarget) -> NetworkMetrics {
        let tally = tally(config)
        return device.metrics(tally.cost, latencyMs: hasLatency ? tally.latencyMs : nil)
    }

    /// The network at `resolution` whose every layer has the least `weight`, at the least depths.
    ///
    /// For a quantity that adds up (or is the largest over layers) that is the smallest reachable.
    func least(_ resolution: Int, by weight: (Tally) -> Double) -> SubnetConfig {
        var config = space.smallest
        config.resolution = resolution
        guard let plane = planes[resolution] else { return config }
        for layer in 0..<space.layerCount {
            var best = Double.infinity
            for (kernelPlace, kernel) in space.kernelSizes.enumerated() {
                for (ratioPlace, ratio) in space.expandRatios.enumerated() {
                    let value = weight(plane.layers[place(layer, kernelPlace, ratioPlace)])
                    guard value < best else { continue }
                    best = value
                    config.kernelSizes[layer] = kernel
                    config.expandRatios[layer] = ratio
                }
            }
        }
        return config
    }

    private func tally(_ config: SubnetConfig) -> Tally {
        guard let plane = planes[config.resolution] else {
            preconditionFailure("resolution \(config.resolution) is not one of the search's")
        }
        var tally = plane.fixed
        for (stage, depth) in config.depths.enumerated() {
            for layer in stage * space.maxDepth..<stage * space.maxDepth + depth {
                guard let kernel = space.kernelSizes.firstIndex(of: config.kernelSizes[layer]),
                    let ratio = space.expandRatios.firstIndex(of: config.expandRatios[layer])
                else { preconditionFailure("layer \(layer) is not one of the space's") }
                tally.add(plane.layers[place(layer, kernel, ratio)])
            }
        }
        return tally
    }

    private func place(_ layer: Int, _ kernel: Int, _ ratio: Int) -> Int {
        let isLater = layer % space.maxDepth == 0 ? 0 : 1
        let stage = layer / space.maxDepth
        return ((stage * 2 + isLater) * space.kernelSizes.count + kernel)
            * space.expandRatios.count + ratio
    }

    private static func plane(
        _ space: SearchSpace, _ resolution: Int, _ table: LatencyTable?
    ) throws -> Plane {
        func latency(_ part: LatencyKey.Part) throws -> Double {
            try table?.latencyMs(LatencyKey(part), resolution: resolution) ?? 0
        }
        func tally(_ block: NetworkShape.Block) throws -> Tally {
            Tally(cost: NetworkCost(block: block), latencyMs: try latency(.block(block)))
        }
        var config = space.largest
        config.resolution = resolution
        let whole = try NetworkShape(space, config)
        var fixed = Tally(
            cost: NetworkCost(conv: whole.stem), latencyMs: try latency(.stem(whole.stem)))
        fixed.add(try tally(whole.blocks[0]))
        let head = whole.latencyKeys.suffix(4)
        fixed.add(
            Tally(
                cost: NetworkCost(head: whole),
                latencyMs: try head.reduce(0) { $0 + (try latency($1.part)) }))

        var layers: [Tally] = []
        for stage in space.stages.indices {
            for offset in [0, min(1, space.maxDepth - 1)] {
                for kernel in space.kernelSizes {
                    for ratio in space.expandRatios {
                        let layer = stage * space.maxDepth + offset
                        var config = config
                        config.kernelSizes[layer] = kernel
                        config.expandRatios[layer] = ratio
                        let shape = try NetworkShape(space, config)
                        layers.append(try tally(shape.blocks[1 + layer]))
                    }
                }
            }
        }
        return Plane(fixed: fixed, layers: layers)
    }
}
