// ServeSettings: where the dashboard listens, and who may do what.

import Intake

/// The settings of a dashboard.
public struct ServeSettings: Sendable {
    /// The IP address on which it listens.
    public let host: String
    /// The port; 0 takes a free one.
    public let port: Int
    /// What a browser or a program must present; nil admits everybody who reaches the address.
    public let token: String?
    /// Whether forms are refused.
    public let isReadOnly: Bool

    /// Checks the settings. Errors: `setting` if the address is reachable from other machines and there is no token, or
    /// if a token is shorter than 16 characters.
    public init(host: String, port: Int, token: String?, isReadOnly: Bool) throws {
        self.host = host == "localhost" ? "127.0.0.1" : host
        self.port = port
        self.token = token
        self.isReadOnly = isReadOnly
        guard token != nil || Self.isLoopback(self.host) else {
            throw DashboardError(
                .setting,
                "\(Shown.excerpt(host)) can be reached from other machines, and there is no token",
                remedy:
                    "write a token of at least 16 characters to a file and give --token-file FILE")
        }
        if let token {
            guard token.utf8.count >= 16,
                token.unicodeScalars.allSatisfy({ $0.isASCII && $0.value > 32 })
            else {
                throw DashboardError(
                    .setting, "the token is not 16 or more ASCII characters without spaces",
                    remedy: "openssl rand -hex 32 > FILE makes one")
            }
        }
    }

    /// Whether only this machine reaches an address.
    static func isLoopback(_ host: String) -> Bool {
        host == "::1" || host == "localhost"
            || (host.hasPrefix("127.") && host.split(separator: ".").count == 4)
    }
}
