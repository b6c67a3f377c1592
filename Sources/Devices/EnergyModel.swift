// Modelled energy, for devices without an energy table: a constant per operation and per byte.

/// Picojoules per multiply-add, per byte of weights read, and per byte of activations moved.
public struct EnergyModel: Codable, Hashable, Sendable {
    /// One multiply-add.
    public var picojoulesPerMAC: Double
    /// One byte of weights, each read once per batch from where it is stored.
    public var picojoulesPerWeightByte: Double
    /// One byte of activations, read or written.
    public var picojoulesPerActivationByte: Double

    /// All figures in picojoules, 0 or more.
    public init(
        picojoulesPerMAC: Double, picojoulesPerWeightByte: Double,
        picojoulesPerActivationByte: Double
    ) {
        self.picojoulesPerMAC = picojoulesPerMAC
        self.picojoulesPerWeightByte = picojoulesPerWeightByte
        self.picojoulesPerActivationByte = picojoulesPerActivationByte
    }

    /// Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V.
    ///
    /// A 32-bit float multiply-add takes 3.7 + 0.9 pJ, an 8-bit integer one 0.2 + 0.03. 64 bits of DRAM take 1.3 nJ at
    /// the least, 162.5 pJ a byte: weights. 64 bits of a 1 MB cache take 100 pJ, 12.5 a byte: activations, which stay
    /// on the chip. Caveats: newer chips need less of everything; nothing is said about instructions, leakage, the rest
    /// of the board, or flash instead of DRAM. So use it to rank networks on one device; for
    /// battery life, measure.
    public static func horowitz(bytesPerActivation: Int) -> EnergyModel {
        EnergyModel(
            picojoulesPerMAC: bytesPerActivation == 1 ? 0.23 : 4.6, picojoulesPerWeightByte: 162.5,
            picojoulesPerActivationByte: 12.5)
    }

    /// Energy in millijoules of these numbers of multiply-adds and bytes.
    public func energyMJ(macs: Int, weightBytes: Int, activationBytes: Int) -> Double {
        (Double(macs) * picojoulesPerMAC + Double(weightBytes) * picojoulesPerWeightByte
            + Double(activationBytes) * picojoulesPerActivationByte) * 1e-9
    }

    /// Throws `invalidOption` for figures that are negative or not finite.
    func validate() throws {
        let all = [picojoulesPerMAC, picojoulesPerWeightByte, picojoulesPerActivationByte]
        guard all.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw DeviceError(
                .invalidOption, "picojoules of a multiply-add and of a byte are 0 or more")
        }
    }
}
