// A device a network is cut for: its limits, and what its numbers are stored in.
import Networks

/// A device target.
public struct DeviceTarget: Codable, Hashable, Sendable {
    /// The kinds of device, which decide what is assumed about it.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A computer such as this one: 32-bit floats, latency measured.
        case computer
        /// A phone: 32-bit floats, limited by multiply-accumulates or a published table.
        case phone
        /// A microcontroller: 8-bit weights and activations, limited by memory and flash.
        case microcontroller

        /// Bytes a weight or an activation takes unless said otherwise.
        public var bytesPerNumber: Int { self == .microcontroller ? 1 : 4 }
    }

    /// The name users give it.
    public var name: String
    /// What kind of device it is.
    public var kind: Kind
    /// The limits a network must meet.
    public var limits: Constraints
    /// Images at a time when latency is measured.
    public var batch: Int
    /// Bytes a stored weight takes.
    public var bytesPerWeight: Int
    /// Bytes an activation takes while the network runs.
    public var bytesPerActivation: Int

    /// Describes a device; bytes default to those of its kind.
    public init(
        name: String, kind: Kind, limits: Constraints, batch: Int = 1, bytesPerWeight: Int? = nil,
        bytesPerActivation: Int? = nil
    ) {
        self.name = name
        self.kind = kind
        self.limits = limits
        self.batch = batch
        self.bytesPerWeight = bytesPerWeight ?? kind.bytesPerNumber
        self.bytesPerActivation = bytesPerActivation ?? kind.bytesPerNumber
    }

    /// What its memory and flash figures take for granted, as a sentence for reports.
    public var assumption: String {
        "\(8 * bytesPerWeight)-bit weights and \(8 * bytesPerActivation)-bit activations assumed"
            + (bytesPerWeight == 1 ? "; the accuracy is that of 32-bit floats" : "")
    }

    /// What a network needs on this device; without a measured energy it is modelled.
    ///
    /// Peak memory counts a layer's weights at the width of activations: they are loaded beside
    /// them.
    public func metrics(_ cost: NetworkCost, latencyMs: Double?, energyMJ: Double? = nil)
        -> NetworkMetrics
    {
        NetworkMetrics(
            latencyMs: latencyMs, macs: cost.macs, params: cost.parameters,
            peakMemoryBytes: cost.peakActivationElements * bytesPerActivation,
            flashBytes: cost.flashElements * bytesPerWeight,
            energyMJ: energyMJ ?? modelledEnergyMJ(cost))
    }

    /// Energy of one batch in millijoules where no table says it: arithmetic, and every weight read once from memory.
    ///
    /// Picojoules in 45 nm: a 32-bit multiply-add 3.7 + 0.9, an 8-bit one 0.2 + 0.03, and 640 for 32 bits of DRAM,
    /// so 160 a byte. Source: Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9. Orders networks;
    /// a newer chip needs less of everything.
    public func modelledEnergyMJ(_ cost: NetworkCost) -> Double {
        let multiplyAdd = bytesPerActivation == 1 ? 0.23 : 4.6
        let arithmetic = Double(cost.macs) * Double(batch) * multiplyAdd
        return (arithmetic + Double(cost.flashElements * bytesPerWeight) * 160) * 1e-9
    }

    /// Throws `invalidOption` for limits or sizes that make no sense.
    public func validate() throws {
        try limits.validate()
        guard batch > 0, (1...8).contains(bytesPerWeight), (1...8).contains(bytesPerActivation)
        else {
            throw SearchError(
                .invalidOption,
                "device \(name): the batch must be positive, the bytes of a number 1 to 8")
        }
    }
}
