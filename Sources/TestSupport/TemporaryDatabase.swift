// TemporaryDatabase: a fresh, migrated database for one test, dropped on deinit.
import Foundation
import Postgres

/// The database of one test.
public final class TemporaryDatabase: Sendable {
    /// The URL to connect with.
    public let url: String
    private let name: String
    private let server: TestServer

    /// Creates the database, with the schema of sql/ unless `migrated` is false.
    public init(migrated: Bool = true) throws {
        server = try TestServer.shared()
        (name, url) = try server.createDatabase(migrated: migrated)
    }

    deinit {
        do { try server.dropDatabase(name) } catch {
            print("a test database was not dropped: \(error)")
        }
    }

    /// Opens a connection to the database.
    public func connect(applicationName: String = "test") throws -> Connection {
        try Connection(url: url, applicationName: applicationName)
    }
}
