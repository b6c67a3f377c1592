// Reads a network from the description that the OFA library publishes beside specialised weights (`net.config`): a list
// of layers with their sizes. The genes are found by comparing the blocks with the stages of a space; every size in the
// file is then compared with that of the network of these genes.

import Intake

/// A network as a list of layers, read from a `net.config`.
struct PublishedNetwork {
    /// An inverted residual block of the file.
    private struct Block {
        let place: String
        let inWidth, outWidth, kernel, stride: Int
        let ratio: Double
        let middleWidth: Int?
        let activation: String?
        let squeezeExcite: Bool?
        let hasSkip: Bool
    }

    private let node: JSONNode
    private let blocks: [Block]

    /// Returns whether `node` looks like a description of layers.
    static func isOne(_ node: JSONNode) -> Bool { node["blocks"] != nil }

    /// Reads the blocks of `node`; `path` is its place, for errors. Errors: `InputFault`, naming the field.
    init(_ node: JSONNode, path: String) throws(InputFault) {
        self.node = node
        // Both values of a key that stands twice cannot be meant.
        if let stray = node.stray(beside: node) { throw InputFault(stray) }
        guard case .list(let list) = node["blocks"] else {
            throw InputFault("field blocks is no list", remedy: "is it a net.config?")
        }
        var blocks: [Block] = []
        for (number, entry) in list.enumerated() {
            blocks.append(
                try Self.block(entry, "\(path.isEmpty ? "" : path + ".")blocks[\(number)]"))
        }
        self.blocks = blocks
    }

    private static func block(_ entry: JSONNode, _ place: String) throws(InputFault) -> Block {
        let keys = ["mobile_inverted_conv", "conv"]
        guard let key = keys.first(where: { entry[$0] != nil }), let conv = entry[key] else {
            let name = entry["name"].map { " (\($0.shown))" } ?? ""
            throw InputFault(
                "\(place)\(name) is no inverted residual block: it has no mobile_inverted_conv",
                remedy:
                    "write other networks as genes, {\"e\": […], \"d\": […], \"w\": […], \"r\": 224}"
            )
        }
        let path = "\(place).\(key)"
        func whole(_ field: String) throws(InputFault) -> Int {
            try Field(conv, path).whole(field, in: 1...65_536)
        }
        let middle = conv["mid_channels"].flatMap { $0 == .null ? nil : $0 }
        return Block(
            place: path, inWidth: try whole("in_channels"), outWidth: try whole("out_channels"),
            kernel: try whole("kernel_size"), stride: try whole("stride"),
            ratio: try Field(conv, path).real("expand_ratio", in: 1...64),
            middleWidth: middle == nil ? nil : try whole("mid_channels"),
            activation: try Field(conv, path).text("act_func"),
            squeezeExcite: try Field(conv, path).flag("use_se"),
            hasSkip: entry["shortcut"].map { $0 != .null } ?? false)
    }

    /// Returns the image size that the file states; nil if it states none, as usual.
    func resolution() throws(InputFault) -> Int? {
        for key in ["r", "resolution", "image_size"] where node[key] != nil {
            return try Field(node, "").whole(key, in: 1...4096)
        }
        return nil
    }

    /// Returns the genes of this network in `space` at an image size. Errors: `InputFault`, naming the first field that
    /// differs from the network of `space`; `NetworkError` for a gene that the space lacks.
    func genes(in space: SearchSpace, resolution: Int) throws -> SubnetConfig {
        guard space.widthGenes.isEmpty else {
            throw InputFault(
                "describes inverted residual blocks, which space \(space.name) does not have",
                remedy: "name the network's own space")
        }
        var largest = space.uncoupled.largest
        largest.resolution = resolution
        let units = Self.units(try NetworkShape(space.uncoupled, largest).blocks)
        var found: SubnetConfig?
        var first: (any Error)?
        for counts in splits(units, space) {
            let config: SubnetConfig
            do {
                config = try genes(in: space, resolution: resolution, units, counts)
            } catch let error as any Remedied {
                first = first ?? error
                continue
            }
            guard found == nil else {
                throw InputFault(
                    "is two networks of space \(space.name): its stages of equal width can be divided in several ways",
                    remedy: "write genes")
            }
            found = config
        }
        if let found { return found }
        throw first ?? InputFault("has no blocks")
    }

    /// Divides the blocks of a space's largest network into stages and blocks without genes.
    private static func units(_ blocks: [Layer.InvertedResidual]) -> [[Layer.InvertedResidual]] {
        var units: [[Layer.InvertedResidual]] = []
        for block in blocks {
            if let stage = block.stage, units.last?.first?.stage == stage {
                units[units.count - 1].append(block)
            } else {
                units.append([block])
            }
        }
        return units
    }

    /// Returns the ways to divide this network's blocks among `units`, each as the number of blocks of each unit. There is
    /// a single way, which takes as many blocks as possible, unless a unit continues the widths of the one before; then
    /// every way is tried, up to a thousand.
    private func splits(_ units: [[Layer.InvertedResidual]], _ space: SearchSpace) -> [[Int]] {
        var splits: [[Int]] = []
        func split(_ counts: [Int], _ start: Int) {
            guard splits.count < 1000 else { return }
            guard counts.count < units.count, let first = units[counts.count].first else {
                return splits.append(counts)
            }
            let unit = units[counts.count]
            let same = blocks.dropFirst(start + 1).prefix(unit.count - 1).prefix {
                $0.inWidth == first.outWidth && $0.outWidth == first.outWidth && $0.stride == 1
            }
            let most = min(same.count + 1, blocks.count - start)
            guard counts.count + 1 < units.count, let next = units[counts.count + 1].first,
                next.inWidth == first.outWidth, next.outWidth == first.outWidth, next.stride == 1,
                let stage = first.stage, most > 0
            else { return split(counts + [max(0, most)], start + max(0, most)) }
            let known = Set(space.stages[stage].depths.map(space.stages[stage].active))
            let possible = known.filter { $0 <= most }.sorted(by: >)
            for count in possible.isEmpty ? [most] : possible {
                split(counts + [count], start + count)
            }
        }
        split([], 0)
        return splits
    }

    /// Returns the genes of this network whose blocks are divided among `units` by `counts`.
    private func genes(
        in space: SearchSpace, resolution: Int, _ units: [[Layer.InvertedResidual]], _ counts: [Int]
    ) throws -> SubnetConfig {
        var genes = SubnetConfig(
            kernelSizes: Array(repeating: 0, count: space.kernelGeneCount),
            expandRatios: Array(repeating: 0, count: space.layerCount),
            depths: Array(repeating: 0, count: space.stages.count), resolution: resolution)
        var rest = blocks[...]
        for (unit, count) in zip(units, counts) {
            guard let first = unit.first else { continue }
            guard let start = rest.first else {
                throw InputFault(
                    "has \(blocks.count) blocks, which end before block \(first.number) of space \(space.name)"
                )
            }
            try Self.check(start, first.inWidth, first.outWidth, first.stride, space)
            let own = rest.prefix(count)
            rest = rest.dropFirst(count)
            guard let number = first.stage else { continue }
            let gene = space.stages[number]
            guard let depth = gene.depths.first(where: { gene.active($0) == own.count }) else {
                throw InputFault(
                    "has \(own.count) blocks in stage \(number); space \(space.name) allows "
                        + SearchSpace.listed(gene.depths.map(gene.active)))
            }
            genes.depths[number] = depth
            for (layer, block) in zip(gene.places, own) {
                if !genes.kernelSizes.isEmpty { genes.kernelSizes[layer] = block.kernel }
                genes.expandRatios[layer] = block.ratio
            }
        }
        if let other = rest.first {
            throw InputFault("\(other.place) is one block more than space \(space.name) has there")
        }
        // The canonical form of coupled genes follows from the depths alone, so the file's genes are checked before.
        try space.validateGenes(genes)
        genes = space.canonical(genes)
        try compare(with: try NetworkShape(space, genes), space)
        return genes
    }

    private static func check(
        _ block: Block, _ inWidth: Int, _ outWidth: Int, _ stride: Int, _ space: SearchSpace
    ) throws(InputFault) {
        for (field, own, known) in [
            ("in_channels", block.inWidth, inWidth), ("out_channels", block.outWidth, outWidth),
            ("stride", block.stride, stride),
        ] where own != known {
            throw Self.differs("\(block.place).\(field)", "\(own)", "\(known)", space)
        }
    }

    private static func differs(
        _ field: String, _ own: String, _ known: String, _ space: SearchSpace
    ) -> InputFault {
        InputFault("\(field) is \(own); it is \(known) in space \(space.name)")
    }

    /// Compares every size that the file states with that of `shape`.
    private func compare(with shape: NetworkShape, _ space: SearchSpace) throws(InputFault) {
        for (own, known) in zip(blocks, shape.blocks) {
            try Self.check(own, known.inWidth, known.outWidth, known.stride, space)
            let fields: [(String, String?, String)] = [
                ("kernel_size", "\(own.kernel)", "\(known.kernel)"),
                (
                    "expand_ratio", DecimalNumber.text(own.ratio),
                    DecimalNumber.text(known.expandRatio)
                ),
                ("mid_channels", own.middleWidth.map(String.init), "\(known.middleWidth)"),
                ("act_func", own.activation, known.activation.rawValue),
                ("use_se", own.squeezeExcite.map { "\($0)" }, "\(known.seHidden != nil)"),
            ]
            for (field, value, expected) in fields {
                guard let value, value != expected else { continue }
                throw Self.differs("\(own.place).\(field)", value, expected, space)
            }
            guard own.hasSkip == known.hasSkip else {
                throw Self.differs(
                    "the shortcut of \(own.place)", own.hasSkip ? "there" : "null",
                    known.hasSkip ? "the input" : "null", space)
            }
        }
        for layer in shape.layers {
            switch layer {
            case .convolution(let conv):
                try compare(
                    conv.name,
                    [
                        ("in_channels", conv.inWidth), ("out_channels", conv.outWidth),
                        ("kernel_size", conv.kernel), ("stride", conv.stride),
                    ], space)
            case .dense(let dense):
                let (inputs, outputs) =
                    dense.isConvolution
                    ? ("in_channels", "out_channels") : ("in_features", "out_features")
                try compare(
                    dense.name, [(inputs, dense.inWidth), (outputs, dense.outWidth)], space)
            // Blocks are compared above; poolings have no sizes of their own.
            case .invertedResidual, .residualConvolution, .bottleneck, .meanPooling: break
            case .maxPooling: break
            }
        }
    }

    private func compare(
        _ name: String, _ fields: [(String, Int)], _ space: SearchSpace
    ) throws(InputFault) {
        guard let layer = node[name] else {
            throw InputFault("has no \(name), which space \(space.name) has")
        }
        for (field, known) in fields {
            let own = try Field(layer, name).whole(field, in: 1...65_536)
            if own != known { throw Self.differs("\(name).\(field)", "\(own)", "\(known)", space) }
        }
    }
}

/// Reads single fields of an object whose other fields are ignored.
private struct Field {
    private let node: JSONNode
    private let path: String

    init(_ node: JSONNode, _ path: String) {
        self.node = node
        self.path = path.isEmpty ? "" : path + "."
    }

    private func required(_ key: String) throws(InputFault) -> JSONNode {
        guard let value = node[key] else { throw InputFault("field \(path)\(key) is missing") }
        return value
    }

    func whole(_ key: String, in range: ClosedRange<Int>) throws(InputFault) -> Int {
        let value = try required(key)
        guard case .number(let digits) = value else {
            throw InputFault("field \(path)\(key) is \(value.shown)", remedy: "write a number")
        }
        do throws(InputFault) { return try DecimalNumber.whole(digits, in: range) } catch {
            throw InputFault("field \(path)\(key) \(error.reason)", remedy: error.remedy)
        }
    }

    func real(_ key: String, in range: ClosedRange<Double>) throws(InputFault) -> Double {
        let value = try required(key)
        guard case .number(let digits) = value else {
            throw InputFault("field \(path)\(key) is \(value.shown)", remedy: "write a number")
        }
        do throws(InputFault) { return try DecimalNumber.real(digits, in: range) } catch {
            throw InputFault("field \(path)\(key) \(error.reason)", remedy: error.remedy)
        }
    }

    func text(_ key: String) throws(InputFault) -> String? {
        switch node[key] {
        case nil, .null: return nil
        case .text(let text): return text
        case .some(let other): throw InputFault("field \(path)\(key) is \(other.shown)")
        }
    }

    func flag(_ key: String) throws(InputFault) -> Bool? {
        switch node[key] {
        case nil, .null: return nil
        case .flag(let flag): return flag
        case .some(let other): throw InputFault("field \(path)\(key) is \(other.shown)")
        }
    }
}
