// The headline of every JSON answer: our figure, the peer's, and their ratio.

/// Our figure and the peer's; these four fields are in every answer.
struct Headline: Encodable, Equatable {
    /// The unit of `ours` and `peer`: ms, images/s, … …
    let unit: String
    /// Our figure: a median; the geometric mean if there are several.
    let ours: Double
    /// The peer's figure; null if no peer ran.
    let peer: Double?
    /// How much better ours is: above 1 we are better. Null if no peer ran.
    let ratio: Double?

    /// A headline in milliseconds: less is better.
    init(ms ours: [Double], peer: [Double] = []) {
        unit = "ms"
        let mine = Statistics.geometricMean(ours)
        self.ours = mine
        let theirs = peer.isEmpty ? nil : Statistics.geometricMean(peer)
        self.peer = theirs
        ratio = theirs.map { $0 / mine }
    }

    /// A headline of a rate: more is better.
    init(unit: String, rate: Double, peer: Double? = nil) {
        self.unit = unit
        ours = rate
        self.peer = peer
        ratio = peer.map { rate / $0 }
    }

    private enum CodingKeys: String, CodingKey { case unit, ours, peer, ratio }

    /// Writes all four fields, null if absent.
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
    /// The report; must encode as an object.
    let report: Report

    /// Writes the fields of both.
    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        try headline.encode(to: encoder)
    }
}
