// The rated power of processors. The power model uses it on hosts without energy counters.

/// What is stated of the rating of a machine's processor socket. It replaces what follows from the processor's model.
public struct StatedRating: Sendable, Equatable {
    /// The rated power of the socket in watts; nil if it is not stated.
    public let watts: Double?
    /// The hardware threads of that socket; nil if they are not stated.
    public let threads: Int?

    /// States nothing unless given.
    public init(watts: Double? = nil, threads: Int? = nil) {
        self.watts = watts
        self.threads = threads
    }
}

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

    /// The rows: a word of the model name, the watts of a socket, and its threads.
    static let table: [(model: String, watts: Double, threads: Int)] = [
        // EPYC of the second generation.
        ("7252", 120, 16), ("7262", 155, 16), ("7272", 120, 24), ("7282", 120, 32),
        ("7302", 155, 32), ("7352", 155, 48), ("7402", 180, 48), ("7452", 155, 64),
        ("7502", 180, 64), ("7532", 200, 64), ("7542", 225, 64), ("7552", 200, 96),
        ("7642", 225, 96), ("7662", 225, 128), ("7702", 200, 128), ("7742", 225, 128),
        // EPYC of the third.
        ("7313", 155, 32), ("7343", 190, 32), ("7413", 180, 48), ("7443", 200, 48),
        ("7453", 225, 56), ("7513", 200, 64), ("7543", 225, 64), ("7643", 225, 96),
        ("7663", 240, 112), ("7713", 225, 128), ("7763", 280, 128),
        // EPYC of the fourth.
        ("9124", 200, 32), ("9224", 200, 48), ("9254", 200, 48), ("9334", 210, 64),
        ("9354", 280, 64), ("9454", 290, 96), ("9534", 280, 128), ("9554", 360, 128),
        ("9634", 290, 168), ("9654", 360, 192), ("9754", 360, 256),
        // EPYC of the fifth.
        ("9555", 360, 128), ("9655", 400, 192), ("9755", 500, 256),
        // Xeon Scalable of the first two generations.
        ("4210", 85, 20), ("4214", 85, 24), ("4216", 100, 32), ("5218", 125, 32), ("5220", 125, 36),
        ("6130", 125, 32), ("6138", 125, 40), ("6140", 140, 36), ("6148", 150, 40),
        ("6152", 140, 44), ("6154", 200, 36), ("6230", 125, 40), ("6240", 150, 36),
        ("6242", 150, 32), ("6248", 150, 40), ("6252", 150, 48), ("6254", 200, 36),
        ("8160", 150, 48), ("8168", 205, 48), ("8176", 165, 56), ("8180", 205, 56),
        ("8260", 165, 48), ("8268", 205, 48), ("8280", 205, 56),
        // Xeon Scalable of the third.
        ("4310", 120, 24), ("4314", 135, 32), ("4316", 150, 40), ("6326", 185, 32),
        ("6330", 205, 56), ("6338", 205, 64), ("6342", 230, 48), ("6348", 235, 56),
        ("6354", 205, 36), ("8352Y", 205, 64), ("8358", 250, 64), ("8360Y", 250, 72),
        ("8368", 270, 76), ("8380", 270, 80),
        // Xeon Scalable of the fourth and fifth.
        ("6430", 270, 64), ("8460Y", 300, 80), ("8468", 350, 96), ("8480", 350, 112),
        ("8490H", 350, 120), ("8592", 350, 128),
        // Ryzen.
        ("3700X", 65, 16), ("3900X", 105, 24), ("3950X", 105, 32), ("5600X", 65, 12),
        ("5800X", 105, 16), ("5900X", 105, 24), ("5950X", 105, 32), ("7700X", 105, 16),
        ("7900X", 170, 24), ("7950X", 170, 32), ("9700X", 65, 16), ("9900X", 120, 24),
        ("9950X", 170, 32),
        // Core.
        ("8700K", 95, 12), ("9700K", 95, 8), ("9900K", 95, 16), ("10700K", 125, 16),
        ("10900K", 125, 20), ("11700K", 125, 16), ("11900K", 125, 16), ("12700K", 125, 20),
        ("12900K", 125, 24), ("13700K", 125, 24), ("13900K", 125, 32), ("14700K", 125, 28),
        ("14900K", 125, 32),
    ]
}
