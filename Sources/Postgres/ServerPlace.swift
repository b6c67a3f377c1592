// ServerPlace: the folders of the data, the socket and the log of a private server, and the user
// that runs it.
import Foundation
import Intake

/// The folders of a private server, which are derived from its home folder.
struct ServerPlace: Equatable {
    /// The folder that contains all that the server writes; it belongs to the user that runs the
    /// server.
    let folder: String
    /// The folder of the socket. Its path is short, because the path of a socket has at most 107
    /// bytes.
    let socketFolder: String
    /// The user that runs the server.
    let user: SystemUser
    /// The file in the home folder that says where the data is, if the data is outside the home
    /// folder.
    let recordPath: String

    /// The path of the data folder.
    var dataFolder: String { folder + "/data" }
    /// The path of the server's log file.
    var logFile: String { folder + "/server.log" }

    /// The content of the file at `recordPath`.
    private struct Record: Codable {
        var folder: String
    }

    /// Determines the folders and the user for `home`, an absolute path. Creates the folder `home`
    /// if it is missing.
    ///
    /// If this process runs as root, the server runs as the owner of the data, or as user
    /// `postgres` if there is no data yet. If that user cannot enter the home folder, the data is
    /// put below `sharedFolder`, and `prepare` records the folder.
    static func resolve(home: String, sharedFolder: String = "/var/lib/ofa") throws -> ServerPlace {
        try makeFolder(home, mode: 0o755)
        let digest = digest(of: home)
        let recordPath = home + "/server.json"
        var folder = home + "/postgres"
        if FileManager.default.fileExists(atPath: recordPath) {
            do {
                let data = try Data(contentsOf: URL(fileURLWithPath: recordPath))
                folder = try JSONDecoder().decode(Record.self, from: data).folder
            } catch {
                throw PostgresError(
                    "\(recordPath) cannot be read: \((error as? DecodingError)?.told ?? FileBytes.reason(error))",
                    remedy:
                        "It names the folder of the database, usually \(sharedFolder)/\(digest). "
                        + "Correct or delete it.")
            }
        }
        let user = try serverUser(folder: folder)
        if !FileManager.default.fileExists(atPath: folder), try !canEnter(home, as: user) {
            folder = sharedFolder + "/" + digest
        }
        return ServerPlace(
            folder: folder, socketFolder: "/tmp/ofa-\(user.id)-\(digest)", user: user,
            recordPath: recordPath)
    }

    /// Creates the folders of the server and of its socket, owned by the user that runs the server.
    func prepare() throws {
        let home = (recordPath as NSString).deletingLastPathComponent
        if !folder.hasPrefix(home + "/"), !FileManager.default.fileExists(atPath: recordPath) {
            let record = try JSONEncoder().encode(Record(folder: folder))
            try record.write(to: URL(fileURLWithPath: recordPath), options: .atomic)
        }
        try Self.makeFolder(folder, mode: 0o700)
        try give(folder)
        guard try Self.canEnter(folder, as: user) else {
            throw PostgresError(
                "user \(user.name), who runs the server, cannot enter \(folder)",
                remedy: "Give that user the right to enter the folders above it (chmod o+x).")
        }
        try Self.makeFolder(socketFolder, mode: 0o700)
        try checkSocketFolder()
        let socketPath = socketFolder + "/.s.PGSQL.5432.lock"
        guard socketPath.utf8.count <= 107 else {
            throw PostgresError(
                "the socket path \(socketPath) is longer than the system allows (107 bytes)")
        }
    }

    /// Changes the owner of a file or folder to the user that runs the server.
    func give(_ path: String) throws {
        if user.id == geteuid() { return }
        guard chown(path, user.id, user.groupID) == 0 else {
            throw PostgresError.system("cannot give \(path) to user \(user.name)", errno)
        }
    }

    /// Refuses a socket folder in /tmp that belongs to another user, because that user could
    /// impersonate the database.
    private func checkSocketFolder() throws {
        var info = stat()
        guard lstat(socketFolder, &info) == 0 else {
            throw PostgresError.system("cannot look at \(socketFolder)", errno)
        }
        let isFolder = info.st_mode & S_IFMT == S_IFDIR
        if isFolder, info.st_uid == geteuid(), geteuid() != user.id { try give(socketFolder) }
        let isOurs = info.st_uid == user.id || info.st_uid == geteuid()
        guard isFolder, isOurs, info.st_mode & 0o077 == 0 else {
            throw PostgresError(
                "\(socketFolder) exists and is not a private folder of user \(user.name)",
                remedy: "Find out who made it, and remove it.")
        }
    }

    /// Creates a folder and its parents; leaves an existing folder unchanged.
    static func makeFolder(_ path: String, mode: mode_t) throws {
        if FileManager.default.fileExists(atPath: path) { return }
        let parent = (path as NSString).deletingLastPathComponent
        if parent != path, !parent.isEmpty { try makeFolder(parent, mode: 0o755) }
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw PostgresError.system("cannot create the folder \(path)", errno)
        }
    }

    /// Returns the user that runs the server: the user of this process or, if that is root, the
    /// owner of existing data, else the user `postgres`.
    private static func serverUser(folder: String) throws -> SystemUser {
        let own = geteuid()
        var info = stat()
        let exists = stat(folder, &info) == 0
        if own != 0 {
            guard !exists || info.st_uid == own else {
                throw PostgresError(
                    "the database in \(folder) belongs to user \(SystemUser(id: info.st_uid).name)",
                    remedy: "Run as that user or as root, or set OFA_HOME to a folder of yours.")
            }
            return SystemUser(id: own)
        }
        if exists, info.st_uid != 0 { return SystemUser(id: info.st_uid) }
        if let user = SystemUser(named: "postgres") { return user }
        throw PostgresError(
            "PostgreSQL does not run as root, and there is no user `postgres` to run it as",
            remedy: "Create one (useradd --system postgres), or run ofa as an ordinary user.")
    }

    private static func canEnter(_ folder: String, as user: SystemUser) throws -> Bool {
        if user.id == geteuid() { return true }
        return try ChildProcess(user: user).run(["test", "-x", folder], folder: "/").exitCode == 0
    }

    /// Returns a short name for a path: its 64-bit FNV-1a hash in hexadecimal
    /// (http://www.isthe.com/chongo/tech/comp/fnv/).
    static func digest(of path: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let text = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
