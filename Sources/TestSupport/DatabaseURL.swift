// DatabaseURL: redirects the URL of a test database through a proxy or a pooler.
import Foundation
import Postgres

/// URLs of the form that PrivateServer makes: `postgresql:///name?host=folder&user=ofa`.
public enum DatabaseURL {
    /// Returns the folder of the server's socket. Throws if `url` names no folder.
    public static func socketFolder(of url: String) throws -> String {
        let host = parts(url).words.last { $0.hasPrefix("host=") }
        guard let folder = host?.dropFirst(5).removingPercentEncoding, folder.hasPrefix("/") else {
            throw PostgresError("\(url) names no socket folder")
        }
        return folder
    }

    /// Returns the URL of the same database at another host (a name or a socket folder) and port.
    public static func url(_ url: String, host: String, port: Int) -> String {
        let (head, words) = parts(url)
        let kept = words.filter { !$0.hasPrefix("host=") && !$0.hasPrefix("port=") }
        let place = host.replacingOccurrences(of: "/", with: "%2F")
        return head + "?" + (["host=\(place)", "port=\(port)"] + kept).joined(separator: "&")
    }

    private static func parts(_ url: String) -> (head: String, words: [String]) {
        let halves = url.split(separator: "?", maxSplits: 1).map(String.init)
        let words = halves.count > 1 ? halves[1].split(separator: "&").map(String.init) : []
        return (halves[0], words)
    }
}
