// A roofline, measured in the run that uses it: the rate of multiply-adds on registers, and the rate of reading from each
// level of memory, on one thread and on all.
import Tensors

/// The peak rates that bound an operator.
struct Roofline: Encodable {
    /// A level of memory.
    struct Level: Encodable, Equatable {
        /// L2, L3 or memory.
        let name: String
        /// How many bytes the level holds for these threads; nil for memory.
        let bytes: Int?
        /// GB (1e9 bytes) per second that all threads together read from it.
        let gbPerS: Double
    }

    /// The rates of a number of threads.
    struct Rates: Encodable, Equatable {
        /// The number of threads.
        let threads: Int
        /// GFLOP/s of multiply-adds on values in registers, and of the engine's product on a block in cache.
        let gflopPerS, productGflopPerS: Double
        /// The levels, the nearest first; the last is memory.
        let levels: [Level]
    }

    /// The least time that an operator can take, and why.
    struct Floor: Equatable {
        /// Microseconds.
        let us: Double
        /// `compute`, `weights` (reading them from where a pass left them), or the level from which maps are read.
        let bound: String
    }

    /// GB per second at which one thread, and all threads, read an array as large as all that a pass touches.
    struct WeightRates: Encodable, Equatable {
        /// The rate of one thread, and of all threads together.
        let one, all: Double
    }

    /// The rates of one thread, and of all threads of the engine.
    let one, all: Rates

    /// Takes known rates.
    init(one: Rates, all: Rates) {
        self.one = one
        self.all = all
    }

    /// Measures the rates of `engine` and, if it has several threads, of `single`, an engine of one.
    init(_ engine: CPUEngine, single: CPUEngine, caches: [CacheSize] = CacheSize.all()) {
        all = Self.rates(engine, caches)
        one = engine.threads == 1 ? all : Self.rates(single, caches)
    }

    /// Measures the levels. The second level is taken as each core's own, those beyond as shared; an array is half as
    /// large as its level, so that it stays there.
    private static func rates(_ engine: CPUEngine, _ caches: [CacheSize]) -> Rates {
        let threads = engine.threads
        var levels: [Level] = [], nearest = caches.first { $0.level == 1 }?.bytes ?? 32 << 10
        for cache in caches where cache.level > 1 {
            let own = cache.level == 2 ? cache.bytes : cache.bytes / threads
            // A share of a cache that is hardly larger than the level before it cannot be told from that.
            guard own / 2 > nearest else { continue }
            levels.append(
                Level(
                    name: "L\(cache.level)", bytes: own * threads,
                    gbPerS: engine.readPeak(bytes: own / 2) / 1e9))
            nearest = own
        }
        let most = caches.map(\.bytes).max() ?? 32 << 20
        levels.append(
            Level(
                name: "memory", bytes: nil,
                gbPerS: engine.readPeak(bytes: max(4 * most / threads, 32 << 20), tries: 8) / 1e9))
        return Rates(
            threads: threads, gflopPerS: engine.multiplyAddPeak() / 1e9,
            productGflopPerS: engine.productPeak() / 1e9, levels: levels)
    }

    /// Measures how fast `engine`, and `single`, an engine of one thread, read weights that lie among the `bytes` bytes
    /// of a pass.
    static func weightRates(_ engine: CPUEngine, single: CPUEngine, bytes: Int) -> WeightRates {
        let all = engine.readPeak(bytes: bytes / engine.threads) / 1e9
        return WeightRates(
            one: engine.threads == 1 ? all : single.readPeak(bytes: bytes) / 1e9, all: all)
    }

    /// Returns the floor of an operator: the longer of the times to compute and to read its weights and maps. Maps come
    /// from the nearest level that holds all bytes of the operator.
    func floor(_ cost: StepCost, _ weights: WeightRates) -> Floor {
        let rates = cost.isShared ? all : one, bytes = cost.weightBytes + cost.mapBytes
        let level = rates.levels.first { $0.bytes.map { bytes <= $0 } ?? true } ?? rates.levels[0]
        let compute = 2e-3 * Double(cost.macs) / rates.gflopPerS
        let reading = 1e-3 * Double(cost.weightBytes) / (cost.isShared ? weights.all : weights.one)
        let moving = 1e-3 * Double(cost.mapBytes) / level.gbPerS
        if compute >= reading + moving { return Floor(us: compute, bound: "compute") }
        return Floor(
            us: reading + moving, bound: reading >= moving ? "weights" : level.name)
    }

    /// Prints a line for each number of threads.
    func print() throws {
        for rates in one.threads == all.threads ? [all] : [one, all] {
            let levels = rates.levels.map { "\($0.name) \(decimal($0.gbPerS, 1))" }
            try Output.line(
                "roofline, \(rates.threads) thread\(rates.threads == 1 ? "" : "s"): multiply-adds in"
                    + " registers \(decimal(rates.gflopPerS, 1)), the product in cache"
                    + " \(decimal(rates.productGflopPerS, 1)) GFLOP/s; reading from"
                    + " \(levels.joined(separator: ", ")) GB/s")
        }
    }
}
