// The headline of every JSON answer: our figure, the figure of the peer (comparable published software), and the ratio
// of the two.

/// Our figure and the peer's figure, as four fields that every JSON answer has.
struct Headline: Encodable, Equatable {
    /// The unit of `ours` and `peer`, such as ms or images/s.
    let unit: String
    /// Our figure: a rate, a median time, or the geometric mean of several times.
    let ours: Double
    /// The peer's figure; null if no peer ran.
    let peer: Double?
    /// The factor by which our figure is better than the peer's, below 1 if our figure is worse; null if no peer ran.
    let ratio: Double?

    /// Makes a headline in milliseconds: smaller is better.
    init(ms ours: [Double], peer: [Double] = []) {
        unit = "ms"
        let mine = Statistics.geometricMean(ours)
        self.ours = mine
        let theirs = peer.isEmpty ? nil : Statistics.geometricMean(peer)
        self.peer = theirs
        ratio = theirs.map { $0 / mine }
    }

    /// Makes a headline of a rate in `unit`: larger is better.
    init(unit: String, rate: Double, peer: Double? = nil) {
        self.unit = unit
        ours = rate
        self.peer = peer
        ratio = peer.map { rate / $0 }
    }

    private enum CodingKeys: String, CodingKey { case unit, ours, peer, ratio }

    /// Encodes all four fields; nil is null.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(unit, forKey: .unit)
        try container.encode(ours, forKey: .ours)
        try container.encode(peer, forKey: .peer)
        try container.encode(ratio, forKey: .ratio)
    }
}

/// A headline and a report as one object.
struct Answer<Report: Encodable>: Encodable {
    /// The common fields.
    let headline: Headline
    /// The report, which must encode as an object.
    let report: Report

    /// Encodes the fields of the report and of the headline.
    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        try headline.encode(to: encoder)
    }
}
