// The rated power of processors. The power model uses it on hosts without energy counters.

/// The rated power (TDP) of a processor socket, and the hardware threads that share it.
public struct ThermalDesign: Sendable, Equatable, Codable {
    /// The rated power of one socket in watts.
    public let watts: Double
    /// The number of hardware threads of that socket.
    public let threads: Int
    /// The source of the two numbers.
    public let source: String

    /// `watts` is the rated power of a whole socket with `threads` hardware threads.
    public init(watts: Double, threads: Int, source: String) {
        self.watts = watts
        self.threads = threads
        self.source = source
    }

    /// A typical server socket (AMD EPYC 7763: 280 W, 128 threads), used for processor models that
    /// are not in the table.
    public static let assumed = ThermalDesign(
        watts: 280, threads: 128, source: "assumed: a server socket of 280 W with 128 threads")

    /// Returns the rating of a processor by its model name; `assumed` if the model is not in the
    /// table.
    ///
    /// The numbers in the table are from the data sheets of the makers (default TDP, threads per
    /// socket).
    public static func of(cpuModel: String) -> ThermalDesign {
        let words = cpuModel.split(whereSeparator: { !$0.isLetter && !$0.isNumber })
        for row in table where words.contains(where: { $0 == row.model }) {
            return ThermalDesign(
                watts: row.watts, threads: row.threads, source: "data sheet of \(row.model)")
        }
        return assumed
    }

    private static let table: [(model: String, watts: Double, threads: Int)] = [
        ("7302", 155, 32), ("7402", 180, 48), ("7502", 180, 64), ("7702", 200, 128),
        ("7742", 225, 128),
        ("7443", 200, 48), ("7543", 225, 64), ("7713", 225, 128), ("7763", 280, 128),
        ("9354", 280, 64), ("9454", 290, 96), ("9554", 360, 128), ("9654", 360, 192),
        ("9555", 360, 128), ("9655", 400, 192), ("9755", 500, 256),
        ("6130", 125, 32), ("6148", 150, 40), ("6248", 150, 40), ("6338", 205, 64),
        ("6430", 270, 64),
        ("8180", 205, 56), ("8280", 205, 56), ("8358", 250, 64), ("8380", 270, 80),
        ("8480", 350, 112),
        ("5950X", 105, 32), ("7950X", 170, 32), ("9950X", 170, 32), ("13900K", 125, 32),
    ]
}
