// What machines used while a run, or all runs, used them: the energy of attempts, of other programs and of processors that
// nothing reserved, which add up to the machine exactly.

import Foundation
import Metering
import Postgres
import Schema

/// The energy of machines and its parts, over the hours in which attempts used the machines.
public struct MachineCost: Sendable, Equatable {
    /// An energy with its tier.
    public struct Part: Sendable, Equatable, Encodable {
        /// The energy; nil if it is unknown.
        public let energy: Energy?
        /// The worst tier of the energy; nil if it is unknown.
        public let tier: MeteringTier?
        /// The names of the counters and models.
        public let methods: [String]

        private enum Key: String, CodingKey {
            case tier, methods
            case joules = "energy_j"
            case low = "energy_j_low"
            case high = "energy_j_high"
            case microjoules = "energy_uj"
        }

        /// Writes the energy in joules with its range, and in microjoules; null if it is unknown.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(energy.map { Double($0.microjoules) / 1e6 }, forKey: .joules)
            try fields.encode(energy.map { Double($0.low) / 1e6 }, forKey: .low)
            try fields.encode(energy.map { Double($0.high) / 1e6 }, forKey: .high)
            try fields.encode(energy?.microjoules, forKey: .microjoules)
            try fields.encode(tier, forKey: .tier)
            try fields.encode(methods, forKey: .methods)
        }
    }

    /// The names of the machines.
    public let hosts: [String]
    /// The begins of the first and the last hour that count; nil if nothing was metered.
    public let firstHour, lastHour: Date?
    /// The attempts that were asked for, and those of other runs.
    public let attempts, otherRuns: Part
    /// Other programs, and processors that nothing reserved.
    public let other, unallocated: Part
    /// The machines: the sum of the four parts.
    public let machine: Part
    /// The time of attempts, in nanoseconds, that was reported too late: its energy is in the other parts.
    public let lateNs: Int64

    /// Energies of one part, with their tiers and methods.
    private typealias Known = [(energy: Energy, tier: MeteringTier?, method: String)]

    init(_ rows: [Row]) throws {
        var (hosts, hours, late): (Set<String>, [Date], Int64) = ([], [], 0)
        var (known, gapped): ([String: Known], Set<String>) = ([:], [])
        for row in rows {
            let (part, method) = (try row.text("part"), try row.text("method"))
            hosts.insert(try row.text("name"))
            hours += [try row.date("first_hour"), try row.date("last_hour")]
            guard !method.hasPrefix("gap: ") else {
                gapped.insert(part)
                if method == "gap: reported too late", part == "runs" {
                    late += try row.int64("gap_ns")
                }
                continue
            }
            let energy = Energy(
                microjoules: try row.int64("energy_uj"), low: try row.int64("energy_low_uj"),
                high: try row.int64("energy_high_uj"))
            known[part, default: []].append(
                (energy, MeteringTier(rawValue: try row.text("tier")), method))
        }
        let all = known.values.flatMap { $0 }
        func share(_ name: String) -> Part {
            // What has no rows is 0, as far as the machine is known; what has gaps alone is unknown.
            if let rows = known[name] { return Self.sum(rows, from: rows) }
            return Self.sum([], from: gapped.contains(name) ? [] : all)
        }
        self.hosts = hosts.sorted()
        (firstHour, lastHour) = (hours.min(), hours.max())
        (attempts, otherRuns) = (share("runs"), share("others"))
        (other, unallocated) = (share("other"), share("unallocated"))
        machine = Self.sum(all, from: all)
        lateNs = late
    }

    /// Returns the sum of `rows`, with the tier and the methods of `source`; unknown if that is empty.
    private static func sum(_ rows: Known, from source: Known) -> Part {
        guard !source.isEmpty else { return Part(energy: nil, tier: nil, methods: []) }
        return Part(
            energy: rows.reduce(Energy.zero) { $0 + $1.energy },
            tier: MeteringTier.ofSum(source.compactMap(\.tier)),
            methods: Set(source.map(\.method)).sorted())
    }
}

extension CostLedger {
    /// Returns what the machines used in the hours in which `run` (nil: any run) used them; with `since`, from that day
    /// (UTC) on.
    public func machine(run: Int64? = nil, since: Date? = nil) throws -> MachineCost {
        try MachineCost(try connection.query(.hostEnergy(run: run, since: since)))
    }
}
