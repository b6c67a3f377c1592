// The progress output of `ofa specialize --wait`: one line with the state of every device and the
// remaining time, and a line for every finished device.

import Accounting
import Foundation
import Jobs
import Pipelines

/// Reports the progress of each device of a specialisation.
struct SpecializeProgress: RunTeller {
    private let devices: [String]
    private var forecast: RunForecast
    private var told: Set<String> = []
    private var lastShown: ContinuousClock.Instant?
    private var lastLine = ""
    private let misses: (String) throws -> Bool

    /// Takes the names of the devices. `misses` returns whether the network of a finished device exceeds a limit.
    init(
        devices: [String], forecast: RunForecast,
        misses: @escaping (String) throws -> Bool = { _ in false }
    ) {
        self.devices = devices
        self.forecast = forecast
        self.misses = misses
    }

    /// Reports devices that finished or failed since the last call, and updates the progress line.
    mutating func tell(_ status: RunStatus) {
        for device in devices where !told.contains(device) {
            let stages = Self.stages(of: device, status)
            if let bad = stages.first(where: { $0.state == .failed }) {
                told.insert(device)
                Output.note("  ✗ \(device): \(bad.problem ?? "\(bad.name) failed")")
            } else if !stages.isEmpty, stages.allSatisfy({ $0.state == .completed }) {
                told.insert(device)
                let seconds = stages.reduce(0) { $0 + $1.attemptSeconds }
                let work = "\(Format.duration(seconds)) of work"
                Output.note(
                    isMissing(device)
                        ? "  ✗ \(device): cut, but a limit is not met; \(work)"
                        : "  ✓ \(device): done, \(work)")
            }
        }
        guard status.run.state == .running else { return }
        let now = ContinuousClock.now
        if let lastShown, now - lastShown < .seconds(1) { return }
        let line = line(status)
        lastShown = now
        if line != lastLine {
            lastLine = line
            Output.progress(line)
        }
    }

    /// Returns whether the device's network exceeds a limit. If the query fails, returns false, because the final
    /// report shows exceeded limits in any case.
    private func isMissing(_ device: String) -> Bool {
        do { return try misses(device) } catch { return false }
    }

    /// Returns a line such as `[1/3] watch: searching · phone: timing blocks 40 % · about 8 s left`.
    func line(_ status: RunStatus) -> String {
        let done = devices.count { told.contains($0) }
        let open = devices.filter { !told.contains($0) }
        let words = open.compactMap { device -> String? in
            guard
                let stage = Self.stages(of: device, status).first(where: {
                    ![.completed, .failed, .cancelled].contains($0.state)
                })
            else { return nil }
            return "\(device): \(Self.words(stage))"
        }
        var parts = Array(words.prefix(3))
        if words.count > 3 { parts.append("\(words.count - 3) more") }
        if open.isEmpty { parts.append("writing the report") }
        if let left = forecast.secondsLeft(status) { parts.append(Self.about(left)) }
        return "[\(done)/\(devices.count)] " + parts.joined(separator: " · ")
    }

    /// Returns a remaining time in words; a longer time is rounded more coarsely.
    static func about(_ seconds: Double) -> String {
        switch seconds {
        case ..<1.5: "almost done"
        case ..<10: "about \(Int(seconds.rounded())) s left"
        case ..<60: "about \(5 * Int((seconds / 5).rounded())) s left"
        default: "about \(Format.duration(30 * (seconds / 30).rounded())) left"
        }
    }

    private static func stages(of device: String, _ status: RunStatus) -> [StageStatus] {
        status.stages.filter { Specialization.device(ofStage: $0.name) == device }
    }

    private static func words(_ stage: StageStatus) -> String {
        let doing =
            switch Specialization.step(ofStage: stage.name) {
            case .measure: "timing blocks"
            case .search: "searching"
            case .network: "cutting and measuring"
            case .tune: "fine-tuning"
            case nil: stage.name
            }
        switch stage.state {
        case .running:
            return stage.progress > 0.02
                ? "\(doing) \(StatusText.percent(stage.progress))" : doing
        case .retryable: return "\(doing) again soon"
        default: return "waiting"
        }
    }
}
