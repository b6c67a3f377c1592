// `ofa space`: lists search spaces, shows their layers, and counts their networks.
import ArgumentParser
import Networks
import Pipelines

/// The commands about search spaces; `check` has a file of its own.
struct SpaceCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "space",
        abstract: "Search spaces: the families of networks a supernet can hold.",
        discussion: "Example:\n  ofa space count ofa-mbv3-w1.0",
        subcommands: [SpaceList.self, SpaceShow.self, SpaceCount.self, SpaceCheck.self])

    /// Returns the space called `name` or, if `name` is a path of a YAML file, the space in this file; exit code 2 for
    /// an unknown name.
    static func space(named name: String) throws -> SearchSpace {
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return try SpaceFile.read(name) }
        do {
            return try SearchSpace.named(name)
        } catch let error as NetworkError where error.code == .unknownSpace {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }

    /// Returns a line with the number of networks of a space. If several lists of genes give the same network, a second
    /// line gives the number of lists.
    static func counted(_ space: SearchSpace, _ architectures: String, _ genotypes: String)
        -> [String]
    {
        let count = "\(space.name): \(architectures) architectures"
        guard genotypes != architectures else { return [count] }
        return [count, "(\(genotypes) lists of genes; equal widths make equal networks)"]
    }
}

/// Lists the published spaces, a line each.
struct SpaceList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the named spaces.",
        discussion: "Example:\n  ofa space list --json")

    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the spaces.
    mutating func run() throws {
        let summaries = try SearchSpace.published.map { try SpaceSummary($0) }
        try Output.answer(summaries, output) {
            var table = Table(
                .text("SPACE"), .number("CLASSES", .medium), .number("STAGES", .low),
                .text("DEPTHS", .low), .text("KERNELS", .low), .text("RATIOS", .low),
                .text("RESOLUTIONS", .medium), .number("ARCHITECTURES"))
            for (space, summary) in zip(SearchSpace.published, summaries) {
                table.rows.append([
                    space.name, "\(space.classes)", "\(space.stages.count)", joined(space.depths),
                    joined(space.kernelSizes),
                    space.expandRatios.map(SearchSpace.text)
                        .joined(separator: " "),
                    SearchSpace.listed(space.resolutions), summary.architectures,
                ])
            }
            try Output.table(table)
        }
    }

    private func joined(_ values: [Int]) -> String {
        values.map(String.init).joined(separator: " ")
    }
}

/// Shows the layers of one space, and the costs of its largest and smallest network.
struct SpaceShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a space's layers and the costs at its ends.",
        discussion: "Example:\n  ofa space show fashion-mbv3")

    /// The space's name.
    @Argument(help: "The space's name.", completion: .spaces) var name: String
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the layers and the costs.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: name)
        let detail = SpaceDetail(
            space: space, architectures: try space.architectureCount,
            genotypes: try space.genotypeCount,
            largest: try SpaceEnd(space, space.largest),
            smallest: try SpaceEnd(space, space.smallest))
        try Output.answer(detail, output) {
            for line in SpaceCommand.counted(space, detail.architectures, detail.genotypes) {
                try Output.line(line)
            }
            try Output.table(layers(of: space))
            var ends = Table(
                .text("NETWORK"), .number("SIZE"), .number("PARAMS"), .number("MACS"),
                .number("PEAK ELEMENTS"))
            for (label, end) in [("largest", detail.largest), ("smallest", detail.smallest)] {
                ends.rows.append([
                    label, "\(end.arch.resolution)", Format.grouped(end.params),
                    Format.grouped(end.macs), Format.grouped(end.peak_activation_elements),
                ])
            }
            try Output.line()
            try Output.table(ends)
        }
    }

    private func layers(of space: SearchSpace) -> Table {
        var table = Table(
            .text("PART"), .number("WIDTH"), .number("STRIDE"), .text("ACTIVATION"), .text("SE"),
            .text("DEPTH"), .text("KERNEL"), .text("EXPAND"))
        var stage = 0
        for (number, layer) in space.layers.enumerated() {
            table.rows.append(SpaceRow(layer, isFirst: number == 0, stage: &stage, space).cells)
        }
        return table
    }
}

/// A row of the table of a space's layers.
private struct SpaceRow {
    let cells: [String]

    init(_ layer: LayerDefinition, isFirst: Bool, stage: inout Int, _ space: SearchSpace) {
        func listed(_ values: [Int]) -> String { values.map(String.init).joined(separator: " ") }
        func listed(_ ratios: [Double]) -> String {
            ratios.map(SearchSpace.text).joined(separator: " ")
        }
        switch layer {
        case .convolution(let conv):
            cells = [
                conv.name + (isFirst ? " (\(space.inputChannels) in)" : ""),
                listed(conv.width.choices), "\(conv.stride)", conv.activation.rawValue, "no", "1",
                "\(conv.kernel)", "-",
            ]
        case .residualConvolution(let conv):
            cells = [
                conv.name, "", "1", conv.activation.rawValue, "no", listed(conv.depths),
                "\(conv.kernel)", "-",
            ]
            stage += 1
        case .invertedResiduals(let blocks):
            cells = [
                blocks.isElastic ? "stage \(stage)" : "block", listed(blocks.width.choices),
                "\(blocks.stride)", blocks.activation.rawValue,
                blocks.squeezeExcite ? "yes" : "no", listed(blocks.depths),
                listed(blocks.kernelSizes), listed(blocks.expandRatios),
            ]
            if blocks.isElastic { stage += 1 }
        case .bottlenecks(let blocks):
            cells = [
                "stage \(stage)", listed(blocks.width.choices), "\(blocks.stride)",
                blocks.activation.rawValue, "no",
                listed(blocks.depths.map { $0 + blocks.baseDepth }),
                "3", listed(blocks.expandRatios),
            ]
            stage += 1
        case .maxPooling: cells = ["max pooling", "", "2", "", "", "", "3", ""]
        case .meanPooling: cells = ["mean pooling", "", "", "", "", "", "", ""]
        case .dense(let dense):
            cells = [
                dense.name, "\(dense.width ?? space.classes)", "",
                dense.activation == .identity ? "" : dense.activation.rawValue, "", "", "", "",
            ]
        }
    }
}

/// Prints the exact number of networks of a space.
struct SpaceCount: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "Counts a space's architectures exactly, without resolutions.",
        discussion:
            "With --json also the number of lists of genes (genotypes), which is larger where different genes make the same network. Example:\n  ofa space count ofa-mbv3-w1.0 --json"
    )

    /// The space's name.
    @Argument(help: "The space's name.", completion: .spaces) var name: String
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the number and nothing else.
    mutating func run() throws {
        let summary = try SpaceSummary(try SpaceCommand.space(named: name))
        try Output.answer(summary, output) { try Output.line(summary.architectures) }
    }
}

/// The JSON form of a space in `count` and `list`; the numbers of networks are strings because they may exceed 64 bits.
private struct SpaceSummary: Encodable {
    let space: String
    let architectures, genotypes: String
    let resolutions: Int

    init(_ space: SearchSpace) throws {
        self.space = space.name
        architectures = try space.architectureCount
        genotypes = try space.genotypeCount
        resolutions = space.resolutions.count
    }
}

/// The JSON form of a space in `show`.
private struct SpaceDetail: Encodable {
    let space: SearchSpace
    let architectures, genotypes: String
    let largest: SpaceEnd
    let smallest: SpaceEnd
}
