// `ofa serve`: the dashboard in the browser, and the metrics of the queue.

import ArgumentParser
import Dashboard
import Foundation
import Intake
import Postgres

/// Serves the dashboard until it is asked to stop.
struct ServeCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "The dashboard for browsers, and metrics for Prometheus.",
        discussion: """
            Pages show runs, jobs, artifacts, devices, cost, workers and the queue, and follow what happens. /metrics is \
            Prometheus text; /healthz says that the server lives, /readyz that the database answers.

            It listens on this machine only, unless --host says otherwise; then --token-file is needed. Browsers ask for \
            the token, programs send it: Authorization: Bearer TOKEN. The connection is not encrypted: from elsewhere, \
            use an SSH tunnel, or a proxy with TLS. --read-only shows no forms and refuses them; then a role that may \
            only read (ofa db grant) suffices.

            SIGTERM and Ctrl-C let answers that are being sent end.

            Example:
              ofa serve
              ssh -L 8080:127.0.0.1:8080 the-server     # and then http://127.0.0.1:8080 here
              ofa serve --host 0.0.0.0 --port 9000 --token-file ~/.ofa-token --read-only
            """)

    /// The port.
    @Option(help: "The port; 0 takes a free one.", transform: Number.whole(0...65_535))
    var port = 8080
    /// The address.
    @Option(help: "The IP address on which it listens.") var host = "127.0.0.1"
    /// The file of the token.
    @Option(
        help: "A file with the token that browsers and programs must present.", completion: .file())
    var tokenFile: String?
    /// Whether forms are refused.
    @Flag(help: "Show no forms, and refuse them.") var readOnly = false
    /// How many pages may be read at the same time.
    @Option(help: "Connections to the database for pages.", transform: Number.whole(1...32))
    var connections = 3
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// The JSON answer, as soon as the server listens.
    private struct Answer: Encodable {
        let url: String
        let read_only: Bool
    }

    /// Serves until SIGTERM or Ctrl-C.
    mutating func run() throws {
        let settings = try ServeSettings(
            host: host, port: port, token: try token(), isReadOnly: readOnly)
        let url = try database.url()
        // Only to find out now whether there is a database with this program's schema.
        try database.connectToExisting().close()
        let asked = DispatchSemaphore(value: 0)
        let (connections, output) = (connections, output)
        let metrics = FleetMetrics()
        try StopSignals.whileWorking({ asked.signal() }) {
            let server = try DashboardServer(
                settings, url: url, connections: connections, metrics: { try metrics.text($0) })
            let name = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
            let address = "http://\(name):\(server.port)/"
            try Output.answer(Answer(url: address, read_only: settings.isReadOnly), output) {
                try Output.line("the dashboard is at \(address); Ctrl-C stops it")
            }
            asked.wait()
            server.stop()
        }
        Output.note("the dashboard is stopped")
    }

    /// Reads the token.
    private func token() throws -> String? {
        guard let tokenFile else { return nil }
        let bytes: [UInt8]
        do {
            bytes = try FileBytes.read(tokenFile, atMost: 4096)
        } catch {
            throw CommandFailure.failed(
                "\(tokenFile) \(error.reason)", remedy: error.remedy, code: "file")
        }
        guard let text = String(bytes: bytes, encoding: .utf8) else {
            throw CommandFailure.failed("\(tokenFile) is not text", code: "file")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
