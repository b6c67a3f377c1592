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
    /// Images at a time: latency, energy and peak memory are those of so many.
    public var batch: Int
    /// Bytes a stored weight takes.
    public var bytesPerWeight: Int
    /// Bytes an activation takes while the network runs.
    public var bytesPerActivation: Int
    /// Energy per operation and byte, where it is known; nil takes a published figure.
    public var energy: EnergyModel?

    /// Describes a device; bytes default to those of its kind.
    public init(
        name: String, kind: Kind, limits: Constraints, batch: Int = 1, bytesPerWeight: Int? = nil,
        bytesPerActivation: Int? = nil, energy: EnergyModel? = nil
    ) {
        self.name = name
        self.kind = kind
        self.limits = limits
        self.batch = batch
        self.bytesPerWeight = bytesPerWeight ?? kind.bytesPerNumber
        self.bytesPerActivation = bytesPerActivation ?? kind.bytesPerNumber
        self.energy = energy
    }

    /// What its memory and flash figures take for granted, as a sentence for reports.
    public var assumption: String {
        "\(8 * bytesPerWeight)-bit weights and \(8 * bytesPerActivation)-bit activations assumed"
            + (bytesPerWeight == 1 ? "; the accuracy is that of 32-bit floats" : "")
    }

    /// What a network needs on this device; without a measured energy it is modelled.
    ///
    /// Peak memory = batch × live activations × bytes of an activation (`NetworkCost.liveActivationElements`); flash =
    /// stored numbers × bytes of a weight. Both are whole numbers and exact.
    public func metrics(_ cost: NetworkCost, latencyMs: Double?, energyMJ: Double? = nil)
        -> NetworkMetrics
    {
        NetworkMetrics(
            latencyMs: latencyMs, macs: cost.macs, params: cost.parameters,
            peakMemoryBytes: batch * cost.liveActivationElements * bytesPerActivation,
            flashBytes: cost.flashElements * bytesPerWeight,
            energyMJ: energyMJ ?? modelledEnergyMJ(cost))
    }

    /// Energy of one batch in millijoules where no table says it, by `energyModel`.
    public func modelledEnergyMJ(_ cost: NetworkCost) -> Double {
        energyModel.energyMJ(
            macs: batch * cost.macs, weightBytes: cost.flashElements * bytesPerWeight,
            activationBytes: batch * cost.movedActivationElements * bytesPerActivation)
    }

    /// The picojoules this device is said to need, or those of the source for numbers of its size.
    public var energyModel: EnergyModel {
        energy ?? .horowitz(bytesPerActivation: bytesPerActivation)
    }

    /// Bytes that a weight or an activation may take.
    public static let numberSizes = [1, 2, 4]

    /// Throws `invalidOption` for limits or sizes that make no sense.
    public func validate() throws {
        try limits.validate()
        try energy?.validate()
        guard batch > 0, Self.numberSizes.contains(bytesPerWeight),
            Self.numberSizes.contains(bytesPerActivation)
        else {
            throw SearchError(
                .invalidOption,
                "device \(name): the batch must be positive, the bytes of a number 1, 2 or 4")
        }
    }
}
