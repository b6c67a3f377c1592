// Power of a host without counters, as a function of its load: the model of tier M.

/// The power model: rated power, share of the socket, and the square root of the load.
public enum PowerModel {
    /// Share of the rated power that an idle processor draws.
    public static let idleShare = 0.12
    /// Share of the rated power that load adds, times the square root of the load.
    public static let loadShare = 0.60
    /// The model's relative uncertainty, from four published machines.
    public static let factor = Interval(value: 1, low: 0.4, high: 1.5)
    /// Watts of memory for each gigabyte (1e9 bytes) reserved.
    public static let memoryWattsPerGB = Interval(value: 0.3725, low: 0.284, high: 0.625)

    /// Power of `vCPUs` of a socket at a load of `load` (0…1), in watts.
    ///
    /// P = TDP · vCPU / threads · (0.12 + 0.60 √u), times [0.4, 1.5].
    public static func processorWatts(rating: ThermalDesign, vCPUs: Int, load: Double) -> Interval {
        let share = Double(vCPUs) / Double(max(rating.threads, 1))
        let clamped = min(max(load, 0), 1)
        let watts = rating.watts * share * (idleShare + loadShare * clamped.squareRoot())
        return factor.scaled(by: watts)
    }

    /// Power of memory in watts, whether used or not.
    public static func memoryWatts(bytes: Int64) -> Interval {
        memoryWattsPerGB.scaled(by: Double(max(bytes, 0)) / 1e9)
    }

    /// The share (0…1) of the processor's power at this load (0…1) that it also draws when idle.
    public static func idleFraction(load: Double) -> Double {
        let clamped = min(max(load, 0), 1)
        return idleShare / (idleShare + loadShare * clamped.squareRoot())
    }
}
