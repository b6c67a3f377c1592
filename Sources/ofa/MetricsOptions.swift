// The options of `ofa worker` for serving its metrics.

import Accounting
import ArgumentParser
import Dashboard
import Foundation
import Intake
import Jobs

/// Where a worker serves its metrics.
struct MetricsOptions: ParsableArguments {
    /// The port; nil to serve none.
    @Option(
        help: ArgumentHelp(
            "Serve this worker's metrics on this port, for Prometheus; 0 takes a free one.",
            valueName: "port"), transform: Number.whole(0...65_535))
    var metricsPort: Int?
    /// The IP address.
    @Option(
        help: ArgumentHelp(
            "The IP address of the metrics; beyond this machine only with --token-file.",
            valueName: "address"))
    var metricsHost: String?
    /// The file with the token.
    @Option(
        help: ArgumentHelp(
            "A file with the token that Prometheus must present.", valueName: "file"),
        completion: .file())
    var tokenFile: String?

    /// Refuses options without a port.
    func validate() throws {
        guard metricsPort == nil, metricsHost != nil || tokenFile != nil else { return }
        throw ValidationError(
            "--metrics-host and --token-file are for metrics", remedy: "give --metrics-port too")
    }

    /// Serves the metrics, if that is asked for, and notes where; nil if not. Errors: those of `MetricsPort`, `file`.
    func serve(_ worker: Worker, _ meter: AttemptMeter) throws -> MetricsPort? {
        guard let metricsPort else { return nil }
        let token = try tokenFile.map { file in
            String(decoding: try Input.bytes(file, atMost: 4096), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let host = metricsHost ?? "127.0.0.1"
        let port = try MetricsPort(host: host, port: metricsPort, token: token) {
            WorkerMetrics.text(worker, meter)
        }
        let shown = host.contains(":") ? "[\(host)]" : host
        Output.note("metrics at http://\(shown):\(port.port)/metrics")
        return port
    }
}
