// MetricsPort: the small server of a worker's metrics, and the way from blocking code to a server.

import Foundation
import Synchronization

/// Serves one text to Prometheus, for a worker.
public final class MetricsPort: Sendable {
    private let server: WebServer

    /// The port on which it listens.
    public var port: Int { server.port }

    /// Starts serving `text` at `/metrics`; port 0 takes a free one. `text` is called on a thread of the cooperative pool,
    /// so it must not wait. Errors: `address`, and `setting` for an address beyond loopback without a token.
    public init(
        host: String = "127.0.0.1", port: Int, token: String? = nil,
        text: @escaping @Sendable () -> String
    ) throws {
        let settings = try ServeSettings(host: host, port: port, token: token, isReadOnly: true)
        let gate = Gate(settings)
        server = try Blocking.wait {
            try await WebServer(host: settings.host, port: port) { request in
                if let refusal = gate.refusal(request) { return refusal }
                switch request.path {
                case ["metrics"]:
                    return .text(text(), type: "text/plain; version=0.0.4; charset=utf-8")
                case ["healthz"]: return .text("ok\n")
                default: return .text("only /metrics and /healthz are here\n", status: 404)
                }
            }
        }
    }

    /// Stops serving.
    public func stop() {
        let server = server
        Blocking.wait { await server.stop(seconds: 1) }
    }
}

/// Runs asynchronous work from a thread that may block, such as the main thread of a command.
public enum Blocking {
    /// Runs `work` and returns its result. Never call it from asynchronous code.
    public static func wait<T: Sendable, E: Error>(
        _ work: @escaping @Sendable () async throws(E) -> T
    ) throws(E) -> T {
        let result = Mutex<Result<T, E>?>(nil)
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            let value: Result<T, E>
            do throws(E) {
                value = .success(try await work())
            } catch {
                value = .failure(error)
            }
            result.withLock { $0 = value }
            done.signal()
        }
        while true {
            done.wait()
            if let value = result.withLock({ $0 }) { return try value.get() }
        }
    }
}
