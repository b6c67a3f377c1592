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
        var energyMJ: Double

        mutating func add(_ part: Tally) {
            cost.combine(part.cost)
            latencyMs += part.latencyMs
            energyMJ += part.energyMJ
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
    private let hasLatency, hasEnergy: Bool
    private let planes: [Int: Plane]

    /// Looks up every layer; `space.resolutions` are those of the search.
    ///
    /// `energy` holds millijoules where `table` holds milliseconds. Errors: `missingLatency` naming the first key or
    /// resolution that a table lacks.
    init(_ space: SearchSpace, table: LatencyTable?, energy: LatencyTable? = nil) throws {
        self.space = space
        hasLatency = table != nil
        hasEnergy = energy != nil
        var planes: [Int: Plane] = [:]
        for resolution in space.resolutions {
            planes[resolution] = try Self.plane(space.uncoupled, resolution, table, energy)
        }
        self.planes = planes
    }

    /// The costs of stem, first block and head at a resolution of the search.
    func fixed(_ resolution: Int) -> Tally { plane(resolution).fixed }

    /// The costs of a layer with the choice of kernel and ratio at this place, kernel-major.
    func layer(_ layer: Int, choice: Int, _ resolution: Int) -> Tally {
        let ratios = space.expandRatios.count
        return plane(resolution).layers[place(layer, choice / ratios, choice % ratios)]
    }

    /// What a part or a network with these costs needs on `device`.
    func metrics(_ tally: Tally, on device: DeviceTarget) -> NetworkMetrics {
        device.metrics(
            tally.cost, latencyMs: hasLatency ? tally.latencyMs : nil,
            energyMJ: hasEnergy ? tally.energyMJ : nil)
    }

    private func plane(_ resolution: Int) -> Plane {
        guard let plane = planes[resolution] else {
            preconditionFailure("resolution \(resolution) is not one of the search's")
        }
        return plane
    }

    /// The costs of a network of the space at one of its resolutions.
    func metrics(_ config: SubnetConfig, on device: DeviceTarget) -> NetworkMetrics {
        metrics(tally(config), on: device)
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
        return space.settled(config)
    }

    /// The costs of a network of the space at one of its resolutions.
    func tally(_ config: SubnetConfig) -> Tally {
        let plane = plane(config.resolution)
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
        _ space: SearchSpace, _ resolution: Int, _ table: LatencyTable?, _ energy: LatencyTable?
    ) throws -> Plane {
        func tally(_ cost: NetworkCost, _ keys: [LatencyKey]) throws -> Tally {
            Tally(
                cost: cost,
                latencyMs: try keys.reduce(0) {
                    $0 + (try table?.latencyMs($1, resolution: resolution) ?? 0)
                },
                energyMJ: try keys.reduce(0) {
                    $0
                        + (try energy?.latencyMs($1, resolution: resolution, of: "energy table")
                            ?? 0)
                })
        }
        func tally(_ block: NetworkShape.Block) throws -> Tally {
            try tally(NetworkCost(block: block), [LatencyKey(.block(block))])
        }
        // At full depth, also where the search's networks are less deep: every layer has its place.
        var space = space
        space.depths = [space.maxDepth]
        var config = space.largest
        config.resolution = resolution
        let whole = try NetworkShape(space, config)
        var fixed = try tally(NetworkCost(conv: whole.stem), [LatencyKey(.stem(whole.stem))])
        fixed.add(try tally(whole.blocks[0]))
        fixed.add(try tally(NetworkCost(head: whole), whole.latencyKeys.suffix(4)))

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
