// Modelled energy, for devices without an energy table: a constant per operation and per byte.

/// Picojoules per multiply-add, per byte of weights read, and per byte of activations moved.
public struct EnergyModel: Codable, Hashable, Sendable {
    /// Picojoules of one multiply-add.
    public var picojoulesPerMAC: Double
    /// Picojoules to read one byte of weights from storage; every weight is read once per batch.
    public var picojoulesPerWeightByte: Double
    /// Picojoules to read or write one byte of activations.
    public var picojoulesPerActivationByte: Double

    /// Makes a model; all figures are in picojoules, 0 or more.
    public init(
        picojoulesPerMAC: Double, picojoulesPerWeightByte: Double,
        picojoulesPerActivationByte: Double
    ) {
        self.picojoulesPerMAC = picojoulesPerMAC
        self.picojoulesPerWeightByte = picojoulesPerWeightByte
        self.picojoulesPerActivationByte = picojoulesPerActivationByte
    }

    /// Returns the model of Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC 2014,
    /// figure 1.1.9: 45 nm, 0.9 V.
    ///
    /// A multiply-add of 8-bit integers (`bytesPerActivation` 1) takes 0.2 + 0.03 pJ; other sizes are given the 3.7 +
    /// 0.9 pJ of 32-bit floats. Weights are assumed to come from DRAM: 64 bits take at least 1.3 nJ, which is 162.5 pJ
    /// per byte. Activations are assumed to stay in a 1 MB cache: 64 bits take 100 pJ, which is 12.5 pJ per byte. Newer
    /// chips need less of everything; instructions, leakage, the rest of the board, and flash instead of DRAM are not
    /// modelled. So use the model to rank networks on one device; for battery life, measure.
    public static func horowitz(bytesPerActivation: Int) -> EnergyModel {
        EnergyModel(
            picojoulesPerMAC: bytesPerActivation == 1 ? 0.23 : 4.6, picojoulesPerWeightByte: 162.5,
            picojoulesPerActivationByte: 12.5)
    }

    /// Returns the energy in millijoules of `macs` multiply-adds and of the given bytes.
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
