// A target device: its limits, and the storage formats of its weights and activations.
import Networks

/// A device target.
public struct DeviceTarget: Codable, Hashable, Sendable {
    /// The kinds of device; the kind decides the default bytes of a number.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A computer such as this one: 32-bit floats, latency measured.
        case computer
        /// A phone: 32-bit floats; usually the multiply-accumulates, or the latency by a published table, are limited.
        case phone
        /// A microcontroller: 8-bit weights and activations; usually memory and flash are limited.
        case microcontroller

        /// The default number of bytes of a weight or an activation.
        public var bytesPerNumber: Int { self == .microcontroller ? 1 : 4 }
    }

    /// The device's name in pipeline files and commands.
    public var name: String
    /// The kind of device.
    public var kind: Kind
    /// The limits a network must meet.
    public var limits: Constraints
    /// Images per batch; latency, energy and peak memory are per batch.
    public var batch: Int
    /// Bytes of a stored weight.
    public var bytesPerWeight: Int
    /// Bytes of an activation while the network runs.
    public var bytesPerActivation: Int
    /// Energy per operation and per byte; nil means published figures.
    public var energy: EnergyModel?
    /// The stored form of `threads`: nil for 1, as in data of older versions.
    private var severalThreads: Int?

    private enum CodingKeys: String, CodingKey {
        case name, kind, limits, batch, bytesPerWeight, bytesPerActivation, energy
        case severalThreads = "threads"
    }

    /// The supported numbers of threads.
    public static let threadCounts = 1...256

    /// The number of threads that run a network, whose latency is that of a pass on all of them.
    public var threads: Int {
        get { severalThreads ?? 1 }
        set { severalThreads = newValue == 1 ? nil : newValue }
    }

    /// Makes a target; `bytesPerWeight` and `bytesPerActivation` default to `kind.bytesPerNumber`.
    public init(
        name: String, kind: Kind, limits: Constraints, batch: Int = 1, threads: Int = 1,
        bytesPerWeight: Int? = nil, bytesPerActivation: Int? = nil, energy: EnergyModel? = nil
    ) {
        self.name = name
        self.kind = kind
        self.limits = limits
        self.batch = batch
        self.bytesPerWeight = bytesPerWeight ?? kind.bytesPerNumber
        self.bytesPerActivation = bytesPerActivation ?? kind.bytesPerNumber
        self.energy = energy
        self.threads = threads
    }

    /// The bits in which networks for the device are measured: 8 (post-training quantisation) if a weight has one byte,
    /// otherwise 32 (floats).
    public var bits: Int { bytesPerWeight == 1 ? 8 : 32 }

    /// The assumption behind the device's memory and flash figures, as a sentence for reports.
    public var assumption: String {
        "\(8 * bytesPerWeight)-bit weights and \(8 * bytesPerActivation)-bit activations assumed"
            + (bits == 8 ? "; flash includes a scale and a bias of 32 bits for each channel" : "")
    }

    /// Returns the costs of a network on this device. `latencyMs` is nil if unknown; without `energyMJ`, energy is
    /// modelled.
    ///
    /// Peak memory = batch × live activations (`NetworkCost.liveActivationElements`) × bytes of an activation; flash:
    /// see `flashBytes`. Both are exact integers.
    public func metrics(_ cost: NetworkCost, latencyMs: Double?, energyMJ: Double? = nil)
        -> NetworkMetrics
    {
        NetworkMetrics(
            latencyMs: latencyMs, macs: cost.macs, params: cost.parameters,
            peakMemoryBytes: batch * cost.liveActivationElements * bytesPerActivation,
            flashBytes: flashBytes(cost), energyMJ: energyMJ ?? modelledEnergyMJ(cost))
    }

    /// Returns the bytes of a network's stored weights: those of the quantised network in eight bits, otherwise stored
    /// numbers × bytes of a weight.
    public func flashBytes(_ cost: NetworkCost) -> Int {
        bits == 8 ? cost.eightBitBytes : cost.flashElements * bytesPerWeight
    }

    /// Returns the energy of one batch in millijoules, modelled by `energyModel`.
    public func modelledEnergyMJ(_ cost: NetworkCost) -> Double {
        energyModel.energyMJ(
            macs: batch * cost.macs, weightBytes: flashBytes(cost),
            activationBytes: batch * cost.movedActivationElements * bytesPerActivation)
    }

    /// This device's energy model; by default the published model for its bytes of an activation.
    public var energyModel: EnergyModel {
        energy ?? .horowitz(bytesPerActivation: bytesPerActivation)
    }

    /// The supported sizes of a weight or an activation, in bytes.
    public static let numberSizes = [1, 2, 4]

    /// Throws `invalidOption` for a limit, energy figure, batch or number size outside its range.
    public func validate() throws {
        try limits.validate()
        try energy?.validate()
        guard Self.threadCounts.contains(threads) else {
            throw DeviceError(
                .invalidOption,
                "device \(name): \(threads) threads; a network runs on 1 to \(Self.threadCounts.upperBound)"
            )
        }
        guard batch > 0, Self.numberSizes.contains(bytesPerWeight),
            Self.numberSizes.contains(bytesPerActivation)
        else {
            throw DeviceError(
                .invalidOption,
                "device \(name): the batch must be positive, the bytes of a number 1, 2 or 4")
        }
    }
}
