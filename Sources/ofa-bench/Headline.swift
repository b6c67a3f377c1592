// What every JSON answer begins with, whatever was timed: our figure, the peer's, and which is better.

/// Our figure beside the peer's; a script finds these four fields in every answer.
struct Headline: Encodable, Equatable {
    /// What `ours` and `peer` are: ms, images/s, …
    let unit: String
    /// Our figure: a median, and of several things the geometric mean.
    let ours: Double
    /// The peer's; null when no peer ran.
    let peer: Double?
    /// How many times as good ours is: above 1 we are better. Null when no peer ran.
    let ratio: Double?

    /// Milliseconds of one side or of both: less is better.
    init(ms ours: [Double], peer: [Double] = []) {
        unit = "ms"
        let mine = Statistics.geometricMean(ours)
        self.ours = mine
        let theirs = peer.isEmpty ? nil : Statistics.geometricMean(peer)
        self.peer = theirs
        ratio = theirs.map { $0 / mine }
    }

    /// A rate of one side or of both: more is better.
    init(unit: String, rate: Double, peer: Double? = nil) {
        self.unit = unit
        ours = rate
        self.peer = peer
        ratio = peer.map { rate / $0 }
    }

    private enum CodingKeys: String, CodingKey { case unit, ours, peer, ratio }

    /// Writes all four fields, null where there is nothing.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(unit, forKey: .unit)
        try container.encode(ours, forKey: .ours)
        try container.encode(peer, forKey: .peer)
        try container.encode(ratio, forKey: .ratio)
    }
}

/// A report under its headline, as one object.
struct Answer<Report: Encodable>: Encodable {
    /// The four fields that are always there.
    let headline: Headline
    /// Everything else; it encodes as an object.
    let report: Report

    /// Writes the fields of both.
    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        try headline.encode(to: encoder)
    }
}
