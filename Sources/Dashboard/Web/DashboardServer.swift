// DashboardServer: the dashboard as a command starts and stops it, without asynchronous code.

import Foundation
import Postgres

/// A running dashboard.
public final class DashboardServer: Sendable {
    private let server: WebServer
    private let site: Site

    /// The port on which it listens.
    public var port: Int { server.port }

    /// Starts the dashboard of the database at `url`, with `connections` for pages. `metrics` gives the text of `/metrics`.
    /// Errors: `address`.
    public init(
        _ settings: ServeSettings, url: String, connections: Int = 3,
        routes: [Route] = Pages.routes, actions: [Action] = Pages.actions,
        metrics: @escaping @Sendable (Connection) throws -> String
    ) throws {
        let site = Site(
            settings, url: url, connections: connections, routes: routes, actions: actions,
            metrics: metrics)
        self.site = site
        do {
            server = try Blocking.wait {
                try await WebServer(host: settings.host, port: settings.port) {
                    await site.answer($0)
                }
            }
        } catch {
            site.close()
            throw error
        }
    }

    /// Ends the event streams, lets answers that are being sent end within `seconds`, and closes all connections.
    public func stop(seconds: Double = 3) {
        site.stop()
        let server = server
        Blocking.wait { await server.stop(seconds: seconds) }
        site.close()
    }
}
