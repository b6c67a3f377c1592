// What a search scores networks with, and what it has scored: every network once, and no more than it may.
import Networks

/// The networks scored so far, with their scores.
struct ScoredNetworks {
    private let layout: GeneLayout
    private let most: Int
    private let score: GeneScore
    private var known: [UInt128: Double] = [:]

    /// Scores up to `most` networks.
    init(_ layout: GeneLayout, most: Int, _ score: @escaping GeneScore) {
        self.layout = layout
        self.most = most
        self.score = score
    }

    /// How many were scored.
    var count: Int { known.count }
    /// How many may still be scored.
    var left: Int { most - known.count }

    /// Scores in the order of the networks: those not known yet are asked for in one batch, and `seen` gets them where
    /// they are numbers. Minus infinity for no number, and for what there is no room for.
    mutating func scores(
        of networks: [Genes], seen: (Genes, Double) -> Void = { _, _ in }
    ) throws -> [Double] {
        var scores = [Double](repeating: -.infinity, count: networks.count)
        var fresh: [Genes] = []
        var places: [(place: Int, of: Int)] = []
        var waiting: [UInt128: Int] = [:]
        for (place, genes) in networks.enumerated() {
            let key = layout.key(genes)
            if let score = known[key] {
                scores[place] = score
            } else if let first = waiting[key] {
                places.append((place, first))
            } else if fresh.count < left {
                waiting[key] = fresh.count
                places.append((place, fresh.count))
                fresh.append(genes)
            }
        }
        if fresh.isEmpty { return scores }
        var found = try score(fresh)
        for place in fresh.indices where !found[place].isFinite { found[place] = -.infinity }
        for (key, place) in waiting { known[key] = found[place] }
        for (genes, score) in zip(fresh, found) where score.isFinite { seen(genes, score) }
        for (place, of) in places { scores[place] = found[of] }
        return scores
    }
}
