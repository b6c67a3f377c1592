// `ofa space`: lists search spaces, their layers, and their numbers of networks.
import ArgumentParser
import Networks

/// Search spaces: list, show, count.
struct SpaceCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "space",
        abstract: "Search spaces: the families of networks a supernet can hold.",
        discussion: "Example:\n  ofa space count ofa-mbv3-w1.0",
        subcommands: [SpaceList.self, SpaceShow.self, SpaceCount.self])

    /// The named space; exit code 2 if unknown.
    static func space(named name: String) throws -> SearchSpace {
        do {
            return try SearchSpace.named(name)
        } catch let error as NetworkError where error.code == .unknownSpace {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }
}

/// Every named space, a line each.
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
                    joined(space.kernelSizes), joined(space.expandRatios),
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

/// One space in full: its layers, and the costs of its largest and smallest network.
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
        let largest = try NetworkCost(space, space.largest)
        let smallest = try NetworkCost(space, space.smallest)
        let detail = SpaceDetail(
            space: space, architectures: try space.architectureCount,
            largest: .init(space.largest, largest), smallest: .init(space.smallest, smallest))
        try Output.answer(detail, output) {
            try Output.line("\(space.name): \(detail.architectures) architectures")
            try Output.table(layers(of: space))
            var ends = Table(
                .text("NETWORK"), .number("SIZE"), .number("PARAMS"), .number("MACS"),
                .number("PEAK ELEMENTS"))
            for (label, config, cost) in [
                ("largest", space.largest, largest), ("smallest", space.smallest, smallest),
            ] {
                ends.rows.append([
                    label, "\(config.resolution)", Format.grouped(cost.parameters),
                    Format.grouped(cost.macs), Format.grouped(cost.peakActivationElements),
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
        func listed(_ values: [Int]) -> String { values.map(String.init).joined(separator: " ") }
        let stem = space.stem
        table.rows.append([
            "stem (\(space.inputChannels) in)", "\(stem.width)", "\(stem.stride)",
            stem.activation.rawValue, "no", "1", "3", "-",
        ])
        table.rows.append([
            "first block", "\(space.firstBlockWidth)", "1", "relu", "no", "1", "3", "1",
        ])
        for (number, stage) in space.stages.enumerated() {
            table.rows.append([
                "stage \(number)", "\(stage.width)", "\(stage.stride)", stage.activation.rawValue,
                stage.squeezeExcite ? "yes" : "no", listed(space.depths),
                listed(space.kernelSizes), listed(space.expandRatios),
            ])
        }
        table.rows.append([
            "final expand", "\(space.finalExpandWidth)", "1", "h_swish", "no", "1", "1", "-",
        ])
        table.rows.append([
            "feature mix", "\(space.featureMixWidth)", "1", "h_swish", "no", "1", "1", "-",
        ])
        table.rows.append(["classifier", "\(space.classes)", "", "", "", "", "", ""])
        return table
    }
}

/// How many networks a space holds, exactly.
struct SpaceCount: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "Counts a space's architectures exactly, resolutions apart.",
        discussion: "Example:\n  ofa space count ofa-mbv3-w1.0 --json")

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

/// The JSON form of a space in `count` and `list`; the number is a string because it exceeds 64
/// bits.
private struct SpaceSummary: Encodable {
    let space: String
    let architectures: String
    let resolutions: Int

    init(_ space: SearchSpace) throws {
        self.space = space.name
        architectures = try space.architectureCount
        resolutions = space.resolutions.count
    }
}

/// The JSON form of a space in `show`.
private struct SpaceDetail: Encodable {
    /// The largest or smallest network of the space.
    struct End: Encodable {
        let arch: SubnetConfig
        let params: Int
        let macs: Int
        let peak_activation_elements: Int

        init(_ config: SubnetConfig, _ cost: NetworkCost) {
            arch = config
            params = cost.parameters
            macs = cost.macs
            peak_activation_elements = cost.peakActivationElements
        }
    }

    let space: SearchSpace
    let architectures: String
    let largest: End
    let smallest: End
}
