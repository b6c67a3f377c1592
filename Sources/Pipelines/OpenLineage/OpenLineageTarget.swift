// Where OpenLineage events are sent: a file or a URL. The database and messages name a target without user names,
// passwords and queries, because a query may hold a key.

import Artifacts
import Foundation
import Intake
import Jobs

/// Where events are sent.
public enum OpenLineageTarget: Sendable, Equatable {
    /// A file to which events are appended, one per line.
    case file(String)
    /// A URL to which each event is posted.
    case url(URL)

    /// The target of a setting: a URL if the text begins with `http://` or `https://`, else a path. Errors:
    /// `invalidValue`.
    public init(_ setting: String) throws {
        let example = "write a path, or a URL such as http://marquez:5000/api/v1/lineage"
        let scheme = setting.prefixMatch(of: #/([A-Za-z][A-Za-z0-9+.\-]*):\/\//#)
        guard let scheme = scheme.map({ $0.1.lowercased() }) else {
            guard setting != "-" else {
                throw PipelineError(
                    .invalidValue, "'-' names no file: events are not sent to standard output",
                    remedy: "\(example); ofa lineage graph --format openlineage prints events")
            }
            self = .file(setting)
            return
        }
        guard ["http", "https"].contains(scheme) else {
            throw PipelineError(
                .invalidValue, "events are not sent to \(Shown.excerpt(scheme)) URLs",
                remedy: example)
        }
        guard let url = URL(string: setting), url.host?.isEmpty == false else {
            throw PipelineError(
                .invalidValue, "the target of the events is no URL with a host", remedy: example)
        }
        self = .url(url)
    }

    /// The target for people: a path, or scheme, host, port and path of a URL.
    public var shown: String {
        switch self {
        case .file(let path): Shown.excerpt(path, 400)
        case .url(let url): Shown.excerpt(Self.bare(url), 400)
        }
    }

    /// The name of the target in the database. A file is one of this machine, wherever the program was started. URLs
    /// that differ in their query are different targets; a changed password leaves the name as it is.
    var key: String {
        let whole: String
        switch self {
        case .file(let path):
            whole =
                "\(URL(filePath: path).standardizedFileURL.path) of \(HostIdentity.current.identity)"
        case .url(let url):
            let query = url.query.map { " \(Digest.of(Array($0.utf8)).short)" } ?? ""
            whole = Self.bare(url) + query
        }
        // The column holds 1024 bytes.
        guard whole.utf8.count > 900 else { return whole }
        return shown.prefix(100) + " " + Digest.of(Array(whole.utf8)).hex
    }

    private static func bare(_ url: URL) -> String {
        let host = url.host ?? ""
        return "\(url.scheme?.lowercased() ?? "http")://\(host.contains(":") ? "[\(host)]" : host)"
            + (url.port.map { ":\($0)" } ?? "") + url.path
    }
}
