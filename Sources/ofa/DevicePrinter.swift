// Prints devices for the device commands.

import Devices
import Foundation
import Intake
import Pipelines

/// Prints devices.
enum DevicePrinter {
    /// Prints one device.
    static func show(_ device: StoredDevice, _ output: OutputOptions) throws {
        try Output.answer(DeviceDocument(device), output) {
            let target = device.target
            let limits = target.limits.words
            try Output.line(
                "device \(target.name): \(target.kind.rawValue), batch \(target.batch)"
                    + (target.threads > 1 ? ", \(target.threads) threads" : ""))
            try Output.line("  limits: \(limits.isEmpty ? "none" : limits.joined(separator: ", "))")
            try Output.line("  latency table: \(table(device))")
            let model = target.energyModel
            try Output.line(
                "  energy: \(device.energyTable.map { "table of artifact \($0)" } ?? "modelled")"
                    + (device.energyTable == nil
                        ? ", \(number(model.picojoulesPerMAC)) pJ a multiply-add,"
                            + " \(number(model.picojoulesPerWeightByte)) a byte of weights,"
                            + " \(number(model.picojoulesPerActivationByte)) of activations" : ""))
            try Output.line("  \(target.assumption)")
        }
    }

    /// Returns a description of a device's latency table, or of how to get one.
    private static func table(_ device: StoredDevice) -> String {
        guard let table = device.latencyTable else {
            guard device.target.limits.latencyMsMax != nil else { return "none" }
            let name = device.target.name
            return device.target.kind == .computer
                ? "none yet, measured when first needed"
                : "none, and latency is limited: give one (ofa device add \(name) --latency-table FILE)"
                    + " or calibrate one (ofa device calibrate \(name))"
        }
        let summary = device.summary
        let sizes = summary?.resolutions ?? []
        let known: [String?] = [
            "artifact \(table)", summary?.entries.map { "\($0) entries" },
            sizes.isEmpty ? nil : "sizes \(sizes.map(String.init).joined(separator: " "))",
            summary?.reference.map { "calibrated from \($0)" },
            device.hasOutdatedTable ? "by an earlier method, measured again when next needed" : nil,
            summary?.meanError.map {
                "whole networks within \(Format.decimal(100 * $0, 1)) % on average"
            },
        ]
        return known.compactMap { $0 }.joined(separator: ", ")
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15
            ? Format.grouped(Int(value)) : DecimalNumber.text(value)
    }
}

/// The JSON form of a device; limits that are not set are null.
struct DeviceDocument: Encodable {
    let name, kind: String
    let max_latency_ms, max_peak_memory_kb, max_flash_kb, max_energy_mj: Double?
    let max_macs, max_params: Int?
    let batch, threads, bytes_per_weight, bytes_per_activation: Int
    let pj_per_mac, pj_per_weight_byte, pj_per_activation_byte: Double
    let latency_table, energy_table: Int64?
    let latency_table_entries: Int?
    let latency_table_resolutions: [Int]?
    let latency_table_mean_error: Double?
    let latency_table_is_outdated: Bool
    let assumption: String

    init(_ device: StoredDevice) {
        let target = device.target
        name = target.name
        kind = target.kind.rawValue
        max_latency_ms = target.limits.latencyMsMax
        max_peak_memory_kb = target.limits.peakMemoryKBMax
        max_flash_kb = target.limits.flashKBMax
        max_energy_mj = target.limits.energyMJMax
        max_macs = target.limits.macsMax
        max_params = target.limits.paramsMax
        batch = target.batch
        threads = target.threads
        bytes_per_weight = target.bytesPerWeight
        bytes_per_activation = target.bytesPerActivation
        let model = target.energyModel
        pj_per_mac = model.picojoulesPerMAC
        pj_per_weight_byte = model.picojoulesPerWeightByte
        pj_per_activation_byte = model.picojoulesPerActivationByte
        latency_table = device.latencyTable?.rawValue
        energy_table = device.energyTable?.rawValue
        latency_table_entries = device.summary?.entries
        latency_table_resolutions = device.summary?.resolutions
        latency_table_mean_error = device.summary?.meanError
        latency_table_is_outdated = device.hasOutdatedTable
        assumption = target.assumption
    }
}
