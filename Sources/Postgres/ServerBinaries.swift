// ServerBinaries: finds the programs of a PostgreSQL server and their version.
import Foundation

/// One installation of the programs of a PostgreSQL server.
public struct ServerBinaries: Sendable, Equatable {
    /// The folder with postgres, initdb and pg_ctl.
    public let folder: String
    /// The major version, such as 15.
    public let majorVersion: Int

    /// Returns the path of one of the programs.
    public func path(_ program: String) -> String { folder + "/" + program }

    /// Finds the newest installation, or the installation with the given major version; throws if
    /// there is none.
    public static func find(majorVersion: Int? = nil) throws -> ServerBinaries {
        let all = try installed()
        guard let majorVersion else {
            if let newest = all.max(by: { $0.majorVersion < $1.majorVersion }) { return newest }
            throw PostgresError(
                "the PostgreSQL server programs are not installed (postgres, initdb, pg_ctl)",
                remedy: "On Debian or Ubuntu: apt-get install postgresql. "
                    + "Or use a server you have: --database URL.")
        }
        if let match = all.first(where: { $0.majorVersion == majorVersion }) { return match }
        let found = all.map { String($0.majorVersion) }.joined(separator: ", ")
        throw PostgresError(
            "the database was made by PostgreSQL \(majorVersion), installed here: "
                + (found.isEmpty ? "none" : found),
            remedy:
                "Install postgresql-\(majorVersion) as well. To move to the installed version: with "
                + "\(majorVersion) in place run `ofa db backup FILE`, then `ofa db restore FILE` under "
                + "another OFA_HOME. Nothing was changed.")
    }

    /// Returns the installations on this machine, at most one of each major version.
    public static func installed() throws -> [ServerBinaries] {
        var folders = ExecutableSearch.searchPath()
        folders += try versionFolders("/usr/lib/postgresql", suffix: "/bin")
        folders += try versionFolders("/usr/local/lib/postgresql", suffix: "/bin")
        folders += try versionFolders("/usr", prefix: "pgsql-", suffix: "/bin")
        folders += try versionFolders("/opt/homebrew/opt", prefix: "postgresql", suffix: "/bin")
        if let tool = ExecutableSearch.find("pg_config"),
            let folder = firstLine([tool, "--bindir"])
        {
            folders.append(folder)
        }
        var found: [ServerBinaries] = []
        for folder in folders {
            let programs = ["postgres", "initdb", "pg_ctl"].map { folder + "/" + $0 }
            guard programs.allSatisfy(ExecutableSearch.isExecutable),
                let version = majorVersion(of: programs[0]),
                !found.contains(where: { $0.majorVersion == version })
            else { continue }
            found.append(ServerBinaries(folder: folder, majorVersion: version))
        }
        return found
    }

    /// Returns the major version of `postgres`, from its output `postgres (PostgreSQL) 15.20 (…)`.
    private static func majorVersion(of postgres: String) -> Int? {
        guard let line = firstLine([postgres, "--version"]),
            let word = line.split(separator: " ").first(where: { $0.first?.isNumber == true })
        else { return nil }
        return Int(word.prefix(while: \.isNumber))
    }

    private static func versionFolders(_ parent: String, prefix: String = "", suffix: String) throws
        -> [String]
    {
        guard FileManager.default.fileExists(atPath: parent) else { return [] }
        let names = try FileManager.default.contentsOfDirectory(atPath: parent)
        return names.filter { prefix.isEmpty || $0.hasPrefix(prefix) }.sorted().map {
            parent + "/" + $0 + suffix
        }
    }

    private static func firstLine(_ command: [String]) -> String? {
        let outcome: ChildProcess.Outcome
        do {
            outcome = try ChildProcess().run(command)
        } catch {
            // A program that cannot be run is skipped; `find` throws if no installation is left.
            return nil
        }
        guard outcome.exitCode == 0 else { return nil }
        return outcome.output.split(whereSeparator: \.isNewline).first.map { String($0) }
    }
}
