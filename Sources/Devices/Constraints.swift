// The limits of a device, and a network's costs on a device.

/// Upper limits of a network's costs; nil means no limit.
public struct Constraints: Codable, Hashable, Sendable {
    /// Latency in milliseconds, by the device's latency table.
    public var latencyMsMax: Double?
    /// Peak memory in KiB: the most bytes of activations that are live at the same time, for one batch.
    public var peakMemoryKBMax: Double?
    /// The size of the stored weights in KiB.
    public var flashKBMax: Double?
    /// Multiply-accumulates of one image.
    public var macsMax: Int?
    /// The number of parameters as trained: batch norms are not folded.
    public var paramsMax: Int?
    /// Energy of one batch in millijoules, by the device's energy table or its `EnergyModel`.
    public var energyMJMax: Double?

    /// Sets the given limits; an omitted quantity has no limit.
    public init(
        latencyMsMax: Double? = nil, peakMemoryKBMax: Double? = nil, flashKBMax: Double? = nil,
        macsMax: Int? = nil, paramsMax: Int? = nil, energyMJMax: Double? = nil
    ) {
        self.latencyMsMax = latencyMsMax
        self.peakMemoryKBMax = peakMemoryKBMax
        self.flashKBMax = flashKBMax
        self.macsMax = macsMax
        self.paramsMax = paramsMax
        self.energyMJMax = energyMJMax
    }

    /// The limits that are set, in the units of `NetworkMetrics.value(of:)`.
    package var limits: [(quantity: Quantity, limit: Double)] {
        let all: [(Quantity, Double?)] = [
            (.latencyMs, latencyMsMax), (.peakMemoryKB, peakMemoryKBMax), (.flashKB, flashKBMax),
            (.macs, macsMax.map(Double.init)), (.params, paramsMax.map(Double.init)),
            (.energyMJ, energyMJMax),
        ]
        return all.compactMap { quantity, limit in limit.map { (quantity, $0) } }
    }

    /// Returns whether a network with costs `metrics` meets every limit. An unknown latency or energy meets no limit.
    public func areMet(by metrics: NetworkMetrics) -> Bool {
        limits.allSatisfy { limit in
            metrics.value(of: limit.quantity).map { $0 <= limit.limit } ?? false
        }
    }

    /// Throws `invalidOption` for a limit that is not a positive number.
    func validate() throws {
        for (quantity, limit) in limits where !(limit > 0 && limit.isFinite) {
            throw DeviceError(
                .invalidOption, "the limit of \(quantity.rawValue) is \(limit); it must be positive"
            )
        }
    }
}

/// The quantities that can be limited.
package enum Quantity: String, Sendable {
    /// Latency in milliseconds.
    case latencyMs = "latency_ms"
    /// Peak memory of the activations in KiB.
    case peakMemoryKB = "peak_memory_kb"
    /// The size of the stored weights in KiB.
    case flashKB = "flash_kb"
    /// Multiply-accumulates of one image.
    case macs
    /// The number of parameters as trained: batch norms are not folded.
    case params
    /// Energy of one batch in millijoules.
    case energyMJ = "energy_mj"

    /// Whether the quantity is an integer count, so that its sums are exact.
    package var isCounted: Bool { self != .latencyMs && self != .energyMJ }
}

/// The costs of one network on one device.
public struct NetworkMetrics: Codable, Hashable, Sendable {
    /// Latency in milliseconds; nil without a latency table.
    public var latencyMs: Double?
    /// Multiply-accumulates of one image.
    public var macs: Int
    /// The number of parameters as trained: batch norms are not folded.
    public var params: Int
    /// Peak memory for one batch: the most bytes of activations that are live at the same time. Results stored by older
    /// versions have instead the largest working set of one layer, weights included.
    public var peakMemoryBytes: Int
    /// The size of the stored weights in bytes, batch norms folded.
    public var flashBytes: Int
    /// Energy of one batch in millijoules, summed from an energy table or modelled; nil in results stored by older
    /// versions.
    public var energyMJ: Double?

    /// Returns the value to compare with a limit of `quantity`; nil if unknown.
    package func value(of quantity: Quantity) -> Double? {
        switch quantity {
        case .latencyMs: latencyMs
        case .peakMemoryKB: Double(peakMemoryBytes) / 1024
        case .flashKB: Double(flashBytes) / 1024
        case .macs: Double(macs)
        case .params: Double(params)
        case .energyMJ: energyMJ
        }
    }
}
