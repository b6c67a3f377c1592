// Caches the scores of a search: no network is scored twice, and the number of networks scored is limited.
import Networks

/// A score function with a cache of its results.
struct ScoredNetworks {
    private let layout: GeneLayout
    private let most: Int
    private let score: GeneScore
    private var known = ScoreTable()

    /// Prepares to score up to `most` networks.
    init(_ layout: GeneLayout, most: Int, _ score: @escaping GeneScore) {
        self.layout = layout
        self.most = most
        self.score = score
    }

    /// Number of networks scored.
    var count: Int { known.count }
    /// Number of networks that may still be scored.
    var left: Int { most - known.count }

    /// Returns the scores of `networks` in their order. New networks are scored in one batch, and `seen` gets the new
    /// networks with a finite score. The result is minus infinity for a network whose score is not finite, and for a
    /// new network if no evaluations are left. Errors: those of the score function; after an error the new networks
    /// count as scored, with minus infinity.
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

/// A hash table of scores by `GeneLayout.key`, fast with millions of entries: a key lies next to its score, and hashing
/// takes a few multiplications.
struct ScoreTable {
    private struct Entry {
        var key: UInt128
        /// NaN marks a free slot.
        var score: Double
    }

    private var entries: [Entry] = []
    /// Number of slots in use.
    private(set) var count = 0

    /// Makes room for `more` further keys; the table is to hold at most `most` keys in all. Slots found earlier become
    /// invalid.
    mutating func makeRoom(for more: Int, most: Int) {
        let needed = (count + more) * 3 / 2 + 1
        if needed <= entries.count { return }
        let old = entries
        entries = Array(
            repeating: Entry(key: 0, score: .nan),
            count: max(needed, min(2 * old.count, min(most, 1 << 40) * 3 / 2)))
        for entry in old where !entry.score.isNaN { entries[place(of: entry.key)] = entry }
    }

    /// Returns the slot of `key`, or the free slot where `key` belongs. Call `makeRoom` first, so that a free slot
    /// exists.
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

    /// Returns whether a slot holds a key.
    func isTaken(_ place: Int) -> Bool { !entries[place].score.isNaN }

    /// Stores a key in a free slot, with minus infinity as its score.
    mutating func take(_ place: Int, for key: UInt128) {
        entries[place] = Entry(key: key, score: -.infinity)
        count += 1
    }

    /// The score in a slot that is in use.
    subscript(place: Int) -> Double {
        get { entries[place].score }
        set { entries[place].score = newValue }
    }
}
