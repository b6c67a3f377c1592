// The power model (tier M): the power of a host without energy counters, as a function of its load.

/// The power model: rated power × share of the socket × (idle share + load share · √load).
public enum PowerModel {
    /// The share of the rated power that an idle processor draws.
    public static let idleShare = 0.12
    /// The share of the rated power that load adds, before it is multiplied by the square root of
    /// the load.
    public static let loadShare = 0.60
    /// The uncertainty of the model: its lower and upper bound as factors of its value, derived
    /// from published figures of four machines.
    public static let factor = Interval(value: 1, low: 0.4, high: 1.5)
    /// The watts of memory per installed gigabyte (1e9 bytes).
    public static let memoryWattsPerGB = Interval(value: 0.3725, low: 0.284, high: 0.625)

    /// Returns the power of `vCPUs` processors of a socket at a load of `load` (0…1), in watts.
    ///
    /// P = TDP · vCPU / threads · (0.12 + 0.60 √load). The bounds are 0.4 · P and 1.5 · P.
    public static func processorWatts(rating: ThermalDesign, vCPUs: Int, load: Double) -> Interval {
        let share = Double(vCPUs) / Double(max(rating.threads, 1))
        let clamped = min(max(load, 0), 1)
        let watts = rating.watts * share * (idleShare + loadShare * clamped.squareRoot())
        return factor.scaled(by: watts)
    }

    /// Returns the power of memory in watts, whether the memory is used or not.
    public static func memoryWatts(bytes: Int64) -> Interval {
        memoryWattsPerGB.scaled(by: Double(max(bytes, 0)) / 1e9)
    }

    /// Returns the share (0…1) of the processor's power at `load` (0…1) that the processor would
    /// also draw when idle.
    public static func idleFraction(load: Double) -> Double {
        let clamped = min(max(load, 0), 1)
        return idleShare / (idleShare + loadShare * clamped.squareRoot())
    }
}
