// The parts of a space's networks, and the genes that each part depends on. The dependencies are found by comparing
// networks in which one gene is changed at a time, so this file is independent of layer types and families.
import Networks

/// The parts of one space's networks, in network order; latency tables have an entry for each part.
package struct NetworkParts: Sendable {
    /// One part of a network.
    package struct Part: Sendable {
        /// The index of the kernel and expand genes that affect the part; nil if none do.
        package let layer: Int?
        /// The index of the depth gene that may skip the part; nil if the part is always active.
        package let stage: Int?
        /// The index, among the stage's depths, of the least depth that includes the part.
        package let leastDepth: Int
        /// The indices of the width genes that affect the part, ascending.
        package let widths: [Int]
        /// `choices`: the number of combinations of the part's kernel and expand genes. `states`: the number of
        /// combinations of its width genes.
        package let choices, states: Int
        /// The index of the part's first entry in a table over all parts. A part has an entry for each state and
        /// choice, ordered by state, then by choice.
        package let first: Int
        /// The indices of the part's layers in a network at full depth.
        fileprivate let layers: Range<Int>
    }

    /// The parts in network order.
    package let parts: [Part]
    /// Number of entries of a table over all parts.
    package let entryCount: Int
    /// Number of values of each width gene.
    package let widthCounts: [Int]
    private let space: SearchSpace

    /// Finds the parts of the networks of `space`, whose genes may be coupled.
    ///
    /// Errors: `invalidOption` for a space in which a depth gene changes layers of other stages, and the errors of
    /// `NetworkShape.init`.
    package init(_ space: SearchSpace) throws {
        let space = space.uncoupled
        self.space = space
        widthCounts = space.widthGenes.map(\.count)
        let probe = try Probe(space)
        let layers = try probe.layers(), depths = try probe.depths(), genes = try probe.widths()
        var parts: [Part] = [], first = 0
        for (number, places) in probe.groups.enumerated() {
            let layer = layers[number], widths = genes[number] ?? []
            let part = Part(
                layer: layer, stage: depths[number]?.stage, leastDepth: depths[number]?.least ?? 0,
                widths: widths,
                choices: layer.map { space.stages[space.stage(of: $0)].choices } ?? 1,
                states: widths.reduce(1) { $0 * space.widthGenes[$1].count }, first: first,
                layers: places)
            parts.append(part)
            first += part.states * part.choices
        }
        self.parts = parts
        entryCount = first
    }

    /// Finds the parts of a reference network that change or disappear when one gene changes. The reference network has
    /// full depth and the first choice of every other gene.
    private struct Probe {
        let space: SearchSpace
        let base: SubnetConfig
        let whole: NetworkShape
        /// The layers of each part, as indices in the network.
        let groups: [Range<Int>]

        init(_ space: SearchSpace) throws {
            self.space = space
            base = NetworkParts.full(space, widths: space.widthGenes.map { _ in 0 }, choice: 0)
            whole = try NetworkShape(space, base)
            var begin = 0
            groups = whole.latencyKeys.map { key in
                defer { begin += key.layers.count }
                return begin..<begin + key.layers.count
            }
        }

        /// Returns the parts of the reference network that differ in the network of `config`, and the parts that the
        /// network of `config` lacks.
        private func compare(_ config: SubnetConfig) throws -> (changed: [Int], missing: [Int]) {
            let layers = Dictionary(
                try NetworkShape(space, config).placed.map { ($0.place, $0.layer) }
            ) { first, _ in first }
            var changed: [Int] = [], missing: [Int] = []
            for (number, group) in groups.enumerated() {
                let before = whole.placed[group]
                if before.contains(where: { layers[$0.place] == nil }) {
                    missing.append(number)
                } else if before.contains(where: { layers[$0.place] != $0.layer }) {
                    changed.append(number)
                }
            }
            return (changed, missing)
        }

        /// Returns, by part, the index of the kernel and expand genes that affect the part.
        func layers() throws -> [Int: Int] {
            var layers: [Int: Int] = [:]
            for (number, stage) in space.stages.enumerated() where stage.choices > 1 {
                for layer in stage.places.prefix(stage.active(base.depths[number])) {
                    var config = base
                    stage.set(stage.choices - 1, of: layer, in: &config)
                    for group in try compare(config).changed { layers[group] = layer }
                }
            }
            return layers
        }

        /// Returns, by part, the stage whose depth may skip the part, and the index of the least depth that includes
        /// the part.
        func depths() throws -> [Int: (stage: Int, least: Int)] {
            var depths: [Int: (stage: Int, least: Int)] = [:]
            for (number, stage) in space.stages.enumerated() {
                for (place, depth) in stage.depths.enumerated().dropLast() {
                    var config = base
                    config.depths[number] = depth
                    let (changed, missing) = try compare(config)
                    guard changed.isEmpty else {
                        throw DeviceError(
                            .invalidOption,
                            "space \(space.name): depth \(depth) of stage \(number) changes layers of other stages,"
                                + " whose costs could not be told apart")
                    }
                    for group in missing { depths[group] = (number, place + 1) }
                }
            }
            return depths
        }

        /// Returns, by part, the width genes that affect the part, ascending.
        func widths() throws -> [Int: [Int]] {
            var genes: [Int: [Int]] = [:]
            for (gene, widths) in space.widthGenes.enumerated() {
                var depending: Set<Int> = []
                for index in widths.indices.dropFirst() {
                    var config = base
                    config.widths[gene] = index
                    depending.formUnion(try compare(config).changed)
                }
                for group in depending { genes[group, default: []].append(gene) }
            }
            return genes
        }
    }

    /// Returns a network at full depth with `widths`. Every layer has the combination `choice` of kernel and expand
    /// genes, or its last combination if the layer has fewer.
    fileprivate static func full(_ space: SearchSpace, widths: [Int], choice: Int) -> SubnetConfig {
        var config = space.largest
        config.widths = widths
        for stage in space.stages {
            for layer in stage.places.prefix(stage.active(stage.depths.last ?? 0)) {
                stage.set(min(choice, stage.choices - 1), of: layer, in: &config)
            }
        }
        return config
    }

    /// Returns the state of a part: the index of a combination of its width genes. `value` returns the value of a width
    /// gene.
    package func state(_ part: Part, _ value: (Int) -> Int) -> Int {
        part.widths.reduce(0) { $0 * widthCounts[$1] + value($1) }
    }

    /// Returns the index, in a table over all parts, of the entry of `part` that the network `config` uses; nil if the
    /// network skips the part.
    func entry(_ part: Part, in config: SubnetConfig) -> Int? {
        if let number = part.stage {
            let place = space.stages[number].depths.firstIndex(of: config.depths[number]) ?? 0
            if place < part.leastDepth { return nil }
        }
        var entry = part.first + state(part) { config.widths[$0] } * part.choices
        if let layer = part.layer {
            guard let choice = space.stages[space.stage(of: layer)].choice(of: layer, in: config)
            else { preconditionFailure("layer \(layer) is not one of space \(space.name)") }
            entry += choice
        }
        return entry
    }

    /// Calls `body` once for every entry, with the index and the layers of the entry at image size `resolution`.
    func forEachEntry(
        _ resolution: Int, _ body: (Int, ArraySlice<NetworkShape.Placed>) throws -> Void
    )
        throws
    {
        var isDone = [Bool](repeating: false, count: entryCount)
        let all = Set(parts.map(\.widths))
        let sets = all.filter { one in
            !all.contains { $0 != one && Set($0).isSuperset(of: one) }
        }
        for set in sets.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let own = parts.filter { Set(set).isSuperset(of: $0.widths) }
            for number in 0..<set.reduce(1, { $0 * widthCounts[$1] }) {
                var widths = widthCounts.map { _ in 0 }, rest = number
                for gene in set {
                    widths[gene] = rest % widthCounts[gene]
                    rest /= widthCounts[gene]
                }
                for choice in 0..<(own.map(\.choices).max() ?? 0) {
                    var config = Self.full(space, widths: widths, choice: choice)
                    config.resolution = resolution
                    let shape = try NetworkShape(space, config)
                    for part in own where choice < part.choices {
                        let entry = part.first + state(part) { widths[$0] } * part.choices + choice
                        if isDone[entry] { continue }
                        isDone[entry] = true
                        try body(entry, shape.placed[part.layers])
                    }
                }
            }
        }
    }

    /// Returns lists of values of the width genes that together cover every state of every part.
    func widthCover() -> [[Int]] {
        var open = parts.map { Set(0..<$0.states) }
        var cover: [[Int]] = []
        while let first = open.firstIndex(where: { !$0.isEmpty }), let state = open[first].min() {
            var widths = [Int](repeating: -1, count: widthCounts.count)
            for (gene, value) in zip(parts[first].widths, values(state, of: parts[first])) {
                widths[gene] = value
            }
            for (number, part) in parts.enumerated() {
                let possible = (0..<part.states).filter { state in
                    zip(part.widths, values(state, of: part)).allSatisfy {
                        widths[$0] < 0 || widths[$0] == $1
                    }
                }
                guard let state = possible.first(where: open[number].contains) ?? possible.first
                else { continue }
                for (gene, value) in zip(part.widths, values(state, of: part)) {
                    widths[gene] = value
                }
                open[number].remove(state)
            }
            cover.append(widths.map { max(0, $0) })
        }
        return cover
    }

    /// Returns the values of the width genes of `part` in `state`.
    package func values(_ state: Int, of part: Part) -> [Int] {
        var rest = state
        var values: [Int] = []
        for gene in part.widths.reversed() {
            values.append(rest % widthCounts[gene])
            rest /= widthCounts[gene]
        }
        return values.reversed()
    }
}

extension GeneStage {
    /// Number of combinations of a layer's kernel and expand genes.
    package var choices: Int { max(1, kernelSizes.count) * max(1, expandRatios.count) }

    /// Sets the kernel and expand genes of a layer to combination `choice`; combinations are counted kernel-major.
    package func set(_ choice: Int, of layer: Int, in config: inout SubnetConfig) {
        let ratios = max(1, expandRatios.count)
        if !kernelSizes.isEmpty { config.kernelSizes[layer] = kernelSizes[choice / ratios] }
        if !expandRatios.isEmpty { config.expandRatios[layer] = expandRatios[choice % ratios] }
    }

    /// Returns the combination of a layer's kernel and expand genes in `config`; nil if the stage does not offer these
    /// genes.
    package func choice(of layer: Int, in config: SubnetConfig) -> Int? {
        let kernel =
            kernelSizes.isEmpty ? 0 : kernelSizes.firstIndex(of: config.kernelSizes[layer])
        let ratio =
            expandRatios.isEmpty ? 0 : expandRatios.firstIndex(of: config.expandRatios[layer])
        guard let kernel, let ratio else { return nil }
        return kernel * max(1, expandRatios.count) + ratio
    }
}
