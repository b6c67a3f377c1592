// What a search scores networks with, and what it has scored: every network once, and no more than it may.
import Networks

/// The networks scored so far, with their scores.
struct ScoredNetworks {
    private let layout: GeneLayout
    private let most: Int
    private let score: GeneScore
    private var known = ScoreTable()

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
    /// they are numbers. Minus infinity for no number, and for what there is no room for. Errors: those of the score;
    /// the networks of that batch then count as scored, without a number.
    mutating func scores(
        of networks: [Genes], seen: (Genes, Double) -> Void = { _, _ in }
    ) throws -> [Double] {
        known.makeRoom(for: min(networks.count, left), most: most)
        var fresh: [Genes] = []
        var slots: [Int] = []
        let places = networks.map { genes -> Int? in
            let key = layout.key(genes), place = known.place(of: key)
            if known.isTaken(place) { return place }
            guard left > 0 else { return nil }
            known.take(place, for: key)
            fresh.append(genes)
            slots.append(place)
            return place
        }
        if !fresh.isEmpty {
            let found = try score(fresh)
            precondition(
                found.count == fresh.count, "\(found.count) scores of \(fresh.count) networks")
            for (place, (genes, score)) in zip(slots, zip(fresh, found)) where score.isFinite {
                known[place] = score
                seen(genes, score)
            }
        }
        return places.map { $0.map { known[$0] } ?? -.infinity }
    }
}

/// Scores by the networks' keys. Millions are looked up among millions: a key lies beside its score, and the hash is a
/// few multiplications.
struct ScoreTable {
    private struct Entry {
        var key: UInt128
        /// No number where the place is free.
        var score: Double
    }

    private var entries: [Entry] = []
    /// How many places are taken.
    private(set) var count = 0

    /// Grows so that `more` find room, at most to what `most` need. Places found before are void.
    mutating func makeRoom(for more: Int, most: Int) {
        let needed = (count + more) * 3 / 2 + 1
        if needed <= entries.count { return }
        let old = entries
        entries = Array(
            repeating: Entry(key: 0, score: .nan),
            count: max(needed, min(2 * old.count, min(most, 1 << 40) * 3 / 2)))
        for entry in old where !entry.score.isNaN { entries[place(of: entry.key)] = entry }
    }

    /// The place of a key, or the free one where it belongs. There must have been made room: some place is always free.
    func place(of key: UInt128) -> Int {
        let hash = GeneRandom.mixed(
            UInt64(truncatingIfNeeded: key)
                ^ GeneRandom.mixed(UInt64(truncatingIfNeeded: key >> 64)))
        var place = Int(hash.multipliedFullWidth(by: UInt64(entries.count)).high)
        while isTaken(place) && entries[place].key != key {
            place = place + 1 < entries.count ? place + 1 : 0
        }
        return place
    }

    /// Whether a place has a key.
    func isTaken(_ place: Int) -> Bool { !entries[place].score.isNaN }

    /// Gives a free place to a key, with the score of what has none.
    mutating func take(_ place: Int, for key: UInt128) {
        entries[place] = Entry(key: key, score: -.infinity)
        count += 1
    }

    /// The score at a place that is taken.
    subscript(place: Int) -> Double {
        get { entries[place].score }
        set { entries[place].score = newValue }
    }
}
