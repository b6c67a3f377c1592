// A set of limits for a device, as given to `ofa specialize --budget`.

import ArgumentParser
import Devices
import Pipelines

/// Limits written as `max-macs=3000000,max-flash-kb=200`.
struct Budget {
    /// The suffix that `applied` appends to a device's name, such as `macs-3000000-flash-kb-200`.
    let name: String
    private let limits: LimitOptions

    /// Parses limits, which have the names of the options of `ofa device add`. Throws `ValidationError` for invalid or
    /// repeated limits.
    init(_ text: String) throws {
        let parts = text.split(separator: ",").map {
            $0.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        }
        guard !parts.isEmpty, parts.allSatisfy({ $0.count == 2 && $0[0].hasPrefix("max-") }) else {
            throw ValidationError(
                "--budget \(text)", remedy: "write limits as max-macs=3000000,max-flash-kb=200")
        }
        let keys = parts.map { $0[0] }
        if let twice = keys.indices.first(where: { keys[..<$0].contains(keys[$0]) }) {
            throw ValidationError(
                "--budget \(text): \(keys[twice]) stands twice", remedy: "say each limit once")
        }
        do {
            limits = try LimitOptions.parse(parts.map { "--\($0[0])=\($0[1])" })
        } catch {
            throw ValidationError("--budget \(text): \(LimitOptions.message(for: error))")
        }
        name = parts.map { "\($0[0].dropFirst(4))-\($0[1])" }.joined(separator: "-")
    }

    /// Returns a copy of the device with the same tables. Each limit of this budget replaces the device's limit, and
    /// `name` is appended to the device's name.
    func applied(to device: StoredDevice) -> StoredDevice {
        var target = device.target
        target.name += "-" + name
        target.limits = limits.replacing(target.limits)
        return StoredDevice(
            target: target, latencyTable: device.latencyTable, energyTable: device.energyTable,
            summary: device.summary)
    }
}
